"""``htc doctor``: what is wrong with this installation, from its settings to its workers."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from htc.store.doctor.finding import Finding, Verdict

__all__ = ["register"]

_STYLES: Final = {
    "ok": "green",
    "skipped": "dim",
    "note": "cyan",
    "warning": "yellow",
    "failure": "bold red",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="doctor")(doctor)


def doctor(
    port: Annotated[
        int, typer.Option("--port", envvar="PORT", min=1, max=65535, help="Port of `htc serve`. [PORT]")
    ] = 8000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Show what is in order in full, too.")] = False,
) -> None:
    """Find out what is wrong with this installation: settings, disk, memory, models, database, keys, jobs.

    Nothing is changed. The exit code is 0 when all is well, 1 for warnings, 4 for failures. `htc db doctor`
    says more about the database and mends what is safe to mend.

    Example: `htc doctor --json`
    """
    from htc.service.doctor import examine
    from htc.settings import get_settings
    from htc.store.doctor.finding import worst

    settings = get_settings()
    began = time.perf_counter()
    found: list[Finding] = []
    areas: dict[str, list[dict[str, Any]]] = {}
    for area in examine(settings, port=port):
        found += area.findings
        areas[area.name] = [_plain(finding) for finding in area.findings]
        if not as_json:
            _show(area.name, area.findings, in_full=all_)
    seconds = time.perf_counter() - began
    verdict = worst(found)
    code = {"failure": ExitCode.DATABASE, "warning": ExitCode.FAILED}.get(verdict, ExitCode.OK)
    counts = Counter[str](finding.verdict for finding in found)
    if as_json:
        print_json({"verdict": verdict, "counts": dict(counts), "seconds": round(seconds, 3),
                    "exit_code": int(code), "areas": areas})  # fmt: skip
    else:
        words = ", ".join(f"{counts[v]} {v}" for v in reversed(_STYLES) if counts[v])
        err.print(f"{words}; {seconds:.1f} s")
    raise typer.Exit(code)


def _show(name: str, findings: list[Finding], *, in_full: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    bad = [f for f in findings if in_full or f.verdict not in {"ok", "skipped"}]
    fine = [f for f in findings if f not in bad]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    if fine:
        passed = [f for f in fine if f.verdict == "ok"]
        verdict: Verdict = "ok" if passed else "skipped"
        said = passed[-1].result if len(passed) == 1 else f"{len(passed)} tests passed"
        if skipped := len(fine) - len(passed):
            said = f"{said}, {skipped} skipped" if passed else fine[0].result
        table.add_row(Text(verdict, _STYLES[verdict]), Text(name), Text(said))
    for finding in bad:
        text = Text(finding.result)
        if finding.action:
            text.append(f"\ndo: {finding.action}", style="bold")
        table.add_row(Text(finding.verdict, _STYLES[finding.verdict]), Text(finding.check_id), text)
    out.print(table)


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "check_id": finding.check_id,
        "hypothesis": finding.hypothesis,
        "test": finding.test,
        "result": finding.result,
        "verdict": finding.verdict,
        "action": finding.action,
        "details": dict(finding.details),
    }
