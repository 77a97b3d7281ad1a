"""Which of several filters leaves fewest rows, by the server's own statistics."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from htc.store.conditions import Condition
from htc.store.tables import RANKED

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["most_selective"]

_KEPT_S: Final = 600.0
"""How long an estimate is believed: the shares of a table's values change slowly."""
_MOST_KEPT: Final = 10_000

_Estimates = dict[tuple[str, str], tuple[float, float]]
_estimates: weakref.WeakKeyDictionary[Any, _Estimates] = weakref.WeakKeyDictionary()


def most_selective(connection: sa.Connection, conditions: Sequence[Condition]) -> Condition | None:
    """The condition to walk for: the one with the fewest rows above the bound of the indexes.

    Whichever drives, the same rows come out; with the fewest rows, the fewest candidates are looked at for
    each. None where no condition has an index.
    """
    able = [c for c in conditions if c.walks]
    # A formula has few rows, and its index is the only one without an order: they are fetched and sorted.
    formula = next((c for c in able if not c.ordered), None)
    if formula is not None or len(able) <= 1:
        return formula or (able[0] if able else None)
    return min(able, key=lambda c: _rows(connection, c))


def _rows(connection: sa.Connection, condition: Condition) -> float:
    kept = _estimates.setdefault(connection.engine, {})
    key = (condition.check, repr(sorted(condition.values.items())))
    now = time.monotonic()
    known = kept.get(key)
    if known is not None and now - known[0] <= _KEPT_S:
        return known[1]
    # Of the check, not of the walks: the statistics of a column know its common values one by one.
    question = f"SELECT 1 FROM htc_predictions WHERE {RANKED} AND ({condition.check})"  # noqa: S608 - own text
    plan = connection.exec_driver_sql(
        f"EXPLAIN (FORMAT JSON) {question}", dict(condition.values)
    ).scalar_one()
    rows = float(plan[0]["Plan"]["Plan Rows"])
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = (now, rows)
    return rows
