"""The bundled examples are what their manifest says."""

from __future__ import annotations

from htc.examples import examples
from htc.materials.families import recognise
from htc.materials.formulas import parse_formula
from htc.materials.library import entries_of
from htc.materials.structures import iter_inputs, structure_hash


def test_every_example_is_read_or_refused_as_meant() -> None:
    with examples() as found:
        structures = [example for example in found if example.kind == "structure"]
        items = list(iter_inputs(example.path for example in structures))
    assert len(structures) >= 15
    assert {example.path.suffix for example in structures} == {".cif", ".vasp", ".json"}
    broken = [item for item in items if item.error]
    assert [item.source.rpartition("/")[2] for item in broken] == ["broken.cif"]

    for example, item in zip(structures, items, strict=True):
        if item.structure is None:
            continue
        assert example.formula
        expected = parse_formula(example.formula).reduced_composition
        assert item.structure.composition.reduced_composition == expected
        assert example.tc_measured_k is not None
        assert example.source
        (entry, *_) = entries_of(example.formula)
        assert example.pressure_gpa == entry.pressure_gpa
        assert structure_hash(item.structure) == structure_hash(entry.structure)


def test_one_example_is_outside_the_theory() -> None:
    with examples() as found:
        paths = [example.path for example in found if example.kind == "structure"]
        items = [item for item in iter_inputs(paths) if item.structure is not None]
    refused = [
        item.source.rpartition("/")[2]
        for item in items
        if not recognise(item.composition, item.structure).applicable
    ]  # type: ignore[arg-type]  # structures have one
    assert refused == ["YBa2Cu3O7.cif"]
