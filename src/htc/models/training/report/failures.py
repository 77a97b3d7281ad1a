"""The worst predictions by name, each with what is known about why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.formulas import parse_formula
from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.training.report.budget import worst_share
from htc.models.training.report.groups import chemistry_class
from htc.models.training.report.table import PredictionTable
from htc.theory.empirical import allen_dynes_f1

__all__ = ["Failure", "worst_failures"]

_FEW: Final = 5
_FAR_APART: Final = 1.3
"""Ratio of two couplings of one composition from which they count as different."""
_STRONG: Final = 2.0


@dataclass(frozen=True, slots=True)
class Failure:
    """One badly predicted material."""

    source: str
    key: str
    formula: str
    chemistry: str
    level: str
    tc_true_k: float
    tc_k: float
    lambda_true: float
    lambda_ep: float
    omega_log_true_k: float
    omega_log_k: float
    tc_lower_95_k: float
    tc_upper_95_k: float
    why: tuple[str, ...]
    """What the table itself says about the cause, one phrase each."""

    @property
    def inside(self) -> bool:
        """Whether the interval holds the true Tc all the same."""
        return self.tc_lower_95_k <= self.tc_true_k <= self.tc_upper_95_k

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"why": list(self.why), "inside": self.inside}


def worst_failures(
    table: PredictionTable, everything: PredictionTable, n: int = 20, mu_star: float = CALIBRATION_MU_STAR
) -> list[Failure]:
    """The n materials of largest Tc error, worst first.

    Args:
        table: the materials looked at.
        everything: all labelled materials of all data sets, to say what was known about each composition.
        n: how many.
        mu_star: of Tc.

    Raises:
        FormulaError: a formula of the table cannot be read.
    """
    _, worst = worst_share(table, share=min(1.0, n / len(table)), mu_star=mu_star)
    true, tc = table.tc_true(mu_star), table.tc(mu_star)
    lower, upper = table.interval(mu_star)
    elements = np.array([_elements(formula) for formula in everything.formula.tolist()])
    return [
        Failure(
            source=str(table.source[i]),
            key=str(table.key[i]),
            formula=str(table.formula[i]),
            chemistry=chemistry_class(str(table.formula[i])),
            level=str(table.level[i]),
            tc_true_k=float(true[i]),
            tc_k=float(tc[i]),
            lambda_true=float(table.lambda_true[i]),
            lambda_ep=float(table.lambda_ep[i]),
            omega_log_true_k=float(table.omega_log_true[i]),
            omega_log_k=float(table.omega_log[i]),
            tc_lower_95_k=float(lower[i]),
            tc_upper_95_k=float(upper[i]),
            why=(*_which(table, i, mu_star), *_known(table, i, everything, elements)),
        )
        for i in worst.tolist()
    ]


def _elements(formula: str) -> str:
    return "-".join(sorted(element.symbol for element in parse_formula(formula).elements))


def _which(table: PredictionTable, i: int, mu_star: float) -> list[str]:
    """Which of the two predicted quantities carries the error."""
    true = float(table.tc_true(mu_star)[i])
    left = {
        "λ": abs(float(allen_dynes_f1(table.lambda_true[i], table.omega_log[i], mu_star)) - true),
        "ω_log": abs(float(allen_dynes_f1(table.lambda_ep[i], table.omega_log_true[i], mu_star)) - true),
    }
    ratios = {
        "λ": float(table.lambda_ep[i] / table.lambda_true[i]),
        "ω_log": float(table.omega_log[i] / table.omega_log_true[i]),
    }
    name = min(left, key=lambda key: left[key])
    ratio = ratios[name]
    found = [f"{name} {abs(ratio - 1.0):.0%} too {'high' if ratio > 1.0 else 'low'}"]
    if table.lambda_true[i] > _STRONG:
        found.append(f"calculated λ {table.lambda_true[i]:.1f}: so strong a coupling is rare in the data")
    return found


def _known(
    table: PredictionTable, i: int, everything: PredictionTable, elements: NDArray[np.str_]
) -> list[str]:
    """What other labels of the same composition or the same elements there are."""
    found = []
    formula = table.formula[i]
    own = (everything.source == table.source[i]) & (everything.key == table.key[i])
    same = (everything.formula == formula) & ~own
    forms = everything.lambda_true[same & (everything.source == table.source[i])]
    if any(_apart(form, table.lambda_true[i]) for form in forms):
        span = f"{forms.min():.2f}" if forms.size == 1 else f"{forms.min():.2f} to {forms.max():.2f}"
        found.append(f"other crystals of this formula have λ {span}")
    for source in np.unique(everything.source[same]).tolist():
        if source == table.source[i]:
            continue
        other = everything.lambda_true[same & (everything.source == source)]
        nearest = other[np.argmin(np.abs(np.log(other / table.lambda_true[i])))]
        if _apart(nearest, table.lambda_true[i]):
            found.append(f"{source} has λ {nearest:.2f} for this formula")
    relatives = (elements == _elements(str(formula))) & (everything.formula != formula)
    n = len(np.unique(everything.formula[relatives]))
    if n < _FEW:
        found.append(f"other compounds of these elements in the data: {n or 'none'}")
    return found


def _apart(a: float, b: float) -> bool:
    return max(a, b) > _FAR_APART * min(a, b)
