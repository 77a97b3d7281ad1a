"""The default and the best tier: trees and graph networks that answer together.

The default tier adds tight-binding features to those of the fast one and needs no torch. The best tier puts
networks that also see an interatomic potential's states on top of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import Standardised, primitive_standardised
from htc.models.coupling import Coupling, Tier
from htc.models.error_model import ErrorModel, Point, Speaker
from htc.models.features import features_of_structure
from htc.models.features.graph import crystal_graph
from htc.models.features.tight_binding import tight_binding
from htc.models.forest import Forest
from htc.models.model import CouplingModel
from htc.models.network import TARGETS, GraphBatch, Inputs, Network, collate
from htc.models.network.evaluate import SOURCES

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure


__all__ = ["MIXED", "EnsembleModel", "Mixing", "SeenCrystals", "error_rows", "forest_rows"]

FloatArray = NDArray[np.float64]

MIXED: Final = ("ln_lambda", "ln_omega_log")
"""Targets that several kinds of members predict; omega_2/omega_log comes from the networks alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixing:
    """How the predictions of two kinds of members become one."""

    weight: FloatArray
    """Of the networks, per target of ``MIXED``, shape ``(2,)``; the other kind has the rest."""
    slope: FloatArray
    """Applied after mixing to the distance from ``centre``, shape ``(2,)``."""
    centre: FloatArray
    """Mean of each target, shape ``(2,)``."""

    def __call__(self, other: FloatArray, networks: FloatArray) -> FloatArray:
        """Mix predictions, both of shape ``(n, 2)``."""
        mixed = (1.0 - self.weight) * other + self.weight * networks
        return np.asarray(self.centre + self.slope * (mixed - self.centre))


@dataclass(frozen=True, slots=True, eq=False)
class SeenCrystals:
    """What the tiers see of n crystals."""

    fast: FloatArray
    """Shape ``(n, len(FEATURE_NAMES))``."""
    tight_binding: FloatArray
    """Shape ``(n, len(TIGHT_BINDING_FEATURES))``."""
    graphs: GraphBatch
    """Its ``sites`` are the tight-binding features of each orbit, then the states of the potential."""
    numbers: list[NDArray[np.int64]]
    """Atomic numbers in each, length n."""

    def __len__(self) -> int:
        """Number of crystals."""
        return len(self.fast)


def forest_rows(fast: FloatArray, tight_binding: FloatArray, source: NDArray[np.int64]) -> FloatArray:
    """Rows of the forests: features, and whose calculation is wanted, shape ``(n, n_features)``."""
    return np.column_stack([fast, tight_binding, source.astype(np.float64)])


def error_rows(fast: FloatArray, tight_binding: FloatArray, disagreement: FloatArray) -> FloatArray:
    """Rows the errors are learned from: features, and by how much the kinds of members disagree."""
    return np.column_stack([fast, tight_binding, disagreement])


