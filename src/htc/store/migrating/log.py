"""What a migration did, or failed at, in the findings log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from htc.errors import DatabaseUnavailableError, HTCError
from htc.store.doctor.check import Check
from htc.store.migrating.outcome import Migration

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database

__all__ = ["failures_noted", "note"]


def note(
    database: Database,
    settings: Settings | None,
    command: str,
    outcome: Migration,
    *,
    hypothesis: str = "",
    did: Sequence[str] = (),
) -> None:
    """Keep what was done, where there are settings that say where."""
    if settings is None:
        return
    from htc.store import findings

    way = f"{', '.join(outcome.before.revisions) or 'no stamp'} -> {outcome.after}"
    ran = "; ".join(did) or "ran " + ", ".join(
        f"{one.revision} ({one.seconds:.2f} s)" for one in outcome.applied
    )
    check = Check(
        f"migrate.{command}",
        hypothesis or f"the schema can go {way} without losing a row",
        f"{ran}; in one transaction, then schema and rows compared with what they should be",
    )
    found = check.ok(
        f"{way} in {outcome.seconds:.2f} s, {sum(outcome.rows.values())} rows", **outcome.as_dict()
    )
    findings.record([found], command=f"htc db {command}", settings=settings, database=database)


@contextmanager
def failures_noted(database: Database, settings: Settings | None, command: str) -> Iterator[None]:
    """Keep what went wrong, and raise it."""
    try:
        yield
    except HTCError as error:
        if settings is not None:
            from htc.store import findings

            check = Check(
                f"migrate.{command}", "the schema can be changed", f"`htc db {command}`, in one transaction"
            )
            findings.record(
                [check.failure(error.what, error.hint or "")],
                command=f"htc db {command}",
                settings=settings,
                database=None if isinstance(error, DatabaseUnavailableError) else database,
                where=database.where,
            )
        raise
