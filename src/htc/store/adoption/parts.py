"""The pieces of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Action", "Columns", "Mended", "Refusal"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do to one table or view."""

    kind: Literal["create", "alter", "drop", "index", "rename"]
    table: str
    text: str
    """For people, in the imperative."""
    statements: tuple[str, ...] = ()
    revision: str | None = None
    """Run what this revision does instead of statements."""

    @property
    def alters(self) -> bool:
        """Whether views on the table must be out of the way."""
        return self.kind == "alter"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A table that is not ours, or holds what cannot become ours."""

    table: str
    reasons: tuple[str, ...]
    is_ours: bool = False
    """HTC's own of a later revision: it is never proposed to set it aside."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Expressions of type text for the columns of a table, in one order."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mended:
    """What it takes to make one table like that of 003."""

    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    columns: Columns = Columns()
    refusal: Refusal | None = None
