"""Worker processes of a Dask cluster, near or far."""

from __future__ import annotations

import logging
import queue
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.executors.profile import missing_dask, open_cluster, parse_profile
from htc.discovery.executors.program import Program, differences, this_program
from htc.discovery.executors.work import Order, Reply, order_for, perform, take
from htc.discovery.funnel.tasks import ChunkFailure
from htc.discovery.stages.memory import Memory
from htc.errors import ConflictError, HTCError, InputError

if TYPE_CHECKING:
    from htc.discovery.funnel.tasks import ChunkResult, ChunkTask

__all__ = ["DaskExecutor", "check_scheduler"]

_CONNECT_S: Final = 15.0
_LOOK_S: Final = 2.0
"""Between two looks at who is there."""
_ALONE_S: Final = 60.0
"""After so long without any worker it is said in the log, and again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What comes from a worker: a reply, or what program it runs where that is another one."""

    worker: str
    program: Program
    reply: Reply | None


@dataclass(slots=True)
class _InHand:
    """A task on its way."""

    task: ChunkTask
    future: Any
    only: frozenset[str] | None
    """Workers that may have it; None: all."""


class DaskExecutor:
    """A Dask scheduler and its workers, which come and go as they like.

    Every worker is asked which program it runs, the moment it gets its first task; one that runs another
    gets none. A task whose worker is lost is given to the next; after as many as the scheduler allows
    (``distributed.scheduler.allowed-failures``) it is reported.

    Args:
        address: of a scheduler, ``tcp://host:port``.
        profile: instead, content of a cluster's profile; the scheduler is then in this process.
        connect_s: how long the scheduler is waited for, s.

    Raises:
        InputError: neither or both are given, or the profile is none.
        MissingExtraError: the extra ``[dask]`` is not installed.
        ConflictError: all workers run another program.
        HTCError: nobody answers at the address.
    """

    def __init__(
        self, address: str | None = None, *, profile: str | None = None, connect_s: float = _CONNECT_S
    ) -> None:
        """Connect."""
        if (address is None) == (profile is None):
            raise InputError("a scheduler's address or a cluster's profile is needed, one of them")
        try:
            from distributed import Client
        except ImportError as error:
            raise missing_dask(error) from error
        self._cluster: Any = None
        self._expected = 1
        self._refusals: list[str] = []
        if profile is not None:
            read = parse_profile(profile)
            self._cluster = open_cluster(read, self._refusals)
            self._expected = read.max_jobs * read.processes
        self._threads: dict[str, int] = {}
        self._where = address or "the cluster of the profile"
        try:
            connect: Any = Client  # not annotated
            self._client: Any = connect(
                address if self._cluster is None else self._cluster,
                timeout=connect_s,
                set_as_default=False,
                name="htc",
            )
        except (OSError, ValueError) as error:
            self._close_cluster()
            raise _nobody_answers(self._where, error) from error
        self._memory = Memory()
        self._over: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._in_hand: dict[str, _InHand] = {}
        self._again: list[ChunkTask] = []
        self._refused: dict[str, list[str]] = {}
        self._arithmetic: str | None = None
        self._looked = 0.0
        self._last_seen = time.monotonic()
        self._count = 0
        self._closed = False
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """Threads of the workers that are there now and run this program, or those that the profile allows.

        Jobs come with the work that waits for them, so that there must be some for all of them.
        """
        self._look()
        there = sum(n for address, n in self._threads.items() if address not in self._refused)
        return max(self._expected, there)

    def submit(self, task: ChunkTask) -> None:
        """See :class:`~htc.discovery.executors.Executor`."""
        if self._closed:
            raise HTCError("the connection to the cluster has been closed", where=self._where)
        self._check_connected()
        only = self._only()
        self._count += 1
        key = f"htc-{task.run_id}-{task.stage}-{task.chunk}-{self._count}"
        future = self._client.submit(
            _perform,
            order_for(task, self._memory),
            this_program(task.model),
            self._arithmetic,
            key=key,
            pure=False,
            workers=None if only is None else sorted(only),
        )
        self._in_hand[key] = _InHand(task, future, only)
        future.add_done_callback(self._over.put)

    def finished(self, timeout_s: float) -> list[tuple[ChunkTask, ChunkResult | ChunkFailure]]:
        """See :class:`~htc.discovery.executors.Executor`."""
        self._look()
        self._rescue()
        found: list[tuple[ChunkTask, ChunkResult | ChunkFailure]] = []
        until = time.monotonic() + timeout_s
        while True:
            wait_s = 0.0 if found else max(0.0, until - time.monotonic())
            try:
                future = self._over.get(timeout=wait_s) if wait_s else self._over.get_nowait()
            except queue.Empty:
                break
            outcome = self._outcome(future)
            if outcome is not None:
                found.append(outcome)
        if not found:
            self._check_connected()
        return found

    def close(self) -> None:
        """See :class:`~htc.discovery.executors.Executor`."""
        if self._closed:
            return
        self._closed = True
        try:
            self._client.cancel([one.future for one in self._in_hand.values()], force=True)
        except Exception as error:  # noqa: BLE001  # a scheduler that is gone has nothing to cancel
            _log.debug("nothing could be cancelled: %s", error)
        self._in_hand.clear()
        self._client.close(timeout=5)
        self._close_cluster()

    def _close_cluster(self) -> None:
        if self._cluster is None:
            return
        try:
            self._cluster.close(timeout=10)
        except Exception as error:  # noqa: BLE001  # jobs that never were cannot be ended
            _log.debug("the cluster did not end in order: %s: %s", type(error).__name__, error)

    def _greet(self) -> None:
        """Ask the workers that are there which program they run, so that the wrong one is told at once."""
        self._look(now=True)
        if not self._threads:
            return
        answers = self._client.run(this_program, on_error="return")
        for worker, program in answers.items():
            if isinstance(program, BaseException):
                self._refuse(worker, [f"it has no HTC that fits: {type(program).__name__}: {program}"])
            else:
                self._welcome(worker, program, None)
        if len(self._refused) == len(answers):
            worker, reasons = next(iter(self._refused.items()))
            raise ConflictError(
                f"no worker runs the program that runs here: {'; '.join(reasons)}",
                where=f"{self._where}, worker {worker}",
                hint="install the same version of HTC and its packages on both sides",
            )

    def _welcome(self, worker: str, program: Program, task: ChunkTask | None) -> bool:
        """Whether a worker may work."""
        wanted = this_program(None if task is None else task.model)
        reasons = differences(program, wanted, None if task is None else task.kind, self._arithmetic)
        if reasons:
            self._refuse(worker, reasons)
            return False
        self._arithmetic = program["arithmetic"]
        return True

    def _refuse(self, worker: str, reasons: list[str]) -> None:
        self._refused[worker] = reasons
        _log.warning("worker %s gets no work: %s", worker, "; ".join(reasons))

    def _outcome(self, future: Any) -> tuple[ChunkTask, ChunkResult | ChunkFailure] | None:
        one = self._in_hand.pop(str(future.key), None)
        if one is None:
            return None
        try:
            answer = future.result(timeout=_CONNECT_S)
        except Exception as error:  # noqa: BLE001  # Dask has many ways to say that a task is lost
            return self._lost(one.task, error)
        if not isinstance(answer, _Answer):
            raise TypeError(f"not an answer: {type(answer).__name__}")
        reply = answer.reply
        if reply is None:
            self._again_elsewhere(one.task, answer)
            return None
        if self._arithmetic is None:
            self._arithmetic = answer.program["arithmetic"]
        if not self._welcome(answer.worker, answer.program, one.task):
            self._again_elsewhere(one.task, answer)
            return None
        take(reply, self._memory)
        if reply.result is not None:
            return one.task, reply.result
        reason = reply.error or HTCError("a worker answered nothing")
        return one.task, ChunkFailure(reason.located(f"worker {answer.worker}"), worker_died=False)

    def _again_elsewhere(self, task: ChunkTask, answer: _Answer) -> None:
        """What a worker of another program answered is not used."""
        if answer.worker not in self._refused:
            self._welcome(answer.worker, answer.program, task)
        self._again.append(task)

    def _lost(self, task: ChunkTask, error: Exception) -> tuple[ChunkTask, ChunkFailure] | None:
        from distributed import CancelledError, KilledWorker

        where = f"stage {task.stage + 1} ({task.kind}), chunk {task.chunk}"
        if isinstance(error, KilledWorker):
            what = f"every worker that had it died, the last at {getattr(error, 'last_worker', None)}"
            hint = "most often memory runs out; the logs of the workers say more"
            return task, ChunkFailure(HTCError(what, where=where, hint=hint), worker_died=True)
        if isinstance(error, CancelledError):
            # The scheduler forgot it, in starting again.
            self._again.append(task)
            return None
        what = f"the task could not be done there, {type(error).__name__}: {str(error)[:300]}"
        hint = "the worker may have another version of HTC, or none"
        return task, ChunkFailure(HTCError(what, where=where, hint=hint), worker_died=False)

    def _only(self) -> frozenset[str] | None:
        """Workers that may have a task; None where nobody was refused."""
        if not self._refused:
            return None
        self._look(now=True)
        good = frozenset(self._threads.keys() - self._refused.keys())
        if not good:
            worker, reasons = next(reversed(self._refused.items()))
            raise ConflictError(
                f"no worker is left that runs the program that runs here: {'; '.join(reasons)}",
                where=f"{self._where}, worker {worker}",
                hint="install the same version of HTC and its packages on both sides",
            )
        return good

    def _check_connected(self) -> None:
        # While it is lost, Dask tries to connect again; it gives up after ``connect_s``.
        if self._client.status not in {"running", "connecting"}:
            raise HTCError(
                "the scheduler is gone",
                where=self._where,
                hint="what is done is stored: start a scheduler and workers, and go on with the run",
            )
        if self._refusals and not self._threads:
            raise HTCError(
                f"no job can be submitted: {' '.join(self._refusals[-1].split())[:400]}",
                where=self._where,
                hint="`htc cluster script PROFILE` prints what was to be submitted",
            )

    def _look(self, *, now: bool = False) -> None:
        """See who is there, not too often."""
        at = time.monotonic()
        if not now and at - self._looked < _LOOK_S:
            return
        self._looked = at
        try:
            self._threads = {str(k): int(v) for k, v in self._client.nthreads().items()}
        except (OSError, RuntimeError) as error:
            self._check_connected()
            _log.warning("%s does not say which workers it has: %s", self._where, error)
            return
        if self._threads:
            self._last_seen = at
        elif at - self._last_seen > _ALONE_S:
            self._last_seen = at
            _log.warning("%s has no workers: the run waits for some", self._where)

    def _rescue(self) -> None:
        """Give tasks back out that were meant for workers that are gone, or came back unused."""
        if self._refused:
            for key, one in list(self._in_hand.items()):
                if one.only is not None and not one.only & self._threads.keys() and not one.future.done():
                    del self._in_hand[key]
                    self._client.cancel([one.future], force=True)
                    self._again.append(one.task)
        again, self._again = self._again, []
        for task in again:
            self.submit(task)


