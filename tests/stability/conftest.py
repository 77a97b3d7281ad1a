"""Potentials for the tests of stability: the quick EMT of ASE, and SevenNet where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from htc.stability.potentials import Potential, load_potential
from htc.stability.potentials.protocol import EnergyForcesStress, evaluate


class AsePotential:
    """Any calculator of ASE as a potential; counts what it is asked."""

    softness = "effective medium theory is for tests only"

    def __init__(self, name: str, calculator: Any, cutoff_a: float, elements: str) -> None:
        self.name = name
        self.potential_id = f"{name}@test"
        self.cutoff_a = cutoff_a
        self.elements = frozenset(elements.split())
        self.asked = 0
        self._calculator = calculator
        calculate = calculator.calculate

        def counted(*args: Any, **kwargs: Any) -> None:
            self.asked += 1
            calculate(*args, **kwargs)

        calculator.calculate = counted

    def calculator(self) -> Any:
        return self._calculator

    def energy_forces_stress(self, structure: Structure) -> EnergyForcesStress:
        return evaluate(self._calculator, structure)


@pytest.fixture
def emt() -> AsePotential:
    """Effective medium theory of ASE for some fcc metals: a real potential that costs milliseconds."""
    emt = pytest.importorskip("ase.calculators.emt", reason="needs ASE (extra [mlip])")
    return AsePotential("emt", emt.EMT(), 5.5, "Al Cu Ag Au Ni Pd Pt")


@pytest.fixture(scope="session")
def needs_phonopy() -> None:
    """Skips where there is nothing to calculate phonons with."""
    if importlib.util.find_spec("phonopy") is None:
        pytest.skip("needs phonopy (extra [mlip])")


@pytest.fixture(scope="session")
def sevennet() -> Callable[[str], Potential]:
    """Loader of the shipped potentials."""
    for package in ("torch", "sevenn"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package} (extra [mlip])")
    return load_potential


@pytest.fixture
def crystal() -> Callable[..., Structure]:
    """A maker of crystals: ``crystal("Fm-3m", 3.6, Cu=(0, 0, 0))``, lattice constants ``a`` or ``(a, c)``."""

    def make(
        group: str, lengths: float | tuple[float, float], **sites: tuple[float, float, float]
    ) -> Structure:
        if isinstance(lengths, tuple):
            hexagonal = group.startswith(("P6", "P-6", "P3", "P-3"))
            lattice = Lattice.hexagonal(*lengths) if hexagonal else Lattice.tetragonal(*lengths)
        else:
            lattice = Lattice.cubic(lengths)
        return Structure.from_spacegroup(group, lattice, list(sites), list(sites.values()))

    return make
