"""Potentials: found by name, identified by their weights, and held to the laws they must obey."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
from pymatgen.core.structure import Structure

from htc.errors import InputError, MissingExtraError, ModelError
from htc.stability.potentials import (
    BatchPotential,
    Potential,
    check_potential,
    load_potential,
    potential_names,
    registry,
)
from htc.stability.potentials.protocol import EnergyForcesStress

Crystal = Callable[..., Structure]


def test_the_shipped_potentials_are_listed_first() -> None:
    assert potential_names()[:3] == ("sevennet-l3i5", "sevennet-0", "sevennet-mf-0")


def test_a_wrong_name_is_told_the_near_one() -> None:
    with pytest.raises(InputError, match="sevennet-l3i6") as caught:
        load_potential("sevennet-l3i6")
    assert "sevennet-l3i5" in str(caught.value.hint)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sevenn", None)
    load_potential.cache_clear()
    with pytest.raises(MissingExtraError) as caught:
        load_potential("sevennet-0")
    load_potential.cache_clear()
    assert "htc[mlip]" in str(caught.value.hint)


def _plug_in(monkeypatch: pytest.MonkeyPatch, name: str, made: Any) -> None:
    class Point:
        value = "elsewhere:make"

        def __init__(self) -> None:
            self.name = name

        def load(self) -> Callable[[], Any]:
            return lambda: made

    def points(group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == "htc.potentials"
        return [Point()] if name in (None, Point().name) else []  # type: ignore[list-item]  # a stand-in

    monkeypatch.setattr(registry, "entry_points", points)
    load_potential.cache_clear()


def test_another_package_plugs_in_its_own(monkeypatch: pytest.MonkeyPatch, emt: Potential) -> None:
    _plug_in(monkeypatch, "emt", emt)
    assert potential_names()[-1] == "emt"
    assert load_potential("emt") is emt


def test_an_entry_point_that_is_no_potential_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _plug_in(monkeypatch, "nothing", object())
    with pytest.raises(ModelError, match="does not give a potential"):
        load_potential("nothing")


def test_emt_obeys_the_laws(emt: Potential, crystal: Crystal) -> None:
    verdict = check_potential(emt, crystal("Fm-3m", 3.6, Cu=(0, 0, 0)))
    assert verdict.conforms, verdict.broken
    assert verdict.potential_id == "emt@test"


class Spoilt:
    """EMT with one law broken."""

    def __init__(self, inner: Potential, spoil: Callable[[EnergyForcesStress], EnergyForcesStress]) -> None:
        self.inner = inner
        self.spoil = spoil
        self.name, self.potential_id, self.softness = inner.name, inner.potential_id, inner.softness
        self.cutoff_a, self.elements = inner.cutoff_a, inner.elements

    def calculator(self) -> Any:
        return self.inner.calculator()

    def energy_forces_stress(self, structure: Structure) -> EnergyForcesStress:
        return self.spoil(self.inner.energy_forces_stress(structure))


@pytest.mark.parametrize(
    ("law", "spoil"),
    [
        ("energy grows", lambda e: replace(e, energy_ev=e.energy_ev + 1.0)),
        ("forces are the slope", lambda e: replace(e, forces=-e.forces)),
        ("stress is the slope", lambda e: replace(e, stress=-e.stress)),
        ("forces add up", lambda e: replace(e, forces=e.forces + 0.1)),
        ("rotation", lambda e: replace(e, forces=e.forces * np.array([1.0, 1.0, 1.5]))),
        ("forces vanish", lambda e: replace(e, forces=e.forces + 0.1)),
        ("energy grows", lambda e: replace(e, energy_ev=float("nan"))),
    ],
)
def test_a_broken_law_is_named(emt: Potential, crystal: Crystal, law: str, spoil: Any) -> None:
    verdict = check_potential(Spoilt(emt, spoil), crystal("Fm-3m", 3.6, Cu=(0, 0, 0)))
    assert not verdict.conforms
    assert any(broken.startswith(law) for broken in verdict.broken), verdict.broken


def test_a_potential_with_a_memory_is_found_out(emt: Potential, crystal: Crystal) -> None:
    count = iter(range(1000))
    forgetful = Spoilt(emt, lambda e: replace(e, energy_ev=e.energy_ev + 1e-6 * next(count)))
    broken = check_potential(forgetful, crystal("Fm-3m", 3.6, Cu=(0, 0, 0))).broken
    assert any(law.startswith("the same question") for law in broken)


def test_laws_are_tried_on_elements_the_potential_knows(emt: Potential) -> None:
    with pytest.raises(InputError, match="does not know Cl, Na"):
        check_potential(emt)


@pytest.mark.parametrize(
    "name",
    [
        "sevennet-0",
        pytest.param("sevennet-l3i5", marks=pytest.mark.slow),
        pytest.param("sevennet-mf-0", marks=pytest.mark.slow),
    ],
)
def test_the_shipped_potentials_obey_the_laws(sevennet: Callable[[str], Potential], name: str) -> None:
    potential = sevennet(name)
    assert isinstance(potential, Potential)
    assert potential.potential_id.startswith(f"{name}@")
    assert potential.cutoff_a == 5.0
    assert {"Mg", "B", "Nb", "H"} <= potential.elements
    assert "phonons" in potential.softness
    verdict = check_potential(potential)
    assert verdict.conforms, verdict.broken


def test_cells_in_a_batch_have_the_forces_of_each_alone(
    sevennet: Callable[[str], Potential], crystal: Crystal
) -> None:
    from htc.stability.potentials.protocol import to_atoms

    potential = sevennet("sevennet-0")
    assert isinstance(potential, BatchPotential)
    cells = []
    for seed, repeat in enumerate([1, 2]):
        structure = crystal("Fm-3m", 4.4, Nb=(0, 0, 0), N=(0.5, 0.5, 0.5))
        structure.make_supercell([repeat, 1, 1])
        atoms = to_atoms(structure)
        atoms.rattle(0.05, seed=seed)
        cells.append(atoms)
    together = potential.forces_many(cells)
    for atoms, forces in zip(cells, together, strict=True):
        atoms.calc = potential.calculator()
        np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-5)
    assert potential.cells_at_once(8) >= 1
