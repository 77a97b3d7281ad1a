"""Whether tables, rules, indexes and views are what the stamped revision makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from htc.store.catalogue import (
    Catalogue,
    Difference,
    Index,
    closest,
    differences,
    expected,
    later_relations,
    read,
)
from htc.store.doctor import repairs
from htc.store.doctor.check import Check
from htc.store.doctor.examination import Opened, examination
from htc.store.doctor.finding import Finding
from htc.store.doctor.stamp import stamps
from htc.store.schema import REVISIONS

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["DRIFT_CHECKS", "LENIENT_BEFORE"]

LENIENT_BEFORE: Final = "004_checks_runs_provenance"
"""Deployments before it differ in lengths, NOT NULLs and time zones; it brings them to one form."""

REPORTED: Final = 25
"""Differences told one by one; the rest are counted."""


def _compared(opened: Opened) -> tuple[str, Catalogue, list[Difference]] | None:
    """The revision to compare with, what there is, and the differences; None: there is nothing to compare."""
    found = read(opened.connection)
    stamped = stamps(opened.connection) or ()
    revision = stamped[0] if len(stamped) == 1 and stamped[0] in REVISIONS else None
    # A stamp that is ahead of the tables is told by its own check: every column it lacks need not be.
    fits = closest(found)
    lacking = revision is None or any(d.essential for d in differences(expected(revision), found))
    if lacking and fits is not None and not later_relations(found, fits):
        revision = fits
    if revision is None or not found.relations:
        return None
    return revision, found, differences(expected(revision), found)


def _report(
    check: Check, opened: Opened, kinds: set[str], tell: Callable[[Check, Database, str, Difference], Finding]
) -> list[Finding]:
    compared = _compared(opened)
    if compared is None:
        return [check.skipped("there are no tables of a known revision to compare")]
    revision, _, all_ = compared
    mine = [d for d in all_ if d.kind in kinds and d.change != "extra" and not _is_a_users_rule(d, revision)]
    findings = [tell(check, opened.database, revision, d) for d in mine[:REPORTED]]
    if len(mine) > REPORTED:
        findings.append(
            check.failure(
                f"{len(mine) - REPORTED} more differences from {revision}",
                "put the ones above right first",
                differences=[d.as_dict() for d in mine[REPORTED:]],
            )
        )
    return findings or [check.ok(f"as {revision} makes them")]


def _is_a_users_rule(d: Difference, revision: str) -> bool:
    """A NOT VALID constraint of the user's own: an extra, whether valid or not."""
    table = expected(revision).tables.get(d.parent or "")
    return d.kind == "constraint" and table is not None and d.name not in table.constraints


@examination(
    "schema.tables",
    "tables or columns were changed by hand",
    "tables, columns, types, nullability and defaults compared with those of the revision",
)
def check_tables(check: Check, opened: Opened) -> list[Finding]:
    """Tables and columns."""
    return _report(check, opened, {"table", "column"}, _tell_table)


def _tell_table(check: Check, _: Database, revision: str, d: Difference) -> Finding:
    facts: dict[str, Any] = {"revision": revision, "difference": d.as_dict()}
    if d.essential:
        return check.failure(
            d.in_words(),
            "restore it from a backup; statements of this program fail without it",
            **facts,
        )
    if REVISIONS.index(revision) < REVISIONS.index(LENIENT_BEFORE):
        return check.note(d.in_words(), f"none needed: {LENIENT_BEFORE} brings it to one form", **facts)
    if d.aspect == "default":
        how = f"SET DEFAULT {d.expected}" if d.expected != "none" else "DROP DEFAULT"
    elif d.aspect == "nullability":
        how = "SET NOT NULL" if d.expected == "NOT NULL" else "DROP NOT NULL"
    else:
        how = f"TYPE {d.expected}"
    statement = f'ALTER TABLE {d.parent} ALTER COLUMN "{d.name}" {how}'
    return check.warning(d.in_words(), f"put it back when nobody else works: {statement}", **facts)


