"""The folder of a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.errors import NotFoundError, StorageError
from htc.jobs.campaign.fates import Told, told, unreadable
from htc.jobs.campaign.pruning import pruned_in_words
from htc.jobs.campaign.report import figures
from htc.jobs.campaign.top import Known, TopRow, top_rows
from htc.jobs.campaign.watching import duration
from htc.store.campaigns import Pruned, StoredStage, pruned_of, stages_of
from htc.store.jobs import RunSummary, run_summary
from htc.version import __version__

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["write_report"]

_ROWS: Final = 1_000
_SHOWN: Final = 20
_LOST: Final = 20
_COLUMNS: Final = (
    "rank",
    "formula",
    "label",
    "prediction_id",
    "pressure_gpa",
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
    "lambda_ep",
    "omega_log",
    "hull_distance_eV",
    "phonon_verdict",
    "confidence_level",
    "extrapolation_warning",
    "model_tier",
    "family",
)


def write_report(database: Database, settings: Settings, run_id: str, folder: Path) -> list[Path]:
    """Write ``report.md``, ``candidates.csv``, ``stages.csv`` and figures; files of these names are replaced.

    Args:
        database: an open database.
        settings: of this process.
        run_id: of a campaign's run, over or not.
        folder: made where it is not there.

    Returns:
        The files.

    Raises:
        NotFoundError: no such run, or no campaign's.
        StorageError: the folder cannot be written.
        StoreError: the database does not answer.
    """
    summary = run_summary(database, run_id)
    stages = stages_of(database, run_id)
    if not stages:
        raise NotFoundError(
            "this run has no stages", where=run_id, hint="it is no campaign's, or never began"
        )
    rows = top_rows(database, settings, run_id, _ROWS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = _draw(database, stages, rows, folder)
        lost = [
            *unreadable(database, run_id, _LOST + 1),
            *told(database, run_id, _LOST + 1, state="failed"),
        ]
        texts = {
            "report.md": _markdown(summary, stages, rows, drawn, pruned_of(database, run_id), lost),
            "candidates.csv": _candidates(rows),
            "stages.csv": _stages(stages),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(folder)) from error
    return [folder / name for name in (*texts, *drawn)]


def _draw(
    database: Database, stages: Sequence[StoredStage], rows: Sequence[TopRow], folder: Path
) -> dict[str, str]:
    """File and caption of each figure."""
    drawn = {"funnel.png": "What enters each stage and what passes it."}
    figures.draw_funnel(stages, folder / "funnel.png")
    if figures.draw_tc(database, stages, folder / "tc.png"):
        drawn["tc.png"] = "Predicted Tc of all candidates of a stage."
    if figures.draw_top(rows, folder / "top.png"):
        drawn["top.png"] = "The ranked list; (!) is outside what the model has seen."
    cost = figures.draw_front(rows, folder / "front.png")
    if cost is not None:
        drawn["front.png"] = f"Tc against {cost}; a point is beaten where another is better in both."
    return drawn


def _markdown(
    summary: RunSummary,
    stages: Sequence[StoredStage],
    rows: Sequence[TopRow],
    drawn: dict[str, str],
    pruned: Pruned | None,
    lost: Sequence[Told],
) -> str:
    request = (summary.request or {}).get("campaign", {})
    pressures = ", ".join(f"{p:g}" for p in request.get("pressures_gpa", [0.0]))
    costs = (summary.result or {}).get("costs", {})
    lines = [
        f"# {summary.label or request.get('name', 'Campaign')}",
        "",
        *([str(request["description"]), ""] if request.get("description") else []),
        f"Run `{summary.run_id}`, {summary.state}, begun {summary.created_at:%Y-%m-%d %H:%M} UTC by "
        f"{summary.created_by}, HTC {__version__}. Pressures: {pressures} GPa. "
        f"Seed {request.get('seed', 0)}.",
        "",
        "## The funnel",
        "",
        "| stage | enter | done | rejected | failed | duplicates | pass | who goes on | workers' time |",
        "|---|---:|---:|---:|---:|---:|---:|---|---:|",
    ]
    for s in stages:
        passed = "" if s.passed is None else f"{s.passed:,}"
        lines.append(
            f"| {s.stage + 1} {figures.name_of(s)} | {s.entries:,} | {s.done:,} | {s.rejected:,} "
            f"| {s.failed:,} | {s.duplicates or 0:,} | {passed} | {_rule(s)} | {duration(s.worker_seconds)} |"
        )
    first = stages[0].rejections
    if first:
        why = ", ".join(f"{rule} {n:,}" for rule, n in sorted(first.items(), key=lambda kv: -kv[1]))
        lines += ["", f"Rejected before anything was predicted: {why}."]
    if lost:
        lines += [
            "",
            "Failed or unreadable:" if len(lost) <= _LOST else f"The first {_LOST} that failed:",
            "",
        ]
        lines += [f"- {one.label}: {one.says}" for one in lost[:_LOST]]
    if costs:
        lines += [
            "",
            f"Workers {duration(costs['worker_seconds'])}, bookkeeping {100 * costs['bookkeeping']:.1f} % "
            f"of the work, {duration(costs['wall_seconds'])} from the first chunk to the last.",
        ]
    if pruned is not None:
        said = pruned_in_words(pruned)
        lines += ["", f"{said[0].upper()}{said[1:]}. All figures here are of the whole run."]
    lines += ["", f"![{drawn['funnel.png']}](funnel.png)", "", "## The best", ""]
    if not rows:
        lines.append("No candidate passes all stages so far.")
    else:
        lines += [
            "| | formula | Tc (K) | 95 % | Eliashberg (K) | in the laboratory (K) | p (GPa) "
            "| above hull (eV/atom) | phonons | confidence | known |",
            "|---:|---|---:|---|---:|---|---:|---:|---|---|---|",
            *(_row(row) for row in rows[:_SHOWN]),
            "",
            "Intervals of Tc are against a first-principles calculation of the same crystal; those in the "
            "laboratory against a measurement. Eliashberg: on a spectrum made from the predicted moments, "
            "where a stage did so. (!): outside what the model was trained on. Where nothing is "
            "known, neither the library, nor the store, nor an imported table has the composition: a ranked "
            "list is where to look, not what was found.",
        ]
    for name, caption in drawn.items():
        if name != "funnel.png":
            lines += ["", f"![{caption}]({name})"]
    lines += ["", "All candidates that pass are in `candidates.csv`, the funnel in `stages.csv`.", ""]
    return "\n".join(lines)


def _rule(stage: StoredStage) -> str:
    keep = {k: v for k, v in stage.spec.get("keep", {}).items() if v is not None}
    by, best = keep.pop("by", "tc_predicted"), keep.pop("best", None)
    words = [f"best {best:,} by {by}"] if best is not None else []
    words += [f"{k} = {v}" for k, v in keep.items() if k != "direction"]
    return ", ".join(words) or "all that have values"


def _row(row: TopRow) -> str:
    known = "; ".join(dict.fromkeys(_short(one) for one in row.known[:3]))
    cells = [
        str(row.rank),
        row.formula,
        _number(row.tc_predicted, ".2f"),
        _span(row.tc_lower_95ci, row.tc_upper_95ci),
        _number(row.more.get("tc_eliashberg"), ".2f"),
        "–" if row.tc_experiment is None else _experiment(row),
        f"{row.pressure_gpa:g}",
        _number(row.hull_distance_eV, ".3f"),
        row.phonon_verdict or "–",
        (row.confidence_level or "–") + (" (!)" if row.extrapolation_warning else ""),
        known.replace("|", "/"),
    ]
    return f"| {' | '.join(cells)} |"


def _short(one: Known) -> str:
    return one.where if one.tc_measured_k is None else f"{one.tc_measured_k:g} K measured"


def _experiment(row: TopRow) -> str:
    span = _span(row.tc_experiment_lower_95ci, row.tc_experiment_upper_95ci)
    return f"{row.tc_experiment:.1f} ({span})"


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.2f} – {high:.2f}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _candidates(rows: Sequence[TopRow]) -> str:
    more = sorted({name for row in rows for name in row.more})
    table: list[dict[str, Any]] = []
    for row in rows:
        whole = row.as_dict()
        said = {name: whole[name] for name in _COLUMNS} | {name: row.more.get(name) for name in more}
        said["known"] = "; ".join(one.says for one in row.known)
        table.append(said)
    return _csv([*_COLUMNS, *(m for m in more if m not in _COLUMNS), "known"], table)


def _stages(stages: Sequence[StoredStage]) -> str:
    names = ["stage", "kind", "tier", "entries", "done", "rejected", "failed", "duplicates", "passed"]
    rows = [
        {name: getattr(s, name, None) for name in names}
        | {"stage": s.stage + 1, "tier": s.spec.get("tier"), "worker_seconds": round(s.worker_seconds, 3)}
        for s in stages
    ]
    return _csv([*names, "worker_seconds"], rows)


def _csv(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
