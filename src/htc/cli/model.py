"""``htc model``: what the model is, and how to train and score one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.cli.options import TierChoice
from htc.cli.progress import steps
from htc.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from htc.models import CouplingModel

__all__ = ["app"]


app = typer.Typer(help="Inspect, train and score electron-phonon models.", no_args_is_help=True)

_SCORES = {
    "lambda_mae": "λ MAE",
    "omega_log_mae_k": "ω_log MAE (K)",
    "tc_mae_k": "Tc MAE (K)",
    "tc_r2": "Tc R²",
    "average_precision_tc_above_5k": "AP Tc > 5 K",
    "share_tc_above_5k": "AP of chance",
    "coverage_95": "coverage of 95 %",
    "width_95_median_k": "median width (K)",
}
_SCORES_WITH_OMEGA_2 = {
    "omega_2_mae_k": "ω_2 MAE (K)",
    "tc_full_mae_k": "Tc MAE, f1 f2 (K)",
    "tc_full_average_precision_above_5k": "AP Tc > 5 K, f1 f2",
}


def _score_table(title: str, columns: dict[str, dict[str, Any]]) -> None:
    from rich.table import Table

    out.print(title, style="italic", soft_wrap=True, markup=False, highlight=False)
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    table.add_row("materials", *(str(scores["rows"]) for scores in columns.values()))
    _add_scores(table, _SCORES, list(columns.values()), list(columns.values()))
    full = [scores.get("omega_2", {}) for scores in columns.values()]
    if any(full):
        table.add_row("of them with ω_2", *(str(scores.get("rows", "-")) for scores in full))
        _add_scores(table, _SCORES_WITH_OMEGA_2, full, list(columns.values()))
    out.print(table)


def _add_scores(
    table: Table,
    labels: Mapping[str, str],
    columns: Sequence[Mapping[str, Any]],
    scores: Sequence[Mapping[str, Any]],
) -> None:
    """Figures, each with its bootstrap interval where there is one; a line without figures is left out."""
    for key, label in labels.items():
        if not any(key in column for column in columns):
            continue
        cells = []
        for column, known in zip(columns, scores, strict=True):
            low, high = known.get("intervals_95", {}).get(key, (None, None))
            within = "" if low is None else f" ({low:.3f} – {high:.3f})"
            cells.append(f"{column[key]:.3f}{within}" if key in column else "-")
        table.add_row(label, *cells)


def _card_scores(card: Mapping[str, Any]) -> None:
    columns = {
        f"{kind}, {label}": scores[key]
        for kind, scores in card["metrics"].items()
        for key, label in (("held_out_fold", "held-out fold"), ("cross_validation", "cross-validation"))
    }
    _score_table("errors on materials not trained on (mu* 0.10)", columns)


@app.command("info")
def info(
    tier: Annotated[
        TierChoice | None, typer.Option("--tier", help="Tier to show. [default: setting HTC_TIER]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole model card in JSON.")] = False,
) -> None:
    """Show the card of the model in use: data, figures on materials it never saw, limits.

    Example: `htc model info`
    """
    model = _chosen(tier)
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
    target: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Folder of the family; each tier gets a folder in it."),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="Labelled JSON lines; may be given several times; the first is predicted by default. "
            "[default: alexandria and betenet in HTC_DATA/epc]",
        ),
    ] = None,
    tier: Annotated[
        TierChoice, typer.Option("--tier", help="Highest tier to train; those below it come first.")
    ] = TierChoice.default,
    name: Annotated[str, typer.Option("--name", help="Name of the family.")] = "ambient",
    version: Annotated[str, typer.Option("--version", help="Version of the models.")] = "1",
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=16, help="Members of each forest.")] = 1,
    trees: Annotated[int, typer.Option("--trees", min=10, max=10_000, help="Boosted trees a member.")] = 1000,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            min=1,
            max=1000,
            help="Epochs of each network. [default: 26 in the default tier, 80 in the best]",
        ),
    ] = None,
    exclude_formulas: Annotated[
        Path | None,
        typer.Option("--exclude-formulas", metavar="FILE", help="Formulas, one a line, not to train on."),
    ] = None,
    experimental: Annotated[
        Path | None,
        typer.Option(
            "--experimental",
            metavar="FOLDER",
            help="Tables of measured Tc, for the interval against experiment. "
            "[default: HTC_DATA/experimental where it is]",
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            "--work", metavar="FOLDER", help="Where features and networks are kept. [default: work in --out]"
        ),
    ] = None,
) -> None:
    """Train and calibrate models with cross-validation grouped by formula; fold 3 is held out.

    Needs the extra `[train]`, the best tier `[mlip]` too. On two cores and 8,000 materials the fast tier
    takes ten minutes, the default one an hour, the best one two more. Killed and started again it goes on
    where it was.

    Example: `htc model train --tier best --out my-models && HTC_MODEL=my-models htc model info`
    """
    from dataclasses import replace

    from htc.models.training.data import read_formulas
    from htc.models.training.pipeline import Recipe
    from htc.models.training.pipeline import train as run

    excluded = frozenset[str]() if exclude_formulas is None else read_formulas(exclude_formulas)
    plain = Recipe()
    recipe = Recipe(
        name=name,
        version=version,
        tree_seeds=tuple(range(seeds)),
        trees=replace(plain.trees, n_estimators=trees),
        networks=replace(plain.networks, epochs=epochs or plain.networks.epochs),
        best_networks=replace(plain.best_networks, epochs=epochs or plain.best_networks.epochs),
        exclude_formulas=excluded,
        experimental=experimental or _experimental_folder(),
    )
    with steps() as progress:
        model = run(
            data or [_data_file(None, name) for name in ("alexandria", "betenet")],
            target,
            recipe,
            tier=tier.value,
            work=work,
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
    tier: Annotated[
        TierChoice | None, typer.Option("--tier", help="Tier to score. [default: setting HTC_TIER]")
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", min=0, max=9, help="Only this fold; 3 was never trained on.")
    ] = None,
    mu_star: Annotated[
        float, typer.Option("--mu-star", min=0.0, max=0.5, help="mu* of the Tc scored.")
    ] = 0.10,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="FOLDER", help="Where computed features are kept for the next time."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all scores in JSON.")] = False,
) -> None:
    """Score the model in use on labelled materials: error, ranking, coverage of the intervals.

    Each line of the file is a JSON object with `poscar`, `lam` and `wlog_K`, and may have `w2_K`; `mat_id`,
    `betenet_id`, `jid` or `source` says whose calculation it is. Tc is f1 times the exponential on both sides
    and, where omega_2 is known, the full Allen-Dynes formula as well. In brackets: 95 % bootstrap intervals,
    compositions resampled. The average precision (AP) of a ranking by chance is the share above 5 K. Rows the
    model was trained on flatter it. Needs the extra `[train]`.

    Example: `htc model evaluate --data epc/alexandria.jsonl --fold 3 --tier best`
    """
    from htc.models.training.evaluate import evaluate as run

    with steps() as progress:
        scores = run(
            _chosen(tier), data or _data_file(None), fold=fold, mu_star=mu_star, work=work, progress=progress
        )
    if as_json:
        print_json(scores)
        return
    where = scores["data"] if fold is None else f"{scores['data']}, fold {fold}"
    _score_table(
        f"{scores['model']} on {where} (mu* {mu_star:g})",
        {f"from {kind}": scores[kind] for kind in ("structure", "composition") if kind in scores},
    )
    if scores["trained_on"]:
        err.print(
            f"trained on {scores['trained_on']} of these {scores['structure']['rows']} materials, "
            "which flatters the model: fold 3 it has not seen (--fold 3)",
            soft_wrap=True,
        )
    for line in scores["skipped"]:
        err.print(f"left out: {line}", soft_wrap=True, markup=False)


def _experimental_folder() -> Path | None:
    from htc.settings import get_settings

    folder = get_settings().data
    if folder is None or not (folder / "experimental").is_dir():
        return None
    return folder / "experimental"


def _chosen(tier: TierChoice | None) -> CouplingModel:
    """The model of the settings, in the tier asked for."""
    from htc.models import load_model
    from htc.settings import get_settings

    settings = get_settings()
    return load_model(settings.model, tier.value if tier else settings.tier)


def _data_file(given: Path | None, name: str = "alexandria") -> Path:
    if given is not None:
        return given
    from htc.settings import get_settings

    folder = get_settings().data
    if folder is None:
        raise InputError(
            "no labelled materials were named", where="--data", hint="give --data FILE, or set HTC_DATA"
        )
    return folder / "epc" / f"{name}.jsonl"
