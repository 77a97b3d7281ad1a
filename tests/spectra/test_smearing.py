"""The plateau of the moments against smearing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htc.errors import SpectrumError
from htc.spectra import Spectrum, find_plateau, read_spectra

AL = Path(__file__).resolve().parents[2] / "src/htc/examples/spectra/al_qe/alpha2F.dat"


def family(lambdas: list[float]) -> list[Spectrum]:
    omega = np.linspace(0.1, 30.0, 400)
    shape = np.sin(np.pi * omega / 30.0) ** 2
    unit = Spectrum(omega, shape).lambda_ep
    return [
        Spectrum(omega, shape * value / unit, f"{i}", {"smearing": 0.01 * (i + 1), "smearing_unit": "Ry"})
        for i, value in enumerate(lambdas)
    ]


def test_the_longest_flat_run_is_the_plateau():
    plateau = find_plateau(family([0.9, 0.6, 0.61, 0.60, 0.605, 0.7, 0.71]))
    assert plateau.flat.tolist() == [False, True, True, True, True, False, False]
    assert plateau.limits == (0.02, 0.05)
    assert plateau.unit == "Ry"
    assert "5%" in plateau.criterion
    assert plateau.log_moments().shape == (3, 4)


def test_of_equal_runs_the_flatter_is_taken():
    plateau = find_plateau(family([0.50, 0.52, 0.50, 0.70, 0.70, 0.70]))
    assert plateau.flat.tolist() == [False, False, False, True, True, True]


def test_order_of_the_spectra_does_not_matter():
    spectra = family([0.9, 0.6, 0.61, 0.60])
    np.testing.assert_array_equal(find_plateau(spectra).flat, find_plateau(spectra[::-1]).flat)


def test_no_plateau_is_said():
    plateau = find_plateau(family([0.5, 0.6, 0.7, 0.8]))
    assert not plateau.found
    assert plateau.limits is None
    with pytest.raises(SpectrumError, match="no plateau"):
        plateau.log_moments()


def test_aluminium_is_flat_from_the_second_broadening_on():
    plateau = find_plateau(read_spectra(AL))
    assert plateau.limits == (0.01, 0.05)
    assert find_plateau(read_spectra(AL), tolerance=0.001).found is False


def test_what_has_no_plateau_to_look_for():
    with pytest.raises(SpectrumError, match="at least 3"):
        find_plateau(family([0.5, 0.5]))
    spectra = family([0.5, 0.5])
    with pytest.raises(SpectrumError, match="no smearing"):
        find_plateau([*spectra, Spectrum([1.0, 2.0], [0.1, 0.1], "bare")])
    other = Spectrum([1.0, 2.0], [0.1, 0.1], "b", {"smearing": 0.5, "smearing_unit": "meV"})
    with pytest.raises(SpectrumError, match="different units"):
        find_plateau([*spectra, other])
