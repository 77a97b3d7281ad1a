"""Whether ``alembic_version`` tells the truth about the tables that are really there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from htc.store.catalogue import (
    Catalogue,
    closest,
    differences,
    expected,
    introduced_in,
    later_relations,
    read,
)
from htc.store.damage import damage, remedy
from htc.store.doctor.check import Check
from htc.store.doctor.examination import Opened, examination
from htc.store.doctor.finding import Finding
from htc.store.schema import HEAD, REVISIONS, elsewhere_hint, is_of_the_early_chain, schema_elsewhere

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["check_orphans", "check_stamp", "stamps"]

COUNTED_ROWS: Final = 1_000
"""Rows of an orphaned table are counted up to here: what matters is whether there are any."""

ADOPT: Final = "`htc db adopt` takes it over: it shows its plan first and keeps every row"
LOOK_FIRST: Final = (
    "`htc db adopt --dry-run` says whether it can be taken over as it is; else restore a backup"
)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the stamp says beside what there is."""

    stamps: tuple[str, ...] | None
    """None: there is no table alembic_version."""
    tables: frozenset[str]
    """Those of the tables and views found that any revision makes."""
    fits: str | None
    """The latest revision whose tables and columns are all there."""
    besides: tuple[str, ...]
    """Those of later revisions than ``fits``."""

    @property
    def really(self) -> str:
        if self.fits is not None:
            besides = f", and besides there is {', '.join(self.besides)}" if self.besides else ""
            return f"the tables are those of {self.fits}{besides}"
        return f"the tables ({', '.join(sorted(self.tables))}) are those of no revision"


