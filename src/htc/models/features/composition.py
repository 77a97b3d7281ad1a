"""Features of a composition: statistics of element properties over the atoms, and the fractions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htc.models.features.elements import N_ELEMENTS, PROPERTIES

__all__ = ["composition_feature_names", "composition_features"]

_STATISTICS = ("mean", "max", "min", "std", "range")
# The electron counts enter as totals; their spread over the atoms says nothing the elements do not.
_STATED = PROPERTIES[:-4]


def composition_feature_names() -> list[str]:
    """Names of the features, in order."""
    names = [f"{prop}_{stat}" for stat in _STATISTICS for prop in _STATED]
    names += [
        "n_elements",
        "valence",
        "valence_d",
        "valence_p",
        "valence_max",
        "mass_harmonic",
        "fraction_max",
    ]
    names += [f"fraction_{z}" for z in range(1, N_ELEMENTS + 1)]
    return names


def composition_features(
    numbers: NDArray[np.int64], amounts: NDArray[np.float64], table: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Features of one composition.

    Args:
        numbers: atomic numbers of its elements, shape ``(k,)``.
        amounts: their amounts in any normalisation, shape ``(k,)``.
        table: element properties from ``element_table()``.

    Returns:
        Shape ``(len(composition_feature_names()),)``; NaN where a property is unknown for every element.
    """
    fraction = amounts / amounts.sum()
    values = table[numbers]
    stated = values[:, : len(_STATED)]
    known = ~np.isnan(stated)
    weight = np.where(known, fraction[:, None], 0.0)
    total = weight.sum(axis=0)
    any_known = total > 0
    filled = np.where(known, stated, 0.0)
    mean = np.divide((weight * filled).sum(axis=0), total, out=np.full(total.shape, np.nan), where=any_known)
    variance = np.divide(
        (weight * (filled - np.nan_to_num(mean)) ** 2).sum(axis=0),
        total,
        out=np.full(total.shape, np.nan),
        where=any_known,
    )
    high = np.where(any_known, np.where(known, stated, -np.inf).max(axis=0), np.nan)
    low = np.where(any_known, np.where(known, stated, np.inf).min(axis=0), np.nan)

    valence = values[:, PROPERTIES.index("valence")]
    mass = values[:, PROPERTIES.index("atomic_mass")]
    totals = np.array(
        [
            float(len(numbers)),
            fraction @ valence,
            fraction @ values[:, PROPERTIES.index("valence_d")],
            fraction @ values[:, PROPERTIES.index("valence_p")],
            valence.max(),
            1.0 / (fraction / mass).sum(),
            fraction.max(),
        ]
    )
    by_element = np.zeros(N_ELEMENTS)
    by_element[numbers - 1] = fraction
    return np.concatenate([mean, high, low, np.sqrt(variance), high - low, totals, by_element])