@examination(
    "schema.constraints",
    "a rule that keeps wrong rows out is missing, changed, or never checked",
    "primary keys, UNIQUE, CHECK and foreign keys compared with those of the revision",
)
def check_constraints(check: Check, opened: Opened) -> list[Finding]:
    """Constraints, those that are NOT VALID too."""
    return _report(check, opened, {"constraint"}, _tell_constraint)


def _tell_constraint(check: Check, database: Database, revision: str, d: Difference) -> Finding:
    facts: dict[str, Any] = {"revision": revision, "difference": d.as_dict()}
    assert d.parent is not None  # noqa: S101 - a constraint belongs to a table
    if d.change == "invalid":
        return check.warning(
            f"constraint {d.name} of {d.parent} is NOT VALID: rows older than it were never checked",
            f'ALTER TABLE {d.parent} VALIDATE CONSTRAINT "{d.name}" reads the table and blocks nobody',
            fix=repairs.validate_constraint(database, d.parent, d.name),
            **facts,
        )
    add = f'ALTER TABLE {d.parent} ADD CONSTRAINT "{d.name}" {d.expected}'
    if d.change == "differs":
        add = f'ALTER TABLE {d.parent} DROP CONSTRAINT "{d.name}"; {add}'
    is_key = (d.expected or "").startswith(("PRIMARY KEY", "UNIQUE"))
    if is_key:
        return check.failure(
            f"{d.in_words()}; storing a prediction twice is no longer recognised", add, **facts
        )
    fix = None
    if d.change == "missing" and (d.expected or "").startswith("FOREIGN KEY"):
        # A killed first load leaves them out. A CHECK made from its text would be shown as another text.
        fix = repairs.add_foreign_key(database, d.parent, d.name, str(d.expected))
    return check.warning(d.in_words(), add, fix=fix, **facts)


@examination(
    "schema.indexes",
    "an index is missing, has another order, or is half-built",
    "indexes of tables and views, with order, NULLS and predicate, compared with those of the revision",
)
def check_indexes(check: Check, opened: Opened) -> list[Finding]:
    """Indexes, those of the materialized views too."""
    views = {name for revision in REVISIONS for name in expected(revision).views}

    def tell(check: Check, database: Database, revision: str, d: Difference) -> Finding:
        return _tell_index(check, database, revision, d, of_view=d.parent in views)

    return _report(check, opened, {"index"}, tell)


def _tell_index(check: Check, database: Database, revision: str, d: Difference, *, of_view: bool) -> Finding:
    facts: dict[str, Any] = {"revision": revision, "difference": d.as_dict()}
    if d.change == "invalid":
        made = expected(revision)
        ours = any(d.name in table.indexes for table in made.tables.values())
        ours = ours or any(d.name in view.indexes for view in made.views.values())
        result = f"index {d.name} of {d.parent} is invalid: a CONCURRENTLY failed and left it half-built;"
        result += " it slows every write and serves no query"
        if ours:
            return check.warning(
                result,
                f'REINDEX INDEX CONCURRENTLY "{d.name}"',
                fix=repairs.rebuild_index(database, d.name),
                **facts,
            )
        return check.warning(result, f'DROP INDEX CONCURRENTLY "{d.name}"', **facts)
    index = Index(d.expected or "")
    if d.change == "missing":
        if of_view and index.unique:
            return check.failure(
                f"{d.in_words()}; without it the view cannot be refreshed CONCURRENTLY",
                f"make it: {d.expected}",
                fix=repairs.create_index(database, d.name, index),
                **facts,
            )
        return check.warning(
            f"{d.in_words()}; what it served is read row by row",
            f"make it: {d.expected}",
            fix=repairs.create_index(database, d.name, index),
            **facts,
        )
    return check.warning(
        f"index {d.name} is {_after_using(d.found)}, should be {_after_using(d.expected)};"
        " queries in the right order do not use it",
        f"replace it by: {d.expected}",
        fix=repairs.replace_index(database, d.name, index),
        **facts,
    )


def _after_using(definition: str | None) -> str:
    """What tells two indexes of one name apart."""
    text = definition or ""
    start, _, keys = text.partition(" USING ")
    return ("UNIQUE " if start.startswith("CREATE UNIQUE") else "") + (keys or text)


