"""The pages as a client without scripts gets them: rows, filters, files, errors, hostile text."""

from __future__ import annotations

import csv
import gzip
import html
import io
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from htc.prediction.record import Prediction
from htc.service.pages import assets
from htc.service.pages.desk import read_wish
from htc.store import Database, save

Maker = Callable[..., Prediction]


def texts(page: str) -> list[str]:
    """Formulas of the rows of a ranking, without their markup."""
    rows = re.findall(r'<th scope="row"><a [^>]*>(.*?)</a></th>', page)
    return [html.unescape(re.sub(r"<[^>]+>", "", row)) for row in rows]


def many(database: Database, make: Maker, n: int, **changes: Any) -> None:
    rows = [
        make(i, tc_predicted=1.0 + 0.1 * i, tc_lower_95ci=0.5, tc_upper_95ci=30.0, **changes)
        for i in range(n)
    ]
    save(database, rows, created_by="me")


def test_the_ranking_can_be_read_and_paged_without_scripts(
    client: httpx.Client, database: Database, make_prediction: Maker
) -> None:
    many(database, make_prediction, 120)
    seen, address = 0, "/"
    for _ in range(5):
        page = client.get(address).text
        seen += len(texts(page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        address = html.unescape(following[1])
    assert seen == 120


def test_rows_alone_are_a_part_of_the_page(
    client: httpx.Client, database: Database, make_prediction: Maker
) -> None:
    many(database, make_prediction, 3)
    part = client.get("/?q=MgB2", headers={"X-Part": "rows"})
    assert texts(part.text) == ["MgB2"] * 3
    assert "<header" not in part.text
    assert "X-Part" in part.headers["vary"]


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        ("Nb", {"elements": ("Nb",)}, "with Nb"),
        ("Nb Sn", {"elements": ("Nb", "Sn")}, "with Nb, Sn"),
        ("Nb-Sn", {"elements": ("Nb", "Sn"), "only": ("Nb", "Sn")}, "system Nb–Sn"),
        ("SnNb3", {"formula": "Nb3Sn"}, "formula Nb3Sn"),
        ("borides", {"family": "boride"}, "family boride"),
        ("a15", {"family": "A15"}, "family A15"),
        ("NbN", {"formula": "NbN"}, "formula NbN"),
    ],
)
def test_a_search_text_is_taken_as_what_it_is(text: str, given: dict[str, Any], words: str) -> None:
    wish = read_wish({"q": text})
    assert wish.filters.given == given
    assert wish.understood == words


def test_filters_that_cannot_be_used_are_told(client: httpx.Client) -> None:
    for query, says in (
        ("q=nothing+like+it", "formula"),
        ("min_tc_predicted=warm", "is not a number"),
        ("min_tc_predicted=9&max_tc_predicted=3", "nothing lies between"),
        ("phonon_stable=maybe", "neither true nor false"),
        ("elements=Nb&without=Nb", "cannot be both"),
        ("elements=Qq", "no element"),
        ("model_tier=magic", "no tier"),
    ):
        answer = client.get(f"/?{query}")
        assert answer.status_code == 422, query
        assert says in html.unescape(answer.text)
        assert "Traceback" not in answer.text


