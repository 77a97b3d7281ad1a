"""SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024), doi:10.1021/acs.jctc.4c00190).

Equivariant graph networks trained on PBE(+U) relaxations of the Materials Project; the weights of the three
below are files of the ``sevenn`` wheel.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import ModelError
from htc.stability.potentials.protocol import EnergyForcesStress, evaluate, missing_mlip

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["SHIPPED", "SevenNet", "load_sevennet"]


@dataclass(frozen=True, slots=True)
class _Weights:
    file: str
    """Under ``sevenn/pretrained_potentials``."""
    modal: str | None
    """Which functional's head of a model of several."""
    softness: str


_SOFT = "its phonons are softer than measured ones (highest frequency in THz against experiment: {})"

SHIPPED: Final[dict[str, _Weights]] = {
    "sevennet-l3i5": _Weights(
        "SevenNet_l3i5/checkpoint_l3i5.pth",
        None,
        _SOFT.format("Nb 6.4 of 6.5, Al 7.9 of 10, Pb 1.4 of 2.2, MgB2 21.5 of 24"),
    ),
    "sevennet-0": _Weights(
        "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        None,
        _SOFT.format("Nb 4.3 of 6.5, Al 7.2 of 10, Pb 1.6 of 2.2, MgB2 25.0 of 24"),
    ),
    "sevennet-mf-0": _Weights(
        "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
        "PBE",
        "its phonons have not been measured against experiment here; its sisters are too soft",
    ),
}


_ATOMS_AT_ONCE: Final = (64, 4096)
"""Atoms in one evaluation on a processor and on an accelerator. On a processor larger batches only take
memory; on an accelerator small ones leave it idle."""


@dataclass(slots=True, eq=False)
class SevenNet:
    """A SevenNet model as a :class:`~htc.stability.potentials.Potential`."""

    name: str
    potential_id: str
    cutoff_a: float
    elements: frozenset[str]
    softness: str
    _calculator: Any = field(repr=False)

    def calculator(self) -> Any:
        """The ASE calculator. It keeps its last result: not for two threads at once."""
        return self._calculator

    def energy_forces_stress(self, structure: Structure) -> EnergyForcesStress:
        """Evaluate one structure."""
        return evaluate(self._calculator, structure)

    def cells_at_once(self, n_atoms: int) -> int:
        """How many cells of ``n_atoms`` it is best given at a time."""
        most = _ATOMS_AT_ONCE[self._calculator.device.type == "cuda"]
        return max(1, most // max(1, n_atoms))

    def forces_many(self, cells: Sequence[Any]) -> list[NDArray[np.float64]]:
        """Forces on each of some ``ase.Atoms``, shapes ``(n_i, 3)``, eV/Å."""
        import sevenn._keys as key
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph
        from torch_geometric.data import Batch

        calculator = self._calculator
        graphs = []
        for atoms in cells:
            calculator.set_atoms(atoms)
            graph = AtomGraphData.from_numpy_dict(unlabeled_atoms_to_graph(atoms, calculator.cutoff))
            if calculator.modal:
                graph[key.DATA_MODALITY] = calculator.modal
            graphs.append(graph)
        calculator.model.set_is_batch_data(True)
        try:
            output = calculator.model(Batch.from_data_list(graphs).to(calculator.device))
        finally:
            calculator.model.set_is_batch_data(False)
        forces = output[key.PRED_FORCE].detach().cpu().numpy().astype(np.float64)
        return np.split(forces, np.cumsum([len(atoms) for atoms in cells])[:-1])


def load_sevennet(name: str) -> SevenNet:
    """One of the models of the ``sevenn`` wheel, on an accelerator where there is one.

    Raises:
        MissingExtraError: sevenn or torch is not installed.
        ModelError: the wheel does not hold the weights.
    """
    weights = SHIPPED[name]
    with warnings.catch_warnings():
        # torch.jit.script is deprecated; e3nn still compiles with it on import.
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        # Accelerated tensor products are for GPUs of one vendor; nothing the user could change here.
        warnings.filterwarnings("ignore", "No tensor product accelerator", UserWarning)
        try:
            import sevenn
            from sevenn.calculator import SevenNetCalculator
        except ImportError as error:
            raise missing_mlip("SevenNet", error) from error
        path = Path(sevenn.__file__).parent / "pretrained_potentials" / weights.file
        if not path.is_file():
            raise ModelError(
                f"the sevenn package holds no weights for {name}",
                where=str(path),
                hint="install the wheel of sevenn 0.13 or later: pip install --force-reinstall sevenn",
            )
        calculator = SevenNetCalculator(str(path), modal=weights.modal)
    from ase.data import chemical_symbols

    return SevenNet(
        name=name,
        potential_id=f"{name}@{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}",
        cutoff_a=float(calculator.cutoff),
        elements=frozenset(chemical_symbols[int(z)] for z in calculator.type_map),
        softness=weights.softness,
        _calculator=calculator,
    )
