"""Whether the ranking by formula shows what is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from htc.store.calendar import in_calendar
from htc.store.doctor import repairs
from htc.store.doctor.check import Check, age_in_words
from htc.store.doctor.examination import Opened, examination
from htc.store.doctor.finding import Finding

__all__ = ["check_freshness"]

STALE_AFTER: Final = timedelta(hours=1)
"""A run refreshes the ranking at its end: rows that wait longer belong to a run that did not come to it."""

COUNTED_ROWS: Final = 10_000
"""Rows that the ranking does not show are counted up to here."""

_REFRESH: Final = "`htc db doctor --fix` refreshes it; the next run does so at its end as well"

_NEWER: Final = """
SELECT count(*), min(created_at), clock_timestamp() - min(created_at)
FROM (
    SELECT created_at FROM bete_runs
    WHERE created_at >= :since AND {condition} ORDER BY created_at LIMIT :limit
) AS newer
""".format(condition=in_calendar("created_at"))  # noqa: S608 - own text


@examination(
    "health.view",
    "the ranking by formula does not show what is stored",
    "the last refresh looked up, and the rows of bete_runs stored since it counted",
)
def check_freshness(check: Check, opened: Opened) -> list[Finding]:
    """Whether ``top_superconductors`` was filled, when, and what came after."""
    populated = opened.rows(
        "SELECT relispopulated FROM pg_class WHERE oid = to_regclass('top_superconductors') AND relkind = 'm'"
    ).scalar_one_or_none()
    if populated is None:
        return [check.skipped("there is no ranking by formula")]
    if opened.value("SELECT to_regclass('ranking_refreshes')") is None:
        return [check.skipped("refreshes are recorded from revision 004 on")]
    fix = repairs.refresh_view(opened.database)
    if not populated:
        return [
            check.failure(
                "top_superconductors was never filled: `htc top --formulas` has nothing to read",
                _REFRESH,
                fix=fix,
            )
        ]
    last = opened.rows(
        "SELECT started_at, covers_until, clock_timestamp() - started_at FROM ranking_refreshes"
        " WHERE view_name = 'top_superconductors' ORDER BY started_at DESC LIMIT 1"
    ).one_or_none()
    since = last[1] if last else "-infinity"
    count, oldest, waiting = opened.rows(_NEWER, since=since, limit=COUNTED_ROWS).one()
    when = f"refreshed {age_in_words(last[2])} ago" if last else "no refresh is recorded"
    facts = {"refreshed_at": last[0].isoformat() if last else None, "newer_rows_at_least": count}
    if not count:
        return [check.ok(f"{when}; nothing was stored since", **facts)]
    number = f"at least {count}" if count == COUNTED_ROWS else str(count)
    result = (
        f"{when}; rows stored since, which it does not show: {number}, the oldest {age_in_words(waiting)} old"
    )
    facts["oldest_newer_row"] = oldest.isoformat()
    if waiting < STALE_AFTER:
        return [check.note(result, "none while a run is going on: it ends with a refresh", fix=fix, **facts)]
    return [check.warning(result, _REFRESH, fix=fix, **facts)]
