"""What a table wants from a bulk load: columns with their types, keys, generated columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from htc.errors import InputError
from htc.store import tables
from htc.store.bulk.pgcopy import Kind

__all__ = ["INTERCHANGE", "Target", "target"]

INTERCHANGE: Final = (
    "campaigns",
    "models",
    "structures",
    "runs",
    "bete_runs",
    "htc_predictions",
    "test_telemetry",
)
"""Tables that can be loaded and exported, each after those that it refers to. The findings log and the notes
of refreshes are about one database and stay with it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One table as the bulk path sees it."""

    name: str
    kinds: dict[str, Kind]
    """Of every column."""
    limits: dict[str, int]
    """Characters of columns of limited length."""
    generated: frozenset[str]
    """Columns that the server computes."""
    key: str
    """The primary key."""
    keys: tuple[str, ...]
    """Every column that is unique, the primary key first."""
    parents: dict[str, tuple[str, str]]
    """Column -> table and column that it refers to."""
    defaults: frozenset[str]
    """Columns that must not be NULL and have a default."""

    @property
    def writable(self) -> tuple[str, ...]:
        """Columns a source may give."""
        return tuple(name for name in self.kinds if name not in self.generated)


@cache
def target(name: str) -> Target:
    """The table of this name.

    Raises:
        InputError: it is none of those that can be loaded.
    """
    if name not in INTERCHANGE:
        raise InputError(f"{name} is not a table for bulk work", hint=f"there are: {', '.join(INTERCHANGE)}")
    table = tables.metadata.tables[name]
    (key,) = (column.name for column in table.primary_key)
    unique = [
        column.name
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint) and len(constraint.columns) == 1
        for column in constraint.columns
    ]
    unique += [
        column.name
        for index in table.indexes
        if index.unique and len(index.columns) == 1
        for column in index.columns
    ]
    return Target(
        name=name,
        kinds={column.name: _kind(column.type) for column in table.columns},
        limits={
            column.name: column.type.length
            for column in table.columns
            if isinstance(column.type, sa.String) and column.type.length
        },
        generated=frozenset(column.name for column in table.columns if column.computed is not None),
        key=key,
        keys=(key, *sorted(unique)),
        parents={
            foreign.parent.name: (foreign.column.table.name, foreign.column.name)
            for foreign in table.foreign_keys
        },
        defaults=frozenset(
            column.name
            for column in table.columns
            if not column.nullable and column.server_default is not None and column.computed is None
        ),
    )


def _kind(type_: sa.types.TypeEngine[Any]) -> Kind:
    if isinstance(type_, sa.TypeDecorator):
        type_ = type_.impl_instance
    if isinstance(type_, pg.ARRAY):
        if isinstance(type_.item_type, sa.Double):
            return "float8[]"
        return "text[]" if isinstance(type_.item_type, sa.Text) else "varchar[]"
    known: tuple[tuple[type[Any], Kind], ...] = (
        (pg.JSONB, "jsonb"),
        (sa.JSON, "json"),
        (sa.String, "text"),
        (sa.Double, "float8"),
        (sa.BigInteger, "int8"),
        (sa.Integer, "int4"),
        (sa.Boolean, "bool"),
        (sa.DateTime, "timestamptz"),
        (sa.Uuid, "uuid"),
    )
    return next(kind for class_, kind in known if isinstance(type_, class_))
