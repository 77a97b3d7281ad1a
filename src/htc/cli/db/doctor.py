"""``htc db doctor|findings``: what is wrong with the database, and what was tried before."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database
    from htc.store.doctor.finding import Finding, Verdict
    from htc.store.doctor.sequence import Examination
    from htc.store.findings import Entry, Log

__all__ = ["register"]

_STYLES = {
    "ok": "green",
    "skipped": "dim",
    "note": "cyan",
    "warning": "yellow",
    "failure": "bold red",
}


class Mildest(StrEnum):
    """Verdicts as an option."""

    OK = "ok"
    SKIPPED = "skipped"
    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


def register(app: typer.Typer) -> None:
    """Add the commands to ``htc db``."""
    app.command()(doctor)
    app.command()(findings)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Offer the repairs that lose nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do them without asking.")] = False,
    proxy_log: Annotated[
        Path | None,
        typer.Option(help="Output of a Cloud SQL proxy, to tell whose login it lost. [HTC_SQL_PROXY_LOG]"),
    ] = None,
    no_log: Annotated[
        bool, typer.Option("--no-log", help="Do not keep the findings in the findings log.")
    ] = False,
) -> None:
    """Find out what is wrong with the database, from its address to its indexes.

    Nothing is changed without --fix. The exit code is 0 when all is well, 1 for warnings, 4 for failures.
    What was found is kept: `htc db findings` shows it.

    Example: `htc db doctor --proxy-log proxy.log`
    """
    from htc.errors import InputError
    from htc.settings import get_settings
    from htc.store.doctor.sequence import examine

    if yes and not fix:
        raise InputError(
            "--yes answers what --fix asks, and there is no --fix",
            where="htc db doctor --yes",
            hint="add --fix to repair, or leave --yes out to look only",
        )
    if fix and not yes and not sys.stdin.isatty():
        raise InputError(
            "--fix asks before each repair, and there is no terminal to ask at",
            where="htc db doctor --fix",
            hint="add --yes to do all safe repairs without asking; without --fix nothing is changed",
        )
    settings = get_settings()
    start = time.perf_counter()
    with examine(settings, proxy_log=proxy_log) as first:
        report = _Report(first, settings, "htc db doctor", keep=not no_log)
        elapsed_s = time.perf_counter() - start
        if not as_json:
            report.show()
            _summary(first.findings, elapsed_s)
        repairs = _repair(first.findings, ask=not yes) if fix else []
        if not repairs:
            if fix and not as_json:
                out.print("nothing to repair" if not _repairable(first.findings) else "nothing was repaired")
            final, findings = report, first.findings
        else:
            done = _Report(_with_findings(first, repairs), settings, "htc db doctor --fix", keep=not no_log)
            if not as_json:
                done.show()
            start = time.perf_counter()
            with examine(settings, proxy_log=proxy_log) as second:
                final = _Report(second, settings, "htc db doctor", keep=not no_log)
                findings = second.findings
                if not as_json:
                    out.print("examined again:")
                    final.show(only_bad=True)
                    _summary(findings, time.perf_counter() - start)
        code = _exit_code(findings)
        if as_json:
            print_json(final.as_dict() | {"seconds": round(elapsed_s, 3), "exit_code": int(code),
                       "repairs": [f.result for f in repairs]})  # fmt: skip
    raise typer.Exit(code)


def findings(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="At most so many, the newest.")] = 50,
    since: Annotated[
        str | None,
        typer.Option(help="Not those before: 2026-11-22, 2026-11-22T09:00, or 90min, 12h, 7d ago."),
    ] = None,
    verdict: Annotated[
        Mildest | None, typer.Option(help="Not those milder than this. Default: note, or ok with --report.")
    ] = None,
    report: Annotated[str | None, typer.Option(help="Only the run with this id, or its beginning.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Show what was found and tried with the database, numbered.

    It is kept in a journal in HTC_HOME and in the database. Numbers count within one HTC_HOME; what another
    one found bears its name, as in F-12@pine-3f2a.

    Example: `htc db findings --since 7d --markdown > findings.md`
    """
    from htc.errors import InputError
    from htc.settings import get_settings
    from htc.store.findings import as_markdown, label, read

    if as_json and markdown:
        raise InputError("--json and --markdown exclude each other", where="htc db findings")
    settings = get_settings()
    after = _moment(since) if since else None
    mildest: Verdict = verdict.value if verdict else "ok" if report else "note"
    database = _open(settings)
    try:
        log = read(settings, database, limit=limit, since=after, mildest=mildest, report=report)
    finally:
        if database is not None:
            database.close()
    if log.trouble:
        err.print(log.trouble, soft_wrap=True, markup=False)
    if as_json:
        print_json([{"number": label(e, log.own_origin)} | _without_number(e) for e in log.entries])
    elif markdown:
        typer.echo(as_markdown(log), nl=False)
    else:
        _show_log(log)


