"""What a database really is, and what it takes to bring it in order. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, text

from htc.errors import SchemaError
from htc.store import catalogue
from htc.store.adoption.mending import mend
from htc.store.adoption.parts import Action, Columns, Refusal
from htc.store.damage import damage, has_own_shape, remedy
from htc.store.migrating.transaction import quoted
from htc.store.schema import HEAD, REVISIONS, Standing, is_of_the_early_chain, standing

__all__ = ["BASE", "SUFFIX", "Action", "Plan", "Refusal", "TableSight", "make_plan"]

BASE: Final = "003_htc_predictions"
"""The last revision of the earlier deployments: everything older is brought to it first."""

SUFFIX: Final = "_before_htc"
VIEW: Final = "top_superconductors"
_MADE_BY: Final = {
    "test_telemetry": "001_test_telemetry",
    "bete_runs": "002_bete_runs",
    "htc_predictions": "003_htc_predictions",
}


@dataclass(frozen=True, slots=True)
class TableSight:
    """One table or view as it was found."""

    name: str
    state: str
    """In words: ``"as at 003_htc_predictions"``, ``"missing"``, ..."""
    rows: int | None
    """None where it is missing or a view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A diagnosis and what follows from it."""

    standing: Standing
    hypothesis: str
    tables: tuple[TableSight, ...]
    actions: tuple[Action, ...]
    """In order; what the upgrade does afterwards is not among them."""
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    stamp: str | None = None
    """The revision that the tables are at after the actions; None: there are none, the chain makes them."""
    columns: Mapping[str, Columns] | None = None
    """Of each table that stays: its columns as text, before and after the actions."""

    @property
    def is_needed(self) -> bool:
        """Whether anything has to be done."""
        stamped = self.standing.revision == HEAD and self.stamp == HEAD
        return bool(self.actions or self.refusals) or not stamped

    def steps(self) -> list[str]:
        """What will be done, in words."""
        out = [action.text for action in self.actions]
        if self.stamp is not None and self.standing.revisions != (self.stamp,):
            old = ", ".join(self.standing.revisions)
            out.append(f"stamp {self.stamp}" + (f" instead of {old}" if old else ""))
        elif self.stamp is None and self.standing.revisions:
            out.append(f"remove the stamp {', '.join(self.standing.revisions)}")
        at = REVISIONS.index(self.stamp) if self.stamp else -1
        out += [f"run {revision}" for revision in REVISIONS[at + 1 :]]
        return out

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "stamps": list(self.standing.revisions),
            "hypothesis": self.hypothesis,
            "tables": [asdict(one) for one in self.tables],
            "steps": self.steps(),
            "statements": [s for action in self.actions for s in action.statements],
            "refusals": [asdict(one) for one in self.refusals],
            "notes": list(self.notes),
        }


def make_plan(connection: Connection, set_aside: Collection[str] = (), *, where: str = "") -> Plan:
    """Look at every table and say what is to be done.

    Args:
        connection: an open connection; nothing but a temporary function is made on it.
        set_aside: tables or views of another program that are to be renamed out of the way.
        where: the database, for messages.

    Raises:
        SchemaError: a newer program made the schema, a part of it was lost since this program made it, or
            ``set_aside`` names something that is not in the way.
    """
    now = standing(connection)
    _refuse_newer(now, where)
    found = catalogue.read(connection)
    _refuse_damaged(now, found, where)
    aside, found = _set_aside(connection, found, set_aside, where)
    fits = catalogue.closest(found)
    if fits is not None and REVISIONS.index(fits) > REVISIONS.index(BASE):
        return _only_a_stamp(connection, now, found, fits, aside)
    early = [name for name in _MADE_BY if name in found.relations]
    refusals = _taken_names(found, fits=BASE if early else None)
    if not early and VIEW not in found.relations:
        hypothesis = "there is no table of HTC" + (", in spite of the stamp" if now.revisions else "")
        return Plan(
            standing=now,
            hypothesis=hypothesis,
            tables=(),
            actions=aside,
            refusals=tuple(refusals),
            columns={},
        )
    return _to_base(connection, now, found, aside, refusals)


def _to_base(
    connection: Connection,
    now: Standing,
    found: catalogue.Catalogue,
    aside: tuple[Action, ...],
    refusals: list[Refusal],
) -> Plan:
    wanted = catalogue.expected(BASE)
    actions: list[Action] = []
    made: list[Action] = []
    notes: list[str] = []
    sights: list[TableSight] = []
    columns: dict[str, Columns] = {}
    for name, revision in _MADE_BY.items():
        if name in found.views:
            refusals.append(Refusal(name, ("it is a view",)))
            sights.append(TableSight(name, "a view of another program", None))
        elif name not in found.tables:
            made.append(
                Action("create", name, f"create {name}, as {revision} does, empty", revision=revision)
            )
            sights.append(TableSight(name, "missing", None))
        else:
            mended = mend(connection, name, wanted.tables[name], found.tables[name])
            if mended.refusal:
                refusals.append(mended.refusal)
                state = "not a table of HTC"
            else:
                actions += mended.actions
                columns[name] = mended.columns
                state = f"as at {BASE}" if not mended.actions else "of an earlier deployment, to be mended"
            notes += mended.notes
            sights.append(TableSight(name, state, count(connection, name)))
    view_before, view_after = _view(
        found, sights, refusals, makes_table=any(a.table == "bete_runs" for a in made)
    )
    if view_before and not view_after:
        view_after = _make_view()
    touches_view = any(action.table == "bete_runs" and action.alters for action in actions)
    if touches_view and not view_before and VIEW in found.views:
        view_before, view_after = [_drop_view(found)], _make_view()
    return Plan(
        standing=now,
        hypothesis=_hypothesis(now, found),
        tables=tuple(sights),
        actions=(*aside, *view_before, *actions, *made, *view_after),
        refusals=tuple(refusals),
        notes=tuple(notes),
        stamp=BASE,
        columns=columns,
    )


def _only_a_stamp(
    connection: Connection, now: Standing, found: catalogue.Catalogue, fits: str, aside: tuple[Action, ...]
) -> Plan:
    wanted = catalogue.expected(fits)
    drift = [d for d in catalogue.differences(wanted, found) if d.change != "extra"]
    return Plan(
        standing=now,
        hypothesis=f"the tables are those of {fits}"
        + ("" if now.revision == fits else "; only the stamp is wrong or missing"),
        tables=tuple(TableSight(n, f"as at {fits}", count(connection, n)) for n in wanted.tables),
        actions=aside,
        refusals=tuple(_taken_names(found, fits)),
        notes=tuple(f"{d.in_words()}: left so, see `htc db doctor`" for d in drift),
        stamp=fits,
        columns={},
    )


def count(connection: Connection, table: str) -> int:
    """Rows of a table."""
    return int(connection.execute(text(f"SELECT count(*) FROM {quoted(table)}")).scalar_one())  # noqa: S608 - quoted


def later_names(fits: str | None) -> frozenset[str]:
    """Names of tables and views that the revisions after ``fits`` make."""
    at = REVISIONS.index(fits) if fits else -1
    have = catalogue.expected(fits).relations if fits else frozenset()
    made = frozenset[str]().union(*(catalogue.expected(r).relations for r in REVISIONS[at + 1 :]))
    return made - have


def _taken_names(found: catalogue.Catalogue, fits: str | None) -> list[Refusal]:
    return [
        Refusal(name, ("it has the shape of HTC's own of a later revision",), is_ours=True)
        if has_own_shape(name, found)
        else Refusal(name, ("a later revision makes a table or view of this name",))
        for name in sorted(later_names(fits) & found.relations)
    ]


def _refuse_newer(now: Standing, where: str) -> None:
    newer = [s for s in now.revisions if s not in REVISIONS and not is_of_the_early_chain(s)]
    if newer:
        raise SchemaError(
            f"the database is stamped {', '.join(newer)}, which this program does not know",
            where=where,
            hint="a newer htc made it: update htc. If alembic_version belongs to another program, give htc a"
            " database or a schema of its own. Nothing was changed",
        )


def _refuse_damaged(now: Standing, found: catalogue.Catalogue, where: str) -> None:
    lacking = damage(now.revision, found)
    if now.revision is None or not lacking:
        return
    more = f"; and {len(lacking) - 5} more" if len(lacking) > 5 else ""
    raise SchemaError(
        f"this is no earlier deployment: the database was at {now.revision} and has lost a part: "
        + "; ".join(one.in_words() for one in lacking[:5])
        + f"{more}. Nothing was changed",
        where=where,
        hint=remedy(now.revision, lacking),
    )


def _hypothesis(now: Standing, found: catalogue.Catalogue) -> str:
    have = [name for name in _MADE_BY if name in found.tables]
    tables = ", ".join(have)
    if not now.revisions:
        return f"an earlier deployment or a restore left {tables} without a stamp"
    if len(now.revisions) > 1:
        return f"several programs stamped it; the tables are {tables}"
    (stamp,) = now.revisions
    if stamp not in REVISIONS:
        same = next(r for r in REVISIONS if r[:3] == stamp[:3])
        return f"the stamp {stamp} is an earlier name of {same}; the tables are {tables}"
    if REVISIONS.index(stamp) > REVISIONS.index(BASE):
        return f"the stamp is {stamp}, but the tables ({tables}) are those of an earlier deployment"
    ahead = [name for name in have if REVISIONS.index(_MADE_BY[name]) > REVISIONS.index(stamp)]
    if ahead:
        return f"a migration failed after it had made {' and '.join(ahead)}, and left the stamp at {stamp}"
    lacks = [n for n, r in _MADE_BY.items() if n not in have and REVISIONS.index(r) <= REVISIONS.index(stamp)]
    if lacks:
        return f"the stamp is {stamp}, but {', '.join(lacks)} was dropped or never made"
    return f"a database of an earlier deployment at {stamp}"


def _view(
    found: catalogue.Catalogue, sights: list[TableSight], refusals: list[Refusal], *, makes_table: bool
) -> tuple[list[Action], list[Action]]:
    """What becomes of top_superconductors: actions before and after those of the tables."""
    wanted = catalogue.expected(BASE).views[VIEW]
    if VIEW in found.tables:
        refusals.append(Refusal(VIEW, ("it is a table, not the materialized view of HTC",)))
        sights.append(TableSight(VIEW, "a table of another program", None))
        return [], []
    have = found.views.get(VIEW)
    if have is None:
        sights.append(TableSight(VIEW, "missing", None))
        return [], [] if makes_table else _make_view()
    if "bete_runs" not in have.definition:
        refusals.append(Refusal(VIEW, ("it is a view of something other than bete_runs",)))
        sights.append(TableSight(VIEW, "a view of another program", None))
        return [], []
    same = have.materialized and have.definition == wanted.definition
    indexed = all(have.indexes.get(name) == index for name, index in wanted.indexes.items())
    sights.append(TableSight(VIEW, f"as at {BASE}" if same and indexed else "defined otherwise", None))
    return ([], []) if same and indexed else ([_drop_view(found)], _make_view())


def _drop_view(found: catalogue.Catalogue) -> Action:
    kind = "MATERIALIZED VIEW" if found.views[VIEW].materialized else "VIEW"
    return Action(
        "drop", VIEW, f"drop {VIEW}, which holds no rows of its own", (f"DROP {kind} {quoted(VIEW)}",)
    )


def _make_view() -> list[Action]:
    view = catalogue.expected(BASE).views[VIEW]
    return [
        Action(
            "create",
            VIEW,
            f"create {VIEW} from bete_runs",
            (
                f"CREATE MATERIALIZED VIEW {VIEW} AS {view.definition}",
                *(index.definition for _, index in sorted(view.indexes.items())),
            ),
        )
    ]


def _set_aside(
    connection: Connection, found: catalogue.Catalogue, names: Collection[str], where: str
) -> tuple[tuple[Action, ...], catalogue.Catalogue]:
    ours = frozenset[str]().union(*(catalogue.expected(r).relations for r in REVISIONS))
    wanted = dict.fromkeys(names)
    if "bete_runs" in wanted and VIEW in found.views and "bete_runs" in found.views[VIEW].definition:
        wanted[VIEW] = None
    actions = []
    for name in wanted:
        if name not in found.relations or name not in ours:
            raise SchemaError(
                f"there is nothing called {name} that is in the way",
                where=where,
                hint="`htc db adopt --dry-run` says what is",
            )
        if f"{name}{SUFFIX}" in found.relations:
            raise SchemaError(
                f"{name} cannot be set aside: there is a {name}{SUFFIX} already",
                where=where,
                hint="rename or drop that one first",
            )
        actions.append(_renaming(connection, found, name))
    left = replace(
        found,
        tables={n: t for n, t in found.tables.items() if n not in wanted},
        views={n: v for n, v in found.views.items() if n not in wanted},
    )
    return tuple(actions), left


def _renaming(connection: Connection, found: catalogue.Catalogue, name: str) -> Action:
    kind = "TABLE"
    if name in found.views:
        kind = "MATERIALIZED VIEW" if found.views[name].materialized else "VIEW"
    # Indexes and sequences have names of their own in the schema, which ours will need.
    belongings = connection.execute(
        text(
            "SELECT i.relname, 'INDEX' FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
            " WHERE x.indrelid = to_regclass(:name)"
            " UNION SELECT s.relname, 'SEQUENCE' FROM pg_depend d JOIN pg_class s ON s.oid = d.objid"
            " WHERE d.refobjid = to_regclass(:name) AND d.classid = 'pg_class'::regclass AND s.relkind = 'S'"
            " ORDER BY 1"
        ),
        {"name": quoted(name)},
    )
    statements = [f"ALTER {kind} {quoted(name)} RENAME TO {quoted(name + SUFFIX)}"]
    statements += [
        f"ALTER {what} {quoted(own)} RENAME TO {quoted(own[: 63 - len(SUFFIX)] + SUFFIX)}"
        for own, what in belongings
    ]
    return Action("rename", name, f"rename {name} to {name}{SUFFIX}, with its indexes", tuple(statements))
