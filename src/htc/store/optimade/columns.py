"""What entries can be filtered, sorted and shown by: a property's SQL, its kind, and when it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

__all__ = ["LISTS", "Column", "Kind", "floating", "plain"]

Kind = Literal["string", "integer", "float", "boolean", "timestamp", "strings", "integers", "floats"]

LISTS: Final[dict[Kind, Kind]] = {"strings": "string", "integers": "integer", "floats": "float"}
"""Kind of a list's items."""

_TYPES: Final[dict[Kind, sa.types.TypeEngine[Any]]] = {
    "string": sa.Text(),
    "integer": sa.BigInteger(),
    "float": sa.Double(),
    "boolean": sa.Boolean(),
    "timestamp": sa.DateTime(timezone=True),
    "strings": pg.ARRAY(sa.Text),
    "integers": pg.ARRAY(sa.Integer),
    "floats": pg.ARRAY(sa.Double),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One property of a kind of entry.

    SQL is text of our own, written over the aliases of the entry's FROM clause; it never holds a value of a
    request.
    """

    kind: Kind
    text: str
    """SQL expression of the value."""
    known: str | None = None
    """SQL condition under which the value is one that can be shown; None: always."""
    sortable: bool = False
    length: str | None = None
    """SQL expression of a list's length, where a column has it."""
    equal: Callable[[str], sa.ColumnElement[bool]] | None = None
    """For ``= value``: a condition that says the same and has an index."""

    @property
    def value(self) -> sa.ColumnElement[Any]:
        """The expression; meaningful only where the value is known."""
        return sa.literal_column(self.text, _TYPES[self.kind])

    @property
    def shown(self) -> sa.ColumnElement[Any]:
        """The value, or NULL."""
        if self.known is None:
            return self.value
        return sa.case((sa.text(self.known), self.value), else_=None)

    @property
    def is_unknown(self) -> sa.ColumnElement[bool]:
        """Whether there is no value to show; never NULL."""
        if self.known is None:
            return sa.false()
        return sa.literal_column(f"({self.known}) IS NOT TRUE", sa.Boolean)

    @property
    def is_known(self) -> sa.ColumnElement[bool]:
        """The condition ``known``; where it does not hold it may be NULL."""
        return sa.true() if self.known is None else sa.literal_column(f"({self.known})", sa.Boolean)


def plain(kind: Kind, text: str, *, sortable: bool = True, nullable: bool = True) -> Column:
    """A column as it is stored, known where it is not NULL."""
    return Column(kind, text, f"{text} IS NOT NULL" if nullable else None, sortable)


def floating(text: str) -> Column:
    """A number that rows of an earlier version may hold as NaN or infinity: those are unknown."""
    return Column("float", text, f"{text} > '-Infinity' AND {text} < 'Infinity'", sortable=True)
