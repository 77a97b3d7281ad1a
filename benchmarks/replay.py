"""How many evaluations find the best: strategies replayed on labelled materials the model had not seen.

    python -m benchmarks replay PREDICTIONS.parquet [--folds 0 1 2 3] [--together] [--seeds 20]
                                [--strategies random greedy hypervolume botorch] [--out RUNS.csv]
    python -m benchmarks replay --draw RUNS.csv --image FILE.png

PREDICTIONS.parquet is what training leaves beside a model: each labelled material with the prediction of
members that had not seen its formula. A pool is 80 % of the Alexandria rows of a fold (or of several
together), drawn anew for each seed; the evaluator is the label (Tc of f1 times the exponential at mu* 0.10).
One objective: evaluations until 80 % of the pool's 50 highest Tc are found, in batches of 8. Two: Tc up and
concentration of the elements' production (HHI) down; the dominated hypervolume as a share of what the whole
pool dominates.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from htc.discovery.pareto import hypervolume
from htc.discovery.pool import Pool
from htc.discovery.requests import Goal, Objective, StrategyName
from htc.discovery.strategies import Strategy, strategy_for
from htc.models.acquisition import fractions_of
from htc.models.training.report import PredictionTable, read_predictions
from htc.models.training.report.calibration import distribution

WANTED = 50
SHARE = 0.8
BATCH = 8
TC = Objective(column="tc_predicted")
SCARCE = Objective(column="hhi_production")


def pool_of(table: PredictionTable, folds: Sequence[int], seed: int) -> PredictionTable:
    """80 % of the Alexandria rows of some folds, drawn by the seed."""
    rows = table.of("alexandria")
    rows = rows.select(np.isin(rows.fold, folds))
    drawn = np.random.default_rng([seed, *folds]).choice(len(rows), int(0.8 * len(rows)), replace=False)
    return rows.select(np.sort(drawn))


def asked(strategy: Strategy, truth: np.ndarray) -> Iterator[int]:
    """Candidates in the order in which they are judged, each told before the next batch."""
    batch = 0
    while strategy.left:
        chosen = strategy.ask(BATCH, batch)
        yield from chosen
        for position in chosen:
            strategy.tell(position, list(truth[position]))
        batch += 1


def until_found(pool: PredictionTable, name: StrategyName, seed: int, wanted: int, told: int) -> np.ndarray:
    """How many of the highest are found after each evaluation, until 80 % of them are.

    Args:
        pool: labelled materials.
        name: of the strategy.
        seed: of the strategy.
        wanted: how many are highest.
        told: how many the strategy is told are sought.
    """
    true = pool.tc_true()
    best = set(np.argsort(-true, kind="stable")[:wanted].tolist())
    goal = Goal(objectives=[TC], wanted=told, strategy=name, batch_size=BATCH)
    strategy = strategy_for(goal, Pool(distribution(pool), fractions_of(pool.formula)), seed)
    found: list[int] = []
    n = 0
    for position in asked(strategy, true[:, None]):
        n += position in best
        found.append(n)
        if n >= SHARE * wanted:
            break
    return np.array(found)


def dominated(
    pool: PredictionTable, name: StrategyName, seed: int, budget: int, wanted: int | None
) -> np.ndarray:
    """Share of the pool's hypervolume after each batch, Tc up and HHI down."""
    from htc.discovery.elements import element_column

    scarce = element_column("hhi_production", [str(f) for f in pool.formula])
    known = np.isfinite(scarce)
    pool, scarce = pool.select(known), scarce[known]
    truth = np.column_stack([pool.tc_true(), scarce])
    better, worst = truth * [1.0, -1.0], np.array([TC.worst, -SCARCE.worst])
    whole = hypervolume(better, worst)
    goal = Goal(objectives=[TC, SCARCE], strategy=name, batch_size=BATCH, wanted=wanted)
    source = Pool(distribution(pool), fractions_of(pool.formula), known={"hhi_production": scarce})
    order: list[int] = []
    curve: list[float] = []
    for position in asked(strategy_for(goal, source, seed), truth):
        order.append(position)
        if len(order) % BATCH == 0:
            curve.append(hypervolume(better[order], worst) / whole)
        if len(order) >= budget:
            break
    return np.array(curve)


