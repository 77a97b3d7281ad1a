"""Why a worker puts a run down before it is done."""

from __future__ import annotations

from typing import Literal

__all__ = ["Halt", "Reason"]

Reason = Literal["cancelled", "lost", "stopping", "turn"]
"""It was called off; another process has it; this process stops; others have waited long enough."""


class Halt(BaseException):
    """Put the run down now. No error, and like ``KeyboardInterrupt`` nothing that a candidate could cause."""

    def __init__(self, reason: Reason) -> None:
        """Say why."""
        self.reason = reason
        super().__init__(reason)