def test_text_of_others_never_becomes_markup(
    client: httpx.Client, database: Database, make_prediction: Maker
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    (saved,) = save(
        database,
        [
            make_prediction(
                0,
                reduced_formula=evil,
                family=evil,
                source=evil,
                prediction_method=evil,
                structure_origin=evil,
            )
        ],
        created_by=evil,
    )
    assert "<img" not in client.get("/").text
    told = client.get(f"/?q={saved.id}")
    assert "<img" not in told.text
    (kind,) = save(database, [make_prediction(1, structure_origin=evil, source=evil)], created_by=evil)
    page = client.get(f"/materials/MgB2?prediction={kind.id}")
    assert page.status_code == 200
    assert "<img" not in page.text
    assert "&lt;img" in page.text


def test_a_material_is_shown_under_its_reduced_formula(
    client: httpx.Client, database: Database, make_prediction: Maker
) -> None:
    (saved,) = save(database, [make_prediction(0)], created_by="me")
    moved = client.get("/materials/B2Mg")
    assert (moved.status_code, moved.headers["location"]) == (303, "/materials/MgB2")
    page = client.get("/materials/MgB2").text
    assert saved.id in page
    assert "30.0" in page
    assert client.get(f"/?q={saved.id[:12]}").headers["location"] == f"/materials/MgB2?prediction={saved.id}"


def test_a_material_nobody_asked_about_can_be_predicted_from_its_page(client: httpx.Client) -> None:
    answer = client.get("/materials/Zr3Hf", follow_redirects=True)
    assert answer.status_code == 404
    assert "Nothing is stored" in answer.text
    assert client.get("/materials/Nb3Sn").status_code == 200, "the library has measured values"


def test_errors_of_pages_are_pages(client: httpx.Client, database: Database, make_prediction: Maker) -> None:
    save(database, [make_prediction(0)], created_by="me")
    for path, status in (
        ("/materials/Xx9", 422),
        ("/materials/MgB2?prediction=0000aaaa-0000", 404),
        ("/?after=junk", 404),
        ("/?q=00000000", 404),
    ):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert answer.headers["content-type"].startswith("text/html")
        assert "<h1>" in answer.text


def test_the_ranking_as_csv_has_units_and_no_formulas_of_a_spreadsheet(
    client: httpx.Client, database: Database, make_prediction: Maker
) -> None:
    many(database, make_prediction, 7, source="=HYPERLINK(1)")
    answer = client.get("/rankings.csv?min_tc_predicted=1.35")
    assert answer.headers["content-disposition"] == 'attachment; filename="ranking.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 3
    assert float(rows[0]["tc_predicted_K"]) == pytest.approx(1.6)
    assert rows[0]["source"] == "'=HYPERLINK(1)"
    assert client.get("/rankings.csv?min_tc_predicted=x").status_code == 422


def test_files_are_kept_for_good_under_their_version(client: httpx.Client) -> None:
    address = assets().url("js/desk.js")
    first = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert plain.content == first.content
    again = client.get("/static/js/desk.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
    assert client.get("/static/0000000000000000/js/desk.js").headers["cache-control"] == "no-cache"
    for path in ("/static/nothing.js", "/static/../assets.py", "/static/..%2fassets.py"):
        assert client.get(path).status_code == 404


def test_pages_are_compressed_and_carry_no_inline_script(client: httpx.Client) -> None:
    with client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    page = gzip.decompress(raw).decode()
    assert len(raw) < len(page) / 3
    for script in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL):
        assert script == ""
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page)
    assert "//cdn" not in page


def test_every_method_of_a_prediction_side_by_side(
    client: httpx.Client, database: Database, make_prediction: Maker
) -> None:
    (saved,) = save(database, [make_prediction(0, omega_2_uncertainty=30.0)], created_by="me")
    answer = client.get(f"/api/htc/predictions/{saved.id}/methods").json()
    assert answer["spectrum_origin"] == "formed"
    found = {(row["method"], row["convention"], row["mu_star"]): row for row in answer["rows"]}
    assert {mu_star for _, _, mu_star in found} == {0.10, 0.13}
    assert {name for name, _, _ in found} == {
        "exponential", "allen_dynes_f1", "allen_dynes", "xie_2022", "eliashberg",
    }  # fmt: skip
    for (_, _, mu_star), row in found.items():
        assert row["tc_kelvin"] > 5.0
        if mu_star == 0.13:
            stronger = found[row["method"], row["convention"], 0.10]
            assert row["tc_kelvin"] < stronger["tc_kelvin"]
    formula = found["allen_dynes", None, 0.10]
    assert formula["tc_lower_95ci"] < formula["tc_kelvin"] < formula["tc_upper_95ci"]
    quick = client.get(f"/api/htc/predictions/{saved.id}/methods?eliashberg=false").json()
    assert all(row["convention"] is None for row in quick["rows"])
    refused = make_prediction(1, applicable=False, reason="a cuprate", tc_predicted=None, lambda_ep=None,
                              omega_log=None, tc_lower_95ci=None, tc_upper_95ci=None)  # fmt: skip
    (none,) = save(database, [refused], created_by="me")
    assert client.get(f"/api/htc/predictions/{none.id}/methods").json()["rows"] == []
    assert "a cuprate" in client.get(f"/materials/MgB2?prediction={none.id}").text
