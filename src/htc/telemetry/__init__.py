"""Every executed test of any project as a row of ``test_telemetry``: ``pytest -p htc.telemetry``.

This module is the pytest plugin and, like the rest of the room, imports nothing heavy: a project under test
pays for it only after its last test. What is recorded and what each column means is in
docs/howto/telemetry.md.

PYTEST_DONT_REWRITE: there are no assertions of tests in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["pytest_configure"]


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the reports of a run; workers of pytest-xdist leave that to their controller."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    from htc.telemetry.plugin import Recorder

    config.pluginmanager.register(Recorder(config), "htc-telemetry-recorder")
