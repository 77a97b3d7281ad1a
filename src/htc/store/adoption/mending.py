"""One table of an earlier deployment beside the same table of 003."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from htc.store import catalogue
from htc.store.adoption.conversions import JSON_TEST, conversion
from htc.store.adoption.parts import Action, Columns, Mended, Refusal
from htc.store.migrating.transaction import quoted
from htc.store.schema import REVISIONS

__all__ = ["mend"]

_KEY: Final = "id"


@dataclass(slots=True)
class _Draft:
    """What is being found out about a table."""

    table: str
    connection: Connection
    unfit: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)
    """Of one ALTER TABLE, before types change."""
    types: list[str] = field(default_factory=list)
    defaults: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def number(self, condition: str) -> int:
        """Rows for which a condition holds."""
        statement = f"SELECT count(*) FROM {quoted(self.table)} WHERE {condition}"  # noqa: S608 - names quoted
        return int(self.connection.exec_driver_sql(statement.replace("%", "%%")).scalar_one())


def mend(connection: Connection, name: str, wanted: catalogue.Table, found: catalogue.Table) -> Mended:
    """Compare a table with its shape at 003.

    Args:
        connection: to count values that do not fit.
        name: of the table.
        wanted: its shape at 003.
        found: its shape now.
    """
    shared = [column for column in wanted.columns if column in found.columns]
    if _KEY not in found.columns or 2 * len(shared) < len(wanted.columns):
        lacks = sorted(set(wanted.columns) - set(found.columns))
        reason = f"it has {len(shared)} of the {len(wanted.columns)} columns; it lacks {', '.join(lacks)}"
        return Mended(refusal=Refusal(name, (reason,)))
    draft = _Draft(name, connection)
    for column, want in wanted.columns.items():
        if column in found.columns:
            _column(draft, column, want, found.columns[column])
        else:
            _missing(draft, column, want)
    _extra_columns(draft, wanted, found)
    key = _key(draft, wanted, found)
    if draft.unfit:
        return Mended(notes=tuple(draft.notes), refusal=Refusal(name, tuple(draft.unfit)))
    actions = []
    table = quoted(name)
    statements = [
        f"ALTER TABLE {table} {', '.join(clauses)}"
        for clauses in (draft.clauses, draft.types, draft.defaults)
        if clauses
    ]
    if statements:
        actions.append(Action("alter", name, f"mend {name}: {'; '.join(draft.texts)}", tuple(statements)))
    actions += key + _named_things(name, wanted, found, draft.notes)
    return Mended(tuple(actions), tuple(draft.notes), Columns(tuple(draft.before), tuple(draft.after)))


def _column(draft: _Draft, column: str, want: catalogue.Column, have: catalogue.Column) -> None:
    q = quoted(column)
    generated = have.default is not None and have.default.startswith(("identity", "generated"))
    if generated:
        what = "IDENTITY" if str(have.default).startswith("identity") else "EXPRESSION"
        draft.clauses.append(f"ALTER COLUMN {q} DROP {what}")
        draft.texts.append(f"{column} no longer {have.default}")
    changed = False
    if have.type == want.type:
        draft.before.append(f"{q}::text")
        draft.after.append(f"{q}::text")
    else:
        changed = _type(draft, column, want, have)
    if changed and have.default is not None and not generated:
        draft.clauses.append(f"ALTER COLUMN {q} DROP DEFAULT")
    if want.default is not None and (want.default != have.default or changed):
        draft.defaults.append(f"ALTER COLUMN {q} SET DEFAULT {want.default}")
        if want.default != have.default:
            draft.texts.append(f"{column} with default {want.default}")
    elif have.default is not None and not generated and not changed and want.default is None:
        draft.notes.append(f"{draft.table}.{column} keeps its default {have.default}")
    if want.nullable and not have.nullable:
        draft.clauses.append(f"ALTER COLUMN {q} DROP NOT NULL")
        draft.texts.append(f"{column} may be NULL")
    elif have.nullable and not want.nullable and column != _KEY:
        nulls = draft.number(f"{q} IS NULL")
        if nulls:
            draft.notes.append(f"{draft.table}.{column} stays without NOT NULL: {nulls} rows have no value")
        else:
            draft.defaults.append(f"ALTER COLUMN {q} SET NOT NULL")
            draft.texts.append(f"{column} NOT NULL")


def _type(draft: _Draft, column: str, want: catalogue.Column, have: catalogue.Column) -> bool:
    """Whether the column takes another type."""
    q = quoted(column)
    way = conversion(column, have.type, want.type)
    if way is None:
        draft.unfit.append(f"column {column} is {have.type}, should be {want.type}")
        return False
    if way.unfit is not None:
        if "htc_is_json" in way.unfit:
            draft.connection.exec_driver_sql(JSON_TEST)
        number = draft.number(f"{q} IS NOT NULL AND ({way.unfit.replace('{q}', q)})")
        if number and not way.may_stay:
            draft.unfit.append(
                f"column {column} is {have.type}, should be {want.type}: {number} values {way.why}"
            )
            return False
        if number:
            draft.notes.append(f"{draft.table}.{column} stays {have.type}: {number} values {way.why}")
            draft.before.append(f"{q}::text")
            draft.after.append(f"{q}::text")
            return False
    draft.types.append(f"ALTER COLUMN {q} TYPE {want.type} USING {way.using.replace('{q}', q)}")
    draft.texts.append(f"{column} from {have.type} to {want.type}")
    draft.before.append(way.before.replace("{q}", q))
    draft.after.append(way.after.replace("{q}", q))
    return True


def _missing(draft: _Draft, column: str, want: catalogue.Column) -> None:
    q = quoted(column)
    if not want.nullable:
        draft.unfit.append(f"column {column} is missing, and every row needs a value")
        return
    # Without the default first: it would invent a value for every row that is there.
    draft.clauses.append(f"ADD COLUMN {q} {want.type}")
    draft.texts.append(f"add {column}, empty")
    if want.default is not None:
        draft.defaults.append(f"ALTER COLUMN {q} SET DEFAULT {want.default}")


def _extra_columns(draft: _Draft, wanted: catalogue.Table, found: catalogue.Table) -> None:
    later = {
        column
        for revision in REVISIONS
        if draft.table in catalogue.expected(revision).tables
        for column in catalogue.expected(revision).tables[draft.table].columns
    }
    for column, have in sorted(found.columns.items()):
        if column in wanted.columns:
            continue
        if column in later:
            draft.unfit.append(f"column {column} ({have.type}) has a name that a later revision needs")
            continue
        draft.notes.append(f"{draft.table}.{column} ({have.type}) is not of HTC; it stays")
        draft.before.append(f"{quoted(column)}::text")
        draft.after.append(f"{quoted(column)}::text")
        if not have.nullable and have.default is None:
            draft.clauses.append(f"ALTER COLUMN {quoted(column)} DROP NOT NULL")
            draft.texts.append(f"{column} may be NULL, because HTC does not write it")


def _key(draft: _Draft, wanted: catalogue.Table, found: catalogue.Table) -> list[Action]:
    """The primary key: there, renamed, or made."""
    ((name, want),) = [
        (n, c) for n, c in wanted.constraints.items() if c.definition.startswith("PRIMARY KEY")
    ]
    have = {n: c for n, c in found.constraints.items() if c.definition.startswith("PRIMARY KEY")}
    table = quoted(draft.table)
    if have.get(name) == want:
        return []
    same = [n for n, c in have.items() if c == want]
    if same:
        statement = f"ALTER TABLE {table} RENAME CONSTRAINT {quoted(same[0])} TO {quoted(name)}"
        return [Action("index", draft.table, f"call the primary key of {draft.table} {name}", (statement,))]
    nulls = draft.number(f"{quoted(_KEY)} IS NULL")
    twice = f"SELECT 1 FROM {table} WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1"  # noqa: S608 - quoted
    doubled = draft.connection.exec_driver_sql(f"SELECT count(*) FROM ({twice}) AS twice").scalar_one()  # noqa: S608
    if nulls or doubled:
        draft.unfit.append(
            f"id cannot be the primary key: {doubled} values are there twice, {nulls} rows have none"
        )
        return []
    statements = [f"ALTER TABLE {table} DROP CONSTRAINT {quoted(n)}" for n in have]
    statements.append(f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {want.definition}")
    return [Action("index", draft.table, f"make id the primary key of {draft.table}", tuple(statements))]


def _named_things(
    name: str, wanted: catalogue.Table, found: catalogue.Table, notes: list[str]
) -> list[Action]:
    """Indexes that are missing or different, and names that later revisions need."""
    later_indexes: set[str] = set()
    later_constraints: set[str] = set()
    for revision in REVISIONS:
        table = catalogue.expected(revision).tables.get(name)
        if table is not None:
            later_indexes |= set(table.indexes)
            later_constraints |= set(table.constraints)
    actions = []
    for constraint, have in sorted(found.constraints.items()):
        if constraint in wanted.constraints or have.definition.startswith("PRIMARY KEY"):
            continue
        if constraint in later_constraints | later_indexes:
            drop = f"ALTER TABLE {quoted(name)} DROP CONSTRAINT {quoted(constraint)}"
            actions.append(
                Action(
                    "drop", name, f"drop the constraint {constraint}; a later revision makes it anew", (drop,)
                )
            )
        else:
            notes.append(f"{name} keeps its constraint {constraint}: {have.definition}")
    for index, have_index in sorted(found.indexes.items()):
        want = wanted.indexes.get(index)
        if want is None and index in later_indexes | later_constraints:
            drop = f"DROP INDEX {quoted(index)}"
            actions.append(
                Action("index", name, f"drop the index {index}; a later revision makes it anew", (drop,))
            )
        elif want is None:
            notes.append(f"{name} keeps its index {index}")
        elif have_index != want:
            again = (f"DROP INDEX {quoted(index)}", want.definition)
            actions.append(Action("index", name, f"make the index {index} anew", again))
    actions += [
        Action("index", name, f"create the index {index}", (want_index.definition,))
        for index, want_index in sorted(wanted.indexes.items())
        if index not in found.indexes
    ]
    return actions
