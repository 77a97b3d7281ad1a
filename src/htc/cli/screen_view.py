"""The funnel while it runs and when it is over, and the ranked list."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from htc.cli.console import err

if TYPE_CHECKING:
    from rich.table import Table

    from htc.jobs.campaign.top import TopRow
    from htc.jobs.campaign.watching import Progress, Watch
    from htc.store.campaigns import StoredStage

__all__ = ["ranked_table", "stage_table", "watching"]

_LINE_S: Final = 10.0
"""Without a terminal, a line at most so often."""
_BAR: Final = 24


@contextmanager
def watching() -> Iterator[Watch]:
    """A live table of the stages on a terminal; elsewhere a line now and then."""
    if not err.is_terminal:
        yield _lines()
        return
    from rich.live import Live

    stages: dict[int, Progress] = {}
    with Live(console=err, refresh_per_second=4, transient=True) as live:

        def watch(one: Progress) -> None:
            stages[one.stage] = one
            live.update(_live_table(stages))

        yield watch


def _lines() -> Watch:
    from htc.jobs.campaign.watching import in_words

    last: dict[str, object] = {"at": 0.0, "doing": None}

    def watch(one: Progress) -> None:
        doing = (one.stage, one.doing)
        now = time.monotonic()
        if doing != last["doing"] or now - float(str(last["at"])) >= _LINE_S:
            last.update(at=now, doing=doing)
            err.print(in_words(one), soft_wrap=True, markup=False)

    return watch


def _live_table(stages: dict[int, Progress]) -> Table:
    from rich.progress_bar import ProgressBar

    from htc.jobs.campaign.watching import duration

    table = _table()
    table.add_column("", width=_BAR)
    for name in ("passed", "rejected", "failed", "a second", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    for number in sorted(stages):
        one = stages[number]
        table.add_row(
            str(number + 1),
            one.name,
            f"{one.judged:,} of {one.entries:,}",
            ProgressBar(total=max(one.entries, 1), completed=one.judged, width=_BAR),
            "" if one.passed is None else f"{one.passed:,}",
            f"{one.rejected:,}" if one.rejected else "",
            f"{one.failed:,}" if one.failed else "",
            "" if one.per_second is None or one.doing == "over" else f"{one.per_second:.3g}",
            one.doing
            if one.seconds_left is None or one.doing in {"over", "selecting"}
            else duration(one.seconds_left),
        )
    return table


def _table() -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("entered", justify="right", no_wrap=True)
    return table


def stage_table(stages: Sequence[StoredStage]) -> Table:
    """The funnel of a run: what entered each stage and what became of it."""
    from htc.jobs.campaign.watching import duration

    table = _table()
    for name in ("done", "rejected", "failed", "duplicates", "passed", "worker time"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in stages:
        tier = one.spec.get("tier")
        table.add_row(
            str(one.stage + 1),
            f"{one.kind} {tier}" if tier else one.kind,
            f"{one.entries:,}",
            f"{one.done:,}",
            f"{one.rejected:,}" if one.rejected else "",
            f"{one.failed:,}" if one.failed else "",
            f"{one.duplicates:,}" if one.duplicates else "",
            "" if one.passed is None else f"{one.passed:,}",
            duration(one.worker_seconds),
        )
    return table


def ranked_table(rows: Sequence[TopRow], width: int) -> Table:
    """The ranked list with intervals and stability."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("formula", no_wrap=True)
    for name in ("Tc (K)", "95 % (K)", "in the lab (K)", "p (GPa)", "hull (eV)", "phonons"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("confidence", no_wrap=True)
    if width >= 110:
        table.add_column("id", no_wrap=True)
    if width >= 130:
        table.add_column("candidate", no_wrap=True, overflow="ellipsis")
    for row in rows:
        low, high = row.tc_lower_95ci, row.tc_upper_95ci
        cells: list[str | Text] = [
            str(row.rank),
            Text(row.formula),
            _number(row.tc_predicted, ".2f"),
            "-" if low is None or high is None else f"{low:.2f} – {high:.2f}",
            _lab(row),
            f"{row.pressure_gpa:g}",
            _number(row.hull_distance_eV, ".3f"),
            row.phonon_verdict or "-",
            (row.confidence_level or "-") + (" (!)" if row.extrapolation_warning else ""),
        ]
        if width >= 110:
            cells.append((row.prediction_id or "-")[:8])
        if width >= 130:
            cells.append(Text(row.label))
        table.add_row(*cells)
    return table


def _lab(row: TopRow) -> str:
    low, high = row.tc_experiment_lower_95ci, row.tc_experiment_upper_95ci
    if row.tc_experiment is None or low is None or high is None:
        return "-"
    return f"{row.tc_experiment:.1f} ({low:.1f} – {high:.1f})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
