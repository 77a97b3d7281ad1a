"""The findings log: what was examined, tried and done with a database, numbered, and never lost with it.

Every run is written to a journal in HTC_HOME first, because the database may be what is broken, and into the
table ``findings`` when there is one. What the table has not received goes there with the next run.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError
from htc.store.doctor.finding import VERDICTS, Finding, Verdict
from htc.store.journal import Entry, Journal, new_origin
from htc.version import __version__

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from htc.settings import Settings
    from htc.store.database import Database

__all__ = ["Entry", "Log", "Recorded", "as_markdown", "label", "read", "record"]

_KEPT_TOGETHER: Final = "log"
"""Key in the table's ``details`` under which number, origin and database of an entry travel."""

_TIMEOUT_MS: Final = 1000
"""The log must not hold up the command it is a log of."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a report."""

    report_id: str
    entries: tuple[Entry, ...]
    in_journal: bool
    in_table: bool
    trouble: str | None
    """Why it is not in the journal, or not anywhere; None when all is well."""


@dataclass(frozen=True, slots=True)
class Log:
    """Entries of journal and table, oldest first."""

    entries: tuple[Entry, ...]
    own_origin: str | None
    """Origin of the entries of this HTC_HOME: they are shown without it."""
    trouble: str | None
    """What could not be read."""


def record(
    findings: Sequence[Finding],
    *,
    command: str,
    settings: Settings,
    database: Database | None = None,
    where: str | None = None,
) -> Recorded:
    """Keep the findings of one run. Never raises for what goes wrong with the log itself.

    Args:
        findings: in their order.
        command: what found them, e.g. ``"htc db doctor"``.
        settings: whose HTC_HOME keeps the journal.
        database: open, to keep them in its table as well; None when there is none to be had.
        where: the database they are about, without password; ``database.where`` when None.
    """
    report_id = str(uuid.uuid4())
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    about = where or (database.where if database is not None else "")
    plain = [
        {
            "entry_id": str(uuid.uuid4()),
            "report_id": report_id,
            "position": position,
            "command": command,
            "database": about,
            "check_id": finding.check_id,
            "hypothesis": _clean(finding.hypothesis),
            "test": _clean(finding.test),
            "result": _clean(finding.result),
            "verdict": finding.verdict,
            "action": _clean(finding.action),
            "details": _clean(finding.details),
            "program_version": __version__,
            "recorded_by": settings.created_by,
            "recorded_at": now,
        }
        for position, finding in enumerate(findings, start=1)
    ]
    journal = Journal(settings.home)
    trouble = None
    try:
        entries = journal.append(plain)
        in_journal = True
    except (OSError, HTCError) as error:
        trouble = f"the journal {journal.path} cannot be written: {_why(error)}"
        origin = new_origin()
        entries = [Entry(**fields, number=i, origin=origin) for i, fields in enumerate(plain, start=1)]
        in_journal = False
    in_table = False
    if database is not None:
        try:
            in_table = _send(database, journal if in_journal else None, entries, about)
        except (OSError, HTCError) as error:
            if not in_journal:
                trouble = f"{trouble}; and not the table either: {_why(error)}"
    return Recorded(report_id, tuple(entries), in_journal, in_table, trouble)


def read(
    settings: Settings,
    database: Database | None = None,
    *,
    limit: int | None = None,
    since: datetime | None = None,
    mildest: Verdict = "ok",
    report: str | None = None,
) -> Log:
    """Entries of the journal and of the table, each once.

    Args:
        settings: whose HTC_HOME holds the journal.
        database: open, to read its table as well.
        limit: at most so many, the newest.
        since: not those recorded before (with a time zone).
        mildest: not those of a milder verdict.
        report: only the report whose id begins so.
    """
    journal = Journal(settings.home)
    troubles: list[str] = []
    own: list[Entry] = []
    try:
        own = journal.entries()
    except OSError as error:
        troubles.append(f"the journal {journal.path} cannot be read: {_why(error)}")
    found = {e.entry_id: e for e in own}
    if database is not None:
        try:
            found |= {e.entry_id: e for e in _from_table(database, limit, since, mildest, report)}
        except HTCError as error:
            troubles.append(f"the table cannot be read: {_why(error)}")
    bad_enough = VERDICTS[VERDICTS.index(mildest) :]
    kept = [
        e
        for e in found.values()
        if e.verdict in bad_enough
        and (since is None or _moment(e) >= since)
        and (report is None or e.report_id.startswith(report))
    ]
    kept.sort(key=lambda e: (_moment(e), e.report_id, e.position))
    if limit is not None:
        kept = kept[-limit:] if limit else []
    return Log(tuple(kept), own[-1].origin if own else None, "; ".join(troubles) or None)


