"""Crystals on their way into a network: graphs laid end to end, with one index a node and an edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.features.graph import CUTOFF_A, CrystalGraph

__all__ = ["N_RADIAL", "GraphBatch", "Inputs", "collate", "radial"]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

N_RADIAL: Final = 24
_FIRST_A: Final = 1.5
_CENTRES: Final = np.linspace(_FIRST_A, CUTOFF_A, N_RADIAL)
_WIDTH: Final = float(_CENTRES[1] - _CENTRES[0])


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a network sees of one crystal."""

    graph: CrystalGraph
    sites: NDArray[np.float64]
    """Features of each orbit, shape ``(n_orbits, n_site)``; NaN is unknown."""
    cell: NDArray[np.float64]
    """Features of the crystal, shape ``(n_cell,)``; NaN is unknown."""


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Several crystals as one graph without edges between them; B crystals, N nodes, E edges."""

    numbers: IntArray
    """Shape ``(N,)``."""
    multiplicity: FloatArray
    """Shape ``(N,)``."""
    crystal: IntArray
    """Which crystal a node belongs to, shape ``(N,)``."""
    sites: FloatArray
    """Shape ``(N, n_site)``."""
    centre: IntArray
    """Shape ``(E,)``."""
    neighbour: IntArray
    """Shape ``(E,)``."""
    distance: FloatArray
    """Å, shape ``(E,)``."""
    count: FloatArray
    """Shape ``(E,)``."""
    cell: FloatArray
    """Shape ``(B, n_cell)``."""
    size: FloatArray
    """ln of volume per atom and of the number of sites, roughly centred, shape ``(B, 2)``."""

    def __len__(self) -> int:
        """Number of crystals."""
        return len(self.cell)

    @cached_property
    def _runs(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Nodes and edges of every crystal, and where they begin."""
        nodes = np.bincount(self.crystal, minlength=len(self))
        edges = np.bincount(self.crystal[self.centre], minlength=len(self))
        return nodes, edges, np.cumsum(nodes) - nodes, np.cumsum(edges) - edges

    @cached_property
    def node_runs(self) -> list[slice]:
        """Nodes of every crystal, length B."""
        return _slices(self._runs[2], self._runs[0])

    @cached_property
    def edge_runs(self) -> list[slice]:
        """Edges of every crystal, length B."""
        return _slices(self._runs[3], self._runs[1])

    @cached_property
    def basis(self) -> FloatArray:
        """``radial`` of the distances, which all networks of an ensemble see, shape ``(E, N_RADIAL)``."""
        return radial(self.distance)

    @cached_property
    def edge_weight(self) -> FloatArray:
        """Neighbours of an edge, faded out towards the cutoff, shape ``(E, 1)``."""
        return (self.count * envelope(self.distance))[:, None]

    def select(self, which: IntArray) -> GraphBatch:
        """Some of the crystals, in the order of ``which``."""
        n_nodes, n_edges, first_node, first_edge = self._runs
        nodes, edges = n_nodes[which], n_edges[which]
        node = _ranges(first_node[which], nodes)
        edge = _ranges(first_edge[which], edges)
        shift = np.repeat((np.cumsum(nodes) - nodes) - first_node[which], edges)
        return GraphBatch(
            numbers=self.numbers[node],
            multiplicity=self.multiplicity[node],
            crystal=np.repeat(np.arange(len(which)), nodes),
            sites=self.sites[node],
            centre=self.centre[edge] + shift,
            neighbour=self.neighbour[edge] + shift,
            distance=self.distance[edge],
            count=self.count[edge],
            cell=self.cell[which],
            size=self.size[which],
        )


def _slices(starts: IntArray, lengths: IntArray) -> list[slice]:
    return [slice(a, a + n) for a, n in zip(starts.tolist(), lengths.tolist(), strict=True)]


def _ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    """Indices of several runs one after the other."""
    offsets = np.cumsum(lengths) - lengths
    return np.repeat(starts - offsets, lengths) + np.arange(int(lengths.sum()))


def size_of(volume_per_atom: float, n_sites: int) -> tuple[float, float]:
    """How large the cell is, in two numbers of order one."""
    return float(np.log(volume_per_atom) - 2.9), float(np.log(n_sites) - 1.4)


def collate(crystals: Sequence[Inputs]) -> GraphBatch:
    """Lay crystals end to end; at least one."""
    graphs = [crystal.graph for crystal in crystals]
    n_nodes = np.array([len(graph.numbers) for graph in graphs])
    n_edges = np.array([len(graph.distance) for graph in graphs])
    first = np.repeat(np.cumsum(n_nodes) - n_nodes, n_edges)
    return GraphBatch(
        numbers=np.concatenate([graph.numbers for graph in graphs]),
        multiplicity=np.concatenate([graph.multiplicity for graph in graphs]).astype(np.float32),
        crystal=np.repeat(np.arange(len(graphs)), n_nodes),
        sites=np.concatenate([crystal.sites for crystal in crystals]).astype(np.float32),
        centre=np.concatenate([graph.centre for graph in graphs]) + first,
        neighbour=np.concatenate([graph.neighbour for graph in graphs]) + first,
        distance=np.concatenate([graph.distance for graph in graphs]).astype(np.float32),
        count=np.concatenate([graph.count for graph in graphs]).astype(np.float32),
        cell=np.array([crystal.cell for crystal in crystals], dtype=np.float32),
        size=np.array([size_of(g.volume_per_atom, g.n_sites) for g in graphs], dtype=np.float32),
    )


def radial(distance: FloatArray) -> FloatArray:
    """Gaussians of the distance, shape ``(E, N_RADIAL)``."""
    return np.exp(-(((distance[:, None] - _CENTRES) / _WIDTH) ** 2)).astype(np.float32)


def envelope(distance: FloatArray) -> FloatArray:
    """Weight of a neighbour, 1 at no distance and 0 at the cutoff, shape ``(E,)``."""
    weight = 0.5 * (np.cos(np.pi * np.minimum(distance / CUTOFF_A, 1.0)) + 1.0)
    return np.asarray(weight, dtype=np.float32)
