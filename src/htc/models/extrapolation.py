"""How far a material lies from everything the model was trained on.

Confidence follows from this distance alone, never from the value of Tc.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from htc.models.products import times_by_row

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

__all__ = ["Domain", "Nearness", "fit_domain"]

FloatArray = NDArray[np.float64]

N_COMPONENTS = 16
_BOUND = 5.0
_NEAR, _FAR = 0, 2
NEIGHBOURS = 5
MIN_ELEMENT_COUNT = 10
"""An element in fewer training materials than this is called new."""
_TRIMMED = 0.002
"""Share of training materials left out at each end of a continuous range: the odd cell is not a range."""
_LEVEL_QUANTILES = (0.60, 0.95)
"""Quantiles of the training materials' own distances: below the first is near, above the second far."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near one material is to the training data."""

    distance: float
    """Mean distance to the nearest training materials, in units of the training materials' own median."""
    band: int
    """0 near, 1 between, 2 far; by the distance alone."""
    level: Literal["low", "medium", "high"]
    reasons: tuple[str, ...]
    """What about it the training data do not cover; empty if nothing."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Where the training data lie in a whitened feature space.

    The arrays are stored with the weights; see :func:`fit_domain` for how they come about.
    """

    centre: FloatArray
    """Median of each feature, shape ``(n_features,)``."""
    scale: FloatArray
    """What each feature is multiplied with, shape ``(n_features,)``; 0 for those that span no axis."""
    projection: FloatArray
    """Whitening projection of the scaled features, shape ``(n_features, n_components)``."""
    points: FloatArray
    """Training materials in the whitened space, shape ``(n_train, n_components)``."""
    levels: FloatArray
    """Median, near and far distance, shape ``(3,)``."""
    element_count: NDArray[np.int64]
    """Training materials with each element, index Z, shape ``(n_elements + 1,)``."""
    bounds: FloatArray
    """Range of the checked features, shape ``(n_checked, 2)``."""
    checked: NDArray[np.int64]
    """Columns of the features whose range is checked, shape ``(n_checked,)``."""

    @cached_property
    def _tree(self) -> cKDTree:
        from scipy.spatial import cKDTree

        return cKDTree(self.points)

    def _whiten(self, rows: FloatArray) -> FloatArray:
        filled = np.where(np.isnan(rows), self.centre, rows)
        whitened: FloatArray = times_by_row(_scaled(filled, self.centre, self.scale), self.projection)
        return whitened

    def band(self, distance: FloatArray) -> NDArray[np.int64]:
        """Band of distances: 0 near, 1 between, 2 far."""
        return np.digitize(distance, self.levels[1:], right=True).astype(np.int64)

    def nearness(
        self, rows: FloatArray, numbers: list[NDArray[np.int64]], labels: list[str]
    ) -> list[Nearness]:
        """Nearness of materials.

        Args:
            rows: their features, shape ``(n, n_features)``.
            numbers: atomic numbers in each, length n.
            labels: what to call each checked feature, length ``len(checked)``.
        """
        from pymatgen.core.periodic_table import Element

        distances = self._tree.query(self._whiten(rows), k=NEIGHBOURS)[0].mean(axis=1)
        median = self.levels[0]
        out: list[Nearness] = []
        for row, atomic_numbers, distance, band in zip(
            rows, numbers, distances, self.band(distances), strict=True
        ):
            reasons = []
            for z in atomic_numbers:
                count = int(self.element_count[z])
                if count < MIN_ELEMENT_COUNT:
                    known = (
                        "no training material has it"
                        if count == 0
                        else f"only {count} training materials have it"
                    )
                    reasons.append(f"element {Element.from_Z(int(z)).symbol}: {known}")
            for column, (low, high), label in zip(self.checked, self.bounds, labels, strict=True):
                if row[column] < low or row[column] > high:
                    side = "below" if row[column] < low else "above"
                    limit = low if row[column] < low else high
                    reasons.append(f"{label} {row[column]:.3g} is {side} the training range ({limit:.3g})")
            if band == _FAR:
                reasons.append(
                    f"{distance / median:.1f} times as far from its neighbours as training materials are"
                )
            level: Literal["low", "medium", "high"] = "medium"
            if reasons:
                level = "low"
            elif band == _NEAR:
                level = "high"
            out.append(Nearness(float(distance / median), int(band), level, tuple(reasons)))
        return out

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, as stored."""
        return {
            "centre": self.centre,
            "scale": self.scale,
            "projection": self.projection,
            "points": self.points.astype(np.float32),
            "levels": self.levels,
            "element_count": self.element_count,
            "bounds": self.bounds,
            "checked": self.checked,
        }


def _scaled(filled: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    """Standardised features, bounded: a resistivity of 1e15 must not outweigh all that else differs."""
    return np.asarray(np.clip((filled - centre) * scale, -_BOUND, _BOUND))


def _range(values: FloatArray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if (known == np.round(known)).all():  # a count: whatever occurs belongs to it
        return float(known.min()), float(known.max())
    low, high = np.quantile(known, [_TRIMMED, 1.0 - _TRIMMED])
    return float(low), float(high)


def fit_domain(
    rows: FloatArray,
    numbers: list[NDArray[np.int64]],
    groups: NDArray[np.str_],
    described: NDArray[np.int64],
    checked: NDArray[np.int64],
    n_elements: int,
) -> tuple[Domain, FloatArray]:
    """Describe where training materials lie, and how far each lies from those of other formulas.

    Distances are between whitened principal components of ``described`` features. The yardstick is the
    distance of each training material to its neighbours of *other* formulas, so that polymorphs
    of one compound do not make the data look denser than they are.

    Args:
        rows: features, shape ``(n, n_features)``.
        numbers: atomic numbers in each material, length n.
        groups: reduced formula of each, shape ``(n,)``.
        described: columns that span the space.
        checked: columns whose range is checked one by one.
        n_elements: highest atomic number.
    """
    from scipy.spatial import cKDTree

    # scikit-learn, of the extra `train`, brings it; it publishes no types.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    centre = np.nanmedian(rows, axis=0)
    filled = np.where(np.isnan(rows), centre, rows)
    scale = np.zeros(rows.shape[1])
    # Half the 5-95 % range instead of the deviation: a few exotic cells must not squeeze all others.
    spread = 0.5 * np.subtract(*np.quantile(filled[:, described], [0.95, 0.05], axis=0))
    scale[described] = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    standard = _scaled(filled, centre, scale)
    standard_mean = standard - standard.mean(axis=0)
    # Shared between threads its last bits depend on their number, and the hash of the weights with them.
    with threadpool_limits(1, user_api="blas"):
        _, singular, axes = np.linalg.svd(standard_mean, full_matrices=False)
    whitening = np.sqrt(len(rows)) / singular[:N_COMPONENTS]
    # Full whitening would blow up the small components' noise; its square root keeps their order.
    projection = axes[:N_COMPONENTS].T * np.sqrt(whitening)
    points = (standard @ projection).astype(np.float32).astype(np.float64)

    tree = cKDTree(points)
    distance, index = tree.query(points, k=min(len(points), 8 * NEIGHBOURS))
    own = np.empty(len(points))
    for i in range(len(points)):
        other = distance[i][groups[index[i]] != groups[i]][:NEIGHBOURS]
        own[i] = other.mean() if other.size else distance[i].max()

    element_count = np.zeros(n_elements + 1, dtype=np.int64)
    for atomic_numbers in numbers:
        element_count[np.unique(atomic_numbers)] += 1
    domain = Domain(
        centre=centre,
        scale=scale,
        projection=projection,
        points=points,
        levels=np.quantile(own, [0.5, *_LEVEL_QUANTILES]),
        element_count=element_count,
        bounds=np.array([_range(rows[:, column]) for column in checked]).reshape(-1, 2),
        checked=checked,
    )
    return domain, own
