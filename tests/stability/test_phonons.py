"""Phonons: physics of the frequencies, verdicts, and a calculation that goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core.structure import Structure

from htc.errors import StructureError
from htc.stability.phonons import Phonons, PhononSettings, phonons
from htc.stability.potentials import Potential
from htc.stability.relaxation import relax

pytestmark = pytest.mark.usefixtures("needs_phonopy")

Crystal = Callable[..., Structure]
SMALL = PhononSettings(min_length_a=7.0, max_atoms=64, mesh_length_a=15.0)


@pytest.fixture
def copper(emt: Any, crystal: Crystal) -> Phonons:
    relaxed = relax(crystal("Fm-3m", 3.6, Cu=(0, 0, 0)), emt)
    return phonons(relaxed.structure, emt, settings=SMALL)


def test_copper_is_stable_and_near_its_measured_frequencies(copper: Phonons) -> None:
    assert copper.verdict == "stable"
    assert copper.imaginary_modes_count == 0
    assert copper.modes_count == 3 * np.prod(copper.mesh)
    # Highest frequency 7.3 THz: Svensson, Brockhouse & Rowe, Phys. Rev. 155, 619 (1967),
    # doi:10.1103/PhysRev.155.619. EMT is within some tenth of it.
    assert copper.frequencies_thz.max() == pytest.approx(7.3, rel=0.15)


def test_translations_cost_no_energy(copper: Phonons) -> None:
    gamma = copper.bands(points=3).frequency_thz[0][0]
    np.testing.assert_allclose(gamma, 0.0, atol=1e-4)
    assert copper.lowest_frequency_thz == pytest.approx(0.0, abs=1e-4)


def test_states_are_counted_once(emt: Any, crystal: Crystal) -> None:
    relaxed = relax(crystal("Pm-3m", 3.75, Au=(0, 0, 0), Cu=(0.5, 0.5, 0)), emt)
    found = phonons(relaxed.structure, emt, settings=SMALL)
    dos = found.dos
    assert np.trapezoid(dos.total, dos.frequency_thz) == pytest.approx(12.0, rel=0.02)
    np.testing.assert_allclose(dos.projected.sum(axis=0), dos.total)
    each = np.trapezoid(dos.projected, dos.frequency_thz, axis=1)
    np.testing.assert_allclose(each, 3.0, rtol=0.05)
    # The heavy atom moves at the low end.
    mean = (dos.projected * dos.frequency_thz).sum(axis=1) / dos.projected.sum(axis=1)
    gold = [site.specie.symbol for site in found.structure].index("Au")
    assert mean.argmin() == gold


def test_bands_join_and_name_their_ends(copper: Phonons) -> None:
    bands = copper.bands(points=5)
    assert ("G", "X") in bands.labels
    assert all(f.shape == (5, 3) for f in bands.frequency_thz)
    for (_, end), (start, _), left, right in zip(
        bands.labels, bands.labels[1:], bands.frequency_thz, bands.frequency_thz[1:], strict=False
    ):
        if end == start:
            np.testing.assert_allclose(left[-1], right[0], atol=1e-6)


def test_bcc_copper_has_an_imaginary_mode_at_the_zone_boundary(emt: Any, crystal: Crystal) -> None:
    relaxed = relax(crystal("Im-3m", 2.87, Cu=(0, 0, 0)), emt)
    # Three conventional cells: the soft point N does not fit them and must be asked for on its own.
    settings = PhononSettings(min_length_a=8.5, max_atoms=54, mesh_length_a=15.0)
    found = phonons(relaxed.structure, emt, settings=settings)
    mode = found.evidence.lowest_exact
    assert sorted(mode.q) == pytest.approx([0.0, 0.0, 0.5])
    assert mode.frequency_thz < -1.0
    # It is weak: a twentieth of the stiffness of one atom among resting ones.
    assert -0.25 < mode.share < 0.0
    assert found.verdict == "undecided"
    assert "error of the potential" in found.reason
    assert found.lowest_frequency_thz <= mode.frequency_thz


def test_simple_cubic_copper_is_unstable(emt: Any, crystal: Crystal) -> None:
    relaxed = relax(crystal("Pm-3m", 2.4, Cu=(0, 0, 0)), emt)
    found = phonons(relaxed.structure, emt, settings=SMALL)
    assert found.verdict == "unstable"
    assert found.imaginary_modes_count > 0
    assert "THz at q" in found.reason
    record = found.as_dict()
    assert record["verdict"] == "unstable"
    assert record["softness"] == emt.softness


def test_a_cell_under_force_is_undecided(emt: Any, crystal: Crystal) -> None:
    # An internal coordinate off its minimum leaves a force.
    off = crystal("P4/mmm", (3.9, 7.5), Au=(0, 0, 0), Cu=(0.5, 0.5, 0.2))
    found = phonons(off, emt, settings=PhononSettings(min_length_a=3.0, max_atoms=16, mesh_length_a=8.0))
    assert found.verdict == "undecided"
    assert "not relaxed" in found.reason


def test_the_description_of_the_crystal_does_not_matter(emt: Any, crystal: Crystal, copper: Phonons) -> None:
    conventional = relax(crystal("Fm-3m", 3.6, Cu=(0, 0, 0)), emt).structure.copy()
    conventional.make_supercell([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    again = phonons(conventional, emt, settings=SMALL)
    np.testing.assert_allclose(again.frequencies_thz, copper.frequencies_thz, atol=1e-4)


def test_a_killed_run_goes_on(emt: Any, crystal: Crystal, tmp_path: Path) -> None:
    structure = relax(crystal("P4/mmm", (2.8, 3.6), Cu=(0, 0, 0), Au=(0.5, 0.5, 0.5)), emt).structure
    start = emt.asked
    whole = phonons(structure, emt, settings=SMALL, cache_dir=tmp_path / "whole")
    cost = emt.asked - start

    def kill(done: int, _of: int, _what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        phonons(structure, emt, settings=SMALL, cache_dir=tmp_path / "killed", progress=kill)
    start = emt.asked
    resumed = phonons(structure, emt, settings=SMALL, cache_dir=tmp_path / "killed")
    assert emt.asked - start == cost - 2
    np.testing.assert_array_equal(resumed.frequencies_thz, whole.frequencies_thz)
    assert resumed.as_dict() == whole.as_dict()
    assert not list(tmp_path.rglob(".*"))


def test_forces_that_are_damaged_or_of_another_cell_are_computed_again(
    emt: Any, crystal: Crystal, tmp_path: Path
) -> None:
    structure = relax(crystal("Fm-3m", 3.6, Cu=(0, 0, 0)), emt).structure
    first = phonons(structure, emt, settings=SMALL, cache_dir=tmp_path)
    for number, file in enumerate(sorted(tmp_path.rglob("*.npy"))):
        if number % 2:
            file.write_bytes(b"not an array")
        else:
            np.save(file, np.zeros((3, 3)))
    again = phonons(structure, emt, settings=SMALL, cache_dir=tmp_path)
    np.testing.assert_array_equal(again.frequencies_thz, first.frequencies_thz)


def test_what_must_not_be_asked_is_not_computed(emt: Any, crystal: Crystal) -> None:
    with pytest.raises(StructureError, match="does not know Nb"):
        phonons(crystal("Im-3m", 3.3, Nb=(0, 0, 0)), emt)
    assert emt.asked == 0


def test_sevennet_says_how_soft_it_is(sevennet: Callable[[str], Potential], crystal: Crystal) -> None:
    potential = sevennet("sevennet-0")
    relaxed = relax(crystal("P6/mmm", (3.08, 3.52), Mg=(0, 0, 0), B=(1 / 3, 2 / 3, 0.5)), potential)
    assert relaxed.converged
    found = phonons(
        relaxed.structure, potential, settings=PhononSettings(min_length_a=5.5, mesh_length_a=15.0)
    )
    assert found.verdict == "stable"
    assert "softer" in found.softness
    # Measured are 24 THz: Shukla et al., Phys. Rev. Lett. 90, 095506 (2003),
    # doi:10.1103/PhysRevLett.90.095506.
    assert found.frequencies_thz.max() == pytest.approx(24.0, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "a", "sites"),
    [
        ("Im-3m", 3.25, {"Ti": (0, 0, 0)}),
        ("Pm-3m", 4.0, {"Ba": (0, 0, 0), "Ti": (0.5, 0.5, 0.5), "O": (0.5, 0.5, 0)}),
        ("Fm-3m", 4.4, {"Nb": (0, 0, 0), "N": (0.5, 0.5, 0.5)}),
    ],
    ids=["bcc Ti", "cubic BaTiO3", "rocksalt NbN"],
)
def test_known_instabilities_are_found(
    sevennet: Callable[[str], Potential], crystal: Crystal, group: str, a: float, sites: dict[str, Any]
) -> None:
    # Unstable as harmonic crystals: Petry et al., Phys. Rev. B 43, 10933 (1991),
    # doi:10.1103/PhysRevB.43.10933; Ghosez et al., Phys. Rev. B 60, 836 (1999), doi:10.1103/PhysRevB.60.836;
    # Isaev et al., J. Appl. Phys. 101, 123519 (2007), doi:10.1063/1.2747230.
    potential = sevennet("sevennet-l3i5")
    relaxed = relax(crystal(group, a, **sites), potential)
    assert relaxed.converged
    assert phonons(relaxed.structure, potential).verdict == "unstable"
