"""One process that takes run after run from the queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from htc.errors import (
    ConflictError,
    DatabaseUnavailableError,
    HTCError,
    InputError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    StoreError,
)
from htc.jobs.campaign.owners import owner_name
from htc.jobs.halt import Halt
from htc.jobs.task import Task, as_problem
from htc.store import Database, RankingRefresher
from htc.store.jobs import (
    JobSignals,
    Lease,
    claim,
    fail,
    finish,
    give_back,
    retry_later,
)
from htc.store.jobs.leases import LEASE_S

if TYPE_CHECKING:
    from htc.settings import Settings

__all__ = ["Worker"]

KINDS: Final = ("screen", "optimize", "validate", "campaign")
"""What this program can do: a later one may have put other kinds into the queue."""
POLL_S: Final = 2.0
"""A new job announces itself; where the word is lost, it is found after so long."""
_SLICE_S: Final = 0.25
PAUSE_S: Final = 1.0
"""Between two attempts to reach a database that is away; doubled up to LONGEST_PAUSE_S."""
LONGEST_PAUSE_S: Final = 15.0

_log = logging.getLogger(__name__)

Work = Callable[[Task], Mapping[str, Any]]


def _work(kind: str) -> Work:
    # Each brings its part of the program along.
    if kind == "screen":
        from htc.jobs.screening import screen

        return screen
    if kind == "optimize":
        from htc.jobs.optimising import optimize

        return optimize
    if kind == "campaign":
        from htc.jobs.campaign import campaign

        return campaign
    from htc.jobs.validating import validate

    return validate


class Worker:
    """Takes runs from the queue until it is stopped.

    Args:
        settings: of this process.
        database: an open database; the worker does not close it.
        lease_s: how long a run stays with a worker of which nothing is heard, s.
    """

    def __init__(self, settings: Settings, database: Database, *, lease_s: float = LEASE_S) -> None:
        """Take nothing yet."""
        self._settings = settings
        self._database = database
        self._lease_s = lease_s
        self._stopping = threading.Event()
        self._signals = JobSignals(database)
        self._rankings = RankingRefresher(database)
        self._to_give_back: list[Lease] = []

    def stop(self) -> None:
        """Put down what is in hand, after the chunk that is being judged, and return from :meth:`run`."""
        self._stopping.set()

    def run(self) -> None:
        """Work until :meth:`stop`. A database that is away is waited for."""
        pause = PAUSE_S
        try:
            while not self._stopping.is_set():
                try:
                    if not self.work_once():
                        self._wait()
                    pause = PAUSE_S
                except StoreError as error:
                    _log.warning("the queue cannot be asked: %s", error)
                    self._recover()
                    self._stopping.wait(pause)
                    pause = min(2.0 * pause, LONGEST_PAUSE_S)
        finally:
            self.close()

    def close(self) -> None:
        """Give connections back and let the ranking be computed once more."""
        self._signals.close()
        self._rankings.close()

    def work_once(self, run_id: str | None = None) -> bool:
        """Take one run and do it, or as much of it as there is time for; False: there was none.

        Args:
            run_id: take this one; False then also means that another worker has it, or that it has ended.

        Raises:
            StoreError: the queue cannot be asked.
        """
        self._settle()
        # Another owner each time: what was put down is not to be mistaken for what is in hand.
        owner = owner_name()
        lease = claim(self._database, owner, seconds=self._lease_s, kinds=KINDS, run_id=run_id)
        if lease is None:
            return False
        job = lease.job
        _log.info("run %s (%s) taken up, %d of %s done", job.run_id, job.kind, job.done, job.total)
        try:
            with Task(self._database, self._settings, lease, self._rankings, self._stopping) as task:
                result = _work(job.kind)(task)
            finish(self._database, lease, result=result)
            _log.info("run %s finished", job.run_id)
        except Halt as halt:
            self._put_down(lease, halt)
        except DatabaseUnavailableError as error:
            _log.warning("run %s: %s", job.run_id, error)
            self._to_give_back.append(lease)
            raise
        except StoreError as error:
            self._retry(lease, error)
        except (InputError, NotFoundError, ConflictError, ModelError, MissingExtraError) as error:
            # Trying again would only find the same.
            _log.warning("run %s failed: %s", job.run_id, error)
            fail(self._database, lease, as_problem(error))
        except HTCError as error:
            self._retry(lease, error)
        except Exception as error:  # noqa: BLE001  # a fault in one run must not end the worker of all
            _log.exception("run %s: a fault of the program", job.run_id)
            self._retry(
                lease,
                HTCError(
                    f"a fault of the program, {type(error).__name__}: {str(error)[:300]}",
                    hint="the log of the worker has the rest",
                ),
            )
        return True

    def _wait(self) -> None:
        """For word of a new job; not longer than POLL_S, and hardly longer than until :meth:`stop`."""
        until = time.monotonic() + POLL_S
        while not self._stopping.is_set() and time.monotonic() < until:
            if self._signals.wait(_SLICE_S):
                return

    def _put_down(self, lease: Lease, halt: Halt) -> None:
        _log.info("run %s put down: %s", lease.run_id, halt.reason)
        if halt.reason == "cancelled":
            finish(self._database, lease, message="called off", end="cancelled")
        elif halt.reason != "lost":
            self._to_give_back.append(lease)
            self._settle()

    def _retry(self, lease: Lease, error: HTCError) -> None:
        seconds = min(2.0**lease.job.attempts, 300.0)
        _log.warning("run %s is tried again in %.0f s: %s", lease.run_id, seconds, error)
        retry_later(self._database, lease, as_problem(error), seconds)

    def _settle(self) -> None:
        """Give back what could not be given back while the database was away."""
        while self._to_give_back:
            give_back(self._database, self._to_give_back[0])
            self._to_give_back.pop(0)

    def _recover(self) -> None:
        try:
            self._database.recover()
        except StoreError as error:
            _log.warning("the database cannot be started again: %s", error)
