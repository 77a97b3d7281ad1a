"""Keeps processes alive: starts them, starts those anew that die, and stops all of them together."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Final

__all__ = ["Supervisor", "exit_with_parent", "exit_with_spawner"]

GRACE_S: Final = 8.0
"""How long a process may take to put down what it has in hand; Cloud Run waits ten seconds for all of us."""
_REST_S: Final = 1.0
_LONGEST_REST_S: Final = 30.0
_LIVED_S: Final = 30.0
"""One that lived so long did not die of how it was started."""

_log = logging.getLogger(__name__)


class _Child:
    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.command = list(command)
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.rest = _REST_S
        self.not_before = 0.0

    def start(self) -> None:
        self.began = time.monotonic()
        # With a group of its own, Ctrl-C reaches only the supervisor, and each process is told to stop once.
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, start_new_session=True, env=dict(os.environ)
        )


class Supervisor:
    """Processes that belong to this one.

    They end with it, however it ends: each has a pipe to it and stops when that closes, see
    :func:`exit_with_parent`.

    Args:
        commands: name and command line of each.
    """

    def __init__(self, commands: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Start nothing yet."""
        self._children = [_Child(name, command) for name, command in commands]
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def pids(self) -> list[int]:
        """Of the processes that run now."""
        return [c.process.pid for c in self._children if c.process is not None and c.process.poll() is None]

    def start(self) -> None:
        """Start all of them, and a thread that looks after them."""
        for child in self._children:
            child.start()
        self._thread = threading.Thread(target=self.watch, name="htc-supervisor", daemon=True)
        self._thread.start()

    def watch(self) -> None:
        """Start anew what died, until :meth:`stop`."""
        while not self._stopping.wait(0.2):
            for child in self._children:
                self._look_after(child)

    def stop(self) -> None:
        """Tell all to stop, and end those that do not."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        running = [c.process for c in self._children if c.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _look_after(self, child: _Child) -> None:
        process = child.process
        if process is not None and process.poll() is not None:
            if process.stdin is not None:
                process.stdin.close()
            child.process = None
            if time.monotonic() - child.began > _LIVED_S:
                child.rest = _REST_S
            _log.warning(
                "%s (process %d) ended with %s; another is started in %.0f s",
                child.name,
                process.pid,
                _how(process.returncode),
                child.rest,
            )
            child.not_before = time.monotonic() + child.rest
            child.rest = min(2.0 * child.rest, _LONGEST_REST_S)
        if child.process is None and time.monotonic() >= child.not_before:
            child.start()


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def exit_with_parent() -> None:
    """Stop this process, as SIGTERM does, when the one that started it is gone.

    Its end of the pipe on standard input closes then, also after ``kill -9``. What does not stop by itself
    is ended after the same grace that :class:`Supervisor` gives.
    """

    def wait() -> None:
        # Not through sys.stdin: a thread that holds its lock keeps the interpreter from ending cleanly.
        while os.read(0, 1):
            pass
        _end_this_process()

    threading.Thread(target=wait, name="htc-parent", daemon=True).start()


def exit_with_spawner() -> None:
    """The same for a process that ``multiprocessing`` started, as the workers of ``htc serve --workers`` are.

    Nothing in a process that was not.
    """
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        _end_this_process()

    threading.Thread(target=wait, name="htc-parent", daemon=True).start()


def _end_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    # A handler runs between two steps of the interpreter; a solver in the middle of one may take long.
    os.kill(os.getpid(), signal.SIGKILL)
