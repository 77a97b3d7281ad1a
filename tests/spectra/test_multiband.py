"""Spectra of several bands, and their reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htc.errors import InputError, SpectrumError
from htc.spectra import MultibandSpectrum, Spectrum, read_multiband

OMEGA = np.linspace(0.5, 90.0, 180)


def bump(centre: float, width: float, coupling: float) -> np.ndarray:
    shape = np.exp(-(((OMEGA - centre) / width) ** 2))
    return coupling * shape / (2.0 * np.trapezoid(shape / OMEGA, OMEGA))


ALPHA2F = np.array([[bump(75, 6, 1.0), bump(60, 10, 0.2)], [bump(60, 10, 0.15), bump(50, 12, 0.45)]])


def write(path: Path, table: np.ndarray, header: str = "") -> Path:
    np.savetxt(path, table, fmt="%.15e", header=header, comments="# " if header else "")
    return path


def table(scale: float = 1e-3) -> np.ndarray:
    return np.column_stack([OMEGA * scale, ALPHA2F.reshape(4, -1).T])


def test_ebmb_layout_is_ev_and_runs_over_j_first(tmp_path):
    """As ebmb 2.0.0 itself has it: a file whose third column alone couples bands raises the Z of band 1."""
    read = read_multiband(write(tmp_path / "a2f.dat", table()))
    assert read.bands == 2
    np.testing.assert_allclose(read.omega_mev, OMEGA, rtol=1e-12)
    np.testing.assert_allclose(read.lambda_matrix, [[1.0, 0.2], [0.15, 0.45]], rtol=1e-12)
    assert read.provenance["unit"] == "eV"
    assert read.provenance["unit_stated_by"] == "ebmb's layout"


def test_moments_are_those_of_the_sum_over_all_pairs():
    spectrum = MultibandSpectrum(OMEGA, ALPHA2F)
    total = Spectrum(OMEGA, ALPHA2F.sum(axis=(0, 1)))
    assert spectrum.omega_2_mev == pytest.approx(total.omega_2_mev, rel=1e-14)
    assert spectrum.omega_log_mev == pytest.approx(total.omega_log_mev, rel=1e-14)


def test_isotropic_average_weighs_rows_by_their_density_of_states():
    mean = MultibandSpectrum(OMEGA, ALPHA2F).isotropic([3.0, 4.0])
    assert mean.lambda_ep == pytest.approx((3.0 * 1.2 + 4.0 * 0.6) / 7.0, rel=1e-12)
    with pytest.raises(InputError, match="densities of states"):
        MultibandSpectrum(OMEGA, ALPHA2F).isotropic([1.0, -1.0])
    with pytest.raises(InputError, match="densities of states"):
        MultibandSpectrum(OMEGA, ALPHA2F).isotropic([1.0])


def test_arrays_are_copied_and_frozen():
    values = ALPHA2F.copy()
    spectrum = MultibandSpectrum(OMEGA, values)
    values[:] = 0.0
    assert spectrum.lambda_matrix[0, 0] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="read-only"):
        spectrum.alpha2f[0, 0, 0] = 1.0


def test_two_columns_are_one_band(tmp_path):
    one = np.column_stack([OMEGA, bump(50, 10, 0.7)])
    read = read_multiband(write(tmp_path / "one.dat", one), unit="meV")
    assert read.bands == 1
    assert read.element(0, 0).lambda_ep == pytest.approx(0.7, rel=1e-12)
    with pytest.raises(SpectrumError, match="nothing states the unit"):
        read_multiband(tmp_path / "one.dat")


def test_the_header_states_the_unit(tmp_path):
    path = write(tmp_path / "thz.dat", table(1.0 / 4.135667696923859), "omega (THz), alpha2F_ij")
    np.testing.assert_allclose(read_multiband(path).omega_mev, OMEGA, rtol=1e-9)
    with pytest.raises(SpectrumError, match="the header says THz, the caller eV"):
        read_multiband(path, unit="eV")


def test_points_at_zero_are_dropped_and_noted(tmp_path):
    with_zero = np.vstack([np.zeros(5), table()])
    read = read_multiband(write(tmp_path / "a2f.dat", with_zero))
    assert read.provenance["dropped_points"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[:, :4], "4 columns"),
        (lambda t: np.where(t == t[:, 2].max(), np.nan, t), r"alpha2F_12 is broken: 1 of 180"),
        (lambda t: t * [1000, 1, 1, 1, 1], "should be ebmb's, in eV"),
        (lambda t: t * [0.01, 1, 1, 1, 1], "should be ebmb's, in eV"),
        (lambda t: t[::-1], "must increase"),
        (lambda t: t[150:151], "at least 2 points"),
    ],
)
def test_broken_tables_are_refused(tmp_path, change, message):
    with pytest.raises(SpectrumError, match=message) as caught:
        read_multiband(write(tmp_path / "bad.dat", change(table())))
    assert "bad.dat" in str(caught.value)


def test_the_number_of_bands_must_fit(tmp_path):
    path = write(tmp_path / "a2f.dat", table())
    with pytest.raises(SpectrumError, match="5 columns, but 3 bands have 10"):
        read_multiband(path, bands=3)
    with pytest.raises(InputError, match="whole number"):
        read_multiband(path, bands=0)


def test_missing_empty_and_wordy_files(tmp_path):
    with pytest.raises(SpectrumError, match="no such file"):
        read_multiband(tmp_path / "none.dat")
    (tmp_path / "empty.dat").touch()
    with pytest.raises(SpectrumError, match="is empty"):
        read_multiband(tmp_path / "empty.dat")
    path = write(tmp_path / "footer.dat", table())
    path.write_text(path.read_text() + "lambda = 1.0\n")
    with pytest.raises(SpectrumError, match="text after the table"):
        read_multiband(path)


@pytest.mark.parametrize("shape", [(180,), (2, 180), (2, 3, 180), (0, 0, 180)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(SpectrumError, match=r"\(b, b, n\)"):
        MultibandSpectrum(OMEGA, np.ones(shape))
