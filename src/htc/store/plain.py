"""Rows of statements of our own, as the driver gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["plain_records", "plain_rows"]

_NAMES: Final[dict[str, tuple[str, ...]]] = {}
"""Names of the columns of statements that were asked before; their texts are constants of this package."""


def plain_rows(
    connection: sa.Connection, text: str, values: Mapping[str, Any] | None = None
) -> Sequence[tuple[Any, ...]]:
    """All rows of a statement, in the transaction of the connection.

    For statements with many columns that are asked hundreds of times a second: describing the columns of a
    result costs SQLAlchemy more than the rows do.

    Args:
        connection: an open one.
        text: SQL with ``%(name)s`` for values.
        values: by name.

    Raises:
        psycopg.Error: to be translated by whoever opened the connection.
    """
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(text, values or {})
        return cursor.fetchall()


def plain_records(
    connection: sa.Connection, text: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """All rows of a statement as dictionaries; ``text`` is one of a few constants. See :func:`plain_rows`."""
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(text, values or {})
        names = _NAMES.get(text)
        if names is None:
            names = _NAMES[text] = tuple(column[0] for column in cursor.description or ())
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
