"""What a migration leaves to Python: the description of crystals that SQL can only gather."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.errors import StoreError
from htc.store.migrating.outcome import Migration, Step, Tell
from htc.store.schema import HEAD

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["look_after"]


def look_after(database: Database, outcome: Migration, tell: Tell) -> None:
    """Fill in formula type and space group of an earlier version's crystals, after the commit.

    The migration stands whatever happens here; what is left undone is done by the next one that is asked for.
    """
    if outcome.after != HEAD or outcome.before.is_empty:
        return
    from htc.store.structures import describe_structures

    try:
        described = describe_structures(database)
    except StoreError as error:
        tell(Step("warning", f"crystals of the earlier version are not described yet: {error.what}"))
        return
    if described:
        tell(Step("note", f"{described} crystals of the earlier version got formula type and space group"))
