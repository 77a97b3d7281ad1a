"""What a database holds, in a form in which two databases can be compared, also across major versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Contents", "Progress", "Table", "differences", "is_empty", "read_contents"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_OURS: Final = """
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
"""Relations that belong neither to PostgreSQL nor to an extension."""

_AS_TEXT: Final = (
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL search_path = pg_catalog",
)
"""A row's text must depend on the row only."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one table."""

    rows: int
    digest: str
    """Sum of a 64-bit hash of every row's text: the same for the same rows in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything in a database that a backup must bring back. Names are ``schema.name``, quoted as in SQL."""

    server_version: int
    """``server_version_num``, e.g. 180006."""
    revision: str | None
    """The stamp in alembic_version, None where there is none; several are joined by a comma."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    """Definitions of views and materialized views, as this server words them."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of tables and views: names and types in order."""
    indexes: Mapping[str, str] = field(default_factory=dict)
    """Definitions of indexes, as this server words them."""
    constraints: Mapping[str, str] = field(default_factory=dict)
    """Definitions of constraints by ``schema.table name``, as this server words them."""

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return sum(table.rows for table in self.tables.values())

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Contents:
        """The reverse of :meth:`as_dict`.

        Raises:
            KeyError, TypeError, AttributeError: ``value`` is something else.
        """
        tables = {str(name): Table(int(t["rows"]), str(t["digest"])) for name, t in value["tables"].items()}
        worded = {
            part: {str(name): str(definition) for name, definition in value[part].items()}
            for part in ("views", "columns", "indexes", "constraints")
        }
        revision = None if value["revision"] is None else str(value["revision"])
        return cls(server_version=int(value["server_version"]), revision=revision, tables=tables, **worded)


def is_empty(connection: Connection) -> bool:
    """Whether a database has no table, view or sequence of its own."""
    query = f"SELECT NOT EXISTS (SELECT {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f'))"
    return bool(connection.execute(text(query)).scalar_one())


def read_contents(connection: Connection, tell: Progress | None = None) -> Contents:
    """Count and digest every table. Within one repeatable-read transaction all numbers are of one moment.

    Args:
        connection: in a transaction; its search_path, time zone and formats are set for that transaction.
        tell: told ``("counting rows", tables done, tables)``.
    """

    def pairs(query: str) -> dict[str, str]:
        return {name: value for name, value in connection.execute(text(query))}  # noqa: C416 - rows, not tuples

    for statement in _AS_TEXT:
        connection.execute(text(statement))
    name = "format('%I.%I', n.nspname, c.relname)"
    views = pairs(f"SELECT {name}, pg_get_viewdef(c.oid, true) {_OURS} AND c.relkind IN ('v', 'm')")
    indexes = pairs(f"SELECT {name}, pg_get_indexdef(c.oid) {_OURS} AND c.relkind IN ('i', 'I')")
    columns = pairs(
        f"""
        SELECT {name}, coalesce((
            SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                              ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
        {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm')
        """  # noqa: S608 - constants of this file
    )
    # Since 18 a NOT NULL is listed among the constraints too.
    constraints = pairs(
        f"""
        SELECT {name} || ' ' || quote_ident(con.conname), pg_get_constraintdef(con.oid)
        {_OURS.replace("WHERE", "JOIN pg_constraint con ON con.conrelid = c.oid WHERE", 1)}
        AND con.contype <> 'n'
        """
    )
    names = connection.execute(text(f"SELECT {name} {_OURS} AND c.relkind = 'r' ORDER BY 1")).scalars().all()
    tables: dict[str, Table] = {}
    for done, table in enumerate(names):
        if tell:
            tell("counting rows", done, len(names))
        digest_of = "coalesce(sum(hashtextextended(t::text, 0)), 0)::text"
        rows, digest = connection.execute(
            text(f"SELECT count(*), {digest_of} FROM ONLY {_escaped(table)} AS t")  # noqa: S608 - quoted by format('%I')
        ).one()
        tables[table] = Table(int(rows), str(digest))
    if tell:
        tell("counting rows", len(names), len(names))
    stamps: list[str] = []
    stamp_table = connection.execute(
        text(
            f"SELECT {name} {_OURS} AND c.relname = 'alembic_version' AND c.relkind = 'r' ORDER BY 1 LIMIT 1"
        )
    ).scalar()
    if stamp_table is not None:
        stamped = connection.execute(
            text(f"SELECT version_num FROM {_escaped(stamp_table)} ORDER BY 1")  # noqa: S608 - as above
        )
        stamps = [str(row[0]) for row in stamped]
    return Contents(
        server_version=int(connection.execute(text("SHOW server_version_num")).scalar_one()),
        revision=", ".join(stamps) or None,
        tables=tables,
        views=views,
        columns=columns,
        indexes=indexes,
        constraints=constraints,
    )


_CAST: Final = re.compile(
    r"""::(?:"[^"]+"|[\w.]+)(?: varying| precision| with(?:out)? time zone)?(?:\(\d+(?:,\d+)?\))?(?:\[\])*"""
)


def _without_casts(definition: str) -> str:
    """What remains when a definition is read back once: PostgreSQL moves its casts, and adds parentheses."""
    return re.sub(r"[()\s]+", "", _CAST.sub("", definition))


def _escaped(name: str) -> str:
    # SQLAlchemy takes a colon before a letter for a parameter.
    return name.replace(":", "\\:")


def differences(before: Contents, after: Contents) -> list[str]:
    """What ``after`` lacks, has too much or has otherwise, one sentence each; empty when nothing.

    Servers of different major versions word the same view differently, so definitions are compared only
    between equal ones; names, columns and rows always.
    """
    found: list[str] = []
    if before.revision != after.revision:
        found.append(f"the revision is {after.revision or 'missing'}, it was {before.revision or 'missing'}")
    for name, table in before.tables.items():
        now = after.tables.get(name)
        if now is None:
            found.append(f"the table {name} is missing")
        elif now.rows != table.rows:
            found.append(f"{name} has {now.rows} rows, it had {table.rows}")
        elif now.digest != table.digest:
            found.append(f"{name} has as many rows as before, {table.rows}, but not the same ones")
    found += [f"the table {name} is new" for name in sorted(set(after.tables) - set(before.tables))]
    same_words = before.server_version // 10_000 == after.server_version // 10_000
    parts = ("columns", "views", "indexes", "constraints")
    for part in parts:
        was: Mapping[str, str] = getattr(before, part)
        now_is: Mapping[str, str] = getattr(after, part)
        for name in sorted(set(was) ^ set(now_is)):
            found.append(f"{part}: {name} is {'missing' if name in was else 'new'}")
        if same_words or part == "columns":
            found += [
                f"{part}: {name} is now {now_is[name].strip()!r}, it was {was[name].strip()!r}"
                for name in sorted(set(was) & set(now_is))
                if _without_casts(was[name]) != _without_casts(now_is[name])
            ]
    return found
