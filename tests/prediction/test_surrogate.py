"""A prediction with a surrogate spectrum: it says so, and stays the prediction it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from htc.prediction import Failure, Prediction, predict_from_spectrum
from htc.prediction.surrogate import with_surrogate_spectrum

Predict = Callable[..., list[Prediction | Failure]]

NU = np.linspace(0.0, 8.0, 161)
DEBYE = np.where(NU < 7.0, NU**2, 0.0)


@pytest.fixture(scope="module")
def bare() -> Prediction:
    return Prediction(
        source="X",
        composition="X1",
        reduced_formula="X",
        family="other",
        applicable=True,
        tc_predicted=5.0,
        lambda_ep=0.7,
        omega_log=250.0,
        mu_star=0.1,
        input_hash="0" * 64,
        provenance={"notes": ["kept"], "htc_version": "0"},
    )


def test_the_moments_are_the_predicted_ones_and_the_rest_stays(bare: Prediction) -> None:
    known = replace(bare, omega_2=300.0)
    made = with_surrogate_spectrum(known)
    assert made.spectrum is not None
    assert made.spectrum_origin == "surrogate"
    assert made.spectrum.is_surrogate
    assert made.spectrum.lambda_ep == pytest.approx(0.7, rel=1e-9)
    assert made.spectrum.omega_log_k == pytest.approx(250.0, rel=1e-9)
    assert made.spectrum.omega_2_k == pytest.approx(300.0, rel=1e-9)
    assert made.notes == ("kept",)
    same = replace(made, spectrum=None, spectrum_origin=None, input_hash=known.input_hash)
    assert same == known


def test_an_assumed_omega_2_is_a_note(bare: Prediction) -> None:
    made = with_surrogate_spectrum(bare)
    assert made.notes == ("kept", "surrogate spectrum with omega_2 assumed to be 1.22 omega_log")
    assert made.omega_2 is None


def test_its_hash_is_its_own(bare: Prediction) -> None:
    plain, twice = with_surrogate_spectrum(bare), with_surrogate_spectrum(bare)
    on_phonons = with_surrogate_spectrum(bare, (NU, DEBYE))
    assert plain.input_hash == twice.input_hash
    assert len({bare.input_hash, plain.input_hash, on_phonons.input_hash}) == 3


def test_a_density_of_states_that_does_not_fit_is_left_out_and_said(bare: Prediction) -> None:
    made = with_surrogate_spectrum(bare, (NU - 3.0, DEBYE))
    assert made.spectrum is not None
    assert "stretch" not in made.spectrum.provenance
    assert "no density of states for the surrogate spectrum: " in made.notes[1]
    assert "not stable" in made.notes[1]


def test_moments_that_no_spectrum_has_leave_a_note_instead(bare: Prediction) -> None:
    made = with_surrogate_spectrum(replace(bare, omega_2=200.0))
    assert made.spectrum is None
    assert made.spectrum_origin is None
    assert made.notes[1].startswith("no surrogate spectrum: omega_2 of 200 K is not above omega_log")


def test_refusals_and_real_spectra_come_back_as_they_are(bare: Prediction) -> None:
    refused = replace(bare, applicable=False, tc_predicted=None, lambda_ep=None, omega_log=None)
    assert with_surrogate_spectrum(refused) is refused
    made = with_surrogate_spectrum(bare)
    assert with_surrogate_spectrum(made) is made


def test_a_record_made_from_a_surrogate_says_so(bare: Prediction) -> None:
    spectrum = with_surrogate_spectrum(bare).spectrum
    assert spectrum is not None
    record = predict_from_spectrum([spectrum], "Nb", source="Nb.a2f", mu_star=0.1)
    assert record.spectrum_origin == "surrogate"
    assert record.prediction_method.endswith("surrogate alpha2F as given")
    assert record.confidence_level != "high"
    assert any("formed from moments" in caution for caution in record.cautions)
