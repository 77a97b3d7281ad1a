"""Write docs/accuracy.md and its figures from what training left beside a family of models.

    python scripts/accuracy.py FOLDER [--work FOLDER] [--learning FILE.jsonl]

FOLDER holds a folder a tier (``fast``, ``default``, ``best``) with ``card.json`` and ``predictions.parquet``,
and may hold ``ablations.json``: a list of {name, lambda_mae, omega_log_mae_k, tc_mae_k, ap, n_folds, note}.
With ``--learning`` the learning curve of the fast tier is computed on the labelled materials of that file,
fold 3 left out; without, the one computed before is used. Reports and the curve are kept in the work folder.
The text around the numbers is ``accuracy_template.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

import htc.models.training.report as report_package
from htc.models.training.report import (
    PredictionTable,
    learning_curve,
    read_predictions,
    summarise,
    tree_trainer,
)
from htc.models.training.report.measures import HIGH_TC_K, average_precision, bootstrap, resamples
from htc.models.training.report.summary import plain
from htc.models.training.report.table import FILE_NAME
from htc.models.training.report.transfer import MODERATE_LAMBDA

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEMPLATE = Path(__file__).resolve().with_name("accuracy_template.md")
TIERS = ("fast", "default", "best")
TEST_FOLD = 3
BETENET_TEST_ROWS, BETENET_TEST_ABOVE_5_K = 170, 33
FIGURES = {
    "lambda_mae": ("λ MAE", 3),
    "lambda_r2": ("λ R²", 2),
    "omega_log_mae_k": ("ω_log MAE (K)", 1),
    "omega_log_r2": ("ω_log R²", 2),
    "tc_mae_k": ("Tc MAE (K)", 2),
    "tc_r2": ("Tc R²", 2),
    "average_precision_tc_above_5k": ("AP, Tc > 5 K", 3),
    "omega_2_mae_k": ("ω_2 MAE (K)", 1),
    "coverage_95": ("coverage of 95 %", 3),
}
SPLITS = {"held_out": "held-out fold", "out_of_fold": "cross-validation"}
COVERED = {
    "all": "all",
    "predicted_tc": "predicted Tc",
    "true_tc": "calculated Tc",
    "chemistry": "chemistry",
    "confidence": "confidence",
}
DIVISIONS = {
    "chemistry": "Chemistry",
    "family": "Family",
    "true_tc": "Calculated Tc",
    "n_sites": "Atoms in the cell",
    "confidence": "Confidence",
}


def table_of(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, with an empty line after it."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def figure_text(figure: Mapping[str, float], digits: int) -> str:
    """Value and interval."""
    low, high = figure["lower_95"], figure["upper_95"]
    return f"{figure['value']:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})"


def number(figure: Mapping[str, float], digits: int) -> str:
    """The value alone."""
    return f"{figure['value']:.{digits}f}"


def headline(reports: Mapping[str, Any]) -> list[str]:
    """Figures of all tiers."""
    columns = [(tier, split) for tier in reports for split in SPLITS if split in reports[tier]]
    header = ["", *(f"{tier}, {SPLITS[split]}" for tier, split in columns)]
    rows = [["materials", *(str(reports[tier][split]["rows"]) for tier, split in columns)]]
    for key, (label, digits) in FIGURES.items():
        figures = [reports[tier][split]["figures"].get(key) for tier, split in columns]
        if any(figures):
            rows.append([label, *("-" if f is None else figure_text(f, digits) for f in figures)])
    return table_of(header, rows)


def groups(report: Mapping[str, Any]) -> list[str]:
    """Errors by kind of material."""
    split = "out_of_fold" if "out_of_fold" in report else "held_out"
    lines = []
    for division, title in DIVISIONS.items():
        found = report[split]["groups"][division]
        held = report.get("held_out", {}).get("groups", {}).get(division, {})
        rows = [
            [
                name,
                f"{100 * f['share']['value']:.1f} %",
                f"{100 * f['share_of_tc_error']['value']:.1f} %",
                number(f["lambda_mae"], 3),
                number(f["omega_log_mae_k"], 1),
                figure_text(f["tc_mae_k"], 2),
                f"{f['tc_bias_k']['value']:+.2f}",
                number(f["coverage_95"], 3),
                number(held[name]["tc_mae_k"], 2) if name in held else "-",
            ]
            for name, f in found.items()
        ]
        header = [
            title, "of the materials", "of the Tc error", "λ MAE", "ω_log MAE (K)", "Tc MAE (K)",
            "Tc bias (K)", "coverage of 95 %", "Tc MAE, held out",
        ]  # fmt: skip
        lines += table_of(header, rows)
    return lines


def budget(report: Mapping[str, Any]) -> list[str]:
    """What the Tc error is made of."""
    labels = {
        "median_tc": "the median Tc for every material",
        "as_predicted": "λ and ω_log as predicted",
        "lambda_exact": "λ as calculated, ω_log as predicted",
        "omega_log_exact": "ω_log as calculated, λ as predicted",
        "lambda_5_percent": "both as calculated, λ off by 5 %",
    }
    splits = [split for split in SPLITS if split in report]
    rows = [
        [label, *(figure_text(report[split]["budget"][key], 2) for split in splits)]
        for key, label in labels.items()
    ]
    lines = table_of(["Tc MAE (K) from", *(SPLITS[split] for split in splits)], rows)
    for split in splits:
        worst = report[split]["worst"]
        kinds = ", ".join(f"{name} {count}" for name, count in worst["chemistry"].items())
        lines += [
            f"In the {SPLITS[split]} the worst {100 * worst['share_of_rows']:.0f} % of the materials carry "
            f"{100 * worst['share_of_tc_error']:.0f} % of the Tc error: {kinds}.",
            "",
        ]
    return lines


def coverage(report: Mapping[str, Any]) -> list[str]:
    """Coverage of the 95 % interval by groups and mu*."""
    split = "out_of_fold" if "out_of_fold" in report else "held_out"
    by = report[split]["calibration"]["by"]
    mu_stars = list(by["all"]["all"])
    rows = []
    for division, title in COVERED.items():
        for group, found in by[division].items():
            name = "all" if division == "all" else f"{title}: {group}"
            rows.append([name, *(number(found[mu], 3) for mu in mu_stars)])
    lines = table_of([f"95 % interval, {SPLITS[split]}", *(f"μ\\* {mu}" for mu in mu_stars)], rows)
    for part in (s for s in SPLITS if s in report):
        missed = report[part]["calibration"]["misses"]
        lines += [
            f"In the {SPLITS[part]} {100 * missed['below']:.1f} % of the calculated Tc lie below the "
            f"interval and {100 * missed['above']:.1f} % above it (μ\\* 0.10).",
            "",
        ]
    return lines


def ranking(report: Mapping[str, Any]) -> list[str]:
    """Recall of the best, on the training folds as pools and on the held-out fold."""
    lines = []
    kinds = ("predicted", "expected", "upper_bound", "exceedance", "improvement", "top_k")
    pools = {goal: found for goal, found in report.get("pools", {}).items() if found}
    if pools:
        n = len(next(iter(pools.values()))["predicted"]["recall"])
        lines += [f"Chosen on the {n} training folds, each a pool of its own; mean number found:", ""]
        rows = [
            [goal, *(_found(found[kind], plain_mean=kind == "predicted") for kind in kinds)]
            for goal, found in pools.items()
        ]
        lines += table_of(["calculations", *(f"`{kind}`" for kind in kinds)], rows)
        searched = {name: f for name, f in next(iter(pools.values())).items() if "batches" in name}
        if searched:
            goal = next(iter(pools))
            lines += [
                f"A search that calculates in batches and learns in between ({goal}): "
                + "; ".join(f"{name} {_found(f)}" for name, f in searched.items())
                + ".",
                "",
            ]
    for key, title in (
        ("wide_recall", "All training folds as one pool, as in a screening, with bootstrap intervals:"),
        ("recall", "Confirmed on the held-out fold, with bootstrap intervals:"),
    ):
        if report.get(key):
            rows = [
                [goal, *(figure_text(found[kind], 0) for kind in (*kinds, "top_k minus predicted"))]
                for goal, found in report[key].items()
            ]
            header = ["calculations", *(f"`{kind}`" for kind in kinds), "`top_k` minus `predicted`"]
            lines += [title, "", *table_of(header, rows)]
    return lines


def _found(found: Mapping[str, Any], *, plain_mean: bool = False) -> str:
    if plain_mean:
        return f"{found['mean']:.1f}"
    return f"{found['mean']:.1f} ({found['gain']:+.1f} ± {found['gain_error']:.1f})"


def equal_share(table: PredictionTable) -> list[str]:
    """Average precision on BETE-NET rows at their own share above 5 K, and at that of its test part."""
    rows = table.of("betenet")
    rows = rows.select(rows.omega_2_known)
    if len(rows) < 20:
        return []
    known = np.isin(rows.formula, table.of("alexandria").formula)
    share = BETENET_TEST_ABOVE_5_K / BETENET_TEST_ROWS
    cells = []
    for name, part in (
        ("all", rows),
        ("compositions Alexandria has", rows.select(known)),
        ("compositions Alexandria lacks", rows.select(~known)),
    ):
        high = part.tc_true(full=True) > HIGH_TC_K
        measure = average_precision(high, part.tc(full=True))
        weight = np.where(high, 1.0, high.sum() / (~high).sum() * (1.0 - share) / share)
        found = bootstrap(
            {"own": measure, "test": lambda w, measure=measure, weight=weight: measure(w * weight)},
            resamples(part.formula),
        )
        own, test = (figure_text(found[key].as_dict(), 2) for key in ("own", "test"))
        cells.append([name, str(len(part)), f"{100 * high.mean():.1f} %", own, test])
    header = ["BETE-NET rows (f1 f2)", "rows", "above 5 K", "AP", f"AP at {100 * share:.1f} % above 5 K"]
    return table_of(header, cells)


def transfer(report: Mapping[str, Any]) -> list[str]:
    """Labels of other codes."""
    names = {
        "all": "all",
        "new": "compositions Alexandria lacks",
        "new_moderate": f"these, calculated λ ≤ {MODERATE_LAMBDA}",
        "held_out": "of the held-out fold",
    }
    rows = []
    for source, parts in report["transfer"].items():
        for part, found in parts.items():
            for kind, scored in (("f1", found), ("f1 and f2", found.get("full_allen_dynes"))):
                if scored is None:
                    continue
                f = scored["figures"]
                rows.append(
                    [
                        f"{source}, {names[part]}", str(scored["rows"]), kind,
                        figure_text(f["lambda_mae"], 3), figure_text(f["omega_log_mae_k"], 1),
                        figure_text(f["tc_mae_k"], 2),
                        number(f["tc_r2"], 2), number(f["average_precision_tc_above_5k"], 2),
                        number(f["coverage_95"], 3) if "coverage_95" in f else "-",
                    ]
                )  # fmt: skip
    if not rows:
        return []
    columns = "rows,Tc with,λ MAE,ω_log MAE (K),Tc MAE (K),Tc R²,AP Tc > 5 K,coverage"
    lines = [
        "## On the numbers of other codes",
        "",
        "Rows of JARVIS and of the published training part of BETE-NET, each predicted by models that had",
        "not seen its composition. Where omega_2 is known, the full Allen-Dynes Tc is given as well.",
        "",
        *table_of(["", *columns.split(",")], rows),
    ]
    apart = [
        [source, *(figure_text(found[key], digits) for key, digits in _APART.items())]
        for source, found in report["labels_apart"].items()
        if found is not None
    ]
    if apart:
        lines += ["The labels themselves differ from Alexandria's, where both have a composition, by:", ""]
        lines += table_of(["labels", "λ", "ω_log (K)", "Tc (K)"], apart)
    return lines


_APART = {"lambda_mae": 3, "omega_log_mae_k": 1, "tc_mae_k": 2}


def learning(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """The learning curve as a table."""
    rows = [
        [
            f"{point['share']:g}", str(point["rows"]), figure_text(point["lambda_mae"], 3),
            figure_text(point["omega_log_mae_k"], 1), figure_text(point["tc_mae_k"], 2),
            figure_text(point["average_precision_tc_above_5k"], 3),
        ]
        for point in points
    ]  # fmt: skip
    ends = points[0], points[-1]
    doublings = math.log2(ends[1]["rows"] / ends[0]["rows"])
    ratio = (ends[1]["tc_mae_k"]["value"] / ends[0]["tc_mae_k"]["value"]) ** (1.0 / doublings)
    return [
        "## What more data would bring",
        "",
        "Trees of the fast tier on parts of the data, three groups of folds, the held-out fold left out:",
        "",
        "![Learning curve](images/accuracy-learning.png)",
        "",
        f"Each doubling lowered the Tc error by {100 * (1.0 - ratio):.0f} %, on average over this range.",
        "",
        *table_of(["share", "materials", "λ MAE", "ω_log MAE (K)", "Tc MAE (K)", "AP, Tc > 5 K"], rows),
    ]


def ablations(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ablation table."""
    digits = {"lambda_mae": 4, "omega_log_mae_k": 2, "tc_mae_k": 3, "ap": 3}
    rows = [
        [
            str(entry["name"]),
            *("-" if entry.get(key) is None else f"{entry[key]:.{d}f}" for key, d in digits.items()),
            str(entry.get("n_folds", "-")),
            str(entry.get("note", "")),
        ]
        for entry in entries
    ]
    header = ["", "λ MAE", "ω_log MAE (K)", "Tc MAE (K)", "AP, Tc > 5 K", "folds", "note"]
    return ["## What each part is worth", "", *table_of(header, rows)]