def label(entry: Entry, own_origin: str | None) -> str:
    """``F-12``, or ``F-12@origin`` for what another HTC_HOME found."""
    return f"F-{entry.number}" + ("" if entry.origin == own_origin else f"@{entry.origin}")


def as_markdown(log: Log) -> str:
    """The log as a page: a table for each run."""
    lines = ["# Findings", ""]
    for report_id, group in groupby(log.entries, key=lambda e: e.report_id):
        entries = list(group)
        first = entries[0]
        lines += [
            f"## {_moment(first):%Y-%m-%d %H:%M:%S} UTC: {first.command}",
            "",
            f"Database {_cell(first.database) or 'unknown'}, htc {first.program_version}, "
            f"by {_cell(first.recorded_by)}, report {report_id}",
            "",
            "| | verdict | hypothesis | test | result | action |",
            "|---|---|---|---|---|---|",
        ]
        for e in entries:
            cells = [label(e, log.own_origin), e.verdict, e.hypothesis, e.test, e.result, e.action]
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
        lines.append("")
    if not log.entries:
        lines += ["None.", ""]
    return "\n".join(lines)


def _send(database: Database, journal: Journal | None, entries: Sequence[Entry], about: str) -> bool:
    """Insert what the table lacks; False where there is no table yet."""
    from sqlalchemy.dialects.postgresql import insert

    from htc.store.tables import findings

    waiting = journal.unsent(about) if journal is not None else list(entries)
    with database.begin() as connection:
        _hurry(connection)
        if not _has_table(connection):
            return False
        if waiting:
            statement = insert(findings).on_conflict_do_nothing(index_elements=["entry_id"])
            connection.execute(statement, [_row(e) for e in waiting])
    if journal is not None:
        journal.mark_sent({e.report_id for e in waiting})
    return True


def _from_table(
    database: Database,
    limit: int | None,
    since: datetime | None,
    mildest: Verdict,
    report: str | None,
) -> list[Entry]:
    import sqlalchemy as sa

    from htc.store.tables import findings

    table = findings.c
    query = (
        sa.select(findings)
        .where(table.verdict.in_(VERDICTS[VERDICTS.index(mildest) :]))
        .order_by(table.recorded_at.desc(), table.report_id.desc(), table.position.desc())
        .limit(limit)
    )
    if since is not None:
        query = query.where(table.recorded_at >= since)
    if report is not None:
        query = query.where(sa.cast(table.report_id, sa.String).startswith(report, autoescape=True))
    with database.connect() as connection:
        _hurry(connection)
        if not _has_table(connection):
            return []
        return [_entry(row) for row in connection.execute(query).mappings()]


def _hurry(connection: Connection) -> None:
    from sqlalchemy import text

    connection.execute(text(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}"))
    connection.execute(text(f"SET LOCAL lock_timeout = {_TIMEOUT_MS}"))


def _has_table(connection: Connection) -> bool:
    from sqlalchemy import text

    return bool(connection.execute(text("SELECT to_regclass('findings') IS NOT NULL")).scalar_one())


def _row(entry: Entry) -> dict[str, Any]:
    row = entry.as_dict()
    together = {name: row.pop(name) for name in ("number", "origin", "database")}
    row["details"] = {**row["details"], _KEPT_TOGETHER: together}
    row["recorded_at"] = datetime.fromisoformat(entry.recorded_at)
    return row


def _entry(row: Mapping[Any, Any]) -> Entry:
    fields = dict(row)
    number = fields.pop("id")
    details = dict(fields["details"] or {})
    # Rows that others wrote have the table's own number.
    together = {"number": number, "origin": "table", "database": ""} | details.pop(_KEPT_TOGETHER, {})
    fields |= {"details": details, "recorded_at": fields["recorded_at"].astimezone(UTC).isoformat()}
    return Entry(**fields, **together)


def _moment(entry: Entry) -> datetime:
    try:
        at = datetime.fromisoformat(entry.recorded_at)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _why(error: OSError | HTCError) -> str:
    return error.what if isinstance(error, HTCError) else error.strerror or str(error)


def _clean(value: Any) -> Any:
    """What both JSON and PostgreSQL can hold: no NUL, no lone surrogates, no NaN, no objects."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(_clean(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    return _clean(str(value))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
