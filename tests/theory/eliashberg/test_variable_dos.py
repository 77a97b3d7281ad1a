"""Tc with a density of states that varies with energy: against ebmb, the constant case and its own sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htc.errors import SpectrumError
from htc.spectra import Spectrum
from htc.spectra.density_of_states import DensityOfStates, read_density_of_states
from htc.theory.eliashberg.conventions import CONVENTIONS
from htc.theory.eliashberg.variable_dos import variable_dos_critical_temperature

AS_GIVEN = replace(CONVENTIONS["ebmb"], name="ebmb, rescale=false", mu_star_at=None, infinite_z=False)
FAR = replace(AS_GIVEN, phonon_cutoff=(60.0, "omega_2"), coulomb_cutoff=(60.0, "omega_2"))


def spectrum() -> Spectrum:
    """a2f.dat of the ebmb runs below, in eV there."""
    w = 60.0 * np.arange(1, 301) / 300
    return Spectrum(w, 0.9 * np.exp(-(((w - 40) / 6) ** 2)) + 0.3 * np.exp(-(((w - 20) / 5) ** 2)))


def peak(centre_mev: float) -> DensityOfStates:
    """dos.dat: a peak of 60 meV in a band of +-3 eV, on a grid fine enough for ebmb's trapezoids."""
    half = [0.0]
    while half[-1] < 3000.0:
        half.append(min(half[-1] + max(0.4, 0.006 * half[-1]), 3000.0))
    energy = np.array([-e for e in half[:0:-1]] + half)
    return DensityOfStates(energy, 0.5 + 1.0 / (1.0 + ((energy - centre_mev) / 60.0) ** 2))


def flat(half_width_mev: float) -> DensityOfStates:
    return DensityOfStates(np.array([-half_width_mev, half_width_mev]), np.array([0.7, 0.7]))


@pytest.mark.parametrize(("row", "tc_k"), [(AS_GIVEN, 15.665540562943), (FAR, 16.026779154316)])
def test_a_peak_at_the_fermi_level_agrees_with_ebmb(row, tc_k):
    """critical T=-15 a2F=a2f.dat muStar=.12 dos=dos.dat rescale=false unscale=false error=1e-8; cutoff=60."""
    found = variable_dos_critical_temperature(spectrum(), peak(0.0), 0.12, row)
    assert found.tc_k == pytest.approx(tc_k, rel=2e-5)
    assert found.chemical_potential_shift_mev == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("row", "tc_k", "tolerance"), [(AS_GIVEN, 16.093339204788, 4e-4), (FAR, 16.516690465249, 1e-4)]
)
def test_a_peak_beside_the_fermi_level_agrees_with_ebmb(row, tc_k, tolerance):
    """The same with the peak at 30 meV.

    ebmb starts the integral that stands for the electrons beyond the cutoff half a frequency too late, which
    moves its chemical potential. With its start 16.0933 K comes out here as well; the difference falls with
    the cutoff.
    """
    found = variable_dos_critical_temperature(spectrum(), peak(30.0), 0.12, row)
    assert found.tc_k == pytest.approx(tc_k, rel=tolerance)
    assert found.chemical_potential_shift_mev < -4.0
    assert abs(found.electrons_lost) < 1e-6


@pytest.mark.parametrize("convention", ["asis", "ebmb", "elk"])
@pytest.mark.parametrize("edge", ["step", "smooth"])
def test_a_wide_flat_band_is_the_isotropic_case(convention, edge):
    row = replace(CONVENTIONS[convention], infinite_z=False)
    found = variable_dos_critical_temperature(spectrum(), flat(1e7), 0.12, row, edge=edge)
    assert found.tc_k == pytest.approx(found.tc_constant_k, rel=1e-5)
    assert found.z0 > 1.0


def test_few_nodes_give_what_all_frequencies_give(monkeypatch):
    row = replace(AS_GIVEN, phonon_cutoff=(30.0, "omega_2"), coulomb_cutoff=(30.0, "omega_2"))
    few = variable_dos_critical_temperature(spectrum(), peak(30.0), 0.12, row)
    monkeypatch.setattr("htc.theory.eliashberg.matsubara.DENSE", 10_000)
    from htc.theory.eliashberg.matsubara import matsubara_grid

    matsubara_grid.cache_clear()
    try:
        every = variable_dos_critical_temperature(spectrum(), peak(30.0), 0.12, row)
    finally:
        matsubara_grid.cache_clear()
    assert few.tc_k == pytest.approx(every.tc_k, rel=1e-6)
    assert few.chemical_potential_shift_mev == pytest.approx(every.chemical_potential_shift_mev, rel=1e-4)