def _perform(order: Order, wanted: Program, arithmetic: str | None) -> _Answer:
    """On the worker: the work, unless this is another program than the one wanted."""
    from distributed import get_worker

    worker, program = str(get_worker().address), this_program(order.task.model)
    fits = not differences(program, wanted, order.task.kind, arithmetic)
    return _Answer(worker, program, perform(order) if fits else None)


def check_scheduler(address: str | None, *, connect_s: float = _CONNECT_S) -> None:
    """Whether work can be sent there, before anything is written that depends on it.

    Args:
        address: of a scheduler; None: whether Dask is installed at all.
        connect_s: how long the scheduler is waited for, s.

    Raises:
        MissingExtraError: the extra ``[dask]`` is not installed.
        HTCError: nobody answers at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise missing_dask(error) from error
    if address is None:
        return
    connect: Any = Client  # not annotated
    try:
        connect(address, timeout=connect_s, set_as_default=False, name="htc-look").close()
    except (OSError, ValueError) as error:
        raise _nobody_answers(address, error) from error


def _nobody_answers(where: str, error: Exception) -> HTCError:
    return HTCError(
        f"no Dask scheduler answers there: {str(error)[:200]}",
        where=where,
        hint="start one with `dask scheduler`, and give the address that it prints",
    )
