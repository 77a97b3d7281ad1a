"""What a schema consists of: as it should be at each revision, and as a database really has it.

The expected catalogues lie in ``catalogues/``, written by ``scripts/catalogues.py`` from the migrations
themselves, because a database that is to be examined may be the only one at hand. Texts of definitions are
PostgreSQL's own, brought to one form where its versions print them differently.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from htc.errors import SchemaError
from htc.store.schema import REVISIONS

__all__ = [
    "FOLDER",
    "Catalogue",
    "Column",
    "Constraint",
    "Difference",
    "Index",
    "Table",
    "View",
    "closest",
    "differences",
    "expected",
    "introduced_in",
    "later_relations",
    "read",
]

FOLDER: Final = Path(__file__).parent / "catalogues"
"""One JSON file for each revision."""

Kind = Literal["table", "column", "constraint", "index", "trigger", "view", "routine"]
Change = Literal["missing", "extra", "differs", "invalid"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    type: str
    """As ``format_type`` prints it, with a collation that is not the type's own."""
    nullable: bool
    default: str | None
    """The default's or the generated value's expression; ``"identity always"`` for an identity."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A primary key, UNIQUE, CHECK, EXCLUDE or foreign key; NOT NULL belongs to its column."""

    definition: str
    valid: bool = True
    """False for NOT VALID: rows that were there before it were never checked."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index that does not belong to a constraint."""

    definition: str
    """``CREATE [UNIQUE] INDEX ...`` with order, NULLS, INCLUDE, predicate; it can be executed."""
    valid: bool = True
    """False when a CONCURRENTLY left it half-built: it costs every write and serves no query."""

    @property
    def unique(self) -> bool:
        """Whether it refuses equal keys."""
        return self.definition.startswith("CREATE UNIQUE")


