"""The filter language over the columns, asked over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

ALL = {"MgB2", "Nb3Sn", "Al", "NbN", "Ba2YCu3O7", "LaH10"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # comparisons, either way round
        ("nelements = 2", {"MgB2", "Nb3Sn", "NbN", "LaH10"}),
        ("2 < nelements", {"Ba2YCu3O7"}),
        ("nelements!=2", {"Al", "Ba2YCu3O7"}),
        ("nsites <= 3", {"MgB2"}),
        ("nsites < 3.5", {"MgB2"}),
        ("nsites > nelements AND nelements >= 2", ALL - {"Al"}),
        ("nsites < 99999999999999999999999", ALL),
        ("_htc_tc_kelvin > 20", {"MgB2", "LaH10"}),
        ("_htc_tc_kelvin = 17.25", {"Nb3Sn"}),
        ("_htc_tc_kelvin < 1e999", ALL - {"Ba2YCu3O7"}),
        ("17.25 <= _htc_tc_kelvin", {"MgB2", "LaH10", "Nb3Sn"}),
        ("_htc_tc_kelvin > nsites AND _htc_pressure_gpa < 1", {"MgB2", "Nb3Sn", "NbN"}),
        # AND binds more tightly than OR; NOT to what follows
        ('elements HAS "Al" OR elements HAS "Nb" AND _htc_tc_kelvin > 16', {"Al", "Nb3Sn"}),
        ('(elements HAS "Al" OR elements HAS "Nb") AND _htc_tc_kelvin > 16', {"Nb3Sn"}),
        ('NOT elements HAS "Nb" AND nelements=2', {"MgB2", "LaH10"}),
        ('NOT (elements HAS "Nb" AND nelements=2)', ALL - {"Nb3Sn", "NbN"}),
        ("NOT (NOT nelements=1)", {"Al"}),
        # what is unknown fulfils neither a comparison nor its negation
        ("NOT _htc_tc_kelvin > 20", {"Nb3Sn", "NbN", "Al"}),
        ("_htc_tc_kelvin IS UNKNOWN", {"Ba2YCu3O7"}),
        ("_htc_tc_kelvin IS KNOWN", ALL - {"Ba2YCu3O7"}),
        ("NOT _htc_tc_kelvin IS KNOWN", {"Ba2YCu3O7"}),
        ('NOT (_htc_phonon_verdict = "stable")', {"NbN"}),
        ('_htc_phonon_verdict != "stable" OR _htc_phonon_verdict IS UNKNOWN', ALL - {"MgB2"}),
        # texts
        ('chemical_formula_descriptive="MgB2"', {"MgB2"}),
        ('chemical_formula_descriptive CONTAINS "B"', {"MgB2", "Ba2YCu3O7"}),
        ('chemical_formula_descriptive STARTS WITH "Nb"', {"Nb3Sn", "NbN"}),
        ('chemical_formula_descriptive STARTS "Nb"', {"Nb3Sn", "NbN"}),
        ('chemical_formula_descriptive ENDS WITH "O7"', {"Ba2YCu3O7"}),
        ('NOT chemical_formula_descriptive CONTAINS "Nb"', ALL - {"Nb3Sn", "NbN"}),
        ('chemical_formula_descriptive CONTAINS "%"', set()),
        ('chemical_formula_descriptive CONTAINS "_"', set()),
        (r'chemical_formula_descriptive CONTAINS "\\"', set()),
        (r'chemical_formula_descriptive CONTAINS "\""', set()),
        ('chemical_formula_descriptive < "B"', {"Al"}),
        ('_htc_family="a15"', {"Nb3Sn"}),
        ('_htc_confidence="high" OR _htc_confidence="low"', {"Nb3Sn", "NbN"}),
        ('_htc_reason CONTAINS "cuprate"', {"Ba2YCu3O7"}),
        ('type = "structures"', ALL),
        ('type != "structures"', set()),
        # booleans
        ("_htc_extrapolation_warning = TRUE", {"NbN"}),
        ("_htc_extrapolation_warning=FALSE AND NOT nelements=2", {"Al", "Ba2YCu3O7"}),
        ("_htc_thermo_stable != FALSE", {"MgB2"}),
        # formulas as OPTIMADE writes them
        ('chemical_formula_reduced="B2Mg"', {"MgB2"}),
        ('chemical_formula_reduced="Nb3Sn"', {"Nb3Sn"}),
        ('chemical_formula_reduced="H10La"', {"LaH10"}),
        ('chemical_formula_reduced="Ba2Cu3O7Y"', {"Ba2YCu3O7"}),
        ('chemical_formula_reduced="Al2"', set()),
        ('chemical_formula_reduced="Xx"', set()),
        ('chemical_formula_reduced != "B2Mg"', ALL - {"MgB2"}),
        ('chemical_formula_reduced STARTS WITH "B"', {"MgB2", "Ba2YCu3O7"}),
        ('chemical_formula_reduced CONTAINS "Nb" AND chemical_formula_reduced ENDS "n"', {"Nb3Sn"}),
        ('chemical_formula_reduced < "B3"', {"Al", "MgB2"}),
        ('chemical_formula_anonymous="A2B"', {"MgB2"}),
        ('chemical_formula_anonymous="AB2"', set()),
        ('chemical_formula_anonymous="A7B3C2D"', {"Ba2YCu3O7"}),
        ('chemical_formula_anonymous="A10B"', {"LaH10"}),
        ('NOT chemical_formula_anonymous="A"', ALL - {"Al"}),
        # lists
        ('elements HAS "Nb"', {"Nb3Sn", "NbN"}),
        ('elements HAS ALL "Nb","Sn"', {"Nb3Sn"}),
        ('elements HAS ANY "Sn", "B"', {"Nb3Sn", "MgB2"}),
        ('elements HAS ONLY "Nb","N","Sn","Al"', {"Nb3Sn", "NbN", "Al"}),
        ('NOT elements HAS ANY "Nb","Al"', {"MgB2", "Ba2YCu3O7", "LaH10"}),
        ('elements HAS < "Am"', {"Al"}),
        ('elements HAS ALL > "N", <"O"', {"NbN", "Nb3Sn", "Ba2YCu3O7"}),
        ("elements LENGTH 1", {"Al"}),
        ("elements LENGTH >= 4", {"Ba2YCu3O7"}),
        ("NOT elements LENGTH 2", {"Al", "Ba2YCu3O7"}),
        ("elements_ratios LENGTH 2", {"MgB2", "Nb3Sn", "NbN", "LaH10"}),
        ("elements_ratios HAS 0.5", {"NbN"}),
        ("elements_ratios HAS > 0.9", {"Al", "LaH10"}),
        ("elements_ratios HAS ONLY 0.75, 0.25", {"Nb3Sn"}),
        ("elements_ratios HAS ONLY <= 0.5", {"NbN"}),
        ('elements:elements_ratios HAS "Nb":>0.6', {"Nb3Sn"}),
        ('elements:elements_ratios HAS "Nb":0.5', {"NbN"}),
        ('elements:elements_ratios HAS ANY "B":>0.5, "Al":1', {"MgB2", "Al"}),
        ('elements:elements_ratios HAS ALL "Nb":0.75, "Sn":0.25', {"Nb3Sn"}),
        ('elements:elements_ratios HAS ONLY "Nb":0.75, "Sn":0.25', {"Nb3Sn"}),
        ('NOT elements:elements_ratios HAS "Nb":>0.6', ALL - {"Nb3Sn"}),
        ("dimension_types HAS 1", ALL),
        ("dimension_types HAS 0", set()),
        ("nperiodic_dimensions=3", ALL),
        ('structure_features HAS "disorder"', set()),
        ("structure_features LENGTH 0", ALL),
        ("space_group_it_number = 191", {"MgB2"}),
        # times
        ('last_modified > "2020-01-01T00:00:00Z"', ALL),
        ('last_modified < "2020-01-01T00:00:00+02:00"', set()),
        # what nobody has
        ("_exmpl_bandgap > 2", set()),
        ("NOT _exmpl_bandgap > 2", set()),
        ("_exmpl_bandgap IS UNKNOWN AND nelements=1", {"Al"}),
        ('chemical_formula_hill="Al"', set()),
        ('assemblies IS UNKNOWN AND elements HAS "Al"', {"Al"}),
        ("", ALL),
    ],
)  # fmt: skip
def test_a_filter_finds(served: Any, text: str, expected: set[str]) -> None:
    assert set(served.found(text)) == expected


def test_ids_are_found(served: Any) -> None:
    (entry,) = served.get("/structures", filter='chemical_formula_reduced="Al"').json()["data"]
    assert served.found(f'id="{entry["id"]}"') == ["Al"]
    assert served.found(f'immutable_id="{entry["id"]}"') == ["Al"]
    stored = served.stored["Al"].id
    assert served.found(f'_htc_prediction_id="{stored}"') == ["Al"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("nelements", "cannot be read"),
        ("nelements = 2 AND", "cannot be read at its end"),
        ("nelements = 2 nsites = 3", "AND or OR is missing"),
        ("crazyfield = 2", "no property 'crazyfield'"),
        ("_htc_tc > 2", "did you mean"),
        ('nsites = "3"', "a number"),
        ("elements = 3", "is a list"),
        ('elements:nsites HAS "Al":3', "is no list"),
        ('nsites HAS "Al"', "is no list"),
        ("nsites LENGTH 3", "is no list"),
        ('elements:elements_ratios:elements HAS "Al":1', "fewer values"),
        ('elements:elements_ratios HAS "Al":0.5:3', "more values"),
        ("elements HAS 3", "double quotes"),
        ("chemical_formula_reduced = 3", "double quotes"),
        ("chemical_formula_descriptive CONTAINS 3", "double quotes"),
        ('nsites CONTAINS "3"', "is no text"),
        ('last_modified > "yesterday"', "a time such as"),
        ('last_modified > "2024-13-01T00:00:00Z"', "a time such as"),
        ("_htc_extrapolation_warning > TRUE", "no order"),
        ('_htc_extrapolation_warning = "TRUE"', "TRUE or FALSE"),
        ("nsites = TRUE", "a number"),
        ("nsites = elements", "different kinds"),
        ("dimension_types HAS 1.5", "integers"),
        (f"nsites = {'9' * 60}", "too many digits"),
        ("(" * 60 + "nsites=1" + ")" * 60, "nested"),
        (" OR ".join(["nsites=1"] * 300), "too many"),
        ("nsites=1" + " " * 9000, "characters"),
        ('elements HAS "Al\x00"', "value 0"),
        ('elements HAS "Al', "cannot be read"),
        ("elements HAS 'Al'", "cannot be read"),
        ("; DROP TABLE structures", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_filter_is_said(served: Any, text: str, part: str) -> None:
    error = served.refused("/structures", 400, filter=text)
    assert part in error["detail"]
    assert error["source"] == {"parameter": "filter"}


@pytest.mark.parametrize(
    "text",
    [
        'species HAS "Al"',
        "lattice_vectors IS KNOWN",
        'elements.x = "y"',
        'references.id HAS "x"',
        '"a" = "b"',
        "chemical_formula_descriptive CONTAINS _htc_family",
        "elements HAS _htc_family",
    ],
)
def test_what_is_optional_and_not_there_is_said(served: Any, text: str) -> None:
    assert served.refused("/structures", 501, filter=text)["code"] == "not-implemented"


@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE structures; --", "Al' OR '1'='1", "%", "_", "\\\\", "$1", ":a", "%(a)s",
        "Ü☃\U0001f600", "{}", "a'::text",
    ],
)  # fmt: skip
def test_values_are_only_ever_values(served: Any, value: str) -> None:
    quoted = value.replace('"', '\\"')
    for name in ("id", "chemical_formula_descriptive", "chemical_formula_reduced", "_htc_family"):
        for operator in ("=", "CONTAINS", "STARTS WITH", "ENDS WITH", ">"):
            assert served.get("/structures", filter=f'{name} {operator} "{quoted}"').status_code == 200
    assert served.found(f'elements HAS "{quoted}"') == []
    assert served.found(f'elements:elements_ratios HAS "{quoted}":1') == []
    assert set(served.found("")) == ALL


def test_a_formula_written_another_way_is_pointed_out(served: Any) -> None:
    meta = served.get("/structures", filter='chemical_formula_reduced="MgB2"').json()["meta"]
    assert meta["data_returned"] == 0
    (warning,) = meta["warnings"]
    assert warning["type"] == "warning"
    assert "B2Mg" in warning["detail"]


def test_a_property_of_another_provider_is_unknown_with_a_warning(served: Any) -> None:
    meta = served.get("/structures", filter="_exmpl_gap > 2 OR nelements=1").json()["meta"]
    assert meta["data_returned"] == 1
    assert "_exmpl_gap" in meta["warnings"][0]["detail"]
