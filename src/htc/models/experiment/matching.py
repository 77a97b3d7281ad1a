"""Pairs of a predicted and a measured Tc, matched by reduced composition.

Tables of measured Tc name no crystal. Where several crystals of a composition were computed, which of
them was measured is not known, nor which has the lowest energy: every one makes a pair, and the pairs of a
composition share the weight of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError
from htc.models.experiment.measured import Measured
from htc.theory.empirical import allen_dynes_f1

__all__ = ["EXPERIMENT_MU_STAR", "ExperimentPairs", "experiment_pairs", "match"]

FloatArray = NDArray[np.float64]

EXPERIMENT_MU_STAR = 0.10
"""mu* of the predicted Tc that is held against experiment. What a laboratory measures does not depend on the
mu* somebody chose, so the estimate always starts from the Tc at this one."""


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentPairs:
    """n pairs; arrays of shape ``(n,)``."""

    formulas: NDArray[np.str_]
    """Reduced formulas; those with several crystals occur several times."""
    tc_predicted_k: FloatArray
    """At ``mu_star``, K."""
    tc_measured_k: FloatArray
    """K; 0 where the composition is listed without a Tc."""
    families: NDArray[np.str_]
    weights: FloatArray
    """They add up to one for each composition."""
    mu_star: float = EXPERIMENT_MU_STAR

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.formulas)

    @property
    def n_compositions(self) -> int:
        """Number of different compositions."""
        return len(np.unique(self.formulas))

    def select(self, mask: NDArray[np.bool_]) -> ExperimentPairs:
        """The pairs where ``mask``, shape ``(n,)``, is true."""
        return ExperimentPairs(
            self.formulas[mask],
            self.tc_predicted_k[mask],
            self.tc_measured_k[mask],
            self.families[mask],
            self.weights[mask],
            self.mu_star,
        )


def match(
    measured: Mapping[str, Measured],
    formulas: Sequence[str] | NDArray[np.str_],
    tc_predicted_k: ArrayLike,
    *,
    mu_star: float = EXPERIMENT_MU_STAR,
) -> ExperimentPairs:
    """Pairs of the predictions whose composition was measured.

    Args:
        measured: from :func:`htc.models.experiment.read_measured`.
        formulas: reduced formulas of n predicted crystals, as pymatgen writes them.
        tc_predicted_k: their Tc at ``mu_star``, K, shape ``(n,)``; made by a model that had not seen their
            composition.
        mu_star: Coulomb pseudopotential of ``tc_predicted_k``.

    Raises:
        InputError: the lengths differ, or a Tc is negative or not finite.
    """
    names = np.asarray(formulas, dtype=np.str_)
    tc = np.asarray(tc_predicted_k, dtype=np.float64)
    if names.shape != tc.shape or names.ndim != 1:
        raise InputError(f"{names.shape} formulas and {tc.shape} predictions do not match", where="formulas")
    if not (np.isfinite(tc) & (tc >= 0.0)).all():
        raise InputError("a predicted Tc is negative or not finite", where="tc_predicted_k")
    known = np.array([name in measured for name in names.tolist()], dtype=bool)
    names, tc = names[known], tc[known]
    found = [measured[name] for name in names.tolist()]
    _, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
    return ExperimentPairs(
        formulas=names,
        tc_predicted_k=tc,
        tc_measured_k=np.array([m.tc_k for m in found], dtype=np.float64),
        families=np.array([m.family for m in found], dtype=np.str_),
        weights=1.0 / counts[inverse] if len(names) else np.empty(0),
        mu_star=mu_star,
    )


def experiment_pairs(
    measured: Mapping[str, Measured],
    formulas: Sequence[str] | NDArray[np.str_],
    lambda_ep: ArrayLike,
    omega_log_k: ArrayLike,
) -> ExperimentPairs:
    """Pairs from out-of-fold couplings, shape ``(n,)`` each; Tc by f1 times the Allen-Dynes exponential.

    Raises:
        InputError: lengths differ, or a coupling or frequency is out of bounds.
    """
    return match(measured, formulas, allen_dynes_f1(lambda_ep, omega_log_k, EXPERIMENT_MU_STAR))