def draw(runs: Path, image: Path) -> None:
    """Share of the highest found after so many evaluations: mean and standard deviation of the seeds."""
    from matplotlib.figure import Figure

    found: dict[str, dict[str, list[np.ndarray]]] = {}
    with runs.open(encoding="utf-8") as file:
        for kind, where, name, _, values in csv.reader(file):
            if kind == "top" and values:
                found.setdefault(where, {}).setdefault(name, []).append(np.array(values.split(), dtype=float))
    wheres = [where for where in found if where == "3" or "+" in where]
    colours = {"random": "#9aa5ab", "greedy": "#d08c60", "hypervolume": "#1b4965", "botorch": "#5b8c5a"}
    figure = Figure(figsize=(3.4 * len(wheres), 3.2), layout="constrained")
    for k, where in enumerate(wheres):
        axes = figure.add_subplot(1, len(wheres), k + 1)
        longest = max(len(run) for run in found[where]["greedy"])
        for name, several in found[where].items():
            n = min(longest, max(map(len, several)))
            # A run that has found 80 % stays there.
            table = np.array([np.append(run, np.full(max(0, n - len(run)), run[-1]))[:n] for run in several])
            mean, std = 2.0 * table.mean(axis=0), 2.0 * table.std(axis=0)
            x = np.arange(1, n + 1)
            axes.plot(x, mean, color=colours[name], label=name)
            axes.fill_between(x, mean - std, mean + std, color=colours[name], alpha=0.2, lw=0)
        title = "fold 3, never tuned on" if where == "3" else f"folds {where.replace('+', ', ')} as one pool"
        axes.set(xlabel="evaluations", ylim=(0, 85), xlim=(0, longest))
        axes.set_title(title, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        if k == 0:
            axes.set_ylabel(f"of the {WANTED} highest Tc found (%)")
            axes.legend(frameon=False, fontsize=8)
    figure.savefig(image, dpi=160)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print tables, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks replay")
    parser.add_argument("predictions", type=Path, nargs="?")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--together", action="store_true", help="the folds as one pool")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--strategies", nargs="+", default=["random", "greedy", "hypervolume"])
    parser.add_argument("--told", type=int, default=WANTED, help="how many the strategy is told are sought")
    parser.add_argument("--front", action="store_true", help="two objectives instead of one")
    parser.add_argument("--wanted", type=int, help="with --front: the goal's `wanted`")
    parser.add_argument("--budget", type=int, default=96, help="with --front: evaluations")
    parser.add_argument("--out", type=Path, help="CSV with one row a run, appended")
    parser.add_argument("--draw", type=Path, help="draw what --out wrote, and nothing else")
    parser.add_argument("--image", type=Path, default=Path("docs/images/optimise-replay.png"))
    chosen = parser.parse_args(arguments)
    if chosen.draw is not None:
        draw(chosen.draw, chosen.image)
        return 0
    if chosen.predictions is None:
        parser.error("PREDICTIONS.parquet or --draw is needed")
    table = read_predictions(chosen.predictions)
    pools = [chosen.folds] if chosen.together else [[fold] for fold in chosen.folds]
    for folds in pools:
        for name in chosen.strategies:
            began = time.perf_counter()
            runs = []
            for seed in range(chosen.seeds):
                pool = pool_of(table, folds, seed)
                if chosen.front:
                    runs.append(dominated(pool, name, seed, chosen.budget, chosen.wanted))
                else:
                    runs.append(until_found(pool, name, seed, WANTED, chosen.told))
            seconds = (time.perf_counter() - began) / chosen.seeds
            where = "+".join(map(str, folds))
            if chosen.front:
                curves = np.array(runs)
                marks = [m for m in (2, 4, 8, 12) if m <= curves.shape[1]]
                said = ", ".join(f"{m * BATCH}: {curves[:, m - 1].mean():.3f}" for m in marks)
                print(f"| {where} | {name} | {said} | {curves.mean():.4f} | {seconds:.1f} s |", flush=True)
                values = [list(curve) for curve in curves]
            else:
                counts = np.array([len(run) for run in runs])
                print(
                    f"| {where} | {len(pool)} | {name} | {counts.mean():.1f} ± {counts.std(ddof=1):.1f} "
                    f"| {np.median(counts):.0f} | {seconds:.1f} s |",
                    flush=True,
                )
                values = [list(run) for run in runs]
            if chosen.out is not None:
                with chosen.out.open("a", newline="", encoding="utf-8") as file:
                    writer = csv.writer(file)
                    kind = "front" if chosen.front else "top"
                    for seed, row in enumerate(values):
                        writer.writerow([kind, where, name, seed, " ".join(f"{v:.6g}" for v in row)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
