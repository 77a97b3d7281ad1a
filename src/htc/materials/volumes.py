"""The volume a crystal of given elements and shape will have, before anything is computed.

Every pair of atoms has a distance it would like, R_ij = (r_i + r_j) exp(c (chi_i - chi_j)^2), and a weight.
In a crystal of fixed shape not all pairs can have it. With the pair potential
w [(R/d)^5/5 - (R/d)^2/2], which is lowest at d = R, the volume of least energy is a ratio of two sums:

    V = sum_ij w_ij R_ij^5 D_ij^-5 / sum_ij w_ij R_ij^2 D_ij^-2        (an atom)

where D are the distances in the crystal scaled to a volume of 1 an atom. Radii r (one towards metals, one
towards nonmetals), weights and c were fitted by :mod:`scripts.volumes` to computed crystals; what it does on
crystals it has not seen is in docs/howto/campaigns.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.errors import StructureError

if TYPE_CHECKING:
    from pymatgen.core.structure import IStructure

__all__ = [
    "ATTRACTION",
    "REPULSION",
    "PairSums",
    "pair",
    "pair_sums",
    "substituted_volume",
    "volume_per_atom",
]

REPULSION: Final = 5
ATTRACTION: Final = 2
"""Powers of the pair potential. Their difference is 3, so that V itself is the ratio."""
_REACH: Final = (2.5, 3.0)
"""Pairs count in full up to the first distance, not at all beyond the second; cube roots of V an atom."""

_HANDED_ON: Final = 0.5

PairSums = tuple[tuple[int, int, float, float, float], ...]
"""For each pair of kinds of sites (a <= b): a, b, the sums of D^-5 and D^-2 an atom, the shortest D."""


@dataclass(frozen=True, slots=True)
class Pair:
    """How two elements like to be."""

    distance: float
    """R, Å."""
    repulsion: float
    """w R^5."""
    attraction: float
    """w R^2."""


@lru_cache(maxsize=1)
def _parameters() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("volumes.json").read_text(encoding="utf-8")
    kept: dict[str, Any] = json.loads(text)
    kept["nonmetals"] = frozenset(kept["nonmetals"])
    return kept


@lru_cache(maxsize=16384)
def pair(a: str, b: str) -> Pair:
    """Parameters of a pair of elements.

    Raises:
        StructureError: an element that no crystal was known of.
    """
    kept = _parameters()
    elements, nonmetals = kept["elements"], kept["nonmetals"]
    for symbol in (a, b):
        if symbol not in elements:
            raise StructureError(f"no volume of {symbol} in a compound is known to estimate from")
    towards_a, towards_b = int(b in nonmetals), int(a in nonmetals)
    one, two = elements[a], elements[b]
    square = (one["chi"] - two["chi"]) ** 2
    radius = (one["radius"][towards_a] + two["radius"][towards_b]) * math.exp(kept["shrink"] * square)
    log_weight = one["log_weight"][towards_a] + two["log_weight"][towards_b] + kept["deepen"] * square
    weight = math.exp(log_weight)
    return Pair(radius, weight * radius**REPULSION, weight * radius**ATTRACTION)


def pair_sums(structure: IStructure, kinds: Sequence[int]) -> PairSums:
    """What :func:`volume_per_atom` needs of a shape.

    Args:
        structure: n sites; only its shape counts.
        kinds: for each site, a number from 0.
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    unit = (structure.volume / len(structure)) ** (1 / 3)
    scaled = Structure(
        Lattice(structure.lattice.matrix / unit), ["H"] * len(structure), structure.frac_coords
    )
    full, none = _REACH
    centre, other, _, distance = scaled.get_neighbor_list(none)
    of = np.asarray(kinds)
    low, high = np.minimum(of[centre], of[other]), np.maximum(of[centre], of[other])
    share = np.clip((none - distance) / (none - full), 0.0, 1.0) / len(structure)
    out: list[tuple[int, int, float, float, float]] = []
    for a, b in sorted(set(zip(low.tolist(), high.tolist(), strict=True))):
        here = (low == a) & (high == b)
        d, w = distance[here], share[here]
        out.append((a, b, float(w @ d**-REPULSION), float(w @ d**-ATTRACTION), float(d.min())))
    return tuple(out)


def volume_per_atom(sums: PairSums, elements: Sequence[str]) -> float:
    """Volume of least energy, Å^3 an atom.

    Args:
        sums: of the shape.
        elements: for each kind of site.

    Raises:
        StructureError: an element that no crystal was known of.
    """
    up = down = 0.0
    for a, b, repulsion, attraction, _ in sums:
        one = pair(elements[a], elements[b])
        up += one.repulsion * repulsion
        down += one.attraction * attraction
    return up / down


def substituted_volume(sums: PairSums, old: Sequence[str], new: Sequence[str], own_volume: float) -> float:
    """Volume of a crystal with other elements in the place of its own, Å^3 an atom.

    Half of what the crystal's volume has over its estimate is handed on, as a power: less and more than that
    make larger errors for known crystals made from each other. Nothing changed, it is the crystal's volume.

    Args:
        sums: of the shape.
        old: for each kind of site, the element that it has.
        new: for each kind of site, the element that it is to have.
        own_volume: of the crystal, Å^3 an atom.

    Raises:
        StructureError: an element that no crystal was known of.
    """
    if tuple(old) == tuple(new):
        return own_volume
    handed_on = float((own_volume / volume_per_atom(sums, old)) ** _HANDED_ON)
    return volume_per_atom(sums, new) * handed_on
