"""Views of the user's own that read our tables: PostgreSQL changes no column under them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from htc.errors import HTCError
from htc.store import catalogue
from htc.store.migrating.chain import path_between
from htc.store.schema import REVISIONS

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "Dependent",
    "advice",
    "altered_columns",
    "blocking",
    "dependents",
    "our_relations",
    "recreating",
    "views_named",
]

_IN_THE_WAY: Final = frozenset({"0A000", "2BP01"})
"""SQLSTATE of a column that a view reads, and of a view that another one reads."""

_DEPENDENTS: Final = """
    WITH RECURSIVE reading AS (
        SELECT DISTINCT v.oid AS view, d.refobjid AS source, d.refobjsubid AS position
        FROM pg_depend AS d
             JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             JOIN pg_class AS v ON v.oid = r.ev_class
        WHERE d.refclassid = 'pg_class'::regclass AND v.oid <> d.refobjid AND v.relkind IN ('v', 'm')
    ), mine AS (
        SELECT oid, relname FROM pg_class WHERE relname = ANY (:ours) AND pg_table_is_visible(oid)
    ), found AS (
        SELECT reading.view, mine.relname::text AS reads, a.attname::text AS column_read, 1 AS depth
        FROM reading JOIN mine ON mine.oid = reading.source
             LEFT JOIN pg_attribute AS a ON a.attrelid = reading.source AND a.attnum = reading.position
                  AND a.attnum > 0
        WHERE reading.view NOT IN (SELECT oid FROM mine)
        UNION
        SELECT reading.view, found.reads, found.column_read, found.depth + 1
        FROM found JOIN reading ON reading.source = found.view
        WHERE reading.view NOT IN (SELECT oid FROM mine)
    )
    SELECT found.view::regclass::text AS name, c.relkind = 'm' AS materialized,
           pg_get_viewdef(found.view) AS definition, max(found.depth) AS depth,
           array_agg(DISTINCT ARRAY[found.reads, coalesce(found.column_read, '')]) AS reads,
           ARRAY(SELECT pg_get_indexdef(x.indexrelid) FROM pg_index AS x
                 WHERE x.indrelid = found.view) AS indexes
    FROM found JOIN pg_class AS c ON c.oid = found.view
    GROUP BY found.view, c.relkind ORDER BY depth, name
"""


@dataclass(frozen=True, slots=True)
class Dependent:
    """A view that is not ours and reads a table or view of ours, be it through other views."""

    name: str
    """As SQL writes it."""
    materialized: bool
    definition: str
    reads: frozenset[tuple[str, str]]
    """Our table or view, and the column; an empty name stands for the rows as such."""
    indexes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """``VIEW`` or ``MATERIALIZED VIEW``."""
        return "MATERIALIZED VIEW" if self.materialized else "VIEW"

    def in_words(self) -> str:
        """Its name and what it reads."""
        return f"{self.name} on {', '.join(sorted({table for table, _ in self.reads}))}"


def our_relations() -> list[str]:
    """Tables and views of every revision."""
    return sorted(frozenset[str]().union(*(catalogue.expected(r).relations for r in REVISIONS)))


def dependents(connection: Connection) -> list[Dependent]:
    """The user's views on our tables and views; each stands after those that it reads."""
    rows = connection.execute(text(_DEPENDENTS), {"ours": our_relations()})
    return [
        Dependent(
            row.name,
            row.materialized,
            " ".join(row.definition.split()).rstrip(";"),
            frozenset((table, column) for table, column in row.reads),
            tuple(row.indexes),
        )
        for row in rows
    ]


def altered_columns(
    start: str | None, end: str, found: catalogue.Catalogue | None = None
) -> set[tuple[str, str]]:
    """Columns that the revisions after ``start`` up to ``end`` give another type, or drop.

    Views of ours are dropped and made again on the way: they count with every column.

    Args:
        start: where the database stands, None for nothing.
        end: where it is to stand.
        found: also those that have another type here than at ``start``.
    """
    ahead = path_between(start, end)
    if not ahead:
        return set()
    steps = [catalogue.expected(revision) for revision in ((start, *ahead) if start else ahead)]
    kept = {(table, name) for table, known in steps[-1].tables.items() for name in known.columns}
    if found is not None:
        steps.append(catalogue.Catalogue({n: t for n, t in found.tables.items() if n in steps[-1].tables}))
    out = {(view, "") for step in steps for view in step.views}
    types: dict[tuple[str, str], set[str]] = {}
    for step in steps:
        for table, known in step.tables.items():
            for name, column in known.columns.items():
                types.setdefault((table, name), set()).add(column.type)
    out |= {one for one, several in types.items() if len(several) > 1}
    dropped = {
        (t, c) for step in steps[: len(ahead)] for t, known in step.tables.items() for c in known.columns
    }
    return out | (dropped - kept)


def blocking(found: Sequence[Dependent], altered: Collection[tuple[str, str]]) -> list[Dependent]:
    """Those that PostgreSQL would not let the columns be altered under, and the views on them."""
    views = {table for table, column in altered if not column}
    return [
        one
        for one in found
        if any((table, column) in altered or table in views for table, column in one.reads)
    ]


def recreating(found: Sequence[Dependent]) -> tuple[list[str], list[str]]:
    """Statements to drop the views, and those to make them again."""
    drops = [f"DROP {one.kind} {one.name}" for one in reversed(found)]
    creates = []
    for one in found:
        creates.append(f"CREATE {one.kind} {one.name} AS {one.definition}")
        creates += one.indexes
    return drops, creates


def advice(found: Sequence[Dependent]) -> str:
    """What to run before and after, in words."""
    drops, creates = recreating(found)
    return (
        f"drop them first: {'; '.join(drops)}; and make them again afterwards, with the rights you had"
        f" granted on them: {'; '.join(creates)};"
    )


@contextmanager
def views_named(database: Database) -> Iterator[None]:
    """Around a migration: where a view stopped it, the error tells which there are and what to run."""
    try:
        yield
    except HTCError as error:
        if _state(error) not in _IN_THE_WAY:
            raise
        with database.connect() as connection:
            found = dependents(connection)
        if found:
            error.what += f". Views of yours read our tables: {', '.join(one.in_words() for one in found)}"
            error.hint = advice(found)
        raise


def _state(error: BaseException | None) -> str | None:
    while error is not None:
        state = getattr(getattr(error, "orig", error), "sqlstate", None)
        if state is not None:
            return str(state)
        error = error.__cause__
    return None
