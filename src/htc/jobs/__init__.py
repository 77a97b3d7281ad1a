"""Long work in processes of its own: what a run consists of, and the workers that do it.

:func:`submit` puts a run into the queue of the database. A :class:`Worker` takes one run after the other from
it; :class:`Supervisor` keeps several of them alive. None of them knows the web.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htc.jobs.submitting import submit
    from htc.jobs.supervisor import Supervisor
    from htc.jobs.worker import Worker

__all__ = ["Supervisor", "Worker", "submit"]

_WHERE = {
    "Supervisor": "htc.jobs.supervisor",
    "Worker": "htc.jobs.worker",
    "submit": "htc.jobs.submitting",
}


def __getattr__(name: str) -> Any:
    # A supervisor needs no model in memory, and a command line no worker.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)
