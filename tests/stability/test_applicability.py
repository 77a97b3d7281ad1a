"""What the potentials must not be asked, and where their answer is given with care."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from htc.errors import StructureError
from htc.stability.applicability import check
from htc.stability.potentials import Potential

Crystal = Callable[..., Structure]


def _h3s(a: float = 2.98) -> Structure:
    """Im-3m H3S, 2.98 Å at 200 GPa (Drozdov et al. 2015, doi:10.1038/nature14964; Duan et al. 2014)."""
    return Structure.from_spacegroup("Im-3m", Lattice.cubic(a), ["S", "H"], [[0, 0, 0], [0.5, 0.5, 0]])


def _lah10() -> Structure:
    """Fm-3m LaH10 at 150 GPa (Liu et al. 2017, doi:10.1073/pnas.1704505114)."""
    sites = [[0, 0, 0], [0.25, 0.25, 0.25], [0.12, 0.12, 0.12]]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.1), ["La", "H", "H"], sites)


def _cah6() -> Structure:
    """Im-3m CaH6 at 150 GPa (Wang et al. 2012, doi:10.1073/pnas.1118168109)."""
    return Structure.from_spacegroup("Im-3m", Lattice.cubic(3.54), ["Ca", "H"], [[0, 0, 0], [0.25, 0.5, 0]])


@pytest.mark.parametrize("make", [_h3s, _lah10, _cah6])
@pytest.mark.parametrize("pressure_gpa", [0.0, 200.0])
def test_compressed_hydrides_are_refused_with_and_without_their_pressure(
    make: Callable[[], Structure], pressure_gpa: float
) -> None:
    answer = check(make(), pressure_gpa)
    assert not answer.allowed
    assert "outside what the potentials have learned" in answer.refusals[0]
    with pytest.raises(StructureError) as caught:
        answer.require()
    assert caught.value.hint


AMBIENT = {
    # Lattice constants at ambient pressure: Wyckoff, Crystal Structures (1963).
    "LaH2": ("Fm-3m", 5.667, {"La": (0, 0, 0), "H": (0.25, 0.25, 0.25)}),
    "TiH2": ("Fm-3m", 4.45, {"Ti": (0, 0, 0), "H": (0.25, 0.25, 0.25)}),
    "PdH": ("Fm-3m", 4.09, {"Pd": (0, 0, 0), "H": (0.5, 0.5, 0.5)}),
    "LiH": ("Fm-3m", 4.083, {"Li": (0, 0, 0), "H": (0.5, 0.5, 0.5)}),
    "MgH2": ("P4_2/mnm", (4.517, 3.021), {"Mg": (0, 0, 0), "H": (0.306, 0.306, 0)}),
}


@pytest.mark.parametrize("name", AMBIENT)
def test_ambient_hydrides_are_not_taken_for_compressed_ones(name: str, crystal: Crystal) -> None:
    group, lengths, sites = AMBIENT[name]
    assert check(crystal(group, lengths, **sites)).allowed


def test_hydrogen_rich_crystals_get_a_caution(crystal: Crystal) -> None:
    group, lengths, sites = AMBIENT["LaH2"]
    assert any("hydrogen-rich" in caution for caution in check(crystal(group, lengths, **sites)).cautions)


def test_moderate_pressure_is_a_caution_and_high_pressure_a_refusal(crystal: Crystal) -> None:
    aluminium = crystal("Fm-3m", 4.05, Al=(0, 0, 0))
    assert not check(aluminium, 5.0).cautions
    assert check(aluminium, 20.0).allowed
    assert "extrapolates" in check(aluminium, 20.0).cautions[0]
    assert "80 GPa" in check(aluminium, 80.0).refusals[0]
    assert not check(aluminium, float("nan")).allowed


def test_an_atom_in_vacuum_is_refused(crystal: Crystal) -> None:
    assert "no neighbour" in check(crystal("Pm-3m", 6.2, Al=(0, 0, 0))).refusals[0]


def test_neighbours_are_those_the_potential_sees(crystal: Crystal, emt: Potential) -> None:
    # 5.9 Å to the next atom: beyond the cutoff of 5.5 Å although no vacuum.
    assert not check(crystal("Pm-3m", 5.9, Cu=(0, 0, 0)), 0.0, emt).allowed
    assert check(crystal("Pm-3m", 5.9, Cu=(0, 0, 0))).allowed


def test_a_slab_is_flagged() -> None:
    slab = Structure(Lattice.tetragonal(2.86, 14.0), ["Al", "Al"], [[0, 0, 0.95], [0.5, 0.5, 0.1]])
    answer = check(slab)
    assert answer.allowed
    assert "11.9 Å of vacuum" in answer.cautions[0]


def test_a_layered_crystal_is_no_slab(crystal: Crystal) -> None:
    graphite = crystal("P6_3/mmc", (2.46, 6.71), C=(0, 0, 0.25))
    assert not check(graphite).cautions


@pytest.mark.parametrize(
    ("symbol", "word"), [("Fe", "magnetic"), ("Ce", "f electrons"), ("U", "f electrons")]
)
def test_magnetic_and_f_elements_are_flagged(crystal: Crystal, symbol: str, word: str) -> None:
    answer = check(crystal("Fm-3m", 4.6, **{symbol: (0, 0, 0)}))
    assert answer.allowed
    assert word in answer.cautions[0]


def test_partial_occupancy_is_refused() -> None:
    alloy = Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.5}], [[0, 0, 0]])
    assert "partly occupied" in check(alloy).refusals[0]


def test_unknown_elements_are_named(crystal: Crystal, emt: Potential) -> None:
    assert check(crystal("Im-3m", 3.3, Nb=(0, 0, 0)), 0.0, emt).refusals == ("emt does not know Nb",)


def test_huge_cells_are_refused(crystal: Crystal) -> None:
    huge = crystal("Fm-3m", 4.05, Al=(0, 0, 0))
    huge.make_supercell([3, 3, 3])
    assert "108 sites" in check(huge).refusals[0]
