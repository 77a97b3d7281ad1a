"""``htc model``: what the model is, and how to train and score one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.cli.progress import steps
from htc.errors import InputError

__all__ = ["app"]

app = typer.Typer(help="Inspect, train and score electron-phonon models.", no_args_is_help=True)

_SCORES = {
    "lambda_mae": "λ MAE",
    "omega_log_mae_k": "ω_log MAE (K)",
    "tc_mae_k": "Tc MAE (K)",
    "tc_r2": "Tc R²",
    "average_precision_tc_above_5k": "AP Tc > 5 K",
    "coverage_95": "coverage of 95 %",
    "width_95_median_k": "median width (K)",
}


def _score_table(title: str, columns: dict[str, dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(title=title, box=None, header_style="bold", title_justify="left", padding=(0, 1))
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    table.add_row("materials", *(str(scores["rows"]) for scores in columns.values()))
    for key, label in _SCORES.items():
        table.add_row(label, *(f"{scores[key]:.3f}" if key in scores else "-" for scores in columns.values()))
    out.print(table)


def _card_scores(card: Mapping[str, Any]) -> None:
    columns = {
        f"{kind}, {label}": scores[key]
        for kind, scores in card["metrics"].items()
        for key, label in (("held_out_fold", "held-out fold"), ("cross_validation", "cross-validation"))
    }
    _score_table("errors on materials not trained on (mu* 0.10)", columns)


@app.command("info")
def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole model card in JSON.")] = False,
) -> None:
    """Show the card of the model in use: data, figures on materials it never saw, limits.

    Example: `htc model info`
    """
    from htc.models import load_model
    from htc.settings import get_settings

    model = load_model(get_settings().model)
    card = dict(model.card)
    if as_json:
        print_json(card | {"model_id": model.model_id})
        return
    out.print(f"[bold]{model.model_id}[/]  {card['description']}", soft_wrap=True)
    for data in card["training_data"]:
        out.print(
            f"trained on {data['rows']} materials: {data['source']} ({data['licence']})", soft_wrap=True
        )
    _card_scores(card)
    for head, lines in (("for", card["intended_use"]), ("limits", card["limits"])):
        out.print(f"[bold]{head}[/]")
        for line in lines:
            out.print(f"  - {line}", soft_wrap=True, markup=False)


@app.command("train")
def train(
    target: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write the model into.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FILE", help="Labelled JSON lines. [default: HTC_DATA/epc/alexandria.jsonl]"
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the model.")] = "ambient-trees",
    version: Annotated[str, typer.Option("--version", help="Version of the model.")] = "1",
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=16, help="Members of the ensemble.")] = 2,
    trees: Annotated[int, typer.Option("--trees", min=10, max=10_000, help="Boosted trees a member.")] = 1000,
    exclude_formulas: Annotated[
        Path | None,
        typer.Option("--exclude-formulas", metavar="FILE", help="Formulas, one a line, not to train on."),
    ] = None,
) -> None:
    """Train and calibrate a model with cross-validation grouped by formula; fold 3 is held out.

    Needs the extra `[train]`. About ten minutes on two cores for 7,000 materials.

    Example: `htc model train --data epc/alexandria.jsonl --out my-model && HTC_MODEL=my-model htc model info`
    """
    from htc.models.training.data import read_formulas
    from htc.models.training.fit import TreeSettings
    from htc.models.training.pipeline import train as run

    excluded = frozenset[str]() if exclude_formulas is None else read_formulas(exclude_formulas)
    with steps() as progress:
        model = run(
            _data_file(data),
            target,
            name=name,
            version=version,
            seeds=tuple(range(seeds)),
            settings=TreeSettings(n_estimators=trees),
            exclude_formulas=excluded,
            progress=progress,
        )
    err.print(
        f"written: {target} ({model.model_id}); use it with HTC_MODEL={target}", soft_wrap=True, markup=False
    )
    _card_scores(model.card)


@app.command("evaluate")
def evaluate(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FILE", help="Labelled JSON lines. [default: HTC_DATA/epc/alexandria.jsonl]"
        ),
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", min=0, max=9, help="Only this fold; 3 was never trained on.")
    ] = None,
    mu_star: Annotated[
        float, typer.Option("--mu-star", min=0.0, max=0.5, help="mu* of the Tc scored.")
    ] = 0.10,
    as_json: Annotated[bool, typer.Option("--json", help="Print all scores in JSON.")] = False,
) -> None:
    """Score the model in use on labelled materials: error, ranking, coverage of the intervals.

    Each line of the file is a JSON object with `poscar`, `lam` and `wlog_K`. Rows the model was trained on
    flatter it. Needs the extra `[train]`.

    Example: `htc model evaluate --data epc/alexandria.jsonl --fold 3`
    """
    from htc.models import load_model
    from htc.models.training.pipeline import evaluate as run
    from htc.settings import get_settings

    with steps() as progress:
        scores = run(
            load_model(get_settings().model), _data_file(data), fold=fold, mu_star=mu_star, progress=progress
        )
    if as_json:
        print_json(scores)
        return
    where = scores["data"] if fold is None else f"{scores['data']}, fold {fold}"
    _score_table(
        f"{scores['model']} on {where} (mu* {mu_star:g})",
        {f"from {kind}": scores[kind] for kind in ("structure", "composition")},
    )
    for line in scores["skipped"]:
        err.print(f"left out: {line}", soft_wrap=True, markup=False)


def _data_file(given: Path | None) -> Path:
    if given is not None:
        return given
    from htc.settings import get_settings

    folder = get_settings().data
    if folder is None:
        raise InputError(
            "no labelled materials were named", where="--data", hint="give --data FILE, or set HTC_DATA"
        )
    return folder / "epc" / "alexandria.jsonl"