def failures(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The worst predictions by name."""
    rows = [
        [
            f"{e['formula']} ({e['key']})", f"{e['tc_true_k']:.1f}", f"{e['tc_k']:.1f}",
            f"{e['tc_lower_95_k']:.1f} – {e['tc_upper_95_k']:.1f}" + ("" if e["inside"] else " (missed)"),
            f"{e['lambda_true']:.2f}", f"{e['lambda_ep']:.2f}", f"{e['omega_log_true_k']:.0f}",
            f"{e['omega_log_k']:.0f}", e["level"], "; ".join(e["why"]),
        ]
        for e in entries
    ]  # fmt: skip
    header = [
        "", "Tc calculated (K)", "predicted (K)", "95 % (K)", "λ calculated", "predicted",
        "ω_log calculated (K)", "predicted (K)", "confidence", "what is known",
    ]  # fmt: skip
    return table_of(header, rows)


def page(
    reports: Mapping[str, Any],
    main: str,
    table: PredictionTable,
    model_ids: Mapping[str, str],
    curve: Sequence[Mapping[str, Any]] | None,
    ablation: Sequence[Mapping[str, Any]] | None,
) -> str:
    """The whole page."""
    report = reports[main]
    parts = {
        "headline": headline(reports),
        "groups": groups(report),
        "budget": budget(report),
        "coverage": coverage(report),
        "ranking": ranking(report),
        "transfer": transfer(report),
        "equal_share": equal_share(table),
        "learning": learning(curve) if curve else [],
        "ablations": ablations(ablation) if ablation else [],
        "failures": failures(report["failures"]),
        "models": [", ".join(f"{tier} `{name}`" for tier, name in model_ids.items())],
        "tier": [main],
        "split": [SPLITS["out_of_fold" if "out_of_fold" in report else "held_out"]],
        "possible": [f"{report['possible_gain']:.1f}"],
    }
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        {name: "\n".join(lines).strip("\n") for name, lines in parts.items()}
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def kept_report(predictions: Path, table: PredictionTable, work: Path) -> dict[str, Any]:
    """The report, from the work folder where these predictions were summarised before."""
    digest = hashlib.sha256(predictions.read_bytes())
    for source in sorted(Path(report_package.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    path = work / f"report-{digest.hexdigest()[:16]}.json"
    if not path.exists():
        made = summarise(table, progress=lambda what, done, total: _say(f"{what} {done}/{total}"))
        path.write_text(json.dumps(made), "utf-8")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def computed_curve(data: Path, work: Path) -> list[dict[str, Any]]:
    """Learning curve of the fast tier's trees."""
    from htc.models.training.dataset import read_dataset

    labelled = read_dataset(data, work / "features", kinds=("fast",))
    labelled = labelled.select(labelled.fold != TEST_FOLD)
    points = learning_curve(
        tree_trainer(labelled.rows, labelled.lambda_ep, labelled.omega_log_k),
        labelled.formulas,
        labelled.lambda_ep,
        labelled.omega_log_k,
        labelled.fold,
        progress=lambda what, done, total: _say(f"{what} {done}/{total}"),
    )
    return [plain(asdict(point)) | _figures_of(point) for point in points]


def _figures_of(point: Any) -> dict[str, Any]:
    names = ("lambda_mae", "omega_log_mae_k", "tc_mae_k", "average_precision_tc_above_5k")
    return {name: getattr(point, name).as_dict() for name in names}


def draw(
    reports: Mapping[str, Any], main: str, table: PredictionTable, curve: list[dict[str, Any]] | None
) -> None:
    """All figures."""
    import matplotlib as mpl
    from accuracy_figures import draw_calibration, draw_groups, draw_learning, draw_parity
    from figures import save
    from matplotlib.figure import Figure

    mpl.use("Agg")
    held_out = table.of("alexandria", "held_out")
    split = "out_of_fold" if "out_of_fold" in reports[main] else "held_out"
    drawings: list[tuple[str, float, Any, Any]] = [
        ("accuracy-parity.png", 3.0, draw_parity, held_out),
        ("accuracy-calibration.png", 3.2, draw_calibration, reports),
        ("accuracy-groups.png", 3.0, draw_groups, reports[main][split]["groups"]["chemistry"]),
    ]
    if curve:
        drawings.append(("accuracy-learning.png", 2.6, draw_learning, curve))
    with mpl.rc_context({"font.size": 8, "axes.titlesize": 8, "legend.frameon": False, "legend.fontsize": 7}):
        for name, height, function, data in drawings:
            figure = Figure(figsize=(8.0, height), layout="constrained")
            function(figure, data)
            save(figure, name)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Write the page and the figures."""
    parser = argparse.ArgumentParser(description="Write docs/accuracy.md and its figures.")
    parser.add_argument("folder", type=Path, help="family of models")
    parser.add_argument("--work", type=Path, help="folder for what is kept; default FOLDER/work")
    parser.add_argument("--learning", type=Path, help="labelled materials to compute the learning curve on")
    given = parser.parse_args()
    work: Path = given.work or given.folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    tiers = [tier for tier in TIERS if (given.folder / tier / FILE_NAME).exists()]
    if not tiers:
        parser.error(f"no tier in {given.folder} has {FILE_NAME}")
    tables = {tier: read_predictions(given.folder / tier) for tier in tiers}
    reports = {tier: kept_report(given.folder / tier / FILE_NAME, tables[tier], work) for tier in tiers}
    kept = work / "learning.json"
    if given.learning is not None:
        kept.write_text(json.dumps(computed_curve(given.learning, work)), "utf-8")
    curve = json.loads(kept.read_text("utf-8")) if kept.exists() else None
    stated = given.folder / "ablations.json"
    ablation = json.loads(stated.read_text("utf-8")) if stated.exists() else None
    model_ids = {tier: _model_id(given.folder / tier) for tier in tiers}
    best = tiers[-1]
    draw(reports, best, tables[best], curve)
    (DOCS / "accuracy.md").write_text(page(reports, best, tables[best], model_ids, curve, ablation), "utf-8")
    _say(f"written: {DOCS / 'accuracy.md'}")
    return 0


def _model_id(folder: Path) -> str:
    card = json.loads((folder / "card.json").read_text("utf-8"))
    return f"{card['name']}-{card['version']}+{card['weights']['sha256'][:12]}"


if __name__ == "__main__":
    sys.exit(main())
