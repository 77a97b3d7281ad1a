"""The API by its own client, over real HTTP and a real database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from htc.client import Client
from htc.errors import (
    FormulaError,
    InputError,
    NotFoundError,
    SourceUnavailableError,
    SpectrumError,
    StructureError,
)
from htc.examples import examples
from htc.materials.library import structures_for
from htc.service.schemas import BatchLine
from htc.spectra import read_spectra
from htc.store import Database, get, set_aside
from htc.theory import FORMULAS, critical_temperature


@pytest.fixture
def htc(client: httpx.Client) -> Iterator[Client]:
    with Client(str(client.base_url), retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def nb3sn() -> str:
    return structures_for("Nb3Sn")[0].structure.to(fmt="cif")


def example_text(kind: str, name: str) -> str:
    with examples() as found:
        return next(e.path for e in found if e.kind == kind and name in e.path.name).read_text("utf-8")


def count(database: Database, table: str) -> int:
    with database.connect() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_a_crystal_is_predicted_once_however_it_is_written(
    htc: Client, database: Database, nb3sn: str
) -> None:
    first = htc.predict(structure=nb3sn)
    assert first.structure_origin == "given"
    assert first.reduced_formula == "Nb3Sn"
    assert first.tc_predicted is not None
    poscar = structures_for("Nb3Sn")[0].structure.to(fmt="poscar")
    assert htc.predict(structure=poscar, structure_format="poscar").id == first.id
    assert first.structure_hash is not None
    for known in (first.structure_hash, first.id, first.bete_run_id):
        assert htc.predict(structure_id=known).id == first.id
    assert htc.predict(structure=nb3sn, mu_star=0.2).id != first.id
    assert count(database, "htc_predictions") == 2
    assert count(database, "structures") == 1


def test_a_prediction_set_aside_comes_back_when_it_is_asked_again(htc: Client, database: Database) -> None:
    first = htc.predict("NbC")
    set_aside(database, [first.id])
    assert htc.prediction(first.id).deleted_at is not None
    again = htc.predict("NbC")
    assert (again.id, again.deleted_at) == (first.id, None)


def test_a_crystal_given_later_speaks_for_its_formula(htc: Client) -> None:
    # No crystal of it is known: the composition alone speaks.
    before = htc.predict("Nb7Ti")
    assert before.structure_origin is None
    cell = structures_for("Nb")[0].structure
    cell.make_supercell([2, 2, 1])
    cell.replace(0, "Ti")
    given = htc.predict(structure=cell.to(fmt="cif"))
    assert given.reduced_formula == before.reduced_formula
    assert htc.predict("Nb7Ti").id == given.id


def test_concurrent_questions_are_stored_once_each(htc: Client, database: Database) -> None:
    formulas = ["MgB2", "NbC", "NbN", "Nb3Sn", "V3Si", "YBa2Cu3O7", "Nb", "Pb"] * 2
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(htc.predict, formulas))
    assert len({a.id for a in answers}) == 8
    assert [a.reduced_formula for a in answers[:8]] == [a.reduced_formula for a in answers[8:16]]
    assert count(database, "htc_predictions") == 8


def test_one_bad_question_spoils_no_other(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from htc.models.ensemble import EnsembleModel

    sound = EnsembleModel.predict_structures

    def touchy(self: Any, structures: Any, source: Any = None) -> Any:
        if any("Pb" in s.structure.composition for s in structures):
            raise ArithmeticError("a fault")
        return sound(self, structures, source)

    monkeypatch.setattr(EnsembleModel, "predict_structures", touchy)
    body = {"items": [{"composition": c} for c in ("Nb", "Pb", "V")]}
    lines = [
        BatchLine.model_validate_json(line)
        for line in client.post("/api/htc/predict/batch", json=body).text.splitlines()
    ]
    assert [line.prediction is not None for line in lines] == [True, False, True]
    assert lines[1].problem is not None
    assert (lines[1].problem.code, lines[1].problem.status) == ("internal", 500)
    assert "fault" not in lines[1].problem.detail.replace("a fault of the program", "")


def test_exactly_one_way_to_name_a_material(htc: Client) -> None:
    with pytest.raises(InputError, match="one of them is required"):
        htc.predict()
    with pytest.raises(InputError, match="exactly one") as caught:
        htc.predict("Nb", structure_id="x" * 64)
    assert caught.value.where == "composition, structure_id"


def test_errors_come_back_as_what_they_were(htc: Client) -> None:
    with pytest.raises(FormulaError, match="not an element"):
        htc.predict("Mg2B?")
    with pytest.raises(StructureError, match="known format"):
        htc.predict(structure="nothing of a crystal")
    with pytest.raises(NotFoundError):
        htc.predict(structure_id="0" * 64)
    with pytest.raises(NotFoundError):
        htc.prediction("ffffffff-0000-0000-0000-000000000000")
    with pytest.raises(NotFoundError):
        htc.bete_run("no uuid")
    with pytest.raises(NotFoundError, match="nothing is known"):
        htc.material("Xe3Au")
    with pytest.raises(InputError, match="too short"):
        htc.prediction("ab")


def test_a_service_that_is_not_there_is_said_to_be(unused_port: int) -> None:
    with (
        Client(f"http://127.0.0.1:{unused_port}", retries=0) as nobody,
        pytest.raises(SourceUnavailableError, match="cannot be reached") as caught,
    ):
        nobody.health()
    assert "htc serve" in (caught.value.hint or "")


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_batch_is_answered_line_by_line_in_order(htc: Client, database: Database, nb3sn: str) -> None:
    items: list[Any] = ["MgB2", {"composition": "nonsense", "label": "bad"}, {"structure": nb3sn}]
    items += [{"composition": "Nb", "mu_star": round(0.08 + 0.001 * i, 4)} for i in range(40)]
    items += [{"structure_id": "nowhere"}, "YBa2Cu3O7", {"composition": "H3S", "pressure_gpa": 155.0}]
    lines = list(htc.predict_batch(items, mu_star=0.1, label="a wire"))
    assert [line.index for line in lines] == list(range(len(items)))
    assert [i for i, line in enumerate(lines) if line.problem is not None] == [1, 43]
    assert lines[1].label == "bad"
    assert lines[1].problem is not None
    assert lines[1].problem.code == "invalid-formula"
    assert all((line.prediction is None) != (line.problem is None) for line in lines)
    found = [line.prediction for line in lines]
    assert found[0] is not None
    assert found[0].mu_star == 0.1
    tcs = [p.tc_predicted for p in found[3:43] if p is not None]
    assert tcs == sorted(tcs, reverse=True)
    assert found[45] is not None
    assert found[45].pressure_required_gpa == 155.0
    runs = {p.experiment_id for p in found if p is not None}
    assert len(runs) == 1
    with database.connect() as connection:
        run = connection.execute(sa.text("SELECT kind, label, status FROM runs")).one()
    assert tuple(run) == ("batch", "a wire", "finished")
    assert count(database, "htc_predictions") == 44


def test_a_batch_has_bounds(client: httpx.Client) -> None:
    for items in ([], [{"composition": "Nb"}] * 1001):
        answer = client.post("/api/htc/predict/batch", json={"items": items})
        assert answer.status_code == 422
        assert answer.json()["where"] == "items"


def test_other_requests_come_in_between_the_items_of_a_batch(htc: Client) -> None:
    items = [{"composition": "Nb3Sn", "mu_star": round(0.05 + 0.0002 * i, 5)} for i in range(96)]
    with ThreadPoolExecutor(1) as pool:
        batch = pool.submit(lambda: [line.index for line in htc.predict_batch(items)])
        between = 0
        while not batch.done():
            htc.predict("Pb", mu_star=round(0.05 + 0.001 * between, 4))
            assert htc.health().status == "ok"
            between += 1
            time.sleep(0.01)
        assert batch.result() == list(range(96))
    assert between > 1


def test_the_detail_of_a_prediction_has_crystal_spectrum_and_provenance(
    htc: Client, database: Database
) -> None:
    crystal = structures_for("MgB2")[0].structure.to(fmt="cif")
    found = htc.bete_predict(crystal)
    detail = htc.prediction(found.prediction.id)
    stored = get(database, found.prediction.id)
    assert detail.structure == stored.prediction.structure
    assert detail.provenance == stored.prediction.provenance | {"spectrum": detail.provenance["spectrum"]}
    assert stored.prediction.spectrum is not None
    assert detail.spectrum is not None
    assert detail.spectrum.omega_mev == stored.prediction.spectrum.omega_mev.tolist()
    assert detail.spectrum.cumulative_lambda == pytest.approx(
        stored.prediction.spectrum.cumulative_lambda().tolist()
    )
    assert htc.prediction(found.prediction.id[:13]).id == detail.id
    assert found.run is not None
    assert found.run.spectrum_origin == "surrogate"
    assert found.run == htc.bete_run(found.run.id)
    assert found.run.prediction_id == found.prediction.id
    assert found.run.spectrum is not None
    assert found.run.spectrum.cumulative_lambda[-1] == pytest.approx(found.run.lambda_ep, rel=1e-3)


def test_a_refusal_has_no_electron_phonon_run(htc: Client) -> None:
    crystal = structures_for("YBa2Cu3O7")[0].structure.to(fmt="cif")
    found = htc.bete_predict(crystal)
    assert found.run is None
    assert found.prediction.applicable is False


def test_the_ranking_is_filtered_and_paged(htc: Client) -> None:
    for formula in ("MgB2", "NbC", "NbN", "Nb3Sn", "V3Si", "Nb", "Pb", "Al", "YBa2Cu3O7"):
        htc.predict(formula)
    rows = list(htc.each_ranked(page=3))
    assert len(rows) == 8
    tcs = [row.tc_predicted for row in rows]
    assert tcs == sorted(tcs, reverse=True)
    assert rows == htc.rankings(1000).rows
    assert {r.reduced_formula for r in htc.each_ranked(elements=["Nb"], without="N,C")} == {"Nb3Sn", "Nb"}
    assert {r.reduced_formula for r in htc.rankings(only="Nb,C").rows} == {"NbC", "Nb"}
    assert [r.reduced_formula for r in htc.rankings(formula="B4Mg2").rows] == ["MgB2"]
    assert all(r.tc_predicted >= 5.0 for r in htc.rankings(min_tc_predicted=5.0).rows)
    with pytest.raises(InputError, match="there is no element 'Zz'"):
        htc.rankings(elements="Zz")
    with pytest.raises(InputError, match="no place to go on from"):
        htc.rankings(after="t1.nonsense")
    with pytest.raises(InputError):
        htc.rankings(colour="red")


def test_the_ranking_by_formula_says_how_old_it_is(htc: Client, database: Database) -> None:
    from htc.store import refresh_rankings

    htc.predict("MgB2")
    htc.predict("MgB2", mu_star=0.1)
    htc.predict("Nb3Sn")
    refresh_rankings(database)
    page = htc.formula_rankings(1)
    assert page.refreshed_at is not None
    assert page.newer_rows == 0
    rest = htc.formula_rankings(5, after=page.next_cursor)
    assert {r.structure_formula: r.prediction_count for r in [*page.rows, *rest.rows]} == {
        "MgB2": 2,
        "Nb3Sn": 1,
    }
    assert rest.next_cursor is None


def test_a_material_gathers_what_is_known(htc: Client) -> None:
    known = htc.material("MgB2")
    assert (known.predictions, known.best, known.prediction_count) == ([], None, 0)
    assert known.references[0].tc_measured == pytest.approx(39.0, abs=1.0)
    assert known.references[0].sources
    first = htc.predict("MgB2")
    squeezed = htc.predict("MgB2", pressure_gpa=1.0)
    text = example_text("spectrum", "MgB2")
    measured = htc.spectrum(text, formula="MgB2", store=True, eliashberg=False).prediction
    assert measured is not None
    found = htc.material("B4Mg2")
    assert found.formula == "MgB2"
    assert found.elements == ["B", "Mg"]
    assert [p.id for p in found.predictions] == [measured.id, squeezed.id, first.id]
    assert found.best is not None
    assert found.best.id == measured.id
    assert [s.prediction_id for s in found.spectra] == [measured.id]
    assert {i for s in found.structures for i in s.prediction_ids} == {first.id, squeezed.id}
    assert found.structures[0].spacegroup_number == 191


def test_crystals_are_given_as_json_cif_and_poscar(htc: Client, nb3sn: str) -> None:
    answer = htc.predict(structure=nb3sn)
    assert answer.structure_hash is not None
    crystal = htc.structure(answer.structure_hash)
    assert (crystal.reduced_formula, crystal.nsites, crystal.spacegroup_number) == ("Nb3Sn", 8, 223)
    assert crystal.prediction_ids == [answer.id]
    assert crystal.cif is not None
    assert htc.structure_file(answer.structure_hash) == crystal.cif
    for fmt in ("cif", "poscar"):
        text = htc.structure_file(answer.structure_hash, fmt)
        assert htc.predict(structure=text, structure_format=fmt).id == answer.id


def test_models_and_their_cards(htc: Client) -> None:
    before = htc.models().models
    assert {m.model_tier for m in before} == {"default", "fast"}
    assert all(m.in_use and m.first_used_at is None for m in before)
    used = htc.predict("MgB2")
    assert used.model_id is not None
    card = htc.model(used.model_id)
    assert card.first_used_at is not None
    assert card.card["metrics"]
    with pytest.raises(NotFoundError):
        htc.model("another")


def test_a_spectrum_tells_everything(htc: Client, database: Database, tmp_path: Path) -> None:
    text = example_text("spectrum", "MgB2")
    file = tmp_path / "MgB2.a2f"
    file.write_text(text)
    spectra = read_spectra(file)
    answer = htc.spectrum(text, file_name="MgB2.a2f", mu_star=0.12)
    assert [s.label for s in answer.spectra] == [s.label for s in spectra]
    chosen = next(s for s in spectra if s.label == answer.chosen)
    assert answer.lambda_ep == pytest.approx(chosen.lambda_ep)
    assert answer.source == "MgB2.a2f"
    assert answer.spectrum.cumulative_lambda[-1] == pytest.approx(answer.lambda_ep)
    assert {f.method for f in answer.formulas} == set(FORMULAS)
    for formula in answer.formulas:
        assert formula.tc_kelvin == pytest.approx(critical_temperature(chosen, 0.12, formula.method).tc_k)
    (equations,) = answer.eliashberg
    assert equations.tc_kelvin == pytest.approx(critical_temperature(chosen, 0.12, "eliashberg").tc_k)
    assert equations.gap is not None
    assert equations.gap.ratio_2delta_ktc is not None
    assert equations.gap.ratio_2delta_ktc > 3.5
    assert answer.mu_star_scan is not None
    scan = answer.mu_star_scan
    for column in scan.tc_kelvin.values():
        assert len(column) == len(scan.mu_star)
    assert scan.tc_kelvin["eliashberg"][scan.mu_star.index(0.12)] == pytest.approx(equations.tc_kelvin)
    assert answer.prediction is None
    assert count(database, "htc_predictions") == 0


def test_a_file_is_uploaded_as_a_form(htc: Client, tmp_path: Path) -> None:
    file = tmp_path / "MgB2.a2f"
    file.write_text(example_text("spectrum", "MgB2"))
    wishes: dict[str, Any] = {"mu_star": 0.12, "eliashberg": False, "store": True, "formula": "MgB2"}
    uploaded = htc.spectrum_file(file, **wishes)
    assert uploaded == htc.spectrum(file.read_text(), file_name="MgB2.a2f", **wishes)
    assert uploaded.prediction is not None
    assert uploaded.prediction.spectrum_origin == "measured"
    for content, said in ((b"", "empty"), (b"CDF\x01rest", "netCDF"), (b"\x1f\x8brest\x00", "binary")):
        file.write_bytes(content)
        with pytest.raises(InputError, match=said):
            htc.spectrum_file(file)


def test_a_spectrum_as_arrays_and_its_conventions(htc: Client) -> None:
    omega = [0.5 * i for i in range(1, 61)]
    alpha2f = [max(0.0, 0.6 - abs(w - 18.0) / 20.0) for w in omega]
    answer = htc.spectrum(
        omega=omega, alpha2f=alpha2f, unit="meV", all_conventions=True, scan=False, gap=False
    )
    assert answer.format == "arrays"
    assert len({e.convention for e in answer.eliashberg}) == 5
    assert answer.eliashberg[0].convention == "asis"
    assert answer.eliashberg[0].gap is None
    assert answer.mu_star_scan is None
    in_thz = htc.spectrum(
        omega=[w / 4.135667696 for w in omega], alpha2f=alpha2f, unit="THz", eliashberg=False
    )
    assert in_thz.omega_log == pytest.approx(answer.omega_log, rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "required"),
        ({"text": "x", "omega": [1.0, 2.0]}, "either the text"),
        ({"omega": [1.0, 2.0], "alpha2f": [1.0, 1.0]}, "unit"),
        ({"omega": [1.0, 2.0, 3.0], "alpha2f": [1.0, 1.0], "unit": "meV"}, "3 frequencies but 2 values"),
        ({"omega": [2.0, 1.0], "alpha2f": [1.0, 1.0], "unit": "meV"}, "increase"),
        ({"text": "no numbers at all", "file_name": "../../etc/passwd"}, ""),
        ({"text": "1 2\n2 3\n", "store": True}, "without a formula"),
        ({"text": "1 2\n2 3\n"}, "unit"),
    ],
)
def test_what_is_no_spectrum_is_refused_with_the_reason(
    htc: Client, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        htc.spectrum(**fields)
    assert said in str(caught.value)
    assert "htc-spectrum-" not in str(caught.value), "the path of a file of ours"
    if "omega" in fields and "unit" in fields:
        assert isinstance(caught.value, SpectrumError)


def test_an_answer_holds_what_its_schema_says(htc: Client, client: httpx.Client, nb3sn: str) -> None:
    """Answers are made from rows without a check on the way out: here the two are held together."""
    htc.predict(structure=nb3sn)
    document = client.get("/openapi.json").json()
    prediction = client.post("/api/htc/predict", json={"composition": "Nb3Sn"}).json()
    asked = {
        "PredictionAnswer": prediction,
        "PredictionDetail": client.get(f"/api/htc/predictions/{prediction['id']}").json(),
        "RankedRow": client.get("/api/htc/rankings").json()["rows"][0],
        "Ranking": client.get("/api/htc/rankings").json(),
        "FormulaRanking": client.get("/api/htc/rankings/formulas").json(),
        "MaterialAnswer": client.get("/api/htc/materials/Nb3Sn").json(),
        "MaterialCrystal": client.get("/api/htc/materials/Nb3Sn").json()["structures"][0],
        "StructureAnswer": client.get(f"/api/htc/structures/{prediction['structure_hash']}").json(),
        "ModelList": client.get("/api/htc/models").json(),
        "BeteRun": client.get(f"/api/bete/runs/{prediction['bete_run_id']}").json(),
    }
    for name, body in asked.items():
        schema = document["components"]["schemas"][name]
        assert set(body) == set(schema["properties"]), name
        assert set(schema["required"]) == set(schema["properties"]), name
    assert json.dumps(prediction["created_at"]).endswith('Z"')


def test_a_run_from_its_start_to_its_end(
    htc: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from htc.jobs import Worker
    from htc.settings import Settings

    accepted = htc.screen({"formulas": ["MgB2", "YBa2Cu3O7", "nonsense"]}, label="three", tier="fast")
    assert accepted.state == "queued"
    worker = Worker(Settings(), database)
    try:
        while worker.work_once():
            pass
    finally:
        worker.close()
    names = [event.name for event in htc.events(accepted.run_id)]
    assert names[-1] == "end"
    items = list(htc.each_result(accepted.run_id, page=2))
    assert [item.state for item in items] == ["done", "done", "failed"]
    assert htc.run(accepted.run_id).state == "finished"
    assert htc.runs(5, kind="screen").rows[0].run_id == accepted.run_id
    assert htc.cancel(accepted.run_id).state == "finished"
