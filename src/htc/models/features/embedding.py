"""What a universal interatomic potential sees around every site: the invariants inside SevenNet-l3i5.

The potential was trained on energies and forces of a million crystals; the states of its message-passing
layers describe bonding far better than few thousand electron-phonon labels could teach. Its weights come
in the ``sevenn`` wheel (extra ``[mlip]``): nothing is downloaded. (SevenNet: Park, Kim, Hwang, Han, J. Chem.
Theory Comput. 20, 4857 (2024), doi:10.1021/acs.jctc.4c00190.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import MissingExtraError
from htc.materials.symmetry import Standardised

__all__ = ["EMBEDDING_NAME", "N_EMBEDDING", "SiteEmbedder", "load_embedder"]

FloatArray = NDArray[np.float32]

EMBEDDING_NAME: Final = "sevennet-l3i5"
_N_SCALARS: Final = 128
_VECTORS: Final = ((64, 3), (32, 5), (32, 7))
"""Multiplicity and dimension of the irreps of degree 1 to 3 after a hidden layer."""
_FULL_LAYERS: Final = (1, 3)
"""Layers of which the lengths of the irreps are taken as well as the scalars."""
_SCALAR_LAYERS: Final = (2, 4)
N_EMBEDDING: Final = len(_FULL_LAYERS) * (_N_SCALARS + sum(n for n, _ in _VECTORS)) + _N_SCALARS * len(
    _SCALAR_LAYERS
)
"""Numbers that describe a site."""


class SiteEmbedder:
    """Evaluates the potential's layers, without forces. Made by :func:`load_embedder`."""

    def __init__(self, model: Any, cutoff: float, known: frozenset[int]) -> None:
        """Keep the network, its cutoff in Å and the atomic numbers it knows."""
        self._model = model
        self._cutoff = cutoff
        self.known = known
        """Atomic numbers the potential was trained on."""

    def embed(self, crystals: Sequence[Standardised]) -> list[FloatArray | None]:
        """Invariants of every orbit of every crystal, in order.

        Returns:
            Arrays of shape ``(n_orbits, N_EMBEDDING)``; None where an element is unknown to the potential.
        """
        # One at a time, although a dozen together take a third of the time a crystal: the last bits of a
        # crystal's states would depend on the others.
        return [
            self._states(c) if self.known.issuperset(c.structure.atomic_numbers) else None for c in crystals
        ]

    def _states(self, crystal: Standardised) -> FloatArray:
        import torch
        from ase import Atoms
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph
        from torch_geometric.data import Batch

        cell = crystal.structure
        atoms = Atoms(
            numbers=list(cell.atomic_numbers),
            cell=np.array(cell.lattice.matrix),
            scaled_positions=np.array(cell.frac_coords),
            pbc=True,
        )
        graph = unlabeled_atoms_to_graph(atoms, self._cutoff, with_shift=False)
        self._model.set_is_batch_data(True)
        layers = []
        with torch.no_grad():
            data = self._model._preprocess(Batch.from_data_list([AtomGraphData.from_numpy_dict(graph)]))
            for name, module in self._model.named_children():
                if name == "reduce_input_to_hidden":
                    break
                data = module(data)
                if name.endswith("equivariant_gate"):
                    layers.append(data["x"].numpy())
        parts = [_invariants(layers[k]) for k in _FULL_LAYERS]
        parts += [layers[k][:, :_N_SCALARS] for k in _SCALAR_LAYERS]
        states = np.concatenate(parts, axis=1)
        orbits = np.array(crystal.orbits)
        return np.array(
            [states[orbits == orbit].mean(axis=0) for orbit in range(orbits.max() + 1)], dtype=np.float32
        )


def _invariants(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scalars of a layer and the lengths of its irreps of degree 1 to 3."""
    parts = [x[:, :_N_SCALARS]]
    at = _N_SCALARS
    for copies, dimension in _VECTORS:
        block = x[:, at : at + copies * dimension].reshape(len(x), copies, dimension)
        parts.append(np.sqrt((block**2).sum(axis=2)))
        at += copies * dimension
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=1)
def load_embedder() -> SiteEmbedder:
    """Load SevenNet-l3i5 from its wheel, once per process.

    Raises:
        MissingExtraError: torch or sevenn is not installed.
    """
    import warnings

    try:
        with warnings.catch_warnings():
            # torch and e3nn deprecate each other's ways at every import; nothing here depends on them.
            warnings.simplefilter("ignore")
            from sevenn.calculator import SevenNetCalculator

            calculator = SevenNetCalculator(EMBEDDING_NAME, device="cpu")
    except ImportError as error:
        raise MissingExtraError(
            "the best tier of the model needs the potential SevenNet",
            hint="pip install 'htc[mlip]', or take `--tier default`",
        ) from error
    model = calculator.model
    model.eval()
    known = frozenset(int(z) for z in calculator.type_map)
    return SiteEmbedder(model, float(calculator.cutoff), known)
