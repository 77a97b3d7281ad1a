"""critical_temperature: the record it returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum, read_spectra
from htc.theory import FORMULAS, METHODS, critical_temperature

EXAMPLES = Path(__file__).resolve().parents[2] / "src/htc/examples/spectra"
OMEGA = np.linspace(0.5, 40.0, 300)
SHAPE = np.sin(np.pi * OMEGA / 40.0) ** 2


def test_a_record_carries_everything_needed_to_judge_it():
    spectrum = read_spectra(EXAMPLES / "al_qe/alpha2F.dat")[3]
    record = critical_temperature(spectrum)
    assert record.method == "allen_dynes"
    assert record.mu_star == 0.10
    assert record.tc_k == pytest.approx(1.1687, abs=1e-4)
    assert record.lambda_ep == spectrum.lambda_ep
    assert record.omega_log_k == spectrum.omega_log_k
    assert record.omega_2_k == spectrum.omega_2_k
    assert record.reason is None
    assert record.doi == "10.1103/PhysRevB.12.905"
    assert [flag.code for flag in record.flags] == ["negative-weight"]


@pytest.mark.parametrize("method", sorted(FORMULAS))
def test_every_formula_is_a_method(method):
    record = critical_temperature(Spectrum(OMEGA, SHAPE), 0.12, method)
    assert record.tc_k > 0.0
    assert record.title == FORMULAS[method].title


def test_no_solution_has_a_reason():
    record = critical_temperature(Spectrum(OMEGA, 0.05 * SHAPE), 0.12)
    assert record.tc_k == 0.0
    assert "Coulomb" in str(record.reason)
    empty = critical_temperature(Spectrum(OMEGA, 0.0 * SHAPE))
    assert empty.tc_k == 0.0
    assert "lambda" in str(empty.reason)
    assert empty.omega_log_k is None
    assert [flag.code for flag in empty.flags] == ["no-weight"]


def test_moments_lost_to_negative_weight_are_an_error_not_a_number():
    spectrum = Spectrum(OMEGA, np.where(OMEGA < 10.0, SHAPE, -0.2 * SHAPE))
    assert spectrum.lambda_ep > 0.0
    with pytest.raises(SpectrumError, match="omega_2 without a real value"):
        critical_temperature(spectrum)
    assert critical_temperature(spectrum, method="exponential").omega_2_k is None


def test_unknown_methods_and_impossible_mu_star():
    spectrum = Spectrum(OMEGA, SHAPE)
    with pytest.raises(InputError, match="no method is called 'bcs'") as caught:
        critical_temperature(spectrum, method="bcs")
    for name in METHODS:
        assert name in str(caught.value.hint)
    for mu_star in (-0.1, float("nan")):
        with pytest.raises(InputError, match="mu_star"):
            critical_temperature(spectrum, mu_star)
