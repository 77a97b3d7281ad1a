"""The funnel while it runs and when it is over, and the ranked list."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
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
    table.add_column("done", justify="right", no_wrap=True)
    # What there is none of would only make the table too wide for a small terminal.
    losses = [name for name in ("rejected", "failed", "duplicates") if any(getattr(s, name) for s in stages)]
    for name in (*losses, "passed", "worker time"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in stages:
        tier = one.spec.get("tier")
        table.add_row(
            str(one.stage + 1),
            f"{one.kind} {tier}" if tier else one.kind,
            f"{one.entries:,}",
            f"{one.done:,}",
            *(f"{getattr(one, name):,}" if getattr(one, name) else "" for name in losses),
            "" if one.passed is None else f"{one.passed:,}",
            duration(one.worker_seconds),
        )
    return table


def ranked_table(rows: Sequence[TopRow], width: int) -> Table:
    """The ranked list with intervals and stability; columns that no row has a value for are left out."""
    from rich.table import Table
    from rich.text import Text

    columns: list[tuple[str, Callable[[TopRow], str], bool]] = [
        ("", lambda row: str(row.rank), True),
        ("formula", lambda row: row.formula, True),
        ("Tc (K)", lambda row: _number(row.tc_predicted, ".2f"), True),
        ("95 % (K)", lambda row: _span(row.tc_lower_95ci, row.tc_upper_95ci, ".2f"), True),
        ("Eliashberg\n(K)", _eliashberg, any("tc_eliashberg" in row.more for row in rows)),
        ("in the lab\n(K)", _lab if width >= 100 else _lab_alone, any(map(_has_lab, rows))),
        ("p\n(GPa)", lambda row: f"{row.pressure_gpa:g}", any(row.pressure_gpa for row in rows)),
        (
            "hull\n(eV)",
            lambda row: _number(row.hull_distance_eV, ".3f"),
            any(row.hull_distance_eV is not None for row in rows),
        ),
        ("phonons", lambda row: row.phonon_verdict or "-", any(row.phonon_verdict for row in rows)),
        ("confidence", _confidence, True),
        ("id", lambda row: (row.prediction_id or "-")[:8], width >= 80),
        ("candidate", lambda row: row.label, width >= 130),
    ]
    shown = [(name, cell) for name, cell, wanted in columns if wanted]
    left = {"formula", "confidence", "id", "candidate"}
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name, _ in shown:
        table.add_column(
            name,
            justify="left" if name in left else "right",
            no_wrap=name in {"", "formula", "Tc (K)", "95 % (K)", "id", "candidate"},
            overflow="ellipsis" if name == "candidate" else "fold",
        )
    for row in rows:
        table.add_row(*(Text(cell(row)) for _, cell in shown))
    return table


def _span(low: float | None, high: float | None, form: str) -> str:
    return "-" if low is None or high is None else f"{low:{form}} – {high:{form}}"


def _eliashberg(row: TopRow) -> str:
    return _number(row.more.get("tc_eliashberg"), ".2f")


def _confidence(row: TopRow) -> str:
    return (row.confidence_level or "-") + (" (!)" if row.extrapolation_warning else "")


def _has_lab(row: TopRow) -> bool:
    return row.tc_experiment is not None


def _lab_alone(row: TopRow) -> str:
    return _number(row.tc_experiment, ".1f")


def _lab(row: TopRow) -> str:
    if row.tc_experiment is None:
        return "-"
    span = _span(row.tc_experiment_lower_95ci, row.tc_experiment_upper_95ci, ".1f")
    return f"{row.tc_experiment:.1f} ({span})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