def stamps(connection: Connection) -> tuple[str, ...] | None:
    """The revision ids in alembic_version; None: there is no such table."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    return tuple(connection.execute(text("SELECT version_num FROM alembic_version ORDER BY 1")).scalars())


@examination(
    "schema.stamp",
    "alembic_version disagrees with the tables",
    "the stamp read, the tables and columns compared with those of every revision",
)
def check_stamp(check: Check, opened: Opened) -> list[Finding]:
    """The stamp against the tables: missing, several, unknown, behind, ahead."""
    catalogue = read(opened.connection)
    ours = frozenset(name for name in catalogue.relations if introduced_in(name))
    fits = closest(catalogue)
    sight = _Sight(stamps(opened.connection), ours, fits, tuple(later_relations(catalogue, fits)))
    other = schema_elsewhere(opened.connection) if not sight.tables else None
    if other is not None:
        here = opened.connection.execute(text("SELECT current_schema()")).scalar_one()
        return [
            check.warning(
                f"the schema {here} has no tables of HTC, but the schema {other} of this database has",
                elsewhere_hint(here, other),
                schema=here,
                other=other,
            )
        ]
    if not sight.stamps:
        return [_without_stamp(check, sight)]
    if len(sight.stamps) > 1:
        return [
            check.failure(
                f"alembic_version holds {len(sight.stamps)} rows: {', '.join(sight.stamps)}; {sight.really}",
                ADOPT if sight.fits else LOOK_FIRST,
                stamps=list(sight.stamps),
                fits=sight.fits,
            )
        ]
    (stamp,) = sight.stamps
    if stamp not in REVISIONS:
        return [_unknown(check, stamp, sight)]
    return [_known(check, stamp, sight, catalogue, embedded=opened.database.embedded is not None)]


def _without_stamp(check: Check, sight: _Sight) -> Finding:
    what = "there is no table alembic_version" if sight.stamps is None else "alembic_version is empty"
    if not sight.tables:
        return check.note(
            f"{what} and no table of HTC: the database is empty",
            "none needed: the first command that stores something makes the tables, as `htc db upgrade` does",
        )
    return check.failure(
        f"{what}, but {sight.really}",
        ADOPT if sight.fits else LOOK_FIRST,
        stamps=[],
        fits=sight.fits,
        tables=sorted(sight.tables),
    )


def _unknown(check: Check, stamp: str, sight: _Sight) -> Finding:
    facts: dict[str, Any] = {"stamps": [stamp], "fits": sight.fits, "tables": sorted(sight.tables)}
    if not is_of_the_early_chain(stamp):
        numbered = stamp[:3].isdigit() and int(stamp[:3]) > int(HEAD[:3])
        whose = "a newer htc made it" if numbered else "a newer htc or another program made it"
        return check.failure(
            f"the stamp is {stamp!r}; this program knows revisions up to {HEAD}: {whose}",
            "update htc; if alembic_version is another program's, give htc a database or a schema of its own",
            **facts,
        )
    close = difflib.get_close_matches(stamp, [r for r in REVISIONS if r[:3] == stamp[:3]], n=1, cutoff=0.0)
    name = f", perhaps an earlier name of {close[0]}" if close else ""
    really = sight.really if sight.tables else "there is no table of HTC"
    return check.failure(
        f"the stamp is {stamp!r}, which is no revision{name}; {really}",
        ADOPT if sight.fits else LOOK_FIRST,
        **facts,
    )


def _known(check: Check, stamp: str, sight: _Sight, catalogue: Catalogue, *, embedded: bool) -> Finding:
    facts: dict[str, Any] = {"stamps": [stamp], "fits": sight.fits, "tables": sorted(sight.tables)}
    missing = [d for d in differences(expected(stamp), catalogue) if d.essential]
    at = REVISIONS.index(stamp)
    if not sight.tables:
        return check.failure(
            f"the stamp is {stamp}, but there is no table of HTC",
            "restore a backup if there were rows; if there were none, `htc db adopt` begins anew",
            **facts,
        )
    if missing:
        lost = damage(stamp, catalogue)
        if lost:
            return check.failure(
                f"the stamp is {stamp}, but {_listed(d.in_words() for d in missing)}",
                remedy(stamp, lost),
                missing=[d.as_dict() for d in missing],
                **facts,
            )
        earlier = sight.fits is not None and REVISIONS.index(sight.fits) < at and not sight.besides
        ahead = f"; {sight.really}: the stamp is ahead of them" if earlier else ""
        return check.failure(
            f"the stamp is {stamp}, but {_listed(d.in_words() for d in missing)}{ahead}",
            ADOPT if earlier else LOOK_FIRST,
            missing=[d.as_dict() for d in missing],
            **facts,
        )
    if sight.fits is not None and REVISIONS.index(sight.fits) > at:
        return check.failure(
            f"the stamp is {stamp}, but {sight.really}: the stamp is behind them, and `htc db upgrade`"
            " would stumble over tables that exist",
            ADOPT,
            **facts,
        )
    if stamp == HEAD:
        return check.ok(f"the stamp is {stamp}, this program's revision, and its tables are there", **facts)
    outstanding = REVISIONS[at + 1 :]
    if later_relations(catalogue, stamp):
        return check.warning(
            f"the stamp is {stamp}, its tables are there, and tables of later revisions as well;"
            f" outstanding: {', '.join(outstanding)}",
            "see the finding on tables left behind first: `htc db upgrade` would stumble over them",
            outstanding=list(outstanding),
            **facts,
        )
    opened = " (the next command that opens it does so)" if embedded else ""
    return check.warning(
        f"the stamp is {stamp}, its tables are there; outstanding: {', '.join(outstanding)}",
        f"`htc db upgrade`{opened}: all in one transaction, no row is lost; `htc db upgrade --sql` shows it",
        outstanding=list(outstanding),
        **facts,
    )


@examination(
    "schema.orphans",
    "a migration that failed left tables behind",
    "tables looked for that only revisions after the stamp make, and their rows counted",
)
def check_orphans(check: Check, opened: Opened) -> list[Finding]:
    """Tables and views that the stamped revision does not have yet."""
    stamped = stamps(opened.connection)
    if stamped is None or len(stamped) != 1 or stamped[0] not in REVISIONS:
        return [check.skipped("there is no one known stamp to compare with")]
    (stamp,) = stamped
    catalogue = read(opened.connection)
    findings = []
    for name, since in later_relations(catalogue, stamp).items():
        kind = "table" if name in catalogue.tables else "view"
        rows = _rows(opened, name) if kind == "table" else None
        keep = "it holds rows: do not drop it; " if rows else ""
        content = "" if rows is None else ", empty" if rows == 0 else f", with {_rows_in_words(rows)}"
        findings.append(
            check.failure(
                f"the stamp is {stamp}, but there is the {kind} {name} of {since}{content}",
                f"{keep}`htc db adopt` takes it over with its rows and shows its plan first",
                stamp=stamp,
                relation=name,
                revision=since,
                rows_at_least=rows,
            )
        )
    return findings or [check.ok(f"no table of a revision after {stamp}")]


def _rows(opened: Opened, table: str) -> int:
    quoted = opened.connection.dialect.identifier_preparer.quote(table)
    # The name is one of ours.
    query = f"SELECT count(*) FROM (SELECT FROM {quoted} LIMIT {COUNTED_ROWS}) AS sample"  # noqa: S608
    return int(opened.value(query))


def _rows_in_words(rows: int) -> str:
    if rows >= COUNTED_ROWS:
        return f"at least {rows} rows"
    return "1 row" if rows == 1 else f"{rows} rows"


def _listed(parts: Iterable[str], limit: int = 5) -> str:
    some: Sequence[str] = list(parts)
    more = f" and {len(some) - limit} more" if len(some) > limit else ""
    return ", ".join(some[:limit]) + more
