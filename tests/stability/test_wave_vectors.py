"""Wave vectors, the supercells that fit them, and the verdicts drawn from both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import moyopy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from htc.materials.structures import primitive_standardised
from htc.stability.supercells import choose_supercell, shortest_translation
from htc.stability.verdicts import Evidence, ExactMode, judge, lowest_exact
from htc.stability.wave_vectors import fits, half_points, inequivalent, nearest_simple, smallest_supercell

Crystal = Callable[..., Structure]
CUBIC = Structure(Lattice.cubic(4.0), ["Cu"], [[0, 0, 0]])

simple = st.sampled_from([2, 3, 4]).flatmap(
    lambda n: st.tuples(*[st.integers(0, n - 1).map(lambda i: Fraction(i, n))] * 3)
)


@settings(deadline=None)
@given(simple)
def test_the_smallest_supercell_has_one_cell_for_each_part_of_the_denominator(
    q: tuple[Fraction, Fraction, Fraction],
) -> None:
    found = smallest_supercell(q, CUBIC)
    assert fits(q, found.matrix)
    assert found.atoms == np.lcm.reduce([x.denominator for x in q])
    assert round(abs(np.linalg.det(np.array(found.matrix)))) == found.atoms


@settings(deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 3))
def test_the_nearest_simple_wave_vector_is_near(q: tuple[float, float, float]) -> None:
    near = np.array([float(x) for x in nearest_simple(np.array(q))])
    assert np.abs(near - np.round(near)).max() > 0.1
    apart = near - q
    assert np.abs(apart - np.round(apart)).max() <= 1 / 6 + 1e-9


@pytest.mark.parametrize("q", [(0.5, 0.0, 0.0), (1 / 3, 1 / 3, 0.0), (0.25, 0.5, 0.75)])
def test_a_simple_wave_vector_is_its_own_nearest(q: tuple[float, float, float]) -> None:
    assert [float(x) for x in nearest_simple(np.array(q))] == pytest.approx(list(q))


def test_cubic_symmetry_leaves_three_of_the_seven_half_points() -> None:
    rotations = np.array(
        [
            np.diag(signs)[list(order)]
            for order in itertools.permutations(range(3))
            for signs in itertools.product((1, -1), repeat=3)
        ]
    )
    assert len(half_points()) == 7
    assert len(inequivalent(half_points(), rotations)) == 3
    assert len(inequivalent(half_points(), np.eye(3, dtype=int)[None])) == 7


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(2.0, 6.0), min_size=3, max_size=3), st.floats(5.0, 10.0))
def test_a_supercell_keeps_images_apart_where_the_cap_allows(lengths: list[float], reach: float) -> None:
    cell = Structure(Lattice.orthorhombic(*lengths), ["Cu", "Al"], [[0, 0, 0], [0.5, 0.5, 0.4]])
    found = choose_supercell(cell, reach, 400)
    matrix = np.array(found.matrix)
    assert found.atoms == 2 * round(abs(np.linalg.det(matrix)))
    assert found.shortest_a == pytest.approx(shortest_translation(matrix @ cell.lattice.matrix))
    assert found.shortest_a >= reach or found.atoms > 150
    assert choose_supercell(cell, reach, 20).atoms <= 20


@pytest.mark.parametrize(
    ("group", "lengths", "atoms"),
    [("Fm-3m", 4.05, 64), ("Im-3m", 3.3, 54), ("Pm-3m", 3.2, 27), ("P6_3/mmc", (3.2, 5.2), 48)],
)
def test_supercells_keep_the_point_group(
    group: str, lengths: float | tuple[float, float], atoms: int, crystal: Crystal
) -> None:
    site = (1 / 3, 2 / 3, 0.25) if group == "P6_3/mmc" else (0, 0, 0)
    cell = primitive_standardised(crystal(group, lengths, Mg=site)).structure
    found = choose_supercell(cell, 9.0, 128)
    assert found.atoms <= 2 * atoms
    large = cell.copy()
    large.make_supercell(np.array(found.matrix))
    gram = large.lattice.matrix @ large.lattice.matrix.T
    basis = np.linalg.inv(np.array(found.matrix))
    numbers = [int(z) for z in cell.atomic_numbers]
    crystal_of_moyo = moyopy.Cell(cell.lattice.matrix.tolist(), cell.frac_coords.tolist(), numbers)
    for rotation in moyopy.MoyoDataset(crystal_of_moyo, symprec=1e-4).operations.rotations:
        turned = np.array(found.matrix) @ np.array(rotation).T @ basis
        np.testing.assert_allclose(turned, np.round(turned), atol=1e-6)
        np.testing.assert_allclose(turned @ gram @ turned.T, gram, atol=1e-3)


def _evidence(
    lowest: float = 0.0, exact: float = 1.0, share: float = -0.5, force: float = 0.0, refuted: bool = False
) -> Evidence:
    mode = ExactMode(frequency_thz=exact, share=share, q=(0.5, 0, 0))
    return Evidence(
        lowest_interpolated_thz=lowest, pockets_refuted=refuted, lowest_exact=mode, residual_force=force
    )


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (_evidence(), "stable"),
        (_evidence(lowest=-0.05), "stable"),
        (_evidence(lowest=-3.0, exact=-3.0), "unstable"),
        (_evidence(lowest=-2.0, exact=-2.0, share=-0.02), "undecided"),
        (_evidence(lowest=-4.0, exact=-4.0, share=-0.02), "unstable"),
        (_evidence(lowest=-0.3, exact=-0.3), "undecided"),
        (_evidence(lowest=-3.0, exact=0.5), "undecided"),
        (_evidence(lowest=-0.4, exact=0.5, refuted=True), "stable"),
        (_evidence(lowest=-0.4, exact=-0.3, refuted=True), "undecided"),
        (_evidence(lowest=-3.0, exact=-3.0, force=0.1), "undecided"),
    ],
)
def test_verdicts(evidence: Evidence, verdict: str) -> None:
    found, reason = judge(evidence)
    assert found == verdict
    assert reason


def test_the_three_translations_are_left_out_at_gamma_only() -> None:
    q = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    modes = np.tile(np.eye(4, dtype=complex), (2, 1, 1))
    resting = np.diag([1.0, 1.0, 1.0, 8.0])
    frequencies = np.array([[-0.01, 0.0, 0.02, -2.0], [0.5, 0.6, 0.7, 0.8]])
    found = lowest_exact(q, frequencies, modes, resting)
    assert found == ExactMode(frequency_thz=-2.0, share=-0.5, q=(0.0, 0.0, 0.0))
    frequencies[0, 3] = 2.0
    found = lowest_exact(q, frequencies, modes, resting)
    assert found == ExactMode(frequency_thz=0.5, share=0.25, q=(0.5, 0.0, 0.0))


def test_one_atom_at_gamma_alone_has_only_translations() -> None:
    modes = np.eye(3, dtype=complex)[None]
    found = lowest_exact(np.zeros((1, 3)), np.array([[0.0, 0.0, -0.01]]), modes, np.eye(3))
    assert found.frequency_thz == 0.0
