"""Forests as arrays say what LightGBM says, and refuse to be what they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.models.forest import Forest, pack


def stump() -> Forest:
    """x0 <= 1.5 gives -1, else +2; a missing value goes right."""
    return Forest(
        feature=np.array([0, 0, 0], np.int16),
        edge=np.array([0, 0, 0], np.int16),
        right=np.array([2, 0, 0], np.int16),
        value=np.array([0.0, -1.0, 2.0], np.float32),
        root=np.array([0], np.int32),
        edges=np.array([1.5]),
        edge_start=np.array([0, 1], np.int32),
    )


@pytest.fixture(scope="module")
def trained() -> tuple[list[Any], np.ndarray]:
    """Two boosters over features with and without missing values, and rows to try them on."""
    lightgbm = pytest.importorskip(
        "lightgbm", reason="LightGBM or its libgomp1 is not installed", exc_type=ImportError
    )
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(1500, 6))
    rows[:, 3] = np.round(rows[:, 3])
    rows[:, 5] = 1.0  # constant: never split on
    rows[rng.random((1500, 6)) < [0.0, 0.1, 0.4, 0.0, 0.0, 0.0]] = np.nan
    target = (
        np.nan_to_num(rows[:, 0]) * 2 + np.where(np.isnan(rows[:, 1]), 3.0, np.sin(rows[:, 1])) + rows[:, 3]
    )
    boosters = [
        lightgbm.train(
            {"verbose": -1, "num_leaves": 31, "learning_rate": 0.2, "seed": seed, "num_threads": 1},
            lightgbm.Dataset(rows, target),
            num_boost_round=40,
        )
        for seed in (0, 1)
    ]
    fresh = rng.normal(size=(700, 6)) * 2.0
    fresh[rng.random(fresh.shape) < 0.2] = np.nan  # also where training saw none
    fresh[:5] = 0.0
    return boosters, np.vstack([rows[:600], fresh])


def test_packed_forest_predicts_what_lightgbm_does(trained: tuple[list[Any], np.ndarray]) -> None:
    boosters, rows = trained
    expected = np.mean([b.predict(rows) for b in boosters], axis=0)
    # Leaves are kept in single precision.
    np.testing.assert_allclose(pack(boosters).predict(rows), expected, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(
        pack(boosters[:1]).predict(rows), boosters[0].predict(rows), rtol=1e-5, atol=2e-5
    )


def test_thresholds_are_inclusive(trained: tuple[list[Any], np.ndarray]) -> None:
    boosters, _ = trained
    forest = pack(boosters[:1])
    edges = forest.edges[forest.edge_start[0] : forest.edge_start[1]]
    rows = np.zeros((len(edges) * 2, 6))
    rows[:, 0] = np.concatenate([edges, np.nextafter(edges, np.inf)])
    np.testing.assert_allclose(forest.predict(rows), boosters[0].predict(rows), rtol=1e-5, atol=2e-5)


def test_tensors_round_trip(trained: tuple[list[Any], np.ndarray]) -> None:
    boosters, rows = trained
    forest = pack(boosters)
    again = Forest.from_tensors(forest.tensors())
    np.testing.assert_array_equal(forest.predict(rows), again.predict(rows))
    assert forest.feature.nbytes + forest.edge.nbytes + forest.right.nbytes < 8 * len(forest.feature)


@given(x=st.one_of(st.floats(allow_infinity=True, allow_nan=True)))
def test_a_stump(x: float) -> None:
    expected = -1.0 if x <= 1.5 else 2.0
    assert stump().predict(np.array([[x]])).tolist() == [expected]


def test_rows_are_independent_and_may_be_none() -> None:
    rows = np.linspace(-3, 3, 1300)[:, None]
    forest = stump()
    together = forest.predict(rows)
    np.testing.assert_array_equal(together, [forest.predict(row[None])[0] for row in rows])
    assert forest.predict(np.empty((0, 1))).shape == (0,)


@pytest.mark.parametrize("shape", [(4, 2), (3,), (2, 0)])
def test_rows_of_another_width_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected rows of 1 features"):
        stump().predict(np.zeros(shape))


DAMAGE: dict[str, tuple[str, Any]] = {
    "child beyond the end": ("right", np.array([9, 0, 0], np.int16)),
    "child before its parent": ("right", np.array([-1, 0, 0], np.int16)),
    "last node not a leaf": ("right", np.array([2, 0, 1], np.int16)),
    "feature that is not there": ("feature", np.array([1, 0, 0], np.int16)),
    "negative feature": ("feature", np.array([-1, 0, 0], np.int16)),
    "threshold that is not there": ("edge", np.array([1, 0, 0], np.int16)),
    "missing-left threshold that is not there": ("edge", np.array([-3, 0, 0], np.int16)),
    "root beyond the end": ("root", np.array([3], np.int32)),
    "negative root": ("root", np.array([-1], np.int32)),
    "no roots": ("root", np.array([], np.int32)),
    "leaf not a number": ("value", np.array([0, np.nan, 1], np.float32)),
    "too few leaves": ("value", np.array([0, 1], np.float32)),
    "too few edges": ("edge", np.array([0], np.int16)),
    "no features": ("edge_start", np.array([0], np.int32)),
    "thresholds not where they should be": ("edge_start", np.array([0, 5], np.int32)),
    "threshold not a number": ("edges", np.array([np.nan])),
    "another kind of number": ("right", np.array([2.0, 0.0, 0.0])),
    "another shape": ("feature", np.zeros((3, 1), np.int16)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_arrays_are_refused(name: str) -> None:
    field, array = DAMAGE[name]
    with pytest.raises(ValueError, match="forest arrays"):
        Forest.from_tensors(stump().tensors() | {field: array})


@pytest.mark.parametrize("name", list(stump().tensors()))
def test_missing_arrays_are_named(name: str) -> None:
    tensors = {k: v for k, v in stump().tensors().items() if k != name}
    with pytest.raises(ValueError, match=f"missing: {name}"):
        Forest.from_tensors(tensors)
