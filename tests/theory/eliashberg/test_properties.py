"""What must hold for every spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from htc.spectra import Spectrum, read_spectra
from htc.theory import critical_temperature
from htc.theory.eliashberg.batch import transitions
from htc.theory.eliashberg.conventions import CONVENTIONS, resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.linear_matrix import largest_eigenvalue
from htc.theory.eliashberg.linearised import solve
from htc.theory.eliashberg.transition import transition
from htc.units import KB_MEV_PER_K

PEAK = st.tuples(st.floats(0.03, 1.0), st.floats(0.01, 0.3), st.floats(0.05, 1.0))
SHAPES = st.lists(PEAK, min_size=1, max_size=4)
LAMBDA = st.floats(0.3, 6.0)
MU_STAR = st.floats(0.0, 0.2)
NAME = st.sampled_from(sorted(CONVENTIONS))
EDGE = st.sampled_from(["step", "smooth"])
FEW = settings(max_examples=25, deadline=None, derandomize=True)


def tc(spectrum, mu_star, name, edge="step", **more):
    return transition(spectrum, mu_star, name, edge=edge, **more).tc_k


def allowed(name, spectrum, mu_star):
    """Whether mu* has a value at the cutoff, with room to spare."""
    if name not in ("ebmb", "isome"):
        return True
    at = spectrum.omega_2_mev if name == "ebmb" else spectrum.omega_mev[spectrum.alpha2f > 0.0][-1]
    end = 15.0 * at if name == "ebmb" else 7000.0
    return mu_star * np.log(end / at) < 0.9


@given(shapes=SHAPES, lambda_ep=LAMBDA, mu_star=MU_STAR, edge=EDGE, factor=st.floats(1e-3, 1e3))
@pytest.mark.parametrize("name", ["asis", "epw", "ebmb", "elk"])
@FEW
def test_tc_scales_with_the_frequencies(peaks, shapes, lambda_ep, mu_star, name, edge, factor):
    assume(allowed(name, peaks(shapes, lambda_ep), mu_star))
    one = tc(peaks(shapes, lambda_ep), mu_star, name, edge)
    other = tc(peaks(shapes, lambda_ep, top_mev=40.0 * factor), mu_star, name, edge)
    assert other == pytest.approx(factor * one, rel=1e-6)


@given(shapes=SHAPES, lambda_ep=LAMBDA, low=MU_STAR, more=st.floats(1e-3, 0.1), name=NAME)
@FEW
def test_repulsion_lowers_tc(peaks, shapes, lambda_ep, low, more, name):
    spectrum = peaks(shapes, lambda_ep)
    assume(allowed(name, spectrum, low + more))
    weak, strong = (tc(spectrum, mu, name, "smooth") for mu in (low, low + more))
    assert strong < weak or weak == strong == 0.0


@given(
    shapes=SHAPES,
    lambda_ep=LAMBDA,
    mu_star=MU_STAR,
    where=PEAK,
    name=st.sampled_from(["asis", "isome"]),
    edge=EDGE,
)
@FEW
def test_coupling_added_anywhere_raises_tc(peaks, shapes, lambda_ep, mu_star, where, name, edge):
    spectrum = peaks(shapes, lambda_ep)
    assume(allowed(name, spectrum, mu_star))
    x = spectrum.omega_mev / spectrum.omega_mev[-1]
    bump = 0.05 * x * (1.0 - x) * np.exp(-0.5 * ((x - where[0]) / 0.05) ** 2)
    assume(bump.max() > 1e-4)
    more = Spectrum(spectrum.omega_mev, spectrum.alpha2f + bump)
    before, after = (tc(s, mu_star, name, edge) for s in (spectrum, more))
    # A step takes in one more frequency at certain temperatures: the eigenvalue jumps through one there,
    # and Tc stays at the jump until the coupling suffices beside it.
    if edge == "step":
        assert after >= before
    else:
        assert after > before or before == after == 0.0


@given(shapes=SHAPES, lambda_ep=LAMBDA, mu_star=MU_STAR, name=NAME, edge=EDGE)
@FEW
def test_zeros_behind_change_nothing(peaks, shapes, lambda_ep, mu_star, name, edge):
    spectrum = peaks(shapes, lambda_ep)
    spectrum = Spectrum(spectrum.omega_mev, np.where(np.arange(200) < 190, spectrum.alpha2f, 0.0))
    assume(allowed(name, spectrum, mu_star))
    omega = np.concatenate([spectrum.omega_mev, np.linspace(41.0, 90.0, 50)])
    longer = Spectrum(omega, np.concatenate([spectrum.alpha2f, np.zeros(50)]))
    # Other bins carry the same lambda to 1e-9.
    one, other = (tc(s, mu_star, name, edge) for s in (spectrum, longer))
    assert other == pytest.approx(one, rel=1e-7)


@given(shapes=SHAPES, lambda_ep=st.floats(0.8, 6.0), mu_star=st.floats(0.0, 0.1), name=NAME)
@FEW
def test_points_put_between_points_change_what_the_trapezoid_changes(peaks, shapes, lambda_ep, mu_star, name):
    spectrum = peaks(shapes, lambda_ep, points=300)
    omega = np.linspace(spectrum.omega_mev[0], spectrum.omega_mev[-1], 4 * 299 + 1)
    finer = Spectrum(omega, np.interp(omega, spectrum.omega_mev, spectrum.alpha2f))
    # The curvature of 1/omega between the points is new; d ln Tc / d ln lambda stays below 3 here.
    moved = abs(finer.lambda_ep / spectrum.lambda_ep - 1.0)
    one, other = (tc(s, mu_star, name, "smooth") for s in (spectrum, finer))
    assert other == pytest.approx(one, rel=3.0 * moved + 1e-4)


@given(shapes=SHAPES, lambda_ep=st.floats(0.6, 6.0), mu_star=st.floats(0.0, 0.15), name=NAME, edge=EDGE)
@FEW
def test_the_guess_does_not_matter(peaks, shapes, lambda_ep, mu_star, name, edge):
    spectrum = peaks(shapes, lambda_ep)
    assume(allowed(name, spectrum, mu_star))
    coupling = Coupling.of(spectrum)
    cutoffs = resolve(name, spectrum, mu_star, edge=edge)
    kt = KB_MEV_PER_K * tc(spectrum, mu_star, name, edge)
    for guess in (1e-4, 0.3 * kt, 3.0 * kt, 30.0):
        assert solve(coupling, cutoffs, guess).kt_mev == pytest.approx(kt, rel=3e-7)


@given(shapes=SHAPES, lambda_ep=LAMBDA, mu_star=MU_STAR, name=NAME, edge=EDGE)
@FEW
def test_superconducting_below_tc_and_not_above(peaks, shapes, lambda_ep, mu_star, name, edge):
    spectrum = peaks(shapes, lambda_ep)
    assume(allowed(name, spectrum, mu_star))
    found = transition(spectrum, mu_star, name, edge=edge)
    assert found.converged
    assume(found.tc_k > 0.0)
    coupling, kt = Coupling.of(spectrum), KB_MEV_PER_K * found.tc_k
    cutoffs = resolve(name, spectrum, mu_star, edge=edge)
    assert largest_eigenvalue(coupling, cutoffs, 0.99999 * kt) > 0.0
    for factor in (1.00001, 1.003, 1.03, 1.2, 2.0):
        assert largest_eigenvalue(coupling, cutoffs, factor * kt) < 0.0


@given(shapes=SHAPES, mu_star=st.floats(0.0, 0.12), name=NAME)
@FEW
def test_with_smooth_edges_tc_moves_smoothly(peaks, shapes, mu_star, name):
    assume(allowed(name, peaks(shapes, 1.0), mu_star))
    values = np.log([tc(peaks(shapes, lam), mu_star, name, "smooth") for lam in np.linspace(1.0, 1.06, 13)])
    steps = np.diff(values)
    assert np.all(steps > 0.0)
    assert np.ptp(steps) < 0.25 * steps.mean()
    assert np.abs(np.diff(values, 3)).max() < 0.02 * steps.mean()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_gives_the_same_numbers_as_one_by_one(peaks, workers):
    random = np.random.default_rng(5)
    spectra = [
        peaks([tuple(random.uniform([0.1, 0.02, 0.1], [1.0, 0.2, 1.0]))], random.uniform(0.4, 3.0))
        for _ in range(30)
    ]
    mu_star = random.uniform(0.0, 0.16, 30)
    for name in ("asis", "elk"):
        batch = list(transitions(spectra, mu_star, name, workers=workers))
        assert batch == [transition(s, mu, name) for s, mu in zip(spectra, mu_star, strict=True)]


def test_asked_twice_it_answers_the_same(own_spectra):
    spectrum = read_spectra(own_spectra.mgb2)[-1]
    first = {name: critical_temperature(spectrum, 0.1, "eliashberg", name).tc_k for name in CONVENTIONS}
    for name in reversed(first):
        again = Spectrum(spectrum.omega_mev, spectrum.alpha2f)
        assert critical_temperature(again, 0.1, "eliashberg", name).tc_k == first[name]
