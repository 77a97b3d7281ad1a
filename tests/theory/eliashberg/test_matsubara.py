"""Sums over many Matsubara frequencies from few nodes."""

from __future__ import annotations

import numpy as np
import pytest

from htc.theory.eliashberg.matsubara import matsubara_grid, tapered_grid


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 100, 1_000, 30_000, 10_000_000])
def test_smooth_sums_are_exact_and_their_cost_grows_as_a_logarithm(count):
    grid = matsubara_grid(count, count)
    assert grid.full.sum() == pytest.approx(count, rel=1e-12)
    assert grid.full @ grid.index == pytest.approx(0.5 * count * (count - 1.0), rel=1e-12)
    assert grid.size <= 64 + 8 * np.log2(count)
    if count <= 30_000:
        n = np.arange(count)
        for width in (0.5, 7.0, 300.0):
            exact = (1.0 / ((n + 0.5) ** 2 + width**2)).sum()
            assert grid.full @ (1.0 / ((grid.index + 0.5) ** 2 + width**2)) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("phonon", "coulomb"), [(10, 1), (200, 20), (5_000, 500), (300, 299)])
def test_two_cutoffs_end_their_own_sums(phonon, coulomb):
    grid = matsubara_grid(phonon, coulomb)
    assert grid.phonon.sum() == pytest.approx(phonon, rel=1e-12)
    assert grid.coulomb.sum() == pytest.approx(coulomb, rel=1e-12)
    assert (grid.coulomb_ratio is None) == (phonon == coulomb)


@pytest.mark.parametrize("cutoff", [0.2, 0.47, 0.5, 1.0, 3.3, 40.0, 70.0, 1234.5])
def test_smooth_edges_keep_the_plain_sum_and_fade_between_0_9_and_1_1(cutoff):
    grid = tapered_grid(cutoff, cutoff)
    assert grid.full.sum() == pytest.approx(grid.end, rel=1e-12)
    share = grid.phonon / grid.full
    centre = grid.index + 0.5
    assert np.all((share >= 0.0) & (share <= 1.0))
    assert share[centre < 0.9 * cutoff] == pytest.approx(1.0)
    assert share[centre > 1.1 * cutoff] == pytest.approx(0.0)
    if cutoff > 50.0:
        assert grid.phonon.sum() == pytest.approx(cutoff, rel=1e-6)
