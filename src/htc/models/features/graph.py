"""A crystal as a small graph: one node a kind of site, one edge a shell of neighbours.

Symmetry-equivalent sites see the same surroundings, so a network of distances alone gives them equal states:
one node an orbit, with its multiplicity, is exact for such a network and ten times smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import Standardised

__all__ = ["CUTOFF_A", "CrystalGraph", "crystal_graph"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CUTOFF_A = 6.0
"""Farthest neighbour of a node, Å."""

_SHELL_A = 0.01
"""Neighbours of one kind whose distances agree to this, Å, are one edge."""
_TOUCHING_A = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class CrystalGraph:
    """Orbits and neighbour shells of one crystal."""

    numbers: IntArray
    """Atomic number of each orbit, shape ``(n_orbits,)``."""
    multiplicity: FloatArray
    """Sites of each orbit in the primitive cell, shape ``(n_orbits,)``."""
    centre: IntArray
    """Orbit an edge belongs to, shape ``(n_edges,)``, ascending."""
    neighbour: IntArray
    """Orbit of the neighbours, shape ``(n_edges,)``."""
    distance: FloatArray
    """Their distance, Å, shape ``(n_edges,)``."""
    count: FloatArray
    """How many of them there are around one site, shape ``(n_edges,)``."""
    volume_per_atom: float
    """Å^3."""

    @property
    def n_sites(self) -> int:
        """Sites in the primitive cell."""
        return int(self.multiplicity.sum())


def crystal_graph(standardised: Standardised) -> CrystalGraph:
    """The graph of a crystal in its primitive standard cell."""
    structure = standardised.structure
    orbits = np.array(standardised.orbits, dtype=np.int64)
    n_orbits = int(orbits.max()) + 1
    representative = np.array([int(np.argmax(orbits == orbit)) for orbit in range(n_orbits)])
    centre, other, _, distance = structure.get_neighbor_list(
        CUTOFF_A, sites=[structure[int(i)] for i in representative], exclude_self=True
    )
    keep = distance > _TOUCHING_A
    centre, other, distance = centre[keep], orbits[other[keep]], distance[keep]
    shell = np.round(distance / _SHELL_A).astype(np.int64)
    keys, edge, count = np.unique(
        np.column_stack([centre, other, shell]), axis=0, return_inverse=True, return_counts=True
    )
    return CrystalGraph(
        numbers=np.array(structure.atomic_numbers, dtype=np.int64)[representative],
        multiplicity=np.bincount(orbits, minlength=n_orbits).astype(np.float64),
        centre=keys[:, 0].astype(np.int64),
        neighbour=keys[:, 1].astype(np.int64),
        distance=np.bincount(edge.ravel(), distance, minlength=len(keys)) / count,
        count=count.astype(np.float64),
        volume_per_atom=float(structure.volume) / len(structure),
    )
