"""Whether intervals hold: overall, in every kind of material, at every mu*, at every nominal coverage."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.predictive import TcDistribution
from htc.models.training.report.groups import DIVISIONS, MIN_GROUP
from htc.models.training.report.measures import Figure, average, bootstrap, coverage, resamples
from htc.models.training.report.table import PredictionTable

__all__ = ["CHECKED_MU_STAR", "NOMINAL", "calibration_curve", "coverage_by", "distribution", "misses"]

CHECKED_MU_STAR: Final = (0.05, 0.10, 0.13, 0.16, 0.20)
NOMINAL: Final = (0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 0.99)
_TC_EDGES_K: Final = (1.0, 5.0, 10.0)


def distribution(table: PredictionTable, mu_star: float = CALIBRATION_MU_STAR) -> TcDistribution:
    """Distributions of Tc as of ``htc.models.predictive``."""
    lower, upper = table.interval(mu_star)
    tc = table.tc(mu_star)
    return TcDistribution.from_intervals(
        tc,
        # Through Parquet and back the ends may pass Tc itself by a rounding error.
        np.minimum(lower, tc),
        np.maximum(upper, tc),
        lambda_ep=table.lambda_ep,
        omega_log_k=table.omega_log,
        mu_star=mu_star,
    )


def calibration_curve(table: PredictionTable, *, n_resamples: int = 500) -> dict[float, Figure]:
    """Measured coverage of the central interval of each nominal coverage in :data:`NOMINAL`, mu* 0.10.

    Only the 95 % interval is calibrated; the others test the shape of the distribution between its ends.
    """
    tc, true = distribution(table), table.tc_true()
    measures = {}
    for nominal in NOMINAL:
        tail = 0.5 * (1.0 - nominal)
        measures[f"{nominal}"] = coverage(true, tc.quantile(tail), tc.quantile(1.0 - tail))
    found = bootstrap(measures, resamples(table.formula, n_resamples))
    return {nominal: found[f"{nominal}"] for nominal in NOMINAL}


def coverage_by(table: PredictionTable, *, n_resamples: int = 300) -> dict[str, dict[str, dict[str, Figure]]]:
    """Coverage of the 95 % interval by groups of materials and by mu*.

    Returns:
        ``found[division][group][f"{mu_star:.2f}"]``; the divisions are those of ``groups.DIVISIONS`` and
        ``predicted_tc`` (edges 1, 5 and 10 K at mu* 0.10), the only one of Tc that a user can see.
        Groups of fewer than 10 materials are left out.
    """
    divisions = {name: divide(table) for name, divide in DIVISIONS.items()}
    divisions["all"] = {"all": np.ones(len(table), dtype=np.bool_)}
    divisions["predicted_tc"] = _by_predicted_tc(table)
    weights = resamples(table.formula, n_resamples)
    inside = {}
    for mu_star in CHECKED_MU_STAR:
        lower, upper = table.interval(mu_star)
        true = table.tc_true(mu_star)
        inside[f"{mu_star:.2f}"] = ((true >= lower) & (true <= upper)).astype(np.float64)
    out: dict[str, dict[str, dict[str, Figure]]] = {}
    for division, groups in divisions.items():
        out[division] = {}
        for group, mask in groups.items():
            if mask.sum() >= MIN_GROUP:
                drawn = weights[:, mask]
                shares = {mu_star: average(values[mask]) for mu_star, values in inside.items()}
                out[division][group] = bootstrap(shares, drawn[drawn.sum(axis=1) > 0.0])
    return out


def _by_predicted_tc(table: PredictionTable) -> dict[str, NDArray[np.bool_]]:
    bins = np.digitize(table.tc(), _TC_EDGES_K)
    names = ["below 1 K", "1 to 5 K", "5 to 10 K", "above 10 K"]
    return {name: bins == i for i, name in enumerate(names)}


def misses(table: PredictionTable, mu_star: float = CALIBRATION_MU_STAR) -> dict[str, float]:
    """Share of the materials whose calculated Tc lies ``below`` and ``above`` the 95 % interval."""
    lower, upper = table.interval(mu_star)
    true = table.tc_true(mu_star)
    return {"below": float((true < lower).mean()), "above": float((true > upper).mean())}
