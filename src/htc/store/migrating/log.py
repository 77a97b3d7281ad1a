"""The outcome of a migration in the findings log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.store.doctor.finding import Finding
from htc.store.migrating.outcome import Migration

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["finding_of", "note"]


def finding_of(command: str, outcome: Migration) -> Finding:
    """What was done, as an entry of the log."""
    way = f"{', '.join(outcome.before.revisions) or 'an empty schema'} -> {outcome.after}"
    ran = ", ".join(f"{one.revision} {one.seconds:.2f} s" for one in outcome.applied)
    return Finding(
        check_id=f"migrate.{command}",
        hypothesis=f"the schema can go {way} without losing a row",
        test=f"ran {ran} in one transaction, then compared schema and row counts",
        result=f"{way} in {outcome.seconds:.2f} s; {sum(outcome.rows.values())} rows",
        verdict="ok",
        details=outcome.as_dict(),
    )


def note(database: Database, command: str, outcome: Migration) -> None:
    """Write the outcome into the findings log."""