@dataclass(frozen=True, slots=True)
class Table:
    """A table, ordinary or partitioned."""

    columns: Mapping[str, Column]
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    triggers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """A view, or a materialized view with its indexes."""

    definition: str
    materialized: bool = False
    indexes: Mapping[str, Index] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything a schema consists of. Objects of extensions and ``alembic_version`` are left out."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    routines: Mapping[str, str] = field(default_factory=dict)
    """``name(argument types)`` -> what it returns, its language and body."""

    @property
    def relations(self) -> frozenset[str]:
        """Names of the tables and views."""
        return frozenset(self.tables) | frozenset(self.views)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Catalogue:
        """The inverse of :meth:`as_dict`."""

        def indexes(found: Mapping[str, Any]) -> dict[str, Index]:
            return {name: Index(**index) for name, index in found.items()}

        return cls(
            tables={
                name: Table(
                    {c: Column(**column) for c, column in table["columns"].items()},
                    {c: Constraint(**constraint) for c, constraint in table["constraints"].items()},
                    indexes(table["indexes"]),
                    dict(table["triggers"]),
                )
                for name, table in data["tables"].items()
            },
            views={
                name: View(view["definition"], view["materialized"], indexes(view["indexes"]))
                for name, view in data["views"].items()
            },
            routines=dict(data["routines"]),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected."""

    kind: Kind
    change: Change
    name: str
    """Of the table, column, index, ..."""
    parent: str | None = None
    """The table or view it belongs to."""
    aspect: str = ""
    """What differs: type, nullability, default, definition, kind; empty when missing or extra."""
    expected: str | None = None
    found: str | None = None

    @property
    def label(self) -> str:
        """``table.column``, or the name."""
        if self.kind == "column":
            return f"{self.parent}.{self.name}"
        return self.name

    @property
    def essential(self) -> bool:
        """Statements written for the expected schema cannot work: a table, column or view is missing or
        of another type. Names, limits of length, defaults and indexes are not essential."""
        if self.kind in {"table", "column", "view"}:
            if self.change == "missing":
                return True
            if self.aspect == "kind":
                return True
            if self.aspect == "type":
                return _family(self.expected) != _family(self.found)
        return False

    def in_words(self) -> str:
        """One sentence without a full stop."""
        name = f"{self.kind} {self.label}"
        if self.kind != "column" and self.parent:
            name += f" of {self.parent}"
        match self.change:
            case "missing":
                return f"{name} is missing" + (f": {self.expected}" if self.expected else "")
            case "extra":
                return f"{name} is not of HTC" + (f": {self.found}" if self.found else "")
            case "invalid":
                why = "half-built and unused" if self.kind == "index" else "not checked for old rows"
                return f"{name} is not valid ({why})"
            case "differs":
                return f"{name}: {self.aspect} is {self.found}, should be {self.expected}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def _family(type_: str | None) -> str:
    """Types between which a value of an earlier deployment passes unharmed count as one."""
    bare = re.sub(r"\(.*?\)", "", type_ or "").strip()
    return {
        "character varying": "text",
        "character": "text",
        "timestamp without time zone": "timestamp",
        "timestamp with time zone": "timestamp",
        "double precision": "number",
        "real": "number",
        "numeric": "number",
        "smallint": "integer",
        "bigint": "integer",
        "jsonb": "json",
    }.get(bare, bare)


@functools.cache
def expected(revision: str) -> Catalogue:
    """What the migrations make up to a revision.

    Raises:
        SchemaError: no such revision, or its catalogue is not part of this installation.
    """
    if revision not in REVISIONS:
        raise SchemaError(f"there is no revision {revision!r}", hint="known: " + ", ".join(REVISIONS))
    file = FOLDER / f"{revision}.json"
    try:
        return Catalogue.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SchemaError(
            f"the description of revision {revision} cannot be read: {error}",
            where=str(file),
            hint="install htc again; in a checkout run `python scripts/catalogues.py`",
        ) from error


def introduced_in(relation: str) -> str | None:
    """The first revision that has a table or view of this name; None: no revision has."""
    return next((r for r in REVISIONS if relation in expected(r).relations), None)


def later_relations(found: Catalogue, revision: str | None) -> dict[str, str]:
    """Tables and views of revisions after ``revision`` (None: of any) that are there, and which made them."""
    at = -1 if revision is None else REVISIONS.index(revision)
    known = frozenset() if revision is None else expected(revision).relations
    since = {name: introduced_in(name) for name in sorted(found.relations - known)}
    return {name: r for name, r in since.items() if r is not None and REVISIONS.index(r) > at}


def read(connection: Connection) -> Catalogue:
    """What a database really has, in the schemas of its search path. Changes nothing.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: as any statement; ``Database.connect`` translates it.
    """
    relations = connection.execute(text(_RELATIONS)).all()
    columns: dict[str, dict[str, Column]] = {}
    for table, name, type_, nullable, default in connection.execute(text(_COLUMNS)):
        columns.setdefault(table, {})[name] = Column(type_, nullable, default)
    constraints: dict[str, dict[str, Constraint]] = {}
    for table, name, definition, valid in connection.execute(text(_CONSTRAINTS)):
        rule = _list_form(_one_line(definition.removesuffix(" NOT VALID")))
        constraints.setdefault(table, {})[name] = Constraint(rule, valid)
    indexes: dict[str, dict[str, Index]] = {}
    for relation, name, definition, valid in connection.execute(text(_INDEXES)):
        indexes.setdefault(relation, {})[name] = Index(_list_form(_one_line(definition)), valid)
    triggers: dict[str, dict[str, str]] = {}
    for table, name, definition in connection.execute(text(_TRIGGERS)):
        triggers.setdefault(table, {})[name] = _one_line(definition)
    routines = {
        f"{name}({arguments})": f"{result} {language} {volatility}: {_one_line(body)}"
        for name, arguments, result, language, volatility, body in connection.execute(text(_ROUTINES))
    }
    tables: dict[str, Table] = {}
    views: dict[str, View] = {}
    for name, kind, definition in relations:
        if kind in {"r", "p"}:
            tables[name] = Table(
                columns.get(name, {}),
                constraints.get(name, {}),
                indexes.get(name, {}),
                triggers.get(name, {}),
            )
        else:
            views[name] = View(_view_body(definition), kind == "m", indexes.get(name, {}))
    return Catalogue(tables, views, routines)


def differences(wanted: Catalogue, found: Catalogue) -> list[Difference]:
    """What ``found`` lacks, has too much or has otherwise, in the order of the names."""
    out: list[Difference] = []
    for name, table in sorted(wanted.tables.items()):
        if name in found.tables:
            out += _in_table(name, table, found.tables[name])
        elif name in found.views:
            out.append(Difference("table", "differs", name, None, "kind", "a table", "a view"))
        else:
            out.append(Difference("table", "missing", name))
    for name, view in sorted(wanted.views.items()):
        if name in found.views:
            out += _in_view(name, view, found.views[name])
        elif name in found.tables:
            out.append(Difference("view", "differs", name, None, "kind", "a view", "a table"))
        else:
            out.append(Difference("view", "missing", name))
    out += [Difference("table", "extra", n) for n in sorted(set(found.tables) - wanted.relations)]
    out += [Difference("view", "extra", n) for n in sorted(set(found.views) - wanted.relations)]
    out += _in_texts("routine", None, wanted.routines, found.routines)
    return out


def closest(found: Catalogue) -> str | None:
    """The latest revision whose tables, columns and views are all there; None: not even the first.

    Tables of still later revisions may be there besides, left by a migration that failed half-way.
    """
    for revision in reversed(REVISIONS):
        if not any(d.essential for d in differences(expected(revision), found)):
            return revision
    return None


def _in_table(name: str, wanted: Table, found: Table) -> list[Difference]:
    out: list[Difference] = []
    for column, want in wanted.columns.items():
        have = found.columns.get(column)
        if have is None:
            out.append(Difference("column", "missing", column, name, expected=want.type))
            continue
        pairs = {
            "type": (want.type, have.type),
            "nullability": tuple("NULL" if c.nullable else "NOT NULL" for c in (want, have)),
            "default": tuple(c.default or "none" for c in (want, have)),
        }
        out += [
            Difference("column", "differs", column, name, aspect, first, second)
            for aspect, (first, second) in pairs.items()
            if first != second
        ]
    for column in sorted(set(found.columns) - set(wanted.columns)):
        extra = found.columns[column]
        needs = "" if extra.nullable else " NOT NULL"
        default = f" DEFAULT {extra.default}" if extra.default else ""
        out.append(Difference("column", "extra", column, name, found=f"{extra.type}{needs}{default}"))
    for kind, wants, haves in (
        ("constraint", wanted.constraints, found.constraints),
        ("index", wanted.indexes, found.indexes),
    ):
        out += _in_defined(kind, name, wants, haves)  # type: ignore[arg-type]  # the Literal is lost in a tuple
    return out + _in_texts("trigger", name, wanted.triggers, found.triggers)


def _in_view(name: str, wanted: View, found: View) -> list[Difference]:
    out: list[Difference] = []
    if wanted.materialized != found.materialized:
        kinds = {True: "a materialized view", False: "a view"}
        out.append(
            Difference(
                "view", "differs", name, None, "kind", kinds[wanted.materialized], kinds[found.materialized]
            )
        )
    if wanted.definition != found.definition:
        out.append(
            Difference("view", "differs", name, None, "definition", wanted.definition, found.definition)
        )
    return out + _in_defined("index", name, wanted.indexes, found.indexes)


def _in_defined(
    kind: Kind,
    parent: str,
    wanted: Mapping[str, Constraint] | Mapping[str, Index],
    found: Mapping[str, Constraint] | Mapping[str, Index],
) -> list[Difference]:
    out = _in_texts(
        kind,
        parent,
        {name: one.definition for name, one in wanted.items()},
        {name: one.definition for name, one in found.items()},
    )
    out += [
        Difference(kind, "invalid", name, parent, found=one.definition)
        for name, one in found.items()
        if not one.valid
    ]
    return out


def _in_texts(
    kind: Kind, parent: str | None, wanted: Mapping[str, str], found: Mapping[str, str]
) -> list[Difference]:
    out: list[Difference] = []
    for name in sorted({*wanted, *found}):
        want, have = wanted.get(name), found.get(name)
        if want == have:
            continue
        change: Change = "missing" if have is None else "extra" if want is None else "differs"
        aspect = "definition" if change == "differs" else ""
        out.append(Difference(kind, change, name, parent, aspect, want, have))
    return out


def _one_line(definition: str) -> str:
    return " ".join(definition.split())


_LISTED: Final = r"\(?'(?:[^']|'')*'::character varying\)?::text"
_CAST_ONE_BY_ONE: Final = re.compile(rf"ARRAY\[({_LISTED}(?:, {_LISTED})*)\]")


def _list_form(definition: str) -> str:
    """One form for ``column IN ('a', 'b')``: the server casts the list as a whole; what a dump makes of that
    is read back as a list of casts."""

    def cast_as_a_whole(found: re.Match[str]) -> str:
        texts = re.findall(r"'(?:[^']|'')*'::character varying", found[1])
        return f"ARRAY[{', '.join(texts)}]::text[]"

    return _CAST_ONE_BY_ONE.sub(cast_as_a_whole, definition)


def _view_body(definition: str) -> str:
    """One form for all versions: before 16 every column carries the name of its table, after it only where
    there are several tables."""
    line = _list_form(_one_line(definition)).rstrip(";")
    pieces = re.split(r"('(?:[^']|'')*')", line)
    qualifier = re.compile(r'(?<![\w".])("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)\.(?=["a-z_])')
    names = {name for piece in pieces[::2] for name in qualifier.findall(piece)}
    if len(names) == 1:
        pieces[::2] = [qualifier.sub("", piece) for piece in pieces[::2]]
    return "".join(pieces)


_NOT_OF_AN_EXTENSION: Final = """
    NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = {oid}
                AND e.deptype = 'e')
