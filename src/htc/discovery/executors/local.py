"""Worker processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from multiprocessing.connection import Connection, wait
from typing import IO, TYPE_CHECKING, Final

from htc.discovery.executors.work import Reply, order_for, take
from htc.discovery.funnel.tasks import ChunkFailure
from htc.discovery.stages.memory import Memory
from htc.errors import HTCError, InputError

if TYPE_CHECKING:
    from htc.discovery.funnel.tasks import ChunkResult, ChunkTask

__all__ = ["ONE_THREAD", "LocalExecutor"]

_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
ONE_THREAD: Final = dict.fromkeys(_THREADS, "1")
"""Threads of linear algebra of a worker: the processes share the cores among themselves, and the last bits of
a result depend on how many threads work on it."""

_GROWTH_MIB: Final = 1024.0
"""A process that holds so much more than after its first task is replaced by a fresh one."""
_PATIENCE_S: Final = 2.0


class LocalExecutor:
    """A pool of spawned processes. One that dies is reported with its task, and replaced.

    Args:
        workers: how many processes; None for one a core that this process may use.

    Raises:
        InputError: fewer than one.
    """

    def __init__(self, workers: int | None = None) -> None:
        """Start no process yet: each starts with its first task."""
        if workers is not None and workers < 1:
            raise InputError(f"{workers} worker processes cannot do anything", where="workers")
        self._wanted = workers or _cores()
        self._waiting: deque[ChunkTask] = deque()
        self._free: list[_Process] = []
        self._busy: dict[Connection, tuple[_Process, ChunkTask]] = {}
        self._lost: list[tuple[ChunkTask, ChunkFailure]] = []
        self._memory = Memory()
        self._closed = False

    @property
    def workers(self) -> int:
        """How many processes there are when there is work for them."""
        return self._wanted

    def submit(self, task: ChunkTask) -> None:
        """See :class:`~htc.discovery.executors.Executor`."""
        if self._closed:
            raise HTCError("the worker processes have been ended")
        self._waiting.append(task)
        self._hand_out()

    def finished(self, timeout_s: float) -> list[tuple[ChunkTask, ChunkResult | ChunkFailure]]:
        """See :class:`~htc.discovery.executors.Executor`."""
        over: list[tuple[ChunkTask, ChunkResult | ChunkFailure]] = [*self._lost]
        self._lost.clear()
        ready = wait(list(self._busy), 0.0 if over else timeout_s) if self._busy else []
        for connection in ready:
            if not isinstance(connection, Connection):  # nothing else was waited for
                raise TypeError(f"not a connection: {connection!r}")
            process, task = self._busy.pop(connection)
            over.append((task, self._outcome(process, task)))
        self._hand_out()
        return over

    def close(self) -> None:
        """See :class:`~htc.discovery.executors.Executor`."""
        self._closed = True
        self._waiting.clear()
        for process in [*self._free, *(process for process, _ in self._busy.values())]:
            process.end()
        self._free.clear()
        self._busy.clear()

    def _hand_out(self) -> None:
        while self._waiting and (self._free or len(self._busy) < self._wanted):
            process = self._free.pop() if self._free else _Process()
            task = self._waiting.popleft()
            try:
                process.connection.send(order_for(task, self._memory))
            except OSError:
                # It died while it had nothing to do: no task is to blame.
                process.end()
                self._waiting.appendleft(task)
                continue
            self._busy[process.connection] = process, task

    def _outcome(self, process: _Process, task: ChunkTask) -> ChunkResult | ChunkFailure:
        try:
            reply = process.connection.recv()
        except (EOFError, OSError):
            error = process.obituary(f"stage {task.stage + 1} ({task.kind}), chunk {task.chunk}")
            process.end()
            return ChunkFailure(error, worker_died=True)
        if not isinstance(reply, Reply):
            raise TypeError(f"not a reply: {type(reply).__name__}")
        take(reply, self._memory)
        if process.has_grown(reply.memory_mib):
            process.end()
        else:
            self._free.append(process)
        if reply.result is not None:
            return reply.result
        return ChunkFailure(reply.error or HTCError("a worker answered nothing"), worker_died=False)


class _Process:
    """One worker process and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        # Settings are the coordinator's business: a worker has neither a database nor secrets.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HTC_")} | ONE_THREAD
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "htc.discovery.executors.process", str(theirs.fileno())],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
            )
        self.connection = Connection(ours.detach())
        self._first_mib: float | None = None

    def has_grown(self, memory_mib: float) -> bool:
        """Whether it should be replaced."""
        if self._first_mib is None:
            self._first_mib = memory_mib
        return memory_mib > self._first_mib + _GROWTH_MIB

    def obituary(self, where: str) -> HTCError:
        """How it died."""
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_PATIENCE_S)
        how = "ended"
        hint = "the log of the worker says nothing"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                hint = "most often the system does so when memory runs out"
        elif code:
            how = f"ended with status {code}"
        self._said.seek(0)
        lines = self._said.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        if lines:
            hint = f"its last words: {lines[-1][:300]}"
        return HTCError(f"a worker process {how}", where=where, hint=hint)

    def end(self) -> None:
        """End it, now."""
        self.connection.close()
        until = time.monotonic() + _PATIENCE_S
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, until - time.monotonic()))
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._said.close()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
