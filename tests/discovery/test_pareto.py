"""Fronts and hypervolumes against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from htc.discovery import Objective, front_of, hypervolume, non_dominated


def beaten(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((b >= a).all() and (b > a).any())


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [0, 1, 7, 60])
def test_the_front_is_what_no_other_beats(k: int, n: int) -> None:
    # Whole numbers: ties and equal points are frequent.
    points = np.random.default_rng(n + k).integers(0, 5, (n, k)).astype(float)
    expected = [i for i in range(n) if not any(beaten(points[i], other) for other in points)]
    assert non_dominated(points).tolist() == expected


def test_a_front_over_several_chunks() -> None:
    points = np.random.default_rng(1).normal(size=(5000, 3))
    front = non_dominated(points)
    inside = np.setdiff1d(np.arange(5000), front)
    assert all(any(beaten(points[i], points[j]) for j in front) for i in inside[::97])
    assert not any(beaten(points[i], points[j]) for i, j in itertools.permutations(front, 2))


def test_volumes_that_are_known() -> None:
    zero = np.zeros(3)
    assert hypervolume(np.array([[2.0, 3.0, 4.0]]), zero) == 24.0
    # Two boxes that overlap in a third.
    assert hypervolume(np.array([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0]]), zero) == 3.0
    assert hypervolume(np.array([[2.0, 2.0], [1.0, 3.0], [3.0, 1.0]]), np.zeros(2)) == 6.0
    assert hypervolume(np.array([[-1.0, 5.0, 5.0]]), zero) == 0.0
    assert hypervolume(np.empty((0, 3)), zero) == 0.0


@pytest.mark.parametrize("k", [2, 3, 4])
def test_volumes_by_counting(k: int) -> None:
    rng = np.random.default_rng(k)
    points = rng.integers(1, 6, (12, k)).astype(float)
    # With whole corners, cells of size one are either inside or outside.
    cells = np.array(list(itertools.product(range(5), repeat=k))) + 0.5
    inside = (cells[:, None, :] < points[None, :, :]).all(axis=2).any(axis=1).sum()
    assert hypervolume(points, np.zeros(k)) == pytest.approx(float(inside))


def test_what_has_no_value_is_not_compared() -> None:
    objectives = [Objective(column="tc_predicted"), Objective(column="hull_distance_eV")]
    rows = [
        (0, "a", "A", (10.0, 0.1)),
        (1, "b", "B", (20.0, None)),
        (2, "c", "C", (5.0, 0.0)),
        (3, "d", "D", (4.0, 0.05)),
    ]
    front = front_of(rows, objectives)
    assert [point.label for point in front.points] == ["A", "C"]
    assert (front.compared, front.incomplete, front.unused) == (3, 1, ())
    assert front.hypervolume == pytest.approx(10.0 * 0.4 + 5.0 * 0.1)
    # The last digits of single precision beat nobody.
    rows[1] = (1, "b", "B", (10.0000004, 0.2))
    assert [point.label for point in front_of(rows, objectives).points] == ["A", "C"]
    nobody = front_of([(0, "a", "A", (10.0, None)), (1, "b", "B", (12.0, None))], objectives)
    assert nobody.unused == ("hull_distance_eV",)
    assert [point.label for point in nobody.points] == ["B"]
    assert front_of([], objectives).points == ()