def test_the_mirror_image_has_the_same_tc_and_the_opposite_shift():
    dos = peak(30.0)
    mirrored = DensityOfStates(-dos.energy_mev[::-1], dos.states[::-1])
    one = variable_dos_critical_temperature(spectrum(), dos, 0.12)
    other = variable_dos_critical_temperature(spectrum(), mirrored, 0.12)
    assert other.tc_k == pytest.approx(one.tc_k, rel=1e-7)
    assert other.chemical_potential_shift_mev == pytest.approx(-one.chemical_potential_shift_mev, rel=1e-5)


def test_the_unit_of_states_does_not_matter():
    dos = peak(30.0)
    one = variable_dos_critical_temperature(spectrum(), dos, 0.12)
    other = variable_dos_critical_temperature(
        spectrum(), DensityOfStates(dos.energy_mev, 1e3 * dos.states), 0.12
    )
    assert other.tc_k == pytest.approx(one.tc_k, rel=1e-9)


def test_a_band_narrower_than_its_self_energy_settles():
    energy = np.unique(np.concatenate([np.linspace(-60, 60, 1201), [-3000.0, 3000.0]]))
    dos = DensityOfStates(energy, 1.0 + 20.0 / (1.0 + energy**2))
    found = variable_dos_critical_temperature(spectrum(), dos, 0.1)
    assert 0.0 < found.tc_k < found.tc_constant_k


def test_no_superconductivity_has_a_reason():
    weak = Spectrum(spectrum().omega_mev, 0.05 * spectrum().alpha2f)
    found = variable_dos_critical_temperature(weak, peak(0.0), 0.3)
    assert found.tc_k == 0.0
    assert found.reason is not None


def test_niobium_of_isome(data_folder):
    """Read as IsoME gives it to its users; no result is published with the files."""
    from htc.spectra import read_spectra

    dos = read_density_of_states(data_folder / "spectra/peers/isome_nb/Nb.dos")
    assert dos.at_fermi_level == pytest.approx(1.488, abs=1e-3)
    column = read_spectra(data_folder / "spectra/peers/isome_nb/Nb.a2F")[9]
    found = variable_dos_critical_temperature(column, dos, 0.12, "isome")
    assert 0.8 < found.tc_k / found.tc_constant_k < 1.0


def test_files_of_dos_x_are_read(tmp_path):
    path = tmp_path / "x.dos"
    path.write_text(
        "#  E (eV)   dos(E)     Int dos(E) EFermi =   1.500 eV\n 0.5 1.0 0\n 1.5 2.0 0\n 2.5 3.0 0\n"
    )
    read = read_density_of_states(path)
    np.testing.assert_allclose(read.energy_mev, [-1000.0, 0.0, 1000.0])
    assert read.at_fermi_level == 2.0
    path.write_text("0.5 1.0\n1.5 2.0\n")
    with pytest.raises(SpectrumError, match="unit"):
        read_density_of_states(path)
    with pytest.raises(SpectrumError, match="Fermi energy"):
        read_density_of_states(path, unit="eV")
    assert read_density_of_states(path, unit="eV", fermi=1.0).at_fermi_level == 1.5
    with pytest.raises(SpectrumError, match="both sides of the Fermi level"):
        read_density_of_states(path, unit="eV", fermi=9.0)
    path.write_text("# Frequency[cm^-1] DOS PDOS\n1 2 3\n4 5 6\n")
    with pytest.raises(SpectrumError, match="phonon density of states"):
        read_density_of_states(path)


@pytest.mark.parametrize(
    ("energy", "states"),
    [
        ([-1.0, 1.0], [0.0, 0.0]),
        ([-1.0, 1.0], [1.0, -1.0]),
        ([-1.0, np.nan], [1.0, 1.0]),
        ([1.0, -1.0], [1.0, 1.0]),
        ([-1.0, 1.0], [1.0]),
        (["a", "b"], [1.0, 1.0]),
    ],
)
def test_what_is_no_density_of_states_is_refused(energy, states):
    with pytest.raises(SpectrumError):
        DensityOfStates(energy, states)
