"""Several bands: against the one-band solver, against ebmb, and two-band MgB2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.errors import ConvergenceError, InputError
from htc.examples.mgb2_two_bands import mgb2_two_bands
from htc.spectra import MultibandSpectrum, Spectrum
from htc.theory.eliashberg.conventions import CONVENTIONS
from htc.theory.eliashberg.multiband import multiband_critical_temperature, multiband_gap
from htc.theory.eliashberg.multiband_file import parse_mu_matrix, solve_multiband_file
from htc.theory.eliashberg.multiband_linear import largest_eigenvalue_of_bands
from htc.theory.eliashberg.pseudopotential import rescaled
from htc.theory.eliashberg.transition import transition

OMEGA = np.linspace(0.25, 80.0, 320)

EBMB_AS_GIVEN = replace(CONVENTIONS["ebmb"], name="ebmb, rescale=false", mu_star_at=None)
EBMB_GAP = replace(EBMB_AS_GIVEN, infinite_z=False)
MU_STAR = [[0.15, 0.08], [0.05, 0.13]]


def bump(omega: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-(((omega - centre) / width) ** 2))


def unit(centre: float, width: float) -> np.ndarray:
    """A peak with lambda = 1."""
    shape = bump(OMEGA, centre, width)
    return shape / (2.0 * np.trapezoid(shape / OMEGA, OMEGA))


def bands(coupling) -> MultibandSpectrum:
    """Peaks that move with the bands."""
    coupling = np.array(coupling, dtype=float)
    peaks = [[unit(60 - 5 * i - 5 * j, 8) for j in range(len(coupling))] for i in range(len(coupling))]
    return MultibandSpectrum(OMEGA, coupling[..., None] * np.array(peaks))


def two_bands_of_ebmb() -> MultibandSpectrum:
    """The input file two.dat of the ebmb runs below, in eV there."""
    w = 90.0 * np.arange(1, 401) / 400
    alpha2f = [
        [2.2 * bump(w, 75, 6) + 0.3 * bump(w, 30, 10), 0.3 * bump(w, 60, 12)],
        [0.2 * bump(w, 60, 12), 0.5 * bump(w, 55, 15)],
    ]
    return MultibandSpectrum(w, np.array(alpha2f))


def test_tc_agrees_with_ebmb():
    """critical T=-30 bands=2 a2F=two.dat muStar=.15,.08,.05,.13 rescale=false error=1e-9 (ebmb 2.0.0)."""
    found = multiband_critical_temperature(two_bands_of_ebmb(), MU_STAR, EBMB_AS_GIVEN)
    assert found.tc_k == pytest.approx(36.847517671643, rel=1e-8)


def test_tc_with_every_element_rescaled_agrees_with_ebmb():
    """critical T=-25 bands=2 a2F=two.dat muStar=.15,.08,.05,.13 error=1e-9 (ebmb 2.0.0)."""
    found = multiband_critical_temperature(two_bands_of_ebmb(), MU_STAR, "ebmb", rescaling="elementwise")
    assert found.tc_k == pytest.approx(28.101521997538, rel=1e-8)


def test_tc_with_two_cutoffs_agrees_with_ebmb():
    """critical T=-20 ... rescale=false cutoff=50 cutoffC=12 error=1e-9 (ebmb 2.0.0)."""
    row = replace(EBMB_AS_GIVEN, phonon_cutoff=(50.0, "omega_2"), coulomb_cutoff=(12.0, "omega_2"))
    found = multiband_critical_temperature(two_bands_of_ebmb(), MU_STAR, row)
    assert found.tc_k == pytest.approx(35.967795199921, rel=1e-6)


def test_three_bands_agree_with_ebmb():
    """critical T=-40 bands=3 a2F=three.dat muStar=M rescale=false error=1e-9, M the matrix by rows."""
    w = 90.0 * np.arange(1, 301) / 300
    alpha2f = np.empty((3, 3, 300))
    for i, j in np.ndindex(3, 3):
        height = 1.6 if i == j == 0 else 0.6 - 0.1 * i if i == j else 0.15 + 0.05 * j
        alpha2f[i, j] = height * bump(w, 75 - 5 * i - 5 * j, 8 if i == j == 0 else 10)
    mu_star = [[0.12, 0.04, 0.05], [0.03, 0.10, 0.04], [0.03, 0.03, 0.09]]
    found = multiband_critical_temperature(MultibandSpectrum(w, alpha2f), mu_star, EBMB_AS_GIVEN)
    assert found.tc_k == pytest.approx(19.306954639471, rel=1e-6)


@pytest.mark.parametrize(
    ("temperature_k", "delta_mev", "z"),
    [
        (8.0, (6.912449095, 3.306444760), (2.175386745243, 1.637751340280)),
        (30.0, (4.685124673, 1.801423378), (2.194544717862, 1.642748461459)),
    ],
)
def test_gaps_agree_with_ebmb(temperature_k, delta_mev, z):
    """ebmb T=8 bands=2 a2F=two.dat muStar=.15,.08,.05,.13 rescale=false form=F18.12; Z ends at the cutoff."""
    gap = multiband_gap(two_bands_of_ebmb(), MU_STAR, temperature_k, EBMB_GAP)
    np.testing.assert_allclose(gap.delta0_mev[0], delta_mev, rtol=1e-6)
    np.testing.assert_allclose(gap.z0[0], z, rtol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("edge", ["step", "smooth"])
def test_one_band_and_two_equal_bands_are_the_isotropic_case(convention, edge):
    iso = Spectrum(OMEGA, 1.0 * unit(50, 10) + 0.3 * unit(20, 5))
    expected = transition(iso, 0.10, convention, edge=edge).tc_k
    one = MultibandSpectrum.of_one_band(iso)
    two = MultibandSpectrum(OMEGA, np.broadcast_to(iso.alpha2f / 2, (2, 2, OMEGA.size)))
    assert multiband_critical_temperature(one, 0.10, convention, edge=edge).tc_k == pytest.approx(
        expected, rel=1e-7
    )
    found = multiband_critical_temperature(two, np.full((2, 2), 0.05), convention, edge=edge)
    # The grid of several bands is finer than that of one.
    assert found.tc_k == pytest.approx(expected, rel=2e-6)
    np.testing.assert_allclose(found.gap_ratio, [1.0, 1.0], rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(
    split=st.floats(0.15, 0.85),
    coupling=st.floats(0.6, 3.0),
    mu_star=st.floats(0.0, 0.13),
    centre=st.floats(20.0, 60.0),
    convention=st.sampled_from(["asis", "ebmb", "elk"]),
)
def test_a_band_cut_in_two_is_still_one(split, coupling, mu_star, centre, convention):
    """Two bands of the same coupling that differ in their densities of states only: rows N_j / N."""
    iso = Spectrum(OMEGA, coupling * unit(centre, 8))
    share = np.array([[split, 1.0 - split], [split, 1.0 - split]])
    two = MultibandSpectrum(OMEGA, share[..., None] * iso.alpha2f)
    # Where Elk's few Coulomb frequencies end in a step, the eigenvalue may pass zero more than once.
    edge = "smooth" if convention == "elk" else "step"
    expected = transition(iso, mu_star, convention, edge=edge).tc_k
    found = multiband_critical_temperature(two, mu_star * share, convention, edge=edge)
    assert found.tc_k == pytest.approx(expected, rel=5e-6)
    assert not found.warnings or found.warnings[0].code == "few-frequencies"


@settings(max_examples=15, deadline=None)
@given(
    diagonal=st.tuples(st.floats(0.3, 2.0), st.floats(0.0, 2.0)),
    between=st.floats(0.0, 0.8),
    states=st.floats(0.3, 3.0),
    repulsion=st.tuples(st.floats(0.0, 0.15), st.floats(0.0, 0.15), st.floats(0.0, 0.1)),
)
def test_no_eigenvalue_lies_above_zero_at_tc(diagonal, between, states, repulsion):
    coupling = [[diagonal[0], between * states], [between, diagonal[1]]]
    mu_star = [[repulsion[0], repulsion[2] * states], [repulsion[2], repulsion[1]]]
    found = multiband_gap(bands(coupling), mu_star, [], edge="smooth").transition
    if found.tc_k == 0.0:
        return
    gap = multiband_gap(bands(coupling), mu_star, 0.9999 * found.tc_k, edge="smooth")
    interaction = gap.solutions[0].interaction
    kt = gap.solutions[0].kt_mev / 0.9999
    assert abs(largest_eigenvalue_of_bands(interaction, kt)) < 1e-7
    assert (
        largest_eigenvalue_of_bands(interaction, 1.001 * kt)
        < 0.0
        < largest_eigenvalue_of_bands(interaction, 0.999 * kt)
    )


def test_scaling_all_frequencies_scales_tc():
    spectrum = bands([[1.0, 0.2], [0.15, 0.5]])
    double = MultibandSpectrum(2.0 * OMEGA, spectrum.alpha2f)
    mu_star = [[0.12, 0.08], [0.06, 0.12]]
    assert multiband_critical_temperature(double, mu_star).tc_k == pytest.approx(
        2.0 * multiband_critical_temperature(spectrum, mu_star).tc_k, rel=1e-9
    )


def test_two_equal_bands_have_the_gap_of_one():
    iso = 1.2 * unit(50, 10)
    two = MultibandSpectrum(OMEGA, np.broadcast_to(iso / 2, (2, 2, OMEGA.size)))
    one = multiband_gap(MultibandSpectrum.of_one_band(Spectrum(OMEGA, iso)), 0.12, [4.0, 30.0])
    both = multiband_gap(two, np.full((2, 2), 0.06), [4.0, 30.0])
    np.testing.assert_allclose(both.delta0_mev, np.repeat(one.delta0_mev, 2, axis=1), rtol=1e-5)
    np.testing.assert_allclose(both.ratio_2delta_ktc, np.repeat(one.ratio_2delta_ktc, 2), rtol=1e-5)


def test_a_band_apart_opens_its_own_gap_below_its_own_tc():
    spectrum = bands([[1.0, 0.0], [0.0, 0.8]])
    alone = MultibandSpectrum.of_one_band(spectrum.element(1, 1))
    cutoff = 700.0
    own = multiband_gap(alone, 0.10, [2.0], cutoff_mev=cutoff)
    tc_2 = own.transition.tc_k
    gap = multiband_gap(spectrum, [[0.1, 0.0], [0.0, 0.1]], [1.1 * tc_2, 2.0, 0.5 * tc_2], cutoff_mev=cutoff)
    assert gap.transition.tc_k > 1.2 * tc_2
    assert gap.delta0_mev[1, 1] == pytest.approx(own.delta0_mev[0, 0], rel=1e-5)
    assert abs(gap.delta0_mev[0, 1]) < 1e-6 < gap.delta0_mev[2, 1]


def test_bands_that_repel_each_other_have_gaps_of_opposite_sign():
    gap = multiband_gap(bands([[0.9, 0.02], [0.02, 0.7]]), [[0.1, 0.2], [0.2, 0.1]], [5.0])
    assert gap.transition.gap_ratio[0] == 1.0
    assert gap.transition.gap_ratio[1] < 0.0
    assert gap.delta0_mev[0, 0] > 0.0 > gap.delta0_mev[0, 1]
    assert (gap.ratio_2delta_ktc > 0.0).all()


def test_the_gaps_close_at_tc_in_the_ratio_of_the_linear_problem():
    spectrum, mu_star = bands([[1.0, 0.2], [0.15, 0.5]]), [[0.12, 0.08], [0.06, 0.12]]
    tc = multiband_critical_temperature(spectrum, mu_star, edge="smooth")
    gap = multiband_gap(spectrum, mu_star, np.array([1.01, 0.9999, 0.5, 1.0]) * tc.tc_k, edge="smooth")
    assert (gap.delta0_mev[[0, 3]] == 0.0).all()
    assert gap.delta0_mev[1, 1] / gap.delta0_mev[1, 0] == pytest.approx(tc.gap_ratio[1], rel=1e-3)
    assert (gap.delta0_mev[2] > gap.delta0_mev[1]).all()


def test_bands_without_a_full_set_of_eigenvectors():
    """Equal bands, the first driven by the second but not the other way: Tc is that of one band."""
    peak = unit(50, 10)
    spectrum = MultibandSpectrum(OMEGA, np.array([[1.0 * peak, 0.3 * peak], [0.0 * peak, 1.0 * peak]]))
    found = multiband_critical_temperature(spectrum, [[0.1, 0.0], [0.0, 0.1]])
    alone = transition(Spectrum(OMEGA, peak), 0.1).tc_k
    assert found.tc_k == pytest.approx(alone, rel=1e-6)


def test_no_superconductivity_has_a_reason():
    found = multiband_gap(bands([[0.1, 0.02], [0.02, 0.1]]), [[0.3, 0.1], [0.1, 0.3]], [1.0])
    assert found.transition.tc_k == 0.0
    assert "repulsion outweighs" in found.transition.reason
    assert found.transition.gap_ratio is None
    assert found.ratio_2delta_ktc is None
    assert (found.delta0_mev == 0.0).all()
    assert (found.z0 > 1.0).all()


def test_rescaling_as_a_matrix_has_one_band_as_a_special_case_and_composes():
    mu = np.array([[0.10, 0.05], [0.03, 0.08]])
    np.testing.assert_allclose(rescaled(rescaled(mu, 1.0), 0.7), rescaled(mu, 1.7), rtol=1e-12)
    split = np.array([[0.3, 0.7], [0.3, 0.7]])
    np.testing.assert_allclose(rescaled(0.12 * split, 2.0), 0.12 / (1 - 0.24) * split, rtol=1e-12)


def test_a_transposed_matrix_is_noticed():
    spectrum = bands([[1.0, 0.30], [0.15, 0.5]])
    right = multiband_critical_temperature(spectrum, [[0.12, 0.08], [0.04, 0.12]])
    wrong = multiband_critical_temperature(spectrum, [[0.12, 0.04], [0.08, 0.12]])
    assert right.warnings == ()
    assert [flag.code for flag in wrong.warnings] == ["unbalanced-mu-star"]


@pytest.mark.parametrize(
    "mu_star", [0.1, [0.1, 0.1], [[0.1]], [[0.1, np.nan], [0.1, 0.1]], [[0.1, -0.1], [0.1, 0.1]], "ab", None]
)
def test_unusable_mu_star_is_refused(mu_star):
    with pytest.raises(InputError):
        multiband_critical_temperature(bands([[1.0, 0.2], [0.15, 0.5]]), mu_star)


def test_mu_star_that_grows_without_bound_is_refused():
    with pytest.raises(InputError, match="without bound"):
        multiband_critical_temperature(bands([[2.0, 0.2], [0.15, 0.5]]), [[0.3, 0.2], [0.2, 0.3]], "ebmb")


def test_pairing_beyond_the_cutoff_is_refused():
    with pytest.raises(ConvergenceError, match="above the cutoff"):
        multiband_critical_temperature(bands([[0.3, 0.0], [0.0, 0.3]]), [[0.0, 3.0], [3.0, 0.0]])


@pytest.mark.parametrize("temperatures", [[0.0], [-1.0], [np.nan], [[1.0]], "cold"])
def test_unusable_temperatures_are_refused(temperatures):
    with pytest.raises(InputError, match="temperatures"):
        multiband_gap(bands([[1.0, 0.2], [0.15, 0.5]]), 0.0, temperatures)


def test_two_band_mgb2_has_its_two_gaps():
    """Measured: Tc 39 K (doi:10.1038/35065039), gaps near 7 and 2.5 meV (doi:10.1088/0953-8984/14/6/320)."""
    mgb2 = mgb2_two_bands()
    np.testing.assert_allclose(mgb2.spectrum.lambda_matrix, [[1.017, 0.213], [0.155, 0.448]], rtol=1e-12)
    gap = multiband_gap(mgb2.spectrum, mgb2.mu_star, [4.0], mgb2.convention, cutoff_mev=mgb2.cutoff_mev)
    assert gap.transition.tc_k == pytest.approx(39.0, rel=0.05)
    np.testing.assert_allclose(gap.delta0_mev[0], [7.0, 2.5], atol=0.15)
    assert gap.transition.warnings == ()
    # Isotropic lambda of Kong et al., doi:10.1103/PhysRevB.64.020501: 0.87.
    assert mgb2.spectrum.isotropic(mgb2.densities_of_states).lambda_ep == pytest.approx(0.87, abs=0.005)


def test_two_band_mgb2_agrees_with_ebmb():
    """critical T=-40 bands=2 a2F=mgb2.dat muStar=.21,.095,.069,.172 rescale=false cutoff=C error=1e-8.

    mgb2.dat is the spectrum of the example, C = 6.73852749937617 its 500 meV in units of omega_2. And ebmb
    T=4 with the same.
    """
    mgb2 = mgb2_two_bands()
    found = multiband_critical_temperature(mgb2.spectrum, mgb2.mu_star, cutoff_mev=500.0)
    assert found.tc_k == pytest.approx(40.277758501470, rel=1e-8)
    gap = multiband_gap(mgb2.spectrum, mgb2.mu_star, [4.0], "epw", cutoff_mev=500.0)
    assert gap.delta0_mev[0, 0] == pytest.approx(7.345461014, rel=1e-6)
    assert gap.z0[0, 0] == pytest.approx(2.185106159277, rel=1e-6)


def test_from_a_file_to_records(tmp_path):
    spectrum = bands([[1.0, 0.2], [0.15, 0.5]])
    path = tmp_path / "a2f.dat"
    np.savetxt(path, np.column_stack([OMEGA * 1e-3, spectrum.alpha2f.reshape(4, -1).T]), fmt="%.17e")
    matrix = [[0.12, 0.08], [0.06, 0.12]]
    expected = multiband_critical_temperature(spectrum, matrix)
    result = solve_multiband_file(path, "0.12,0.08; 0.06,0.12", bands=2)
    assert result.transition.tc_k == pytest.approx(expected.tc_k, rel=1e-9)
    assert result.gap is None
    result = solve_multiband_file(path, matrix, temperatures_k=[5.0])
    assert result.gap is not None
    assert result.gap.delta0_mev.shape == (1, 2)


def test_matrices_as_text():
    np.testing.assert_array_equal(parse_mu_matrix("0.1,0.2;0.3,0.4"), [[0.1, 0.2], [0.3, 0.4]])
    np.testing.assert_array_equal(parse_mu_matrix("0.1 0.2 0.3 0.4"), [[0.1, 0.2], [0.3, 0.4]])
    np.testing.assert_array_equal(parse_mu_matrix("0.1"), [[0.1]])
    for text in ("", "a,b;c,d", "0.1,0.2;0.3", "0.1,0.2", "0.1,,0.2;0.3,0.4"):
        with pytest.raises(InputError):
            parse_mu_matrix(text)
