"""What 005 adds: crystals stored once, campaigns, models, rows set aside, elements."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.core.periodic_table import Element
from sqlalchemy import text

from htc.errors import InputError, NotFoundError, StoreError
from htc.store import (
    bring_back,
    finish_run,
    get,
    migrating,
    save,
    schema,
    set_aside,
    start_campaign,
    start_run,
    top,
)
from htc.store.bulk import export, export_everything
from htc.store.database import Database
from htc.store.doctor.freshness import check_freshness
from htc.store.ids import new_id
from htc.store.listing import list_runs
from htc.store.rankings import refresh_rankings, top_formulas
from htc.store.stats import stats
from htc.store.structures import UNREADABLE, describe_structures

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

Make = Callable[..., "Prediction"]

MGB2 = Structure(
    Lattice.hexagonal(3.086, 3.524), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
)
NB = Structure(Lattice([[-1.65, 1.65, 1.65], [1.65, -1.65, 1.65], [1.65, 1.65, -1.65]]), ["Nb"], [[0, 0, 0]])


def one(database: Database, query: str, **values: object) -> Any:
    with database.connect() as connection:
        return connection.execute(text(query), values).scalar_one()


def do(database: Database, statement: str, **values: object) -> None:
    with database.begin() as connection:
        connection.execute(text(statement), values)


def test_a_crystal_is_stored_once_however_often_it_is_predicted(
    database: Database, make_prediction: Make
) -> None:
    document = MGB2.as_dict()
    save(
        database,
        [
            make_prediction(i, structure=document, mu_star=0.1 + i / 100, provenance={"spacegroup": 191})
            for i in range(5)
        ],
    )
    with database.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM structures")).mappings().all()
    assert row["elements"] == ["B", "Mg"]
    assert (row["nelements"], row["nsites"], row["spacegroup_number"]) == (2, 3, 191)
    assert (row["reduced_formula"], row["anonymous_formula"]) == ("MgB2", "AB2")
    assert row["volume"] == pytest.approx(MGB2.volume)
    assert one(database, "SELECT count(DISTINCT structure_hash) FROM bete_runs") == 1
    assert one(database, "SELECT count(structure_json) FROM bete_runs") == 0
    stored = get(database, top(database, 1).rows[0].id)
    assert stored.elements == ("B", "Mg")
    assert Structure.from_dict(dict(stored.prediction.structure or {})) == MGB2


def test_a_client_of_the_003_shape_reads_the_crystal_too(database: Database, make_prediction: Make) -> None:
    save(database, [make_prediction(structure=NB.as_dict(), composition="Nb1", reduced_formula="Nb")])
    with database.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM bete_runs_v003")).mappings().all()
    assert " ".join(row) == (
        "id tc_kelvin structure_formula structure_json alpha2f_omega alpha2f_alpha2f lambda_ep omega_log"
        " mu_star input_hash run_type parent_batch_id created_at created_by"
    )
    assert Structure.from_dict(row["structure_json"]) == NB


def test_crystals_of_an_earlier_version_are_gathered_and_described(empty_database: Database) -> None:
    migrating.upgrade(empty_database, target="004_checks_runs_provenance")
    documents = [MGB2.as_dict(), MGB2.as_dict(), NB.as_dict(), {"sites": []}, {"a": 1}, "text", None]
    documents.append({"sites": [{"species": [{"element": "Nb", "occu": "many"}]}]})
    with empty_database.begin() as connection:
        for n, document in enumerate(documents):
            connection.execute(
                text(
                    "INSERT INTO bete_runs"
                    " (id, structure_formula, structure_json, tc_kelvin, input_hash, created_by)"
                    " VALUES (:id, 'X', :document, 5.0, :hash, 'me')"
                ),
                {"id": uuid.UUID(int=n), "document": json.dumps(document), "hash": str(n)},
            )
        connection.execute(
            text(
                "INSERT INTO bete_runs"
                " (id, structure_formula, structure_json, tc_kelvin, input_hash, created_by)"
                r""" VALUES (:id, 'X', '{"sites": [{"label": "\u0000"}]}', 5.0, 'nul', 'me')"""
            ),
            {"id": uuid.UUID(int=99)},
        )
    before = one(empty_database, "SELECT json_agg(structure_json ORDER BY id)::text FROM bete_runs")
    schema.upgrade(empty_database)
    assert one(empty_database, "SELECT json_agg(structure_json ORDER BY id)::text FROM bete_runs") == before
    with empty_database.connect() as connection:
        found = connection.execute(
            text(
                "SELECT anonymous_formula, spacegroup_number FROM structures"
                ' ORDER BY anonymous_formula COLLATE "C"'
            )
        ).all()
        links = (
            connection.execute(text("SELECT structure_hash IS NOT NULL FROM bete_runs ORDER BY id"))
            .scalars()
            .all()
        )
    assert [tuple(row) for row in found] == [(UNREADABLE, None), ("A", 229), ("AB2", 191)]
    assert links == [True, True, True, False, False, False, False, True, False]
    assert describe_structures(empty_database) == 0


VOLUMES = ("1e400", "1e-150")
ODD_DOCUMENTS = {
    "NUL": r'{"note": "a\u0000b"}',
    "half a pair": r'{"x": "\ud800", "structure": null}',
    "too large for jsonb": '{"x": 1e999999}',
    "too large to read": '{"x": 1e5000}',
    "nothing": "null",
    "a list": "[1]",
}


def test_documents_that_jsonb_cannot_hold_stay_as_they_are(empty_database: Database) -> None:
    migrating.upgrade(empty_database, target="003_htc_predictions")
    crystal = json.dumps(MGB2.as_dict())
    volumes = [json.dumps(MGB2.as_dict() | {"lattice": {"volume": "V"}}).replace('"V"', v) for v in VOLUMES]
    with empty_database.begin() as connection:
        for n, document in enumerate([*ODD_DOCUMENTS.values(), *volumes, crystal]):
            connection.execute(
                text(
                    "INSERT INTO bete_runs (id, structure_formula, structure_json, tc_kelvin, input_hash)"
                    " VALUES (:id, 'X', :document, 5.0, :hash)"
                ),
                {"id": uuid.UUID(int=n), "document": document, "hash": str(n)},
            )
        infos = [*ODD_DOCUMENTS.values(), *(f'{{"structure": {d}}}' for d in [*volumes, crystal])]
        for n, info in enumerate(infos):
            connection.execute(
                text(
                    "INSERT INTO htc_predictions (id, composition, reduced_formula, structure_info,"
                    " tc_predicted, tc_lower_95ci, tc_upper_95ci, tc_uncertainty, lambda_ep, omega_log,"
                    " mu_star, xi_parameter, confidence_level, extrapolation_warning)"
                    " VALUES (:id, 'MgB2', 'MgB2', :info, 5, 4, 6, 1, 1, 300, 0.1, 0.5, 'low', 'false')"
                ),
                {"id": f"prediction {n}", "info": info},
            )
    columns = {"bete_runs": "structure_json", "htc_predictions": "structure_info"}
    texts = {t: f"SELECT string_agg({c}::text, ' ' ORDER BY id) FROM {t}" for t, c in columns.items()}
    before = {table: one(empty_database, query) for table, query in texts.items()}
    for target in (schema.HEAD, "004_checks_runs_provenance", schema.HEAD):
        if target < schema.HEAD:
            schema.downgrade(empty_database, target)
        else:
            schema.upgrade(empty_database)
        assert {table: one(empty_database, query) for table, query in texts.items()} == before
    assert describe_structures(empty_database) == 0
    odd = len(ODD_DOCUMENTS) + 1
    for table in columns:
        query = f"SELECT array_agg(structure_hash IS NOT NULL ORDER BY id) FROM {table}"
        assert one(empty_database, query) == [False] * odd + [True, True], table
    assert one(empty_database, "SELECT count(volume) FROM structures") == 1
    for n in range(len(infos)):
        assert get(empty_database, f"prediction {n}").prediction.tc_predicted == 5


UNREADABLE_TIMES = ("infinity", "-infinity", "20000-01-01", "0044-03-15 BC")


def test_times_that_no_program_can_read_stop_nothing(empty_database: Database, tmp_path: Path) -> None:
    migrating.upgrade(empty_database, target="003_htc_predictions")
    for n, moment in enumerate(UNREADABLE_TIMES):
        do(
            empty_database,
            "INSERT INTO bete_runs (id, structure_formula, tc_kelvin, input_hash, created_at, created_by)"
            " VALUES (:id, 'X', 5.0, :hash, :moment, 'me')",
            id=uuid.UUID(int=n),
            hash=str(n),
            moment=moment,
        )
        do(
            empty_database,
            "INSERT INTO htc_predictions (id, composition, reduced_formula, tc_predicted, tc_lower_95ci,"
            " tc_upper_95ci, tc_uncertainty, lambda_ep, omega_log, mu_star, xi_parameter, confidence_level,"
            " extrapolation_warning, experiment_id, created_at, created_by) VALUES (:id, 'MgB2', 'MgB2', 5,"
            " 4, 6, 1, 1, 300, 0.1, 0.5, 'low', 'false', :run, :moment, 'me')",
            id=f"number {n}",
            run=f"run {n}",
            moment=moment,
        )
    times = "SELECT string_agg((created_at {})::text, ' ' ORDER BY id) FROM htc_predictions"
    before = one(empty_database, times.format(""))
    schema.upgrade(empty_database)
    page = top_formulas(empty_database)
    assert [(row.structure_formula, row.last_prediction) for row in page.rows] == [("X", None)]
    assert page.freshness.newer_rows == 0
    stored = get(empty_database, "number 0")
    assert (stored.created_at, stored.legacy_defects) == (None, ("created_given",))
    assert {run.id for run in list_runs(empty_database).rows} == {"run 0", "run 1", "run 2", "run 3"}
    assert len(top(empty_database).rows) == 4
    with empty_database.connect() as connection:
        assert [f.verdict for f in check_freshness(connection, empty_database)] == ["ok"]
    (view,) = [v for v in stats(empty_database).views if v.name == "top_superconductors"]
    assert (view.newer_rows, view.lag_s) == (0, 0)
    written = export_everything(empty_database, tmp_path / "all")
    assert {report.table: report.rows for report in written}["htc_predictions"] == 4
    export(empty_database, tmp_path / "all.jsonl")
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["created_at"] for line in lines] == [None] * 4
    assert one(empty_database, times.format("AT TIME ZONE 'UTC'")) == before
    for table in ("bete_runs", "htc_predictions"):
        with pytest.raises(StoreError, match="rules refuse"):
            do(empty_database, f"UPDATE {table} SET legacy_defects = '{{}}'")
    schema.downgrade(empty_database, "003_htc_predictions")
    assert one(empty_database, times.format("")) == before


def test_an_element_list_is_found_without_the_writers_help(database: Database) -> None:
    insert = (
        "INSERT INTO htc_predictions (id, composition, reduced_formula, tc_predicted, created_by,"
        " extrapolation_warning) VALUES (:id, :composition, 'x', 5.0, 'me', false) RETURNING elements"
    )
    cases = {
        "Mg1 B2": ["B", "Mg"],
        "LaH10": ["H", "La"],
        "(Nb0.5Ti0.5)3 Sn": ["Nb", "Sn", "Ti"],
        "Fe2+O": ["Fe", "O"],
        "Unknown": None,
        "Xx2": None,
    }
    with database.begin() as connection:
        for composition, elements in cases.items():
            row = connection.execute(text(insert), {"id": composition, "composition": composition})
            assert row.scalar_one() == elements, composition


def test_every_element_is_known_to_the_database(database: Database) -> None:
    symbols = [element.symbol for element in Element]
    assert one(database, "SELECT cardinality(htc_elements(:all))", all="".join(symbols)) == len(set(symbols))


def test_what_is_set_aside_leaves_every_ranking_and_comes_back(
    database: Database, make_prediction: Make
) -> None:
    first, second = (
        s.id for s in save(database, [make_prediction(1), make_prediction(2, tc_predicted=31.0)])
    )
    assert set_aside(database, [second]) == 1
    assert set_aside(database, [second]) == 0
    refresh_rankings(database)
    assert [row.id for row in top(database).rows] == [first]
    assert top_formulas(database).rows[0].prediction_count == 1
    assert one(database, "SELECT count(*) FROM htc_predictions_v003") == 1
    assert one(database, "SELECT count(*) FROM bete_runs_v003") == 1
    assert get(database, second).deleted_at is not None

    assert bring_back(database, [second]) == 1
    refresh_rankings(database)
    assert [row.id for row in top(database).rows] == [second, first]
    assert top_formulas(database).rows[0].prediction_count == 2
    with pytest.raises(NotFoundError, match="nobody"):
        set_aside(database, [first, "nobody"])
    assert get(database, first).deleted_at is None


def test_what_is_predicted_again_is_brought_back(database: Database, make_prediction: Make) -> None:
    (saved,) = save(database, [make_prediction(1)])
    set_aside(database, [saved.id])
    (again,) = save(database, [make_prediction(1)])
    assert (again.id, again.is_new) == (saved.id, False)
    assert [row.id for row in top(database).rows] == [saved.id]
    assert one(database, "SELECT count(*) FROM bete_runs WHERE deleted_at IS NULL") == 1


def test_runs_have_a_campaign_settings_and_an_end(database: Database) -> None:
    campaign = start_campaign(database, "borides", created_by="me", definition={"elements": ["B"]})
    with pytest.raises(InputError, match="borides"):
        start_campaign(database, "borides", created_by="me")
    settings = {"mu_star": 0.1, "model": "m"}
    parent = start_run(database, "screening", created_by="me", settings=settings, campaign=campaign)
    child = start_run(
        database, "stage", created_by="me", settings=dict(reversed(settings.items())), parent=parent
    )
    assert one(database, "SELECT count(DISTINCT settings_hash) FROM runs") == 1
    assert one(database, "SELECT status FROM runs WHERE id = :id", id=child) == "running"
    finish_run(database, child, "failed")
    assert one(database, "SELECT status FROM runs WHERE id = :id", id=child) == "failed"
    with pytest.raises(StoreError, match="rules"):
        start_run(database, "stage", created_by="me", parent="nobody")


def test_every_model_that_spoke_is_kept_with_its_card(database: Database, make_prediction: Make) -> None:
    from htc.models import load_model

    shipped = load_model()
    save(database, [make_prediction(1), make_prediction(2, model_id=shipped.model_id)])
    assert one(database, "SELECT card FROM models WHERE id = 'test-model'") == {}
    assert (
        one(database, "SELECT card ->> 'name' FROM models WHERE id = :id", id=shipped.model_id)
        == shipped.card["name"]
    )


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("structures", "spacegroup_number", "231"),
        ("structures", "nsites", "0"),
        ("structures", "elements", "'{}'"),
        ("runs", "status", "'perhaps'"),
        ("runs", "parent_id", "id"),
        ("htc_predictions", "structure_hash", "'nothing'"),
        ("htc_predictions", "model_id", "'nobody'"),
    ],
)
def test_the_database_refuses_nonsense(
    database: Database, make_prediction: Make, table: str, column: str, value: str
) -> None:
    run = start_run(database, "batch", created_by="me")
    save(database, [make_prediction(structure=MGB2.as_dict())], run=run)
    with pytest.raises(StoreError, match="rules refuse"):
        do(database, f"UPDATE {table} SET {column} = {value}")


@given(st.integers(1, 200))
def test_bulk_ids_are_uuids_that_sort_by_time(n: int) -> None:
    ids = [new_id() for _ in range(n)]
    assert len(set(ids)) == n
    assert all(uuid.UUID(i).version == 7 and uuid.UUID(i).variant == uuid.RFC_4122 for i in ids)
    stamps = [i[:13] for i in ids]
    assert stamps == sorted(stamps)
