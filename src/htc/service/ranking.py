"""Keeping the ranking by formula fresh while single predictions trickle in."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from htc.errors import StoreError
from htc.store import Database, refresh_rankings

__all__ = ["RankingRefresher"]

INTERVAL_S: Final = 30.0
"""Least time between two refreshes: one takes seconds on millions of rows."""

_log = logging.getLogger(__name__)


class RankingRefresher:
    """Refreshes the ranking soon after new rows, never more often than every half minute.

    Args:
        database: an open database.
        interval_s: least time between two refreshes, s.
    """

    def __init__(self, database: Database, interval_s: float = INTERVAL_S) -> None:
        """Keep the database; nothing is due yet."""
        self._database = database
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._due: threading.Timer | None = None
        self._last = -float("inf")

    def note_new_row(self) -> None:
        """A row was stored: refresh when the interval since the last refresh is over."""
        with self._lock:
            if self._due is None:
                wait = max(0.0, self._last + self._interval_s - time.monotonic())
                self._due = threading.Timer(wait, self._refresh)
                self._due.daemon = True
                self._due.start()

    def close(self) -> None:
        """Refresh now if one is due."""
        with self._lock:
            timer = self._due
        if timer is not None:
            timer.cancel()
            self._refresh()

    def _refresh(self) -> None:
        with self._lock:
            if self._due is None:
                return
            self._due = None
            self._last = time.monotonic()
        try:
            refresh_rankings(self._database)
        except StoreError as error:
            # The rows are stored; the ranking knows that it is behind, and the next new row tries again.
            _log.warning("the ranking by formula could not be refreshed: %s", error)
