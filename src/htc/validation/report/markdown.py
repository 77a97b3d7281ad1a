"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from htc.validation.report.numbers import number, share, with_interval
from htc.validation.report.record import SuiteReport

__all__ = ["figures", "headline_of", "headline_table", "markdown"]

HEAD = ("", "pairs", "MAE", "RMSE", "bias", "R²", "MAPE", "rank corr.", "median factor", "in 95 %", "agree")
_WORST = 15


def markdown(reports: Sequence[SuiteReport]) -> str:
    """All suites."""
    lines = ["# Validation", "", *headline_table(reports), ""]
    for one in reports:
        lines += _suite(one)
    return "\n".join(lines).rstrip() + "\n"


def headline_table(reports: Sequence[SuiteReport]) -> list[str]:
    """One line a view, as Markdown."""
    rows = [
        [f"{one.suite}: {view['title']}{_part(view)}{_unit(view)}", *figures(headline_of(view))]
        for one in reports
        for view in one.views
    ]
    return _table(HEAD, rows)


def headline_of(view: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metrics that stand for a view."""
    parts: Mapping[str, Mapping[str, Any]] = view["parts"]
    return parts.get(view["headline_part"]) or next(iter(parts.values()))


def _part(view: Mapping[str, Any]) -> str:
    return "" if view["headline_part"] == "all" else f", {view['headline_part'].partition(': ')[2]}"


def figures(metrics: Mapping[str, Any]) -> list[str]:
    """Figures in the order of the table's head."""
    return [
        str(metrics["n"]),
        with_interval(metrics, "mae"),
        number(metrics["rmse"]),
        number(metrics["bias"]),
        number(metrics["r2"]),
        share(metrics["mape"]),
        number(metrics["spearman"]),
        number(metrics["median_factor"]),
        share(metrics["coverage"]),
        share(metrics["within"]),
    ]


def _suite(one: SuiteReport) -> list[str]:
    lines = [f"## {one.title}", "", one.about, ""]
    for view in one.views:
        lines += [f"### {view['title']}{_unit(view)}", ""]
        lines += _table(HEAD, ([name, *figures(m)] for name, m in view["parts"].items()))
        own = [p for p in one.points if p.view == view["name"]]
        worst = sorted(own, key=lambda p: -abs(p.predicted - p.known))[:_WORST]
        lines += ["", f"Furthest off, {len(worst)} of {len(own)}:", ""]
        rows = (
            [p.label, number(p.known, 4), number(p.predicted, 4), p.doi or p.source, p.note or ""]
            for p in worst
        )
        lines += [*_table(("case", "known", "here", "source", "note"), rows), ""]
    lines += _told(one)
    return lines


def _told(one: SuiteReport) -> list[str]:
    lines = [f"- {text}" for text in one.cautions]
    lines += [f"- Left out: {n}, {why}." for why, n in one.excluded.items()]
    if one.refused:
        lines.append(f"- Refused, outside the theory: {', '.join(one.refused)}.")
    lines += [f"- Could not be judged: {label}: {why}." for label, why in one.failures]
    conditions = ", ".join(f"{k} {v}" for k, v in one.conditions.items() if v is not None)
    lines += [f"- Conditions: {conditions}; data {one.fingerprint}.", ""]
    change = one.comparison
    if change is None:
        return [*lines, "No run before it to compare with.", ""]
    lines.append(
        f"Compared with run {change['run_id']}: {change['changed']} values changed, "
        f"{len(change['regressions'])} got worse by more than they may."
    )
    lines += ["", *(f"- worse: {text}" for text in change["regressions"]), ""]
    moved = [f for f in change["figures"] if f["before"] != f["now"]]
    if moved:
        rows = (
            [
                f["view"],
                f["figure"],
                number(f["before"], 4),
                number(f["now"], 4),
                "worse" if f["worse"] else "",
            ]
            for f in moved
        )
        lines += [*_table(("view", "figure", "before", "now", ""), rows), ""]
    return lines


def _unit(view: Mapping[str, Any]) -> str:
    return f" ({view['unit']})" if view["unit"] else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *(line(row) for row in rows)]
