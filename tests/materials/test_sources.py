"""Sources of structures, asked over real HTTP on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pymatgen.core import Lattice, Structure

from htc.errors import SettingsError, SourceUnavailableError
from htc.materials.sources import (
    LibrarySource,
    MaterialsProjectSource,
    OptimadeSource,
    StructureSource,
    optimade_formula,
)

Answer = tuple[int, str] | Callable[[str], tuple[int, str]]
KEY = "k" * 32


class Provider:
    """An HTTP server on this machine that answers as it is told and remembers the questions."""

    def __init__(self) -> None:
        self.answer: Answer = (200, "{}")
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.delay_s = 0.0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                provider.asked.append((parts.path, parse_qs(parts.query), dict(self.headers)))
                time.sleep(provider.delay_s)
                answer = provider.answer
                status, body = answer(self.path) if callable(answer) else answer
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.api+json")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


def row(number: int, a: float = 5.29, **extra: Any) -> dict[str, Any]:
    """One structure as OPTIMADE 1.1 writes it."""
    cell = Structure.from_spacegroup("Pm-3n", Lattice.cubic(a), ["Nb", "Sn"], [[0.25, 0, 0.5], [0, 0, 0]])
    return {
        "id": f"x-{number}",
        "type": "structures",
        "attributes": {
            "chemical_formula_reduced": "Nb3Sn",
            "lattice_vectors": cell.lattice.matrix.tolist(),
            "cartesian_site_positions": cell.cart_coords.tolist(),
            "species_at_sites": [site.specie.symbol for site in cell],
            "species": [{"name": s, "chemical_symbols": [s], "concentration": [1.0]} for s in ("Nb", "Sn")],
            "structure_features": [],
            **extra,
        },
    }


def page(*rows: dict[str, Any], following: Any = None) -> tuple[int, str]:
    meta = {"api_version": "1.1.0", "more_data_available": following is not None, "data_returned": len(rows)}
    return 200, json.dumps({"data": list(rows), "links": {"next": following}, "meta": meta})


def test_all_sources_follow_the_protocol() -> None:
    for source in (LibrarySource(), OptimadeSource("http://localhost"), MaterialsProjectSource(KEY)):
        assert isinstance(source, StructureSource)


def test_the_library_knows_pressure() -> None:
    (found,) = LibrarySource().find("H3S", 155.0)
    assert (found.origin, found.pressure_gpa) == ("library: H3S", 155.0)
    assert LibrarySource().find("H3S") == []


# -- OPTIMADE ------------------------------------------------------------------------------------------


def test_the_question_is_proper_optimade(provider: Provider) -> None:
    provider.answer = page(row(1))
    (found,) = OptimadeSource(provider.url + "/v1/").find("SnNb3")
    path, query, _ = provider.asked[0]
    assert path == "/v1/structures"
    assert query["filter"] == ['chemical_formula_reduced="Nb3Sn"']
    assert found.structure.composition.reduced_formula == "Nb3Sn"
    assert found.origin == f"optimade: {provider.url.removeprefix('http://')} x-1"
    assert found.note is None


def test_a_chemical_system_is_asked_for_in_what_every_provider_understands(provider: Provider) -> None:
    provider.answer = page(row(1, _x_energy_above_hull=0.2), row(2, _x_energy_above_hull=0.0))
    found = OptimadeSource(provider.url).find_system(["Sn", "Nb"])
    _, query, _ = provider.asked[0]
    assert query["filter"] == ['elements HAS ALL "Nb","Sn" AND nelements=2']
    assert [f.hull_distance_ev for f in found] == [0.0, 0.2]
    assert OptimadeSource(provider.url).find_system(["Nb"], 100.0) == []
    assert len(provider.asked) == 1


@pytest.mark.parametrize("key", ["_alexandria_hull_distance", "_exmpl_energy_above_hull", "_oqmd_stability"])
def test_the_most_stable_comes_first(provider: Provider, key: str) -> None:
    provider.answer = page(row(1, **{key: 0.3}), row(2, **{key: 0.0}), row(3, **{key: 0.1}))
    found = OptimadeSource(provider.url).find("Nb3Sn")
    assert [f.origin.rpartition(" ")[2] for f in found] == ["x-2", "x-3", "x-1"]
    assert found[0].hull_distance_ev == 0.0


def test_nested_fields_are_found(provider: Provider) -> None:
    provider.answer = page(
        row(1, _mp_stability={"gga_gga+u": {"energy_above_hull": 0.2}}),
        row(2, _mp_stability={"gga_gga+u": {"energy_above_hull": 0.01}}),
    )
    assert [f.hull_distance_ev for f in OptimadeSource(provider.url).find("Nb3Sn")] == [0.01, 0.2]


def test_ambiguity_is_said(provider: Provider) -> None:
    provider.answer = page(row(1), row(2, a=5.4))
    found = OptimadeSource(provider.url).find("Nb3Sn")
    assert [f.note for f in found] == ["one of 2 candidates; the provider gives no energies to choose by"] * 2


def test_pages_are_followed_up_to_a_limit_and_only_on_the_same_host(provider: Provider) -> None:
    provider.answer = lambda _: page(
        row(len(provider.asked)), following=f"{provider.url}/v1/structures?page=x"
    )
    found = OptimadeSource(provider.url, max_pages=3).find("Nb3Sn")
    assert len(provider.asked) == len(found) == 3
    assert "3 or more candidates" in (found[0].note or "")

    provider.asked.clear()
    provider.answer = page(row(1), following={"href": "http://192.0.2.1/elsewhere"})
    OptimadeSource(provider.url).find("Nb3Sn")
    assert len(provider.asked) == 1


def test_unsound_entries_are_left_out(provider: Provider) -> None:
    half = row(2)
    half["attributes"]["species"][0]["concentration"] = [0.5]
    cut = row(3)
    del cut["attributes"]["lattice_vectors"]
    close = row(4, a=0.5)
    provider.answer = page(row(1), half, cut, close)
    assert len(OptimadeSource(provider.url).find("Nb3Sn")) == 1


def test_nothing_known_is_no_error(provider: Provider) -> None:
    provider.answer = page()
    assert OptimadeSource(provider.url).find("Nb3Sn") == []


def test_what_cannot_be_there_is_not_asked(provider: Provider) -> None:
    source = OptimadeSource(provider.url)
    assert source.find("La1.8537Sr0.1463CuO4") == []
    assert source.find("H3S", 155.0) == []
    assert provider.asked == []


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (
            (400, json.dumps({"errors": [{"detail": "filter not understood"}]})),
            "HTTP 400: filter not understood",
        ),
        ((500, "oops"), "HTTP 500"),
        ((200, "<html>"), "did not answer with JSON"),
        ((200, "[]"), "no list 'data'"),
        ((200, '{"data": null}'), "no list 'data'"),
    ],
)
def test_a_provider_out_of_order(provider: Provider, answer: tuple[int, str], what: str) -> None:
    provider.answer = answer
    with pytest.raises(SourceUnavailableError) as caught:
        OptimadeSource(provider.url).find("Nb3Sn")
    assert what in caught.value.what
    assert "127.0.0.1" in (caught.value.where or "")


def test_a_provider_that_is_slow_or_gone(provider: Provider) -> None:
    provider.delay_s = 0.5
    with pytest.raises(SourceUnavailableError, match=r"no answer within 0\.05 s"):
        OptimadeSource(provider.url, timeout_s=0.05).find("Nb3Sn")
    with pytest.raises(SourceUnavailableError, match="cannot be reached"):
        OptimadeSource("http://127.0.0.1:1").find("Nb3Sn")


@pytest.mark.parametrize("url", ["", "optimade.example.org", "file:///etc/passwd", "http://"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SettingsError, match="not the address"):
        OptimadeSource(url)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("MgB2", "B2Mg"),
        ("Nb6Sn2", "Nb3Sn"),
        ("Nb0.75Sn0.25", "Nb3Sn"),
        ("O2", "O"),
        ("La1.8537Sr0.1463CuO4", None),
    ],
)
def test_formulas_as_optimade_writes_them(formula: str, expected: str | None) -> None:
    assert optimade_formula(formula) == expected


# -- Materials Project ---------------------------------------------------------------------------------


def mp_row(number: int, hull: float) -> dict[str, Any]:
    cell = Structure(Lattice.cubic(3.3), ["Nb", "Nb"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return {
        "material_id": f"mp-{number}",
        "structure": cell.as_dict(),
        "energy_above_hull": hull,
        "energy_per_atom": -10.0,
    }


def test_the_materials_project_is_asked_with_the_key(provider: Provider) -> None:
    provider.answer = (200, json.dumps({"data": [mp_row(1, 0.2), mp_row(2, 0.0)]}))
    found = MaterialsProjectSource(KEY, base_url=provider.url).find("Nb")
    path, query, headers = provider.asked[0]
    assert path == "/materials/summary/"
    assert query["formula"] == ["Nb"]
    assert headers["X-API-KEY"] == KEY
    assert [f.origin for f in found] == ["materials-project: mp-2", "materials-project: mp-1"]
    assert found[0].hull_distance_ev == 0.0
    MaterialsProjectSource(KEY, base_url=provider.url).find_system(["Mg", "B"])
    assert provider.asked[1][1]["chemsys"] == ["B-Mg"]


def test_a_refused_key_is_a_matter_of_settings_and_is_not_shown(provider: Provider) -> None:
    provider.answer = (403, "{}")
    with pytest.raises(SettingsError, match="refuses the API key") as caught:
        MaterialsProjectSource(KEY, base_url=provider.url).find("Nb")
    assert KEY not in str(caught.value)
    with pytest.raises(SettingsError, match="does not look like one"):
        MaterialsProjectSource("short")


@pytest.mark.parametrize("answer", [(500, ""), (200, "nonsense"), (200, "{}")])
def test_the_materials_project_out_of_order(provider: Provider, answer: tuple[int, str]) -> None:
    provider.answer = answer
    with pytest.raises(SourceUnavailableError):
        MaterialsProjectSource(KEY, base_url=provider.url).find("Nb")


def test_the_materials_project_is_searched_page_by_page(provider: Provider) -> None:
    def page(path: str) -> tuple[int, str]:
        asked = parse_qs(urlsplit(path).query)
        start, n = int(asked["_skip"][0]), int(asked["_limit"][0])
        rows = [mp_row(i, 0.0) for i in range(start, min(start + n, 501))]
        # All but two without their crystals, which would be slow to read.
        for one in rows[1:]:
            del one["structure"]
        return 200, json.dumps({"data": rows})

    provider.answer = page
    found = MaterialsProjectSource(KEY, base_url=provider.url).select({"chemsys": "Nb-N"}, 1000)
    assert len(found) == 2
    assert [asked["_skip"] for _, asked, _ in provider.asked] == [["0"], ["500"]]
    assert provider.asked[0][1]["chemsys"] == ["Nb-N"]
