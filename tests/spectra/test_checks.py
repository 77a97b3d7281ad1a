"""What the checks say, and that they stay silent about sound spectra."""

from __future__ import annotations

import numpy as np
import pytest

from htc.spectra import Flag, Spectrum, check


def peak(centre: float, width: float, height: float, omega: np.ndarray) -> np.ndarray:
    return height * np.exp(-(((omega - centre) / width) ** 2))


OMEGA = np.linspace(0.05, 50.0, 1000)
SOUND = peak(20.0, 3.0, 0.5, OMEGA) + peak(32.0, 2.0, 0.4, OMEGA)


def flags(alpha2f: np.ndarray, omega: np.ndarray = OMEGA, **provenance: object) -> dict[str, Flag]:
    return {flag.code: flag for flag in check(Spectrum(omega, alpha2f, "x", provenance))}


def test_a_sound_spectrum_has_no_flags():
    spectrum = Spectrum(OMEGA, SOUND)
    reported = {"lambda_ep": spectrum.lambda_ep * 1.001, "omega_log_k": spectrum.omega_log_k}
    assert flags(SOUND) == {}
    assert flags(SOUND, reported=reported) == {}


def test_negative_weight_says_how_far_lambda_moves():
    found = flags(SOUND - peak(10.0, 2.0, 0.1, OMEGA))["negative-weight"]
    assert found.value == pytest.approx(2.0 * 0.1 * 2.0 * np.sqrt(np.pi) / 10.0, rel=0.05)
    assert str(found).startswith("negative-weight: alpha2F < 0 in ")


def test_clipping_is_reported():
    spectrum = Spectrum(OMEGA, SOUND - peak(10.0, 2.0, 0.1, OMEGA)).clipped()
    assert [flag.code for flag in check(spectrum)] == ["negative-clipped"]


def test_cut_at_the_end():
    keep = OMEGA < 32.0
    found = flags(SOUND[keep], OMEGA[keep])["cut-at-end"]
    assert found.value == pytest.approx(0.8, abs=0.02)


def test_soft_modes_and_lattice_instability():
    soft = SOUND + peak(1.0, 0.3, 0.4, OMEGA)
    assert set(flags(soft)) == {"soft-modes"}
    assert flags(soft)["soft-modes"].value > 0.2
    assert set(flags(5.0 * soft)) == {"soft-modes", "lattice-instability"}
    assert set(flags(30.0 * SOUND)) == {"strong-coupling"}


def test_against_what_the_code_reported():
    spectrum = Spectrum(OMEGA, SOUND)
    lam, omega_log = spectrum.lambda_ep, spectrum.omega_log_k
    assert set(flags(SOUND, reported={"lambda_ep": 1.1 * lam})) == {"lambda-mismatch"}
    assert set(flags(SOUND, reported={"lambda_ep": 2.0 * lam})) == {"normalisation"}
    assert set(flags(SOUND, reported={"omega_log_k": omega_log / 33.0})) == {"omega-log-mismatch"}
    assert set(flags(SOUND, reported={"lambda_ep": float("nan")})) == set()


def test_frequencies_no_solid_has():
    assert set(flags(SOUND, 1000.0 * OMEGA)) == {"frequency-range"}
    assert set(flags(SOUND, OMEGA / 1000.0)) == {"frequency-range"}


def test_no_weight():
    assert set(flags(np.zeros_like(OMEGA))) == {"no-weight"}
    assert {"no-weight", "negative-weight"} == set(flags(-SOUND))


def test_findings_about_the_run_come_first():
    spectrum = Spectrum(OMEGA, SOUND - peak(10.0, 2.0, 0.1, OMEGA), "x", {"run_findings": ["a", "b"]})
    first, second, *_ = check(spectrum)
    assert (first.code, first.message, first.value) == ("linewidths", "a; b", 2.0)
    assert second.code == "negative-weight"
