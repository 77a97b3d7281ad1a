"""The compiled inner loops against numpy, which does the same where there is no compiler."""

from __future__ import annotations

import numpy as np
import pytest

from htc.spectra import Spectrum
from htc.theory.eliashberg import coupling as coupling_module
from htc.theory.eliashberg import linear_matrix, linearised, native
from htc.theory.eliashberg.conventions import CONVENTIONS, resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.kernel import grid_at
from htc.theory.eliashberg.linear_matrix import largest_eigenvalue
from htc.theory.eliashberg.transition import transition

compiled = pytest.mark.skipif(native.KERNEL is None, reason="HTC was installed without a C compiler")


@pytest.fixture
def numpy_only(monkeypatch):
    """Take the compiled kernel away."""

    def take() -> None:
        monkeypatch.setattr(linear_matrix, "KERNEL", None)
        monkeypatch.setattr(coupling_module, "KERNEL", None)

    return take


def spectrum_of(seed: int, points: int = 400) -> Spectrum:
    """Three peaks anywhere, of some lambda between 0.3 and 3."""
    generator = np.random.default_rng(seed)
    omega = np.linspace(0.1, generator.uniform(8.0, 150.0), points)
    x = omega / omega[-1]
    shape = x * sum(
        generator.uniform()
        * np.exp(-0.5 * ((x - generator.uniform(0.1, 0.9)) / generator.uniform(0.02, 0.2)) ** 2)
        for _ in range(3)
    )
    scale = generator.uniform(0.3, 3.0) / (2.0 * np.trapezoid(shape / omega, omega))
    return Spectrum(omega, scale * shape)


@compiled
@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
@pytest.mark.parametrize("edge", ["step", "smooth"])
def test_both_ways_give_the_same_tc(convention, edge, numpy_only):
    spectra = [spectrum_of(seed) for seed in range(12)]
    fast = [transition(s, 0.08, convention, edge=edge) for s in spectra]
    numpy_only()
    slow = [transition(s, 0.08, convention, edge=edge) for s in spectra]
    # numpy interpolates lambda where there are many terms: 1e-8 of it.
    assert [r.tc_k for r in fast] == pytest.approx([r.tc_k for r in slow], rel=2e-7)
    assert [r.cutoff_sensitivity for r in fast] == pytest.approx(
        [r.cutoff_sensitivity for r in slow], rel=1e-3, abs=1e-6
    )


def test_without_a_compiler_tc_is_where_the_eigenvalue_is_zero(numpy_only):
    numpy_only()
    spectrum = spectrum_of(5)
    cutoffs = resolve("asis", spectrum, 0.1)
    kt = linearised.solve(Coupling.of(spectrum), cutoffs, 1.0).kt_mev
    below, above = (largest_eigenvalue(Coupling.of(spectrum), cutoffs, kt * x) for x in (0.9999, 1.0001))
    assert below > 0.0 > above


@compiled
def test_sums_over_oscillators(numpy_only):
    spectrum = spectrum_of(1)
    fast = Coupling.of(spectrum)
    nu = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 700)])
    values, slopes = fast.with_slope(nu)
    numpy_only()
    slow = Coupling.of(spectrum)
    expected, expected_slopes = slow._sum(nu * nu)
    np.testing.assert_allclose(fast.omega_mev, slow.omega_mev, rtol=1e-13)
    np.testing.assert_allclose(fast.weight, slow.weight, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-9, atol=1e-13)


@compiled
def test_few_points_are_kept_as_they_are():
    spectrum = Spectrum([10.0, 20.0, 30.0], [0.1, 0.3, 0.1])
    assert Coupling.of(spectrum).omega_mev.tolist() == [10.0, 20.0, 30.0]


@compiled
def test_nothing_is_made_of_a_vector_of_zeros():
    spectrum = spectrum_of(2)
    coupling = Coupling(np.array([10.0]), np.array([0.0]))
    grid = grid_at(resolve("asis", spectrum, 0.0), 1.0)
    kernel = native.KERNEL
    assert kernel is not None
    zero = np.zeros(grid.size)
    right, _, out = kernel.evaluate(
        grid.addresses,
        coupling.addresses,
        truncated=False,
        spacing=1.0,
        mu=0.0,
        mu_by_ln_t=0.0,
        last=1.0,
        iterations=1,
        x=zero,
    )
    # Without coupling A is -1; nothing iterates to anything, and nothing is made up.
    assert np.isnan(right).all()
    assert np.isnan(out[0])


def test_a_library_that_is_none_is_refused(tmp_path):
    broken = tmp_path / native.library_name()
    broken.write_bytes(b"not a library")
    with pytest.raises(OSError, match=r".+"):
        native.Kernel(broken)
