"""How many entries a filter finds, remembered for a while: every page of a list states it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from htc.optimade.properties import EntryType
from htc.store.optimade import count_entries
from htc.store.optimade.expressions import Expression

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["Counts"]

KEPT_S: Final = 10.0
_MOST: Final = 256


class Counts:
    """Counts of one process. Safe to share between threads.

    Args:
        kept_s: seconds a count is given again before it is counted anew.
    """

    def __init__(self, kept_s: float = KEPT_S) -> None:
        """Nothing is counted yet."""
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], tuple[float, int | None]] = OrderedDict()

    def of(
        self, database: Database, kind: EntryType, text: str, wish: Expression | None, least: int
    ) -> int | None:
        """How many entries a filter finds; None where that takes too long to count.

        Args:
            database: an open database.
            kind: of the entries.
            text: of the filter.
            wish: the filter.
            least: entries already seen; a count remembered from when there were fewer is made anew.

        Raises:
            StoreError: the database does not answer.
        """
        key = (kind.name, text.strip())
        now = time.monotonic()
        with self._lock:
            found = self._known.get(key)
            # What took too long a moment ago would again.
            if (
                found is not None
                and now - found[0] < self._kept_s
                and (found[1] is None or found[1] >= least)
            ):
                return found[1]
        count = count_entries(database, kind.kind, wish)
        with self._lock:
            self._known[key] = (time.monotonic(), count)
            self._known.move_to_end(key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return count
