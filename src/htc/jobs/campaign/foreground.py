"""A campaign in this process, which holds its lease; stopped, it says how to go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from htc.errors import HTCError, StoreError
from htc.jobs.campaign.watching import Watch
from htc.jobs.campaign.work import campaign
from htc.jobs.halt import Halt, Reason
from htc.jobs.task import Task, as_problem
from htc.store import RankingRefresher
from htc.store.jobs import Lease, fail, finish

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["Stopped", "run_here"]

_log = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818  # no error: somebody wanted it
    """The run was put down; what is done is stored."""

    def __init__(self, reason: Reason) -> None:
        """Say why: ``stopping``, ``cancelled``, or ``lost`` to another process."""
        self.reason = reason
        super().__init__(reason)


def run_here(
    database: Database,
    settings: Settings,
    lease: Lease,
    *,
    stopping: threading.Event,
    watch: Watch = lambda _: None,
    elsewhere: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Do a campaign whose lease is this process's.

    A run that is stopped here is put down as cancelled, so that no worker takes it up behind the back of who
    stopped it; ``take_over`` goes on with it.

    Args:
        database: an open database.
        settings: of this process.
        lease: of the run.
        stopping: set to stop it.
        watch: told how it goes.
        elsewhere: ``workers``, ``scheduler`` or ``cluster`` instead of the request's.

    Returns:
        What came out as a whole, as it is kept in ``jobs.result``.

    Raises:
        Stopped: it was stopped, called off, or taken over by another process.
        HTCError: it cannot be done; the run has failed with this reason.
    """
    rankings = RankingRefresher(database)
    try:
        with Task(database, settings, lease, rankings, stopping) as task:
            result = campaign(task, watch=watch, makes_way=False, elsewhere=elsewhere)
        finish(database, lease, result=result, message="finished")
    except Halt as halt:
        if halt.reason != "lost":
            finish(database, lease, message="stopped; `htc screen --resume` goes on", end="cancelled")
        raise Stopped(halt.reason) from halt
    except HTCError as error:
        try:
            fail(database, lease, as_problem(error))
        except StoreError as trouble:
            _log.warning("why run %s failed could not be noted: %s", lease.run_id, trouble)
        raise
    except Exception as error:
        note = HTCError(f"a fault of the program, {type(error).__name__}: {str(error)[:300]}")
        fail(database, lease, as_problem(note))
        raise
    else:
        return result
    finally:
        rankings.close()