@dataclass(frozen=True, eq=False)
class EnsembleModel(CouplingModel):
    """Networks beside the trees (default tier) or on top of the default tier (best tier)."""

    table: FloatArray
    """Element properties the model was trained with."""
    networks: tuple[Network, ...]
    forests: Mapping[str, Forest]
    """Forests of ``MIXED`` in the default tier; empty in the best tier."""
    mixing: Mixing
    errors: ErrorModel
    below: CouplingModel
    """The tier below: the fast one, or the default one in the best tier."""

    @property
    def tier(self) -> Tier:
        """``best`` where an interatomic potential is asked, else ``default``."""
        return "default" if self.forests else "best"

    @property
    def sources(self) -> tuple[str, ...]:
        """Whose calculations it has learned to predict, the default one first."""
        return tuple(self.card["method"]["sources"])

    def source_for(self, source: str) -> str:
        """``source`` where the model has learned from it, else the one predicted by default."""
        return source if source in self.sources else self.sources[0]

    @property
    def parts(self) -> tuple[CouplingModel, ...]:
        """This model and the tiers below it."""
        return (self, *self.below.parts)

    def predict_compositions(self, compositions: Sequence[Composition]) -> list[Coupling]:
        """Coupling of compositions whose crystal is unknown: what the fast tier says."""
        return self.below.predict_compositions(compositions)

    def predict_structures(
        self, structures: Sequence[Structure | Standardised], source: str | None = None
    ) -> list[Coupling]:
        """Coupling of ordered crystals, one for each, in order.

        Args:
            structures: crystals.
            source: whose calculation to predict, one of :attr:`sources`; None for the first.

        Raises:
            MissingExtraError: the best tier without the extra ``[mlip]``.
        """
        if not structures:
            return []
        source = self.sources[0] if source is None else self.source_for(source)
        found = [s if isinstance(s, Standardised) else primitive_standardised(s) for s in structures]
        seen = self._see(found)
        if self.tier == "default":
            return self.couplings(seen, source)
        embedded, known = _with_embedding(seen, found)
        spoken = iter(self.couplings(_subset(embedded, known), source))
        unknown = _subset(seen, ~known)
        instead = iter(_answered_below(self.below, unknown, source))
        return [next(spoken) if k else next(instead) for k in known.tolist()]

    def _see(self, crystals: Sequence[Standardised]) -> SeenCrystals:
        """Compute what the members need to know, all but the states of the potential."""
        table = self.table
        bound = [tight_binding(c) for c in crystals]
        inputs = [
            Inputs(crystal_graph(c), b.orbits, np.empty(0)) for c, b in zip(crystals, bound, strict=True)
        ]
        fast = np.array([features_of_structure(c.structure, table, c) for c in crystals])
        cells = np.array([b.cell for b in bound])
        graphs = replace(collate(inputs), cell=np.column_stack([fast, cells]).astype(np.float32))
        numbers = [np.unique(c.structure.atomic_numbers) for c in crystals]
        return SeenCrystals(fast, cells, graphs, numbers)

    def couplings(self, seen: SeenCrystals, source: str) -> list[Coupling]:
        """Statements about crystals that were looked at before; see :meth:`predict_structures`."""
        if len(seen) == 0:
            return []
        point, rows = self.points(seen, source)
        speaker = Speaker("structure", self.tier, self.model_id)
        return self.errors.couplings(speaker, rows, seen.numbers, point)

    def points(self, seen: SeenCrystals, source: str) -> tuple[Point, FloatArray]:
        """Predictions without errors, and the rows the errors are learned from."""
        members = np.mean([network.predict(seen.graphs, source) for network in self.networks], axis=0)
        if self.tier == "default":
            n = len(seen)
            rows = forest_rows(seen.fast, seen.tight_binding, np.full(n, SOURCES.index(source)))
            other = np.column_stack([self.forests[name].predict(rows) for name in MIXED])
        else:
            if not isinstance(self.below, EnsembleModel):
                raise TypeError("the best tier stands on the default one")
            n_tb = self.below.networks[0].shape.n_site
            plain = replace(seen, graphs=replace(seen.graphs, sites=seen.graphs.sites[:, :n_tb]))
            below, _ = self.below.points(plain, source)
            other = np.column_stack([below.ln_lambda, below.ln_omega_log])
        mixed = self.mixing(other, members[:, :2])
        point = Point(mixed[:, 0], mixed[:, 1], members[:, TARGETS.index("ln_omega_2_ratio")])
        return point, error_rows(seen.fast, seen.tight_binding, np.abs(members[:, :2] - other))


def _answered_below(below: CouplingModel, seen: SeenCrystals, source: str) -> list[Coupling]:
    """What the default tier says of crystals with an element the potential does not know."""
    if not isinstance(below, EnsembleModel):
        raise TypeError("the best tier stands on the default one")
    note = "SevenNet does not know one of its elements: the default tier answers"
    return [replace(coupling, note=note) for coupling in below.couplings(seen, source)]


def _with_embedding(
    seen: SeenCrystals, crystals: Sequence[Standardised]
) -> tuple[SeenCrystals, NDArray[np.bool_]]:
    """The same crystals with the potential's states at their sites, and which of them it knows."""
    from htc.models.features.embedding import N_EMBEDDING, load_embedder

    states = load_embedder().embed(crystals)
    blank = [
        np.full((c.n_orbits, N_EMBEDDING), np.nan, np.float32) if s is None else s
        for s, c in zip(states, crystals, strict=True)
    ]
    sites = np.column_stack([seen.graphs.sites, np.concatenate(blank)]).astype(np.float32)
    known = np.array([s is not None for s in states])
    return replace(seen, graphs=replace(seen.graphs, sites=sites)), known


def _subset(seen: SeenCrystals, keep: NDArray[np.bool_]) -> SeenCrystals:
    which = np.flatnonzero(keep)
    numbers = [seen.numbers[int(i)] for i in which]
    return SeenCrystals(seen.fast[which], seen.tight_binding[which], seen.graphs.select(which), numbers)