"""

_OURS: Final = """
    pg_table_is_visible(c.oid) AND NOT c.relispartition AND c.relname <> 'alembic_version'
    AND c.relnamespace = ANY (SELECT oid FROM pg_namespace
                              WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') AND
""" + _NOT_OF_AN_EXTENSION.format(catalog="pg_class", oid="c.oid")  # noqa: S608 - names of this file only

# Names in this file only are put into the statements.
_RELATIONS: Final = f"""
SELECT c.relname, c.relkind::text, CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid, true) END
FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm') AND {_OURS} ORDER BY 1
"""  # noqa: S608

_COLUMNS: Final = f"""
SELECT c.relname, a.attname,
       format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attcollation <> t.typcollation
               THEN ' COLLATE ' || quote_ident((SELECT collname FROM pg_collation WHERE oid = a.attcollation))
               ELSE '' END,
       NOT a.attnotnull,
       CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default'
            ELSE CASE a.attgenerated WHEN '' THEN '' ELSE 'generated: ' END || pg_get_expr(d.adbin, d.adrelid)
       END
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {_OURS} ORDER BY 1, a.attnum
"""  # noqa: S608

_CONSTRAINTS: Final = f"""
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid, true), k.convalidated
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid
WHERE k.contype IN ('p', 'u', 'c', 'x', 'f') AND {_OURS} ORDER BY 1, 2
"""  # noqa: S608

_INDEXES: Final = f"""
SELECT c.relname, i.relname, pg_get_indexdef(i.oid, 0, true), x.indisvalid AND x.indisready
FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relkind IN ('r', 'p', 'm') AND {_OURS}
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
ORDER BY 1, 2
"""  # noqa: S608

_TRIGGERS: Final = f"""
SELECT c.relname, g.tgname, pg_get_triggerdef(g.oid, true)
FROM pg_class c JOIN pg_trigger g ON g.tgrelid = c.oid WHERE NOT g.tgisinternal AND {_OURS} ORDER BY 1, 2
"""  # noqa: S608

_ROUTINES: Final = f"""
SELECT p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), l.lanname,
       p.provolatile::text, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_function_is_visible(p.oid)
  AND {_NOT_OF_AN_EXTENSION.format(catalog="pg_proc", oid="p.oid")} ORDER BY 1, 2
"""  # noqa: S608
