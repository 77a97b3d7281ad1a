"""Out into files and in again: the same rows, to the last bit."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from htc.errors import InputError, StorageError
from htc.spectra import Spectrum
from htc.store import Database, refresh_rankings, save, set_aside, start_campaign, start_run, top_formulas
from htc.store.bulk import INTERCHANGE, export, export_everything, load, load_everything

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

Make = Callable[..., pa.Table]
Predict = Callable[..., "Prediction"]


BEYOND_TC = {
    "omega_2_uncertainty": 1 / 3,
    "tc_experiment": 25.5,
    "tc_experiment_lower_95ci": 0.0,
    "tc_experiment_upper_95ci": 60.0,
    "model_tier": "best",
    "phonon_stable": True,
    "phonon_verdict": "stable",
    "imaginary_modes_count": 0,
    "lowest_frequency_thz": -0.01,
    "thermo_stable": False,
    "hull_distance_ev": 0.02,
    "hull_competitors": 14,
    "stability_potential": "sevennet, l3i5",
}
"""What a prediction may say besides Tc."""


@pytest.fixture
def filled(database: Database, make_prediction: Predict, make_rows: Make) -> Database:
    """Everything there is: runs in a campaign, crystals, spectra, refusals, odd texts, rows set aside."""
    campaign = start_campaign(database, "hydrides", created_by="me", definition={"x": [1.5]})
    run = start_run(database, "screening", created_by="me", campaign=campaign, settings={"a": 1})
    start_run(database, "batch", created_by="me", parent=run)
    spectrum = Spectrum(np.linspace(1, 10, 20) / 3, np.linspace(0.1, 0.2, 20) / 7, label="one")
    nothing = dict.fromkeys(("tc_predicted", "tc_lower_95ci", "tc_upper_95ci", "tc_uncertainty", "lambda_ep"))
    structure = {
        "lattice": {"a": 3.1, "volume": 29.0},
        "sites": [{"species": [{"element": "Mg", "occu": 1}], "label": 'a "quoted"\nname'}],
    }
    saved = save(
        database,
        [
            make_prediction(0, spectrum=spectrum, spectrum_origin="surrogate", **BEYOND_TC),
            make_prediction(1, structure=structure, extrapolation_reasons=("a, b", "", '"c"\n{d}', "é")),
            make_prediction(2, applicable=False, reason="a cuprate, \\N", structure=None, **nothing),
            make_prediction(3, source="", provenance={"notes": ["x\ty"]}, tc_predicted=1 / 3 + 25),
        ],
        run=run,
        created_by="me",
    )
    set_aside(database, [saved[3].id])
    load(database, make_rows(20, structure_info='{\n "n_sites" :  3 }'), created_by="bulk")
    refresh_rankings(database)
    return database


def rows_of(database: Database, table: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        columns = connection.execute(sa.text(f"SELECT * FROM {table} LIMIT 0")).keys()
        texts = ", ".join(f'"{name}"::text' for name in columns)
        return [
            tuple(row) for row in connection.execute(sa.text(f"SELECT {texts} FROM {table} ORDER BY 1, 2"))
        ]


@pytest.fixture
def another(server: Any) -> Any:
    with server.migrated() as fresh:
        yield fresh


def test_everything_into_another_database(filled: Database, another: Database, tmp_path: Path) -> None:
    written = export_everything(filled, tmp_path / "all")
    assert [report.table for report in written] == list(INTERCHANGE)
    assert {p.name for p in (tmp_path / "all").iterdir()} == {f"{t}.parquet" for t in INTERCHANGE} | {
        "manifest.json"
    }
    reports = load_everything(another, tmp_path / "all")
    assert [report.rejected for report in reports] == [0] * len(INTERCHANGE)
    assert [report.inserted for report in reports] == [report.rows for report in written]
    for table in INTERCHANGE:
        assert rows_of(another, table) == rows_of(filled, table), table
    # The ranking by formula was refreshed with them.
    assert top_formulas(another).rows == top_formulas(filled).rows
    again = load_everything(another, tmp_path / "all")
    assert sum(report.inserted + report.updated + report.differing + report.rejected for report in again) == 0
    with pytest.raises(InputError, match="something here"):
        export_everything(filled, tmp_path / "all")


def test_rows_of_an_adopted_database_stay_as_they_are(
    filled: Database, another: Database, tmp_path: Path
) -> None:
    excused = "legacy_defects = '{created_given,mu_star_valid}'"
    open_ = "created_by = NULL, created_at = NULL, mu_star = -1"
    with filled.begin() as connection:
        for statement in (
            f"UPDATE htc_predictions SET {excused}, {open_}, experiment_id = NULL, elements = NULL"
            " WHERE id IN (SELECT id FROM htc_predictions ORDER BY id LIMIT 3)",
            f"UPDATE bete_runs SET {excused}, {open_}, run_type = 'batch', parent_batch_id = NULL",
            "INSERT INTO test_telemetry (id, test_name, created_at) VALUES"
            " ('1', 'a', NULL),"
            " ('2', 'b', now())",
        ):
            connection.execute(sa.text(statement))
    export_everything(filled, tmp_path / "all")
    for how in ("skip", "skip", "update"):
        reports = load_everything(another, tmp_path / "all", created_by="importer", on_conflict=how)
        assert [(r.rejected, r.differing, r.updated) for r in reports] == [(0, 0, 0)] * len(INTERCHANGE)
        for table in INTERCHANGE:
            assert rows_of(another, table) == rows_of(filled, table), table


def test_only_a_folder_may_excuse_rows_from_the_rules(
    filled: Database, another: Database, make_rows: Make, tmp_path: Path
) -> None:
    rows = make_rows(3, legacy_defects=[["mu_star_valid"], [], None], mu_star=[-1.0, 0.1, 0.1])
    (tmp_path / "x.csv").write_text(
        "composition,reduced_formula,tc_predicted,extrapolation_warning,mu_star,legacy_defects\n"
        "Nb3 Sn1,Nb3Sn,18.05,false,-1,{mu_star_valid}\n"
    )
    report = load(another, rows)
    assert (report.inserted, report.rejected) == (2, 1)
    assert list(report.reasons) == ["legacy_defects excuses the row from rules: leave it empty"]
    assert load(another, tmp_path / "x.csv").reasons == report.reasons
    assert load(another, rows, on_conflict="update").reasons == report.reasons


@pytest.mark.parametrize(
    "name", ["x.parquet", "x.arrow", "x.feather", "x.csv", "x.csv.gz", "x.jsonl", "x.jsonl.gz"]
)
def test_each_format_brings_the_same_rows_back(
    filled: Database, another: Database, tmp_path: Path, name: str
) -> None:
    export_everything(filled, tmp_path / "all")
    for table in INTERCHANGE[:-2]:
        load(another, tmp_path / "all" / f"{table}.parquet", table=table)
    report = export(filled, tmp_path / name, include_set_aside=True)
    assert report.rows == 24
    loaded = load(another, tmp_path / name)
    assert (loaded.inserted, dict(loaded.reasons)) == (24, {})
    mine, theirs = rows_of(filled, "htc_predictions"), rows_of(another, "htc_predictions")
    if "jsonl" in name:  # blanks between the tokens of a JSON text are no content
        mine, theirs = ([tuple(_plain(v) for v in row) for row in rows] for rows in (mine, theirs))
    assert theirs == mine


def _plain(value: str | None) -> str | None:
    try:
        return json.dumps(json.loads(value or ""))
    except ValueError:
        return value


def test_choices(filled: Database, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    assert export(filled, file).rows == 23
    assert export(filled, file, run="run-1").rows == 20
    assert export(filled, file, min_tc=12.0, run="run-1").rows == 6
    export(filled, file, columns=["tc_predicted", "id"], include_structures=True)
    schema = pq.read_schema(file)
    assert schema.names == ["tc_predicted", "id", "structure"]
    assert schema.field("tc_predicted").metadata == {b"unit": b"K"}
    assert schema.metadata[b"htc.table"] == b"htc_predictions"
    crystals = [json.loads(s) for s in pq.read_table(file)["structure"].to_pylist() if s]
    assert {len(c["sites"]) for c in crystals} == {1, 3}
    for wrong in (
        {"columns": ["tc"]},
        {"table": "nothing"},
        {"table": "runs", "min_tc": 1.0},
        {"compression": "rar"},
    ):
        with pytest.raises(InputError):
            export(filled, file, **wrong)  # type: ignore[arg-type]


def test_lists_are_lists(filled: Database, tmp_path: Path) -> None:
    export(filled, tmp_path / "b.feather", table="bete_runs")
    table = pa.feather.read_table(tmp_path / "b.feather")
    (omega,) = [v for v in table["alpha2f_omega"].to_pylist() if v]
    assert omega == (np.linspace(1, 10, 20) / 3).tolist()
    export(filled, tmp_path / "p.jsonl.gz")
    with gzip.open(tmp_path / "p.jsonl.gz", "rt") as lines:
        reasons = [json.loads(line)["extrapolation_reasons"] for line in lines]
    assert ["a, b", "", '"c"\n{d}', "é"] in reasons


def test_an_old_file_stays_until_the_new_one_is_complete(filled: Database, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("old")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(filled, file, progress=stop)
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_no_room_and_no_folder(filled: Database, tmp_path: Path, tmpfs: Callable[[str], Path]) -> None:
    with pytest.raises(StorageError):
        export(filled, tmp_path / "nowhere" / "x.parquet")
    small = tmpfs("size=8k")
    with pytest.raises(StorageError):
        export(filled, small / "x.jsonl")
    assert list(small.iterdir()) == []
