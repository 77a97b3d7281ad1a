"""Closed formulas against published and independently computed values.

Allen and Dynes, doi:10.1103/PhysRevB.12.905; Xie et al., doi:10.1038/s41524-021-00666-7.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.errors import InputError
from htc.spectra import read_spectra
from htc.theory import FORMULAS, Status, get_formula, status
from htc.theory.empirical import allen_dynes, allen_dynes_f1, exponential, xie_2022

MGB2 = Path(__file__).resolve().parents[2] / "src/htc/examples/spectra/mgb2_epw/MgB2.a2f"


def assert_digits(value: float, text: str) -> None:
    """``value`` rounds to ``text``."""
    digits = len(text.partition(".")[2])
    assert value == pytest.approx(float(text), abs=0.5001 * 10.0**-digits)


def by_all(spectrum, mu_star: float) -> tuple[float, float, float]:
    lam, log, two = spectrum.lambda_ep, spectrum.omega_log_k, spectrum.omega_2_k
    return (
        exponential(lam, log, mu_star),
        allen_dynes(lam, log, two, mu_star),
        xie_2022(lam, log, two, mu_star),
    )


def test_own_mgb2_run_as_epw_prints_it():
    # EPW 5 prints these three for the run the file comes from (muc = 0.16).
    for value, text in zip(by_all(read_spectra(MGB2)[0], 0.16), ("25.6625", "26.626", "29.60"), strict=True):
        assert_digits(value, text)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "unit", "mu_star", "expected"),
    [
        ("elk_Al/ALPHA2F.OUT", None, 0.15, (".507", ".5132", ".583")),
        ("elk_Nb/ALPHA2F.OUT", None, 0.15, ("15.27", "16.146", "15.22")),
        ("elk_Pb/ALPHA2F.OUT", None, 0.15, ("5.08", "5.458", "5.40")),
        ("elk_MgB2/ALPHA2F.OUT", None, 0.15, ("19.07", "19.674", "20.70")),
        ("elk_Al/ALPHA2F.OUT", None, 0.10, (None, "1.968", None)),
        ("elk_Nb/ALPHA2F.OUT", None, 0.10, (None, "20.339", None)),
        ("elk_Pb/ALPHA2F.OUT", None, 0.10, (None, "6.688", None)),
        ("elk_MgB2/ALPHA2F.OUT", None, 0.10, (None, "30.001", None)),
        ("miicck_la/a2f", "Ry", 0.15, ("152.1", "208.64", "265.5")),
        ("gitgreg_CaH6_130GPa/a2f_s3_r1000_g5.csv", None, 0.10, ("148.8", "227.8", None)),
        ("gitgreg_Nb3Sn/a2f_s1,5_r1000_g5.csv", None, 0.10, ("17.50", "19.93", None)),
    ],
)
def test_published_spectra_to_the_last_digit(data_folder, name, unit, mu_star, expected):
    spectrum = read_spectra(data_folder / "spectra/peers" / name, unit=unit)[0]
    for value, text in zip(by_all(spectrum, mu_star), expected, strict=True):
        if text is not None:
            assert_digits(value, text)


def test_by_hand_at_a_round_point():
    # lambda 1, mu* 0.1: exponent -2.08/(1 - 0.162); f1 = [1 + (1/3.3948)^1.5]^(1/3).
    tc = 100.0 / 1.2 * np.exp(-2.08 / 0.838)
    assert exponential(1.0, 100.0, 0.1) == pytest.approx(tc, rel=1e-14)
    f1 = (1.0 + (1.0 / 3.3948) ** 1.5) ** (1.0 / 3.0)
    assert allen_dynes_f1(1.0, 100.0, 0.1) == pytest.approx(f1 * tc, rel=1e-14)
    r, l2 = 1.2, 1.82 * 1.63 * 1.2
    f2 = 1.0 + (r - 1.0) / (1.0 + l2**2)
    assert allen_dynes(1.0, 100.0, 120.0, 0.1) == pytest.approx(f1 * f2 * tc, rel=1e-14)


def test_strong_coupling_limit_of_allen_dynes():
    # For mu* = 0 and one frequency Tc -> C sqrt(lambda) omega; the formula's own C is
    # exp(-1.04)/(1.2 sqrt(2.46)) = 0.188, made to be near the exact 0.1827.
    lam = 1e8
    assert allen_dynes(lam, 1.0, 1.0, 0.0) / np.sqrt(lam) == pytest.approx(0.1878, abs=1e-4)


def test_broadcasting():
    lam = np.linspace(0.3, 2.0, 5)
    mu = np.array([[0.1], [0.15], [0.2]])
    assert allen_dynes_f1(lam, 300.0, mu).shape == (3, 5)
    assert xie_2022(lam, 300.0, 330.0, mu)[1, 2] == xie_2022(lam[2], 300.0, 330.0, 0.15)
    assert status("exponential", lam, 300.0, mu).shape == (3, 5)
    assert np.ndim(exponential(1.0, 100.0, 0.1)) == 0
    with pytest.raises(InputError, match="do not broadcast"):
        exponential(lam, np.ones(4), 0.1)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_no_solution_is_zero_with_a_reason(name):
    lam = np.array([0.0, 0.1, 1e-3, 1.0])
    mu = np.array([0.1, 0.12, 0.0, 0.1])
    tc = get_formula(name)(lam, 300.0, mu, omega_2_k=330.0)
    codes = status(name, lam, 300.0, mu, omega_2_k=330.0)
    assert tc[:3].tolist() == [0.0, 0.0, 0.0]
    assert tc[3] > 0.0
    assert [Status(int(c)) for c in codes] == [
        Status.NO_COUPLING,
        Status.REPULSION,
        Status.NEGLIGIBLE,
        Status.OK,
    ]
    assert Status.OK.reason is None
    assert "Coulomb" in str(Status.REPULSION.reason)


def test_outside_the_range_of_xie():
    # lambda + 1/r < mu*^(1/3): f_omega is negative though the exponential still has a solution.
    code = status("xie_2022", 0.45, 300.0, 0.3, omega_2_k=6000.0)
    assert Status(int(code)) is Status.FACTOR
    assert xie_2022(0.45, 300.0, 6000.0, 0.3) == 0.0


@pytest.mark.parametrize(
    ("lam", "omega", "mu"),
    [(-0.1, 300.0, 0.1), (np.nan, 300.0, 0.1), (1.0, 0.0, 0.1), (1.0, np.inf, 0.1), (1.0, 300.0, -0.1)],
)
def test_impossible_arguments(lam, omega, mu):
    with pytest.raises(InputError, match="must be finite"):
        exponential(lam, omega, mu)


def test_arguments_that_are_no_numbers():
    with pytest.raises(InputError, match="number"):
        exponential("strong", 300.0, 0.1)  # type: ignore[arg-type]  # the point of the test


def test_registry():
    assert list(FORMULAS) == ["exponential", "allen_dynes", "allen_dynes_f1", "xie_2022"]
    for name, formula in FORMULAS.items():
        assert formula.name == name
        assert formula.doi.startswith("10.")
    with pytest.raises(InputError, match="omega_2") as caught:
        get_formula("allen_dynes")(1.0, 300.0, 0.1)
    assert "allen_dynes_f1" in str(caught.value.hint)
    with pytest.raises(InputError, match="bardeen") as caught:
        get_formula("bardeen")
    assert "xie_2022" in str(caught.value.hint)


couplings = st.floats(0.2, 4.0)
potentials = st.floats(0.0, 0.2)


@given(couplings, couplings, potentials)
def test_tc_rises_with_coupling_and_falls_with_repulsion(a, b, mu):
    low, high = sorted((a, b))
    for function in (exponential, allen_dynes_f1):
        assert function(low, 300.0, mu) <= function(high, 300.0, mu)
        assert function(high, 300.0, mu) >= function(high, 300.0, mu + 0.01)


@given(couplings, st.floats(1.0, 3000.0), st.floats(1.0, 3.0), potentials)
def test_tc_scales_with_frequency(lam, omega, ratio, mu):
    for name in FORMULAS:
        one = get_formula(name)(lam, 1.0, mu, omega_2_k=ratio)
        assert get_formula(name)(lam, omega, mu, omega_2_k=ratio * omega) == pytest.approx(omega * one)


@given(couplings, potentials)
def test_equal_frequencies_reduce_allen_dynes_to_f1(lam, mu):
    assert allen_dynes(lam, 300.0, 300.0, mu) == pytest.approx(allen_dynes_f1(lam, 300.0, mu))
