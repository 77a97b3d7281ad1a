"""Where the workers of one ``htc serve`` count together.

Each worker is a process and answers the scrapes that happen to reach it. So that any of them can tell of all,
they count into small memory-mapped files of one folder (the multiprocess mode of ``prometheus_client``).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["VARIABLE", "shared_metrics"]

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Read by ``prometheus_client`` as it is imported: it must be set before a worker starts."""


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Let the processes that are started inside count together.

    The folder is new and is removed at the end: the counters of a service begin at zero when it starts.
    """
    before = os.environ.get(VARIABLE)
    with tempfile.TemporaryDirectory(prefix="htc-metrics-") as folder:
        os.environ[VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