class _Report:
    """One run's findings, kept and shown."""

    def __init__(self, examination: Examination, settings: Settings, command: str, *, keep: bool) -> None:
        from htc.store.findings import label, record

        self.examination = examination
        self.kept = None
        self.numbers = [str(i) for i in range(1, len(examination.findings) + 1)]
        if keep:
            self.kept = record(
                examination.findings,
                command=command,
                settings=settings,
                database=examination.database,
                where=examination.where,
            )
            self.numbers = [label(e, e.origin) for e in self.kept.entries]
            if self.kept.trouble:
                err.print(f"not kept: {self.kept.trouble}", soft_wrap=True, markup=False)

    def show(self, *, only_bad: bool = False) -> None:
        """Print them."""
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for number, finding in zip(self.numbers, self.examination.findings, strict=True):
            if not only_bad or finding.verdict not in {"ok", "skipped"}:
                table.add_row(*_cells(number, finding))
        out.print(table)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        from htc.store.doctor.finding import worst

        found = self.examination.findings
        return {
            "report_id": self.kept.report_id if self.kept else None,
            "database": self.examination.where,
            "verdict": worst(found),
            "counts": dict(Counter(f.verdict for f in found)),
            "findings": [
                {
                    "number": number,
                    "check_id": f.check_id,
                    "hypothesis": f.hypothesis,
                    "test": f.test,
                    "result": f.result,
                    "verdict": f.verdict,
                    "action": f.action,
                    "details": dict(f.details),
                    "fix": f.fix.title if f.fix else None,
                }
                for number, f in zip(self.numbers, found, strict=True)
            ],
        }


def _cells(number: str, finding: Finding) -> list[Any]:
    from rich.text import Text

    verdict = Text(finding.verdict, style=_STYLES[finding.verdict])
    if finding.verdict in {"ok", "skipped"}:
        line = Text(finding.result, style="dim" if finding.verdict == "skipped" else "")
        if out.is_terminal:
            line.no_wrap, line.overflow = True, "ellipsis"
        return [Text(number, style="dim"), verdict, Text(finding.check_id, style="dim"), line]
    text = Text(finding.result)
    if finding.action:
        text.append(f"\ndo: {finding.action}", style="bold")
    if finding.fix:
        text.append(f"\n`htc db doctor --fix` would {finding.fix.title}")
    text.append(f"\ntested: {finding.test}", style="dim")
    return [Text(number, style="dim"), verdict, Text(finding.check_id), text]


def _summary(findings: Sequence[Finding], elapsed_s: float) -> None:
    counts = Counter(f.verdict for f in findings)
    words = {"failure": "failures", "warning": "warnings", "note": "notes"}
    parts = [
        f"[{_STYLES[verdict]}]{count} {words.get(verdict, verdict) if count != 1 else verdict}[/]"
        for verdict in ("failure", "warning", "note", "ok", "skipped")
        if (count := counts[verdict])
    ]
    out.print(f"{', '.join(parts)}; {elapsed_s:.1f} s")


def _repairable(findings: Sequence[Finding]) -> list[Finding]:
    return [f for f in findings if f.fix is not None]


def _repair(findings: Sequence[Finding], *, ask: bool) -> list[Finding]:
    """Do the repairs that are wanted; each becomes a finding of its own."""
    from htc.errors import HTCError
    from htc.store.doctor.check import Check

    done = []
    for finding in _repairable(findings):
        fix = finding.fix
        if fix is None or (ask and not typer.confirm(f"{fix.title}?", err=True)):
            continue
        check = Check(f"fix.{finding.check_id}", f"the repair helps: {fix.title}", "did it")
        try:
            done.append(check.note(fix.apply()))
        except HTCError as error:
            done.append(check.failure(f"{fix.title}: {error.what}", error.hint or "do it by hand"))
        except OSError as error:
            done.append(check.failure(f"{fix.title}: {error.strerror}", "do it by hand"))
    return done


def _with_findings(examination: Examination, findings: list[Finding]) -> Examination:
    from htc.store.doctor.sequence import Examination

    return Examination(examination.where, findings, examination.database)


def _exit_code(findings: Sequence[Finding]) -> ExitCode:
    from htc.store.doctor.finding import worst

    return {"failure": ExitCode.DATABASE, "warning": ExitCode.FAILED}.get(worst(list(findings)), ExitCode.OK)


def _open(settings: Settings) -> Database | None:
    """The database where there is one that opens; the journal alone answers otherwise."""
    from htc.errors import HTCError
    from htc.store.database import Database
    from htc.store.embedded import EmbeddedServer

    try:
        if settings.database_url is None and not EmbeddedServer(settings.home).data.exists():
            return None
        return Database.open(settings, ensure_schema=False)
    except HTCError as error:
        err.print(f"from the journal alone; the database: {error.what}", soft_wrap=True, markup=False)
        return None


def _moment(text: str) -> datetime:
    """A date, a date with time (local), or how long ago."""
    from htc.errors import InputError

    units = {"min": "minutes", "h": "hours", "d": "days"}
    for unit, name in units.items():
        number = text.removesuffix(unit)
        if number != text and number.isdigit() and len(number) < 7:
            return datetime.now().astimezone() - timedelta(**{name: int(number)})
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{text!r} is no point in time",
            where="--since",
            hint="write 2026-11-22, 2026-11-22T09:00, 12h or 7d",
        ) from error


def _without_number(entry: Entry) -> dict[str, Any]:
    fields = entry.as_dict()
    del fields["number"]
    return fields


def _show_log(log: Log) -> None:
    from itertools import groupby

    from rich.table import Table
    from rich.text import Text

    from htc.store.findings import label

    if not log.entries:
        out.print("nothing was found yet; `htc db doctor` looks, `--verdict ok` shows what was in order")
        return
    for _, group in groupby(log.entries, key=lambda e: e.report_id):
        entries = list(group)
        first = entries[0]
        at = datetime.fromisoformat(first.recorded_at).astimezone()
        out.print(
            Text(f"{at:%Y-%m-%d %H:%M}  {first.command}  {first.database}  report {first.report_id[:8]}")
        )
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for e in entries:
            text = Text(e.result)
            if e.action:
                text.append(f"\ndo: {e.action}", style="bold")
            verdict = Text(e.verdict, style=_STYLES.get(e.verdict, ""))
            table.add_row(Text("  " + label(e, log.own_origin), style="dim"), verdict, e.check_id, text)
        out.print(table)
