"""Records from alpha2F: the bundled aluminium and MgB2, and what cannot be chosen between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htc.errors import FormulaError, InputError, SpectrumError
from htc.examples import examples
from htc.prediction import choose_spectrum, predict_from_spectrum
from htc.spectra import Spectrum, read_spectra
from htc.theory import critical_temperature


def bundled(formula: str) -> list[Spectrum]:
    with examples() as inputs:
        (path,) = [e.path for e in inputs if e.kind == "spectrum" and e.formula == formula]
        return list(read_spectra(path))


def test_mgb2_of_epw_by_the_full_formula() -> None:
    """26.626 K by Allen-Dynes at mu* 0.16 from lambda 0.83929, omega_log 762.55 K (own EPW calculation)."""
    spectra = bundled("MgB2")
    record = predict_from_spectrum(spectra, "MgB2", source="MgB2.a2f", mu_star=0.16, label=spectra[0].label)
    assert record.tc_predicted == pytest.approx(26.626, abs=5e-4)
    assert record.lambda_ep == pytest.approx(0.83929, abs=5e-6)
    assert record.omega_log == pytest.approx(762.55, abs=5e-3)
    assert record.omega_2 == pytest.approx(878.4, abs=0.05)
    assert record.tc_lower_95ci < record.tc_predicted < record.tc_upper_95ci
    assert record.prediction_method == "McMillan-Allen-Dynes (f1 f2), alpha2F as given"
    assert record.model_id is None
    assert record.spectrum is not None
    assert record.mu_star == 0.16
    assert not record.extrapolation_warning


def test_aluminium_of_quantum_espresso_takes_the_middle_of_its_plateau() -> None:
    spectra = bundled("Al")
    chosen, plateau = choose_spectrum(spectra)
    assert plateau is not None
    assert plateau.found
    flat = plateau.smearing[plateau.flat]
    assert flat.min() < float(chosen.provenance["smearing"]) < flat.max()
    record = predict_from_spectrum(spectra, "Al", source="alpha2F.dat", mu_star=0.10)
    assert record.tc_predicted == pytest.approx(critical_temperature(chosen, 0.10, "allen_dynes").tc_k)
    assert 0.5 < record.tc_predicted < 2.5  # measured: 1.175 K
    assert record.provenance["spectrum_label"] == chosen.label
    assert any("plateau" in note for note in record.provenance["notes"])


def test_a_named_spectrum_is_taken() -> None:
    spectra = bundled("Al")
    for spectrum in (spectra[0], spectra[-1]):
        assert choose_spectrum(spectra, spectrum.label) == (spectrum, None)
    with pytest.raises(InputError, match="no spectrum is labelled 'x'") as caught:
        choose_spectrum(spectra, "x")
    assert spectra[0].label in (caught.value.hint or "")


def test_a_single_spectrum_needs_no_choice() -> None:
    (only,) = bundled("MgB2")[:1]
    assert choose_spectrum([only]) == (only, None)


def test_smearings_that_do_not_agree_are_not_chosen_between() -> None:
    spectra = [replace(s, alpha2f=s.alpha2f * 1.5**i) for i, s in enumerate(bundled("Al"))]
    with pytest.raises(SpectrumError, match="no plateau") as caught:
        choose_spectrum(spectra)
    assert "label" in (caught.value.hint or "")
    record = predict_from_spectrum(spectra, "Al", source="x", mu_star=0.1, label=spectra[2].label)
    assert record.provenance["spectrum_label"] == spectra[2].label


def test_the_interval_widens_with_the_uncertainty_of_mu_star() -> None:
    narrow, wide = (
        predict_from_spectrum(bundled("MgB2"), "MgB2", source="x", mu_star=0.13, mu_star_std=std)
        for std in (0.005, 0.03)
    )
    assert narrow.tc_predicted == wide.tc_predicted
    assert wide.tc_upper_95ci - wide.tc_lower_95ci > 2 * (narrow.tc_upper_95ci - narrow.tc_lower_95ci)
    assert narrow.input_hash != wide.input_hash


def test_hash_follows_what_the_record_follows_from() -> None:
    spectra = bundled("MgB2")

    def identity(**changes: object) -> str:
        arguments: dict[str, object] = {"source": "x", "mu_star": 0.13, "formula": "MgB2", "spectra": spectra}
        return predict_from_spectrum(**arguments | changes).input_hash  # type: ignore[arg-type]

    first = identity()
    assert identity(source="elsewhere") == first
    assert identity(mu_star=0.10) != first
    assert identity(pressure_gpa=5.0) != first
    assert identity(spectra=[replace(spectra[0], alpha2f=spectra[0].alpha2f * 1.001)]) != first


def test_a_cuprate_gets_no_tc_from_a_spectrum_either() -> None:
    record = predict_from_spectrum(bundled("MgB2"), "YBa2Cu3O7", source="x", mu_star=0.1)
    assert not record.applicable
    assert record.tc_predicted is None
    assert record.lambda_ep is None
    assert record.reason


@pytest.mark.parametrize(("formula", "error"), [("Mg2B?", FormulaError), ("", FormulaError)])
def test_what_material_it_is_must_be_said(formula: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        predict_from_spectrum(bundled("MgB2"), formula, source="x", mu_star=0.1)


@pytest.mark.parametrize(("pressure", "mu_star"), [(-1.0, 0.1), (0.0, -0.1), (0.0, float("nan"))])
def test_conditions_out_of_range(pressure: float, mu_star: float) -> None:
    with pytest.raises(InputError):
        predict_from_spectrum(bundled("MgB2"), "MgB2", source="x", mu_star=mu_star, pressure_gpa=pressure)


def test_a_spectrum_without_moments_is_refused() -> None:
    omega = np.linspace(1.0, 50.0, 50)
    empty = Spectrum(omega_mev=omega, alpha2f=np.zeros(50), label="empty")
    with pytest.raises(SpectrumError, match="no positive lambda"):
        predict_from_spectrum([empty], "Al", source=str(Path("al.dat")), mu_star=0.1)
