"""Graph networks: what they must not depend on, and that numpy and torch compute the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.materials.library import library_entries
from htc.materials.symmetry import primitive_standardised
from htc.models.features.graph import CUTOFF_A, crystal_graph
from htc.models.network import TARGETS, Inputs, Network, NetworkShape, collate
from htc.models.network.evaluate import SOURCES

N_SITE, N_CELL = 3, 5
SHAPE = NetworkShape(hidden=8, layers=2, n_site=N_SITE, n_cell=N_CELL)


def a_network(seed: int = 0) -> Network:
    generator = np.random.default_rng(seed)
    arrays = {
        name: generator.normal(scale=0.3, size=shape).astype(np.float32)
        for name, shape in SHAPE.parameters().items()
    }
    return Network(SHAPE, arrays)


def inputs_of(structure: Any, seed: int = 0) -> Inputs:
    graph = crystal_graph(primitive_standardised(structure))
    generator = np.random.default_rng(seed)
    return Inputs(graph, generator.normal(size=(len(graph.numbers), N_SITE)), generator.normal(size=N_CELL))


CRYSTALS = [entry.structure for entry in library_entries()[:6]]


def test_a_graph_counts_the_neighbours_of_a_known_crystal() -> None:
    """fcc aluminium: 12 neighbours at a/sqrt(2), 6 at a, 24 at a sqrt(3/2), 12 at a sqrt(2)."""
    from pymatgen.core import Lattice, Structure

    a = 4.05
    graph = crystal_graph(
        primitive_standardised(Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Al"], [[0, 0, 0]]))
    )
    assert graph.numbers.tolist() == [13]
    assert graph.multiplicity.tolist() == [1.0]
    assert graph.n_sites == 1
    assert graph.volume_per_atom == pytest.approx(a**3 / 4)
    assert graph.count.tolist() == [12, 6, 24, 12]
    assert graph.distance == pytest.approx([a / 2**0.5, a, a * 1.5**0.5, a * 2**0.5], abs=1e-6)
    assert graph.distance.max() < CUTOFF_A


def test_equivalent_sites_are_one_node() -> None:
    magnesium_diboride = next(e for e in library_entries() if e.name == "MgB2").structure
    graph = crystal_graph(primitive_standardised(magnesium_diboride))
    assert sorted(zip(graph.numbers.tolist(), graph.multiplicity.tolist(), strict=True)) == [
        (5, 2.0),
        (12, 1.0),
    ]


@given(scale=st.integers(2, 3), seed=st.integers(0, 5))
@settings(max_examples=6, deadline=None)
def test_a_supercell_is_the_same_graph(scale: int, seed: int) -> None:
    crystal = CRYSTALS[seed]
    big = crystal.copy()
    big.make_supercell([scale, 1, 1])
    first, second = (collate([inputs_of(s)]) for s in (crystal, big))
    assert a_network().predict(first) == pytest.approx(a_network().predict(second), abs=2e-3)


def test_crystals_predicted_alone_or_together_are_equal() -> None:
    network = a_network()
    inputs = [inputs_of(crystal, k) for k, crystal in enumerate(CRYSTALS)]
    together = network.predict(collate(inputs))
    alone = np.concatenate([network.predict(collate([one])) for one in inputs])
    assert together.shape == (len(CRYSTALS), len(TARGETS))
    assert together == pytest.approx(alone, abs=1e-4)


def test_some_of_a_batch_are_what_they_were_in_it() -> None:
    network = a_network()
    batch = collate([inputs_of(crystal, k) for k, crystal in enumerate(CRYSTALS)])
    which = np.array([4, 0, 3])
    assert network.predict(batch.select(which)) == pytest.approx(network.predict(batch)[which], abs=1e-4)


def test_an_unknown_input_counts_as_an_average_one() -> None:
    network = a_network()
    inputs = inputs_of(CRYSTALS[0])
    centre = network.arrays["cell_centre"].astype(float)
    missing = replace(inputs, cell=np.full(N_CELL, np.nan))
    average = replace(inputs, cell=centre)
    first, second = network.predict(collate([missing])), network.predict(collate([average]))
    assert np.isfinite(first).all()
    assert first == pytest.approx(second, abs=1e-5)


def test_the_source_changes_the_answer() -> None:
    batch = collate([inputs_of(CRYSTALS[0])])
    answers = {source: a_network().predict(batch, source).tobytes() for source in SOURCES}
    assert len(set(answers.values())) == len(SOURCES)


@pytest.mark.parametrize("change", ["missing", "shape", "nan"])
def test_arrays_that_are_no_network(change: str) -> None:
    arrays = dict(a_network().arrays)
    if change == "missing":
        del arrays["head1/w"]
    elif change == "shape":
        arrays["head1/w"] = np.zeros((2, 2), np.float32)
    else:
        arrays["head1/b"] = np.full_like(arrays["head1/b"], np.nan)
    with pytest.raises(ValueError, match="head1"):
        Network(SHAPE, arrays)


def test_stored_and_read_back_it_says_the_same() -> None:
    network = a_network()
    again = Network.from_tensors(network.shape_dict(), network.tensors())
    batch = collate([inputs_of(crystal) for crystal in CRYSTALS])
    # Weights are kept in half precision: eleven bits.
    assert again.predict(batch) == pytest.approx(network.predict(batch), rel=0.02, abs=0.02)


def test_torch_and_numpy_compute_the_same() -> None:
    torch = pytest.importorskip("torch", reason="torch (extra [train]) is not installed")
    from htc.models.training.network import NetworkSettings, _module

    network = a_network(3)
    module = _module(SHAPE, NetworkSettings(hidden=8, layers=2))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(network.arrays[name.replace("__", "/")]))
    module.eval()
    batch = collate([inputs_of(crystal, k) for k, crystal in enumerate(CRYSTALS)])
    scaled = replace(
        batch,
        sites=np.clip(
            (batch.sites - network.arrays["site_centre"]) * network.arrays["site_scale"], -5, 5
        ).astype(np.float32),
        cell=np.clip(
            (batch.cell - network.arrays["cell_centre"]) * network.arrays["cell_scale"], -5, 5
        ).astype(np.float32),
    )
    token = torch.zeros(len(batch), len(SOURCES))
    token[:, 1] = 1.0
    with torch.no_grad():
        raw = module(scaled, token).numpy()
    expected = raw * network.arrays["target_scale"] + network.arrays["target_mean"]
    assert network.predict(batch, SOURCES[1]) == pytest.approx(expected, abs=1e-4)


def test_a_network_learns_a_law_and_equal_seeds_give_equal_networks() -> None:
    """ln lambda is one of the cell's features: a few epochs find it."""
    pytest.importorskip("torch", reason="torch (extra [train]) is not installed")
    from htc.models.training.network import NetworkData, NetworkSettings, fit_network

    generator = np.random.default_rng(0)
    inputs = [inputs_of(CRYSTALS[k % len(CRYSTALS)], k) for k in range(160)]
    law = np.array([one.cell[0] for one in inputs])
    targets = np.full((len(inputs), len(TARGETS)), np.nan, dtype=np.float32)
    targets[:, 0] = 0.4 * law - 1.0
    targets[:, 1] = 5.0 + 0.05 * generator.normal(size=len(inputs))
    data = NetworkData(collate(inputs), targets, np.ones_like(targets), np.zeros(len(inputs), dtype=np.int64))
    rows = np.arange(120)
    how = NetworkSettings(hidden=16, layers=1, epochs=25, batch=16, learning_rate=4e-3)
    first, second = (fit_network(data, rows, np.ones(len(inputs)), how, seed=5) for _ in range(2))
    for name, array in first.arrays.items():
        assert np.array_equal(array, second.arrays[name]), name
    held = np.arange(120, 160)
    error = first.predict(data.batch.select(held))[:, 0] - targets[held, 0]
    assert np.abs(error).mean() < 0.5 * np.abs(targets[held, 0] - targets[rows, 0].mean()).mean()
