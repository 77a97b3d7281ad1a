"""A spectrum formed from its moments has these moments, and a shape that a spectrum can have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.errors import HTCError, InputError, SpectrumError
from htc.models.surrogate_spectrum import TYPICAL_RATIO, surrogate_spectrum
from htc.spectra import Spectrum, check
from htc.theory import critical_temperature
from htc.units import KB_MEV_PER_K, MEV_PER_THZ

LAMBDAS = st.floats(0.02, 5.0)
OMEGAS = st.floats(15.0, 2000.0)
RATIOS = st.floats(1.01, 3.5)

NU = np.linspace(0.0, 10.0, 201)


def debye_and_optical(optical: float = 0.4) -> np.ndarray:
    """An acoustic band that ends at 5 THz and an optical one about 8 THz."""
    acoustic = np.where(NU < 5.0, 3.0 * NU**2 / 5.0**3, 0.0)
    return (1.0 - optical) * acoustic + optical * np.exp(-(((NU - 8.0) / 0.6) ** 2)) * (NU < 9.9)


def assert_sound(spectrum: Spectrum) -> None:
    assert (spectrum.alpha2f >= 0.0).all()
    assert spectrum.alpha2f[0] < 0.02 * spectrum.alpha2f.max()
    assert spectrum.alpha2f[-1] == 0.0
    assert spectrum.is_surrogate
    assert spectrum.label == "surrogate"
    assert {f.code for f in check(spectrum)} <= {
        "surrogate",
        "soft-modes",
        "strong-coupling",
        "lattice-instability",
        "frequency-range",
    }


@given(lambda_ep=LAMBDAS, omega_log_k=OMEGAS, ratio=RATIOS)
@settings(deadline=None)
def test_the_three_moments_come_out(lambda_ep: float, omega_log_k: float, ratio: float):
    spectrum = surrogate_spectrum(lambda_ep, omega_log_k, omega_2_k=ratio * omega_log_k)
    assert spectrum.lambda_ep == pytest.approx(lambda_ep, rel=1e-9)
    assert spectrum.omega_log_k == pytest.approx(omega_log_k, rel=1e-9)
    assert spectrum.omega_2_k == pytest.approx(ratio * omega_log_k, rel=1e-9)
    assert spectrum.provenance["omega_2_from"] == "given"
    assert_sound(spectrum)


@given(lambda_ep=LAMBDAS, omega_log_k=OMEGAS)
@settings(deadline=None, max_examples=20)
def test_without_omega_2_the_typical_one_is_taken_and_said(lambda_ep: float, omega_log_k: float):
    spectrum = surrogate_spectrum(lambda_ep, omega_log_k)
    assert spectrum.omega_2_k == pytest.approx(TYPICAL_RATIO * omega_log_k, rel=1e-9)
    assert spectrum.provenance["omega_2_from"] == "typical"
    assert "omega_2_k" not in spectrum.provenance["given"]


@given(
    lambda_ep=LAMBDAS,
    omega_log_k=OMEGAS,
    ratio=st.floats(1.03, 1.3),
    optical=st.floats(0.1, 0.9),
    softness=st.floats(0.5, 1.5),
)
@settings(deadline=None, max_examples=25)
def test_on_a_density_of_states_the_moments_come_out_whatever_its_scale(
    lambda_ep: float, omega_log_k: float, ratio: float, optical: float, softness: float
):
    density = debye_and_optical(optical)
    spectrum = surrogate_spectrum(
        lambda_ep, omega_log_k, omega_2_k=ratio * omega_log_k, dos=(softness * NU, 7.0 * density)
    )
    assert spectrum.lambda_ep == pytest.approx(lambda_ep, rel=1e-9)
    assert spectrum.omega_log_k == pytest.approx(omega_log_k, rel=1e-9)
    assert spectrum.omega_2_k == pytest.approx(ratio * omega_log_k, rel=1e-9)
    assert_sound(spectrum)
    same = surrogate_spectrum(lambda_ep, omega_log_k, omega_2_k=ratio * omega_log_k, dos=(NU, density))
    np.testing.assert_allclose(spectrum.omega_mev, same.omega_mev, rtol=1e-6)
    np.testing.assert_allclose(spectrum.alpha2f, same.alpha2f, rtol=1e-5, atol=1e-9)


def test_the_density_of_states_shows_through():
    spectrum = surrogate_spectrum(0.8, 250.0, dos=(NU, debye_and_optical()))
    stretch = spectrum.provenance["stretch"]
    # The gap of the density of states between its bands, 5.05 to 5.5 THz, is one of alpha2F.
    gap = (spectrum.omega_mev > 5.1 * MEV_PER_THZ * stretch) & (
        spectrum.omega_mev < 5.5 * MEV_PER_THZ * stretch
    )
    assert gap.any()
    assert spectrum.alpha2f[gap].max() < 1e-3 * spectrum.alpha2f.max()
    assert spectrum.provenance["omega_2_from"] == "density of states"


def test_a_narrow_surrogate_has_the_tc_of_an_einstein_mode():
    # lambda 1, 10 meV, mu* 0: 13.3010 K, doi:10.1103/PhysRevB.12.905 and tests/theory.
    omega_log_k = 10.0 / KB_MEV_PER_K
    spectrum = surrogate_spectrum(1.0, omega_log_k, omega_2_k=1.0005 * omega_log_k)
    tc = critical_temperature(spectrum, 0.0, "eliashberg", "isome").tc_k
    assert tc == pytest.approx(13.3010, rel=2e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lambda_ep": 0.0}, "lambda_ep"),
        ({"lambda_ep": float("nan")}, "lambda_ep"),
        ({"omega_log_k": -1.0}, "omega_log_k"),
        ({"omega_2_k": float("inf")}, "omega_2_k"),
        ({"omega_2_k": 299.0}, "not above omega_log"),
        ({"omega_2_k": 300.0}, "not above omega_log"),
        ({"omega_2_k": 300.001}, "outside"),
        ({"omega_2_k": 300.0 * 40}, "outside"),
    ],
)
def test_moments_that_no_spectrum_has(arguments: dict[str, float], said: str):
    with pytest.raises(InputError, match=said) as caught:
        surrogate_spectrum(**{"lambda_ep": 0.8, "omega_log_k": 300.0} | arguments)
    assert caught.value.where is not None


@pytest.mark.parametrize(
    ("dos", "said"),
    [
        ((NU, NU[1:]), "as many frequencies as values"),
        ((NU, np.where(NU > 3.0, np.nan, 1.0)), "NaN"),
        ((NU[::-1], NU), "increase"),
        ((NU, 1.0 - NU), "negative values"),
        ((NU, 0.0 * NU), "too few"),
        ((NU - 2.0, debye_and_optical()), "not stable"),
        (("a", "b"), "numbers"),
    ],
)
def test_densities_of_states_that_are_none(dos: tuple[object, object], said: str):
    with pytest.raises(SpectrumError, match=said) as caught:
        surrogate_spectrum(0.8, 300.0, dos=dos)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.where == "dos"


def test_a_ratio_that_the_density_of_states_cannot_have():
    with pytest.raises(SpectrumError, match="does not fit this density of states") as caught:
        surrogate_spectrum(0.8, 300.0, omega_2_k=1500.0, dos=(NU, debye_and_optical()))
    assert "leave the density of states away" in (caught.value.hint or "")


@given(st.floats(), st.floats(), st.none() | st.floats())
@settings(deadline=None, max_examples=100)
def test_any_numbers_give_a_spectrum_or_an_error_of_ours(a: float, b: float, c: float | None):
    try:
        spectrum = surrogate_spectrum(a, b, omega_2_k=c)
    except HTCError:
        return
    assert spectrum.lambda_ep == pytest.approx(a, rel=1e-6)
