"""Entries as they are shown, page by page, and what is not shown."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from pymatgen.core import Lattice, Structure

from htc.prediction.record import Prediction
from htc.store import Database, bring_back, save, set_aside
from htc.store.tables import htc_predictions


def walk(served: Any, path: str = "/structures", **params: Any) -> list[dict[str, Any]]:
    """All entries of a list, by its links."""
    answer = served.get(path, **params)
    found: list[dict[str, Any]] = []
    for _ in range(100):
        assert answer.status_code == 200, answer.text
        document = answer.json()
        found += document["data"]
        link = document["links"]["next"]
        assert document["meta"]["more_data_available"] == (link is not None)
        assert "data_returned" in document["meta"]
        if link is None:
            break
        answer = served.client.get(link)
    return found


def test_an_entry_tells_the_crystal_and_its_tc(served: Any) -> None:
    (entry,) = served.get("/structures", filter='chemical_formula_reduced="B2Mg"').json()["data"]
    shown = entry["attributes"]
    assert entry["type"] == "structures"
    assert shown["elements"] == ["B", "Mg"]
    assert shown["elements_ratios"] == pytest.approx([2 / 3, 1 / 3])
    assert shown["chemical_formula_anonymous"] == "A2B"
    assert shown["dimension_types"] == [1, 1, 1]
    assert shown["nsites"] == len(shown["cartesian_site_positions"]) == len(shown["species_at_sites"]) == 3
    assert [one["name"] for one in shown["species"]] == list(dict.fromkeys(shown["species_at_sites"]))
    assert shown["_htc_tc_kelvin"] == 38.5
    assert (shown["_htc_tc_lower_95ci_kelvin"], shown["_htc_tc_upper_95ci_kelvin"]) == (19.25, 77.0)
    assert shown["_htc_phonon_verdict"] == "stable"
    assert shown["_htc_hull_distance_ev_per_atom"] == 0.0
    assert shown["_htc_model_id"] == "test-model"
    assert shown["_htc_family"] == "boride"
    assert shown["last_modified"].endswith("Z")
    related = entry["relationships"]["_htc_predictions"]["data"]
    assert related == [{"type": "_htc_predictions", "id": served.stored["MgB2"].id}]
    one = served.get(f"/structures/{entry['id']}").json()
    assert one["data"] == entry
    assert one["meta"]["more_data_available"] is False


def test_a_material_outside_the_theory_has_a_reason_and_no_tc(served: Any) -> None:
    (entry,) = served.get("/structures", filter="_htc_applicable=FALSE").json()["data"]
    assert entry["attributes"]["_htc_tc_kelvin"] is None
    assert entry["attributes"]["_htc_reason"] == "a cuprate"


def test_every_property_has_a_description_and_each_number_a_unit(served: Any) -> None:
    for kind in ("structures", "_htc_predictions"):
        data = served.get(f"/info/{kind}").json()["data"]
        (entry, *_) = served.get(f"/{kind}").json()["data"]
        assert set(data["properties"]) == {"id", "type", *entry["attributes"]}
        for name, told in data["properties"].items():
            assert len(told["description"]) > 10
            if name.startswith("_htc_") and told["type"] in {"float", "integer"}:
                assert told["unit"], name


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize(
    "sort",
    [
        "", "-id", "-_htc_tc_kelvin", "_htc_tc_kelvin", "nelements,-_htc_tc_kelvin",
        "-_htc_phonon_verdict,id",
        "-last_modified,nsites", "_htc_imaginary_modes_count,_htc_phonon_stable",
    ],
)  # fmt: skip
def test_pages_hold_every_entry_once_and_in_order(served: Any, sort: str, size: int) -> None:
    entries = walk(served, page_limit=size, sort=sort)
    assert len(entries) == len({e["id"] for e in entries}) == len(served.stored)
    names = [n for n in sort.split(",") if n] or ["id"]

    def value(entry: dict[str, Any], name: str) -> Any:
        return entry["id"] if name == "id" else entry["attributes"][name]

    for one, other in itertools.pairwise(entries):
        for name in names:
            left, right = value(one, name.lstrip("-")), value(other, name.lstrip("-"))
            if left == right:
                continue
            # Entries without the property come last, whatever the direction.
            assert right is None or (left is not None and (left > right) == name.startswith("-")), (
                name,
                left,
                right,
            )
            break


def test_pages_can_be_asked_for_by_number_and_by_id(served: Any) -> None:
    ids = [e["id"] for e in walk(served)]

    def page(**params: Any) -> list[str]:
        return [e["id"] for e in served.get("/structures", page_limit=2, **params).json()["data"]]

    assert page(page_offset=3) == ids[3:5]
    assert page(page_number=2) == ids[2:4]
    assert page(page_above=ids[1]) == ids[2:4]
    assert page(page_offset=0) == ids[:2]
    assert page(page_offset=3, sort="-id") == ids[::-1][3:5]
    by_tc = [e["id"] for e in walk(served, sort="-_htc_tc_kelvin")]
    assert page(page_offset=4, sort="-_htc_tc_kelvin") == by_tc[4:]


def test_counts_stand_on_every_page(served: Any) -> None:
    document = served.get("/structures", filter="nelements=2", page_limit=3).json()
    assert document["meta"]["data_returned"] == 4
    assert served.client.get(document["links"]["next"]).json()["meta"]["data_returned"] == 4


def test_only_the_fields_asked_for_come(served: Any) -> None:
    (entry,) = served.get(
        "/structures", filter="nelements=1", response_fields="nsites,_htc_tc_kelvin,chemical_formula_hill"
    ).json()["data"]
    assert entry["attributes"] == {"nsites": 4, "_htc_tc_kelvin": 1.2, "chemical_formula_hill": None}
    answer = served.get("/structures", filter="nelements=1", response_fields="_exmpl_x,id").json()
    assert answer["data"][0]["attributes"] == {"_exmpl_x": None}
    assert "_exmpl_x" in answer["meta"]["warnings"][0]["detail"]


@pytest.mark.parametrize(
    ("params", "status", "parameter", "part"),
    [
        ({"page_limit": 501}, 403, "page_limit", "500"),
        ({"page_limit": 0}, 400, "page_limit", "1 or more"),
        ({"page_limit": "many"}, 400, "page_limit", "integer"),
        ({"page_limit": "²"}, 400, "page_limit", "integer"),
        ({"page_offset": -1}, 400, "page_offset", "integer"),
        ({"page_offset": 100_000}, 400, "page_offset", "links.next"),
        ({"page_number": 0}, 400, "page_number", "integer"),
        ({"page_number": 2, "page_offset": 2}, 400, "page_number", "exclude"),
        ({"page_below": "x"}, 501, "page_below", "forwards"),
        ({"page_above": "x", "sort": "nsites"}, 400, "page_above", "ids"),
        ({"page_cursor": "x"}, 400, "o", ""),
        ({"sort": "lattice_vectors"}, 400, "sort", "sorted"),
        ({"sort": "nsites,-nsites"}, 400, "sort", "twice"),
        ({"sort": "crazyfield"}, 400, "sort", "sorted"),
        ({"response_fields": "crazyfield"}, 400, "response_fields", "crazyfield"),
        ({"response_fields": "_htc_tc_kelvn,"}, 400, "response_fields", "no property"),
        ({"response_format": "xml"}, 400, "response_format", "json"),
        ({"include": "authors"}, 400, "include", "authors"),
        ({"filtr": "nsites=1"}, 400, "filtr", "did you mean filter"),
        ({"_htc_x": "1"}, 400, "_htc_x", ""),
    ],
)
def test_what_is_wrong_with_a_parameter_is_said(
    served: Any, params: dict[str, Any], status: int, parameter: str, part: str
) -> None:
    error = served.refused("/structures", status, **params)
    assert part in error["detail"]
    if parameter != "o":
        assert error["source"] == {"parameter": parameter}


def test_parameters_of_other_providers_are_passed_over_with_a_warning(served: Any) -> None:
    answer = served.get("/structures", _exmpl_y="1", email_address="a@example.org", include="references")
    assert answer.status_code == 200
    assert "_exmpl_y" in answer.json()["meta"]["warnings"][0]["detail"]
    twice = served.client.get("/optimade/v1/structures?sort=id&sort=id")
    assert (twice.status_code, twice.json()["errors"][0]["source"]) == (400, {"parameter": "sort"})


def test_a_damaged_place_or_one_of_another_order_is_refused(served: Any) -> None:
    from urllib.parse import parse_qs, urlsplit

    link = served.get("/structures", sort="-_htc_tc_kelvin", page_limit=2).json()["links"]["next"]
    cursor = parse_qs(urlsplit(link).query)["page_cursor"][0]
    served.refused("/structures", 400, sort="_htc_tc_kelvin", page_cursor=cursor)
    served.refused("/structures", 400, page_cursor=cursor)
    served.refused("/structures", 400, sort="-_htc_tc_kelvin", page_cursor=cursor[:-6])
    from htc.store.cursors import pack

    for values in (["a", "b"], [1.0], [True, "b"], [None, None], [1.0, "a\0"], [1e400, "a"], [[], "b"]):
        served.refused(
            "/structures", 400, sort="-_htc_tc_kelvin", page_cursor=pack("o", "-_htc_tc_kelvin,id", values)
        )


def test_what_is_not_there_is_said(served: Any) -> None:
    for path in (
        "/structures/" + "0" * 64,
        "/structures/x%00y",
        "/references",
        "/info/references",
        "/versions",
        "/x",
    ):
        served.refused(path, 404)


def test_versions_and_hints(served: Any) -> None:
    versions = served.client.get("/optimade/versions")
    assert (versions.text, versions.status_code) == ("version\n1\n", 200)
    for path in ("/optimade", "/optimade/", "/optimade/info", "/optimade/v1.2/info", "/optimade/v1/info/"):
        assert served.client.get(path).json()["data"]["attributes"]["api_version"] == "1.2.0"
    for path in ("/optimade/v2/info", "/optimade/v1.9/structures", "/optimade/info?api_hint=v2"):
        answer = served.client.get(path)
        assert answer.status_code == 553
        assert answer.json()["errors"][0]["title"] == "Version Not Supported"
    assert served.client.get("/optimade/info?api_hint=v1.1").status_code == 200
    assert served.client.get("/optimade/info?api_hint=1").status_code == 400
    assert served.client.post("/optimade/v1/structures").status_code == 405


def test_predictions_are_entries_too(served: Any) -> None:
    entries = walk(served, "/_htc_predictions", sort="-_htc_tc_kelvin", page_limit=2)
    assert [e["attributes"]["_htc_formula"] for e in entries][:2] == ["LaH10", "MgB2"]
    (entry,) = walk(served, "/_htc_predictions", filter='_htc_elements HAS ALL "Nb","Sn"')
    assert entry["id"] == served.stored["Nb3Sn"].id
    (link,) = entry["relationships"]["structures"]["data"]
    structure = served.get(f"/structures/{link['id']}").json()["data"]
    assert structure["attributes"]["chemical_formula_reduced"] == "Nb3Sn"
    assert served.get(f"/_htc_predictions/{entry['id']}").json()["data"] == entry


def test_the_best_prediction_counts(
    database: Database, serving: Callable[..., Any], make: Callable[..., Prediction]
) -> None:
    def best(served: Any) -> float:
        (entry,) = served.get("/structures").json()["data"]
        return entry["attributes"]["_htc_tc_kelvin"]

    with serving(database) as served:
        assert served.get("/structures").json()["data"] == []
        (old,) = save(database, [make(1, "MgB2.cif", tc_predicted=10.0, model_tier="best")])
        save(database, [make(2, "MgB2.cif", tc_predicted=20.0, model_tier="default")])
        assert best(served) == 10.0
        (new,) = save(database, [make(3, "MgB2.cif", tc_predicted=30.0, model_tier="best")])
        assert best(served) == 30.0
        assert served.found("_htc_tc_kelvin < 25") == []
        set_aside(database, [new.id])
        assert best(served) == 10.0
        assert served.found("_htc_tc_kelvin < 25") == ["MgB2"]
        set_aside(database, [old.id])
        assert best(served) == 20.0


def test_what_was_set_aside_is_hidden(
    database: Database, serving: Callable[..., Any], make: Callable[..., Prediction]
) -> None:
    (saved,) = save(database, [make(1, "MgB2.cif")])
    with serving(database) as served:
        (entry,) = served.get("/structures").json()["data"]
        set_aside(database, [saved.id])
        assert served.get("/structures").json()["meta"]["data_returned"] == 0
        assert served.found('elements HAS "B"') == []
        served.refused(f"/structures/{entry['id']}", 404)
        served.refused(f"/_htc_predictions/{saved.id}", 404)
        assert served.get("/_htc_predictions").json()["data"] == []
        bring_back(database, [saved.id])
        assert served.found('elements HAS "B"') == ["MgB2"]


@pytest.mark.parametrize(
    ("formula", "reduced", "anonymous", "ratios"),
    [
        ("O2", "O", "A", [1.0]),
        ("H2", "H", "A", [1.0]),
        ("Li2O2", "LiO", "AB", [0.5, 0.5]),
        ("Ca3P2O8", "Ca3O8P2", "A8B3C2", [3 / 13, 8 / 13, 2 / 13]),
        ("LiFePO4", "FeLiO4P", "A4BCD", [1 / 7, 1 / 7, 4 / 7, 1 / 7]),
        ("Al2S3O12", "Al2O12S3", "A12B3C2", [2 / 17, 12 / 17, 3 / 17]),
        ("N2H8", "H4N", "A4B", [0.8, 0.2]),
    ],
)
def test_formulas_are_rewritten_for_optimade(
    database: Database, serving: Callable[..., Any], make: Callable[..., Prediction],
    formula: str, reduced: str, anonymous: str, ratios: list[float],
) -> None:  # fmt: skip
    from pymatgen.core import Composition

    symbols = [e.symbol for e, n in Composition(formula).items() for _ in range(int(n))]
    shape = Structure(Lattice.cubic(9.0), symbols, [[i / len(symbols), 0, 0] for i in range(len(symbols))])
    save(database, [make(1, shape, reduced_formula=shape.composition.reduced_formula)])
    with serving(database) as served:
        for text in (
            f'chemical_formula_reduced="{reduced}"',
            f'chemical_formula_reduced CONTAINS "{reduced}"',
            f'chemical_formula_anonymous="{anonymous}"',
            f'chemical_formula_anonymous ENDS "{anonymous}"',
            f'chemical_formula_reduced >= "{reduced}" AND chemical_formula_reduced <= "{reduced}"',
        ):
            (entry,) = served.get("/structures", filter=text).json()["data"]
        shown = entry["attributes"]
        assert shown["chemical_formula_reduced"] == reduced
        assert shown["chemical_formula_anonymous"] == anonymous
        assert shown["elements_ratios"] == pytest.approx(ratios)
        # What was written before the anonymous formula was stored is found as well.
        with database.begin() as connection:
            connection.execute(sa.text("UPDATE structures SET anonymous_formula = NULL"))
        assert served.found(f'chemical_formula_anonymous="{anonymous}"')


def test_what_an_earlier_version_stored_badly_is_unknown_not_wrong(
    database: Database, serving: Callable[..., Any], make: Callable[..., Prediction]
) -> None:
    disordered = Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.4}], [[0, 0, 0]])
    bare = {"lattice": {"a": 3.1}, "sites": [{"label": "Mg"}, {"abc": ["x", 0, 0]}]}
    save(database, [make(1, disordered, reduced_formula="Nb0.5Ti0.4"), make(2, "MgB2.cif", structure=bare)])
    with database.begin() as connection:
        connection.execute(sa.update(htc_predictions).values(mu_star=None))
    with serving(database) as served:
        mixed = served.get("/structures", filter='structure_features HAS "disorder"').json()["data"]
        assert [e["attributes"]["chemical_formula_reduced"] for e in mixed] == [None]
        (species,) = mixed[0]["attributes"]["species"]
        assert species["chemical_symbols"] == ["Nb", "Ti", "vacancy"]
        assert species["concentration"] == pytest.approx([0.5, 0.4, 0.1])
        (plain,) = served.get("/structures", filter='NOT structure_features HAS "disorder"').json()["data"]
        for name in ("lattice_vectors", "cartesian_site_positions", "species", "species_at_sites"):
            assert plain["attributes"][name] is None
        assert served.found("elements_ratios IS UNKNOWN") == ["Nb0.5Ti0.4"]
        assert len(served.found("_htc_mu_star IS UNKNOWN")) == 2


def test_without_the_database_there_is_a_problem_and_it_is_brought_back(
    database: Database, serving: Callable[..., Any]
) -> None:
    with serving(database) as served:
        from htc.errors import DatabaseUnavailableError

        class Gone:
            def connect(self) -> None:
                raise DatabaseUnavailableError("the connection to the database was lost")

        served.host.database = Gone()
        answer = served.client.get("/optimade/v1/structures")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.json()["errors"][0]["code"] == "database-unavailable"
        for _ in range(200):  # the answer comes first
            if served.host.recovered:
                break
            time.sleep(0.01)
        assert served.host.recovered == 1
