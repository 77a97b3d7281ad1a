"""Open streams end when the process is told to stop, so that it need not wait for those who listen."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["on_stop"]


def on_stop(tell: Callable[[], None]) -> Callable[[], None]:
    """Call ``tell`` on SIGTERM and SIGINT, before whatever handles them now; the result undoes it.

    Nothing in a thread other than the main one, where no signals arrive.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before: dict[signal.Signals, Any] = {}

    def handler(number: int, frame: FrameType | None) -> None:
        tell()
        earlier = before[signal.Signals(number)]
        if callable(earlier):
            earlier(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.getsignal(number)
        signal.signal(number, handler)

    def undo() -> None:
        for number, earlier in before.items():
            signal.signal(number, earlier)

    return undo