@examination(
    "schema.views",
    "a view, trigger or function answers another question than it should",
    "pg_get_viewdef and the bodies of triggers and functions compared with those of the revision",
)
def check_views(check: Check, opened: Opened) -> list[Finding]:
    """View bodies, triggers and functions."""
    return _report(check, opened, {"view", "trigger", "routine"}, _tell_view)


def _tell_view(check: Check, database: Database, revision: str, d: Difference) -> Finding:
    facts: dict[str, Any] = {"revision": revision, "difference": d.as_dict()}
    if d.kind == "trigger" and d.change == "missing" and d.expected:
        fix = repairs.create_again(database, d.name, [d.expected])
        return check.failure(d.in_words(), f"make it: {d.expected}", fix=fix, **facts)
    if d.kind != "view":
        return check.failure(
            d.in_words(),
            "put it back as the revision makes it: `htc db upgrade --sql --from empty` prints the statement",
            **facts,
        )
    view = expected(revision).views[d.name]
    indexes = "".join(f"; {index.definition}" for index in view.indexes.values())
    kind = "MATERIALIZED VIEW" if view.materialized else "VIEW"
    create = f"CREATE {kind} {d.name} AS {view.definition}{indexes}"
    if d.change == "missing":
        statements = [f"CREATE {kind} {d.name} AS {view.definition}"]
        statements += [index.definition for index in view.indexes.values()]
        fix = repairs.create_again(database, d.name, statements)
        return check.failure(f"{kind.lower()} {d.name} is missing", create, fix=fix, **facts)
    if d.aspect == "kind":
        return check.failure(d.in_words(), f"rename what is there, then: {create}", **facts)
    return check.failure(
        f"{kind.lower()} {d.name} has another body: {d.found}",
        f"a view holds no rows of its own; in one transaction: DROP {kind} {d.name}; {create}",
        **facts,
    )


@examination(
    "schema.extras",
    "objects that are not of HTC get in its way",
    "tables, columns, constraints, indexes, triggers and functions looked for that no revision makes",
)
def check_extras(check: Check, opened: Opened) -> list[Finding]:
    """What is there besides: the user's own affair, unless rows of ours are refused for it."""
    compared = _compared(opened)
    if compared is None:
        return [check.skipped("there are no tables of a known revision to compare")]
    revision, found, all_ = compared
    later = later_relations(found, revision)
    extras = [
        d for d in all_ if d.change == "extra" and not (d.kind in {"table", "view"} and d.name in later)
    ]
    refusing = [d for d in extras if _refuses_rows(d, found)]
    findings = [
        check.failure(
            f"column {d.label} is not of HTC, is NOT NULL and has no default: every new row of {d.parent} is"
            " refused",
            f'ALTER TABLE {d.parent} ALTER COLUMN "{d.name}" DROP NOT NULL, or give it a default',
            revision=revision,
            difference=d.as_dict(),
        )
        for d in refusing
    ]
    rest = [d for d in extras if d not in refusing]
    if rest:
        names = [f"{d.kind} {d.label}" for d in rest]
        more = f" and {len(names) - REPORTED} more" if len(names) > REPORTED else ""
        meddling = any(
            d.kind in {"trigger", "constraint"} or (d.kind == "index" and Index(d.found or "").unique)
            for d in rest
        )
        findings.append(
            check.note(
                f"{len(rest)} not of HTC: {', '.join(names[:REPORTED])}{more}",
                "none needed, unless rows are refused: unique indexes, constraints and triggers can do that"
                if meddling
                else "",
                revision=revision,
                differences=[d.as_dict() for d in rest],
            )
        )
    return findings or [check.ok("nothing but what HTC makes")]


def _refuses_rows(extra: Difference, found: Catalogue) -> bool:
    if extra.kind != "column" or extra.parent is None:
        return False
    column = found.tables[extra.parent].columns[extra.name]
    return not column.nullable and column.default is None


DRIFT_CHECKS: Final = (check_tables, check_constraints, check_indexes, check_views, check_extras)
"""In the order in which one difference explains the next."""
