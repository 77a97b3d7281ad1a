"""A run that whoever asked for it waits for: done in this process, or followed where a worker was faster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from htc.store.jobs import RunSummary, cancel, run_summary

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["carry_out"]

_LOOK_S: Final = 0.25
_PATIENCE_S: Final = 1.0
_ENDED: Final = frozenset({"finished", "failed", "cancelled"})


def carry_out(
    database: Database,
    settings: Settings,
    run_id: str,
    *,
    told: Callable[[RunSummary], None] = lambda _: None,
) -> RunSummary:
    """Do a run here until it has ended, and call it off if that is interrupted.

    Args:
        database: an open database.
        settings: of this process.
        run_id: of a run in the queue, see ``htc.jobs.submit``.
        told: called with the run as it stands, a few times a second.

    Returns:
        The run as it ended: finished, failed or cancelled.

    Raises:
        NotFoundError: there is no such run.
        StoreError: the database does not answer.
    """
    from htc.jobs.worker import Worker

    worker = Worker(settings, database)
    over = threading.Event()
    trouble: list[BaseException] = []

    def work() -> None:
        try:
            # Where a worker took it first, or puts it back, there may be something left to do later.
            while not over.is_set() and run_summary(database, run_id).state not in _ENDED:
                if not worker.work_once(run_id):
                    over.wait(_PATIENCE_S)
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
            trouble.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=work, name="htc-foreground", daemon=True)
    thread.start()
    try:
        while not over.wait(_LOOK_S):
            told(run_summary(database, run_id))
    except BaseException:
        over.set()
        worker.stop()
        thread.join()
        # Only now: a run that is called off and put down at once would wait in the queue to be ended.
        cancel(database, run_id)
        raise
    finally:
        thread.join()
        worker.close()
    if trouble:
        raise trouble[0]
    last = run_summary(database, run_id)
    told(last)
    return last
