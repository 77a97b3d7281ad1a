"""Features belong to the crystal, not to the way it was written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from htc.materials.library import LibraryEntry, library_entries
from htc.models.features import (
    FEATURE_NAMES,
    N_COMPOSITION_FEATURES,
    N_ELEMENTS,
    element_table,
    features_of_composition,
    features_of_structure,
)

TABLE = element_table()
SMALL = [entry for entry in library_entries() if entry.formula not in {"YBa2Cu3O7", "HgBa2CuO4"}]

entries = st.sampled_from(SMALL)
supercells = st.lists(st.lists(st.integers(-1, 1), min_size=3, max_size=3), min_size=3, max_size=3).filter(
    lambda m: 1 <= abs(round(float(np.linalg.det(m)))) <= 3
)


def by_name(row: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, row.tolist(), strict=True))


def same(first: Any, second: Any) -> None:
    a, b = (features_of_structure(s, TABLE) for s in (first, second))
    different = ~np.isclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert not different.any(), {FEATURE_NAMES[i]: (a[i], b[i]) for i in np.flatnonzero(different)}


@settings(max_examples=25, deadline=None)
@given(entry=entries, matrix=supercells)
def test_a_supercell_has_the_features_of_its_crystal(entry: LibraryEntry, matrix: list[list[int]]) -> None:
    same(entry.structure, entry.structure.make_supercell(matrix))


@settings(max_examples=25, deadline=None)
@given(
    entry=entries,
    seed=st.integers(0, 2**32 - 1),
    shift=st.tuples(*[st.floats(0.0, 1.0, exclude_max=True)] * 3),
)
def test_orientation_origin_and_order_of_sites_do_not_matter(
    entry: LibraryEntry, seed: int, shift: tuple[float, ...]
) -> None:
    from pymatgen.core import Lattice, Structure

    given_ = entry.structure
    turn = Rotation.random(random_state=seed).as_matrix()
    order = np.random.default_rng(seed).permutation(len(given_))
    written = Structure(
        Lattice(given_.lattice.matrix @ turn),
        [given_[int(i)].specie for i in order],
        given_.frac_coords[order] + np.array(shift),
    )
    same(given_, written)


def test_names_and_values_line_up() -> None:
    mgb2 = next(e for e in library_entries() if e.name == "MgB2").structure
    row = features_of_structure(mgb2, TABLE)
    assert row.shape == (len(FEATURE_NAMES),)
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    value = by_name(row)
    assert value["n_sites"] == 3
    assert value["n_orbits"] == 2
    assert value["spacegroup"] == 191
    assert value["crystal_system"] == 5  # hexagonal, counted from triclinic = 0
    assert value["point_group_order"] == 24
    assert value["n_elements"] == 2
    assert value["fraction_5"] == pytest.approx(2 / 3)
    assert value["fraction_12"] == pytest.approx(1 / 3)
    assert value["volume_per_atom"] == pytest.approx(mgb2.volume / 3)
    a = mgb2.lattice.a
    assert value["nearest_min"] == pytest.approx(a / np.sqrt(3))  # B-B in the honeycomb
    # The mass table is pymatgen's: 24.305 and 10.81 u.
    assert value["atomic_mass_mean"] == pytest.approx((24.305 + 2 * 10.81) / 3, abs=2e-3)


def test_a_composition_has_the_composition_part_of_its_crystal() -> None:
    for entry in SMALL[::20]:
        whole = features_of_structure(entry.structure, TABLE)
        part = features_of_composition(entry.structure.composition, TABLE)
        assert part.shape == (N_COMPOSITION_FEATURES,)
        np.testing.assert_allclose(part, whole[:N_COMPOSITION_FEATURES], rtol=1e-12, equal_nan=True)


@given(scale=st.integers(1, 50))
def test_a_composition_is_a_ratio(scale: int) -> None:
    from pymatgen.core.composition import Composition

    once = features_of_composition(Composition("Nb3Sn"), TABLE)
    again = features_of_composition(Composition({"Nb": 3 * scale, "Sn": scale}), TABLE)
    np.testing.assert_allclose(once, again, rtol=1e-12, atol=1e-12, equal_nan=True)


def test_unknown_properties_are_missing_values_never_infinite() -> None:
    from pymatgen.core.composition import Composition
    from pymatgen.core.periodic_table import Element

    assert np.isnan(TABLE[0]).all()
    for z in range(1, N_ELEMENTS + 1):
        row = features_of_composition(Composition(Element.from_Z(z).symbol), TABLE)
        assert not np.isinf(row).any()
        assert row[FEATURE_NAMES.index(f"fraction_{z}")] == 1.0
    # A property unknown for one of two elements is the other's; unknown for both it is missing.
    mean = FEATURE_NAMES.index("X_mean")
    helium, aluminium = (float(TABLE[Element(s).Z, 0]) for s in ("He", "Al"))
    assert np.isnan(helium)
    assert features_of_composition(Composition("HeAl"), TABLE)[mean] == pytest.approx(aluminium)
    assert np.isnan(features_of_composition(Composition("HeNe"), TABLE)[mean])


def test_a_crystal_without_neighbours_in_reach_has_missing_contacts() -> None:
    from pymatgen.core import Lattice, Structure

    lonely = by_name(features_of_structure(Structure(Lattice.cubic(6.2), ["Cs"], [[0, 0, 0]]), TABLE))
    assert np.isnan(lonely["bond_ratio_mean"])
    assert np.isnan(lonely["nearest_mean"])
    assert lonely["volume_per_atom"] == pytest.approx(6.2**3)
    for entry in SMALL[3::10]:
        assert not np.isinf(features_of_structure(entry.structure, TABLE)).any(), entry.name
