"""Loading rows: every one that can be stored is, once; the others are told with reasons."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from htc.errors import InputError, NotFoundError, StorageError
from htc.store import Database, start_run
from htc.store.bulk import load

Make = Callable[..., pa.Table]
Ask = Callable[..., Any]


def refused(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_table_goes_in_and_comes_again(database: Database, make_rows: Make, ask: Ask) -> None:
    table = make_rows(250)
    first = load(database, table, chunk_rows=100)
    assert (first.rows, first.inserted, first.unchanged, first.rejected) == (250, 250, 0, 0)
    again = load(database, table, chunk_rows=100)
    assert (again.rows, again.inserted, again.unchanged, again.differing) == (250, 0, 250, 0)
    assert ask(database, "SELECT count(*) FROM htc_predictions") == 250
    assert ask(database, "SELECT DISTINCT elements::text, experiment_id FROM htc_predictions") == [
        ("{B,Mg}", "run-1")
    ]
    assert ask(database, "SELECT kind FROM runs WHERE id = 'run-1'") == "import"
    assert first.created == {"runs": ["run-1"]}
    assert again.created == {}


def test_values_arrive_exactly(database: Database, make_rows: Make, ask: Ask) -> None:
    load(database, make_rows(1, tc_predicted=0.1 + 0.2, tc_lower_95ci=0.0, hull_distance_eV=5e-324))
    row = ask(
        database,
        'SELECT tc_predicted, "hull_distance_eV", phonon_stable, thermo_stable, structure_info::text,'
        " created_at = '2026-01-01Z', created_by FROM htc_predictions",
    )
    assert row == [(0.1 + 0.2, 5e-324, True, None, '{"n_sites": 3}', True, "someone")]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nan": ({"omega_log": float("nan")}, "omega_valid"),
    "negative": ({"lambda_ep": -0.1}, "lambda_valid"),
    "disordered": ({"tc_lower_95ci": 11.0, "tc_predicted": 10.0}, "interval_ordered"),
    "confidence": ({"confidence_level": "certain"}, "confidence_known"),
    "no tc": ({"tc_predicted": None, "tc_lower_95ci": None, "tc_upper_95ci": None}, "tc_or_reason"),
    "no formula": ({"composition": ""}, "composition_given"),
    "NUL": ({"reduced_formula": "Mg\0B2"}, "reduced_formula is not valid text"),
    "JSON": ({"structure_info": "{'a': 1}"}, "structure_info is not valid JSON"),
    "huge JSON number": ({"structure_info": '{"a": NaN}'}, "structure_info is not valid JSON"),
    "index": ({"composition": "".join(f"Mg{i}B" for i in range(9000))}, "PostgreSQL refuses it"),
    "bete": ({"bete_run_id": "00000000-0000-0000-0000-00000000beef"}, "bete_run_id is not in bete_runs"),
    "structure": ({"structure_hash": "beef"}, "structure_hash is not in structures"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_row_stops_no_other(
    database: Database, make_rows: Make, ask: Ask, tmp_path: Path, fault: str
) -> None:
    values, reason = BAD[fault]
    whole = make_rows(40)
    for name, value in values.items():
        column = whole[name].to_pylist() if name in whole.schema.names else [None] * 40
        column[17] = value
        column_array = pa.array(column)
        at = whole.schema.get_field_index(name)
        whole = (
            whole.append_column(name, column_array) if at < 0 else whole.set_column(at, name, column_array)
        )
    report = load(database, whole, rejects=tmp_path / "bad.jsonl")
    assert (report.inserted, report.rejected) == (39, 1)
    assert [r.startswith(reason) for r in report.reasons] == [True]
    (line,) = refused(tmp_path / "bad.jsonl")
    assert line["row"] == 18
    assert line["reasons"] == list(report.reasons)
    assert line["data"]["id"].endswith(f"{18:012x}")
    assert ask(database, "SELECT count(*) FROM htc_predictions") == 39


def test_all_faults_at_once_and_the_file_mended(
    database: Database, make_rows: Make, ask: Ask, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    report = load(
        database,
        make_rows(30, mu_star=[-1.0] * 10 + [0.1] * 20, lambda_ep=[-1.0] * 5 + [1.0] * 25),
        rejects=bad,
    )
    assert report.rejected == 10
    assert report.reasons == {"mu_star_valid": 10, "lambda_valid": 5}
    lines = refused(bad)
    assert sorted(lines[0]["reasons"]) == ["lambda_valid", "mu_star_valid"]
    for line in lines:
        line["data"] |= {"mu_star": 0.1, "lambda_ep": 0.4}
    mended = tmp_path / "mended.jsonl"
    mended.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    again = load(database, mended)
    assert (again.inserted, again.rejected) == (10, 0)
    assert ask(database, "SELECT count(*) FROM htc_predictions") == 30


def test_an_unchanged_file_of_rejects_is_not_written(
    database: Database, make_rows: Make, tmp_path: Path
) -> None:
    report = load(database, make_rows(3), rejects=tmp_path / "none.jsonl")
    assert report.rejects is None
    assert not (tmp_path / "none.jsonl").exists()


def test_duplicates_within_a_file(database: Database, make_rows: Make, ask: Ask) -> None:
    one = make_rows(10)
    changed = make_rows(10, mu_star=0.2)
    report = load(database, pa.concat_tables([one, one, changed]))
    assert (report.rows, report.inserted, report.unchanged, report.differing) == (30, 10, 20, 10)
    assert ask(database, "SELECT DISTINCT mu_star FROM htc_predictions") == 0.1
    last_wins = load(database, pa.concat_tables([one, changed]), on_conflict="update")
    assert (last_wins.updated, last_wins.inserted, last_wins.unchanged) == (10, 0, 10)
    assert ask(database, "SELECT DISTINCT mu_star FROM htc_predictions") == 0.2


def test_update_changes_only_what_the_source_says(database: Database, make_rows: Make, ask: Ask) -> None:
    load(database, make_rows(20))
    ids = make_rows(20)["id"]
    report = load(
        database,
        pa.table({"id": ids,
                  **{n: make_rows(20)[n] for n in ("composition", "reduced_formula", "tc_predicted")},
                  "extrapolation_warning": [False] * 20, "confidence_level": ["high"] * 5 + ["medium"] * 15}),
        on_conflict="update",
        created_by="another",
    )  # fmt: skip
    assert (report.updated, report.unchanged, report.inserted) == (5, 15, 0)
    assert ask(database, "SELECT count(*) FROM htc_predictions WHERE confidence_level = 'high'") == 5
    assert ask(database, "SELECT DISTINCT created_by FROM htc_predictions") == "someone"


def test_what_a_row_left_open_is_no_word_of_its_own(
    database: Database, make_rows: Make, ask: Ask, tmp_path: Path
) -> None:
    full, sparse = make_rows(2, reason="none").to_pylist()
    for row in (full, sparse):
        row["created_at"] = row["created_at"].isoformat()
    full["provenance"], full["applicable"] = {"a": 1}, True
    for name in ("created_at", "created_by", "experiment_id"):
        del sparse[name]
    file = tmp_path / "mixed.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (full, sparse)), "utf-8")
    whole = "SELECT p::text FROM htc_predictions AS p ORDER BY id"
    run = start_run(database, "batch", created_by="me")
    load(database, file, created_by="first", run=run)
    before = ask(database, whole)
    for how in ("skip", "update"):
        again = load(database, file, created_by="second", on_conflict=how)
        assert (again.unchanged, again.differing, again.updated) == (2, 0, 0)
    assert ask(database, whole) == before
    sparse["mu_star"] = 0.2
    file.write_text("".join(json.dumps(row) + "\n" for row in (full, sparse)), "utf-8")
    other = start_run(database, "batch", created_by="me")
    assert load(database, file, created_by="third", run=other, on_conflict="update").updated == 1
    assert ask(database, "SELECT created_by, experiment_id FROM htc_predictions WHERE mu_star = 0.2") == [
        ("first", run)
    ]
    assert ask(database, whole)[0] == before[0]


def test_rows_are_known_by_their_input_hash(database: Database, make_rows: Make, ask: Ask) -> None:
    table = make_rows(20, id=..., input_hash=[f"h{i}" for i in range(20)])
    assert load(database, table).inserted == 20
    assert load(database, table).unchanged == 20
    raised = make_rows(20, id=..., input_hash=[f"h{i}" for i in range(20)], mu_star=0.3)
    assert load(database, raised).differing == 20
    assert load(database, raised, on_conflict="update").updated == 20
    assert ask(database, "SELECT count(*), min(mu_star) FROM htc_predictions") == [(20, 0.3)]
    versions = ask(database, "SELECT DISTINCT substr(id, 15, 1) FROM htc_predictions")
    assert versions == "7"


def test_rows_that_say_nothing_about_themselves_are_known_by_their_content(
    database: Database, make_rows: Make, ask: Ask
) -> None:
    table = make_rows(20, id=...)
    assert load(database, table, chunk_rows=7).inserted == 20
    # Other chunks, another order of columns, the columns of nothing but NULL left out.
    shuffled = table.drop_columns(["thermo_stable"]).select(
        sorted(set(table.schema.names) - {"thermo_stable"})
    )
    assert load(database, shuffled, chunk_rows=20).unchanged == 20
    assert load(database, make_rows(20, id=..., mu_star=0.2)).inserted == 20
    assert ask(database, "SELECT count(*) FROM htc_predictions WHERE id ~ '^019b76da.*-8'") == 40


def test_columns_of_006_are_content_where_they_say_something(
    database: Database, make_rows: Make, ask: Ask
) -> None:
    assert load(database, make_rows(2, id=...)).inserted == 2
    first = ask(database, "SELECT id FROM htc_predictions ORDER BY id")
    # Ids that earlier versions gave the same rows: files already loaded are recognised.
    assert first == [("019b76da-a800-841f-ac61-b61c952d346d",), ("019b76da-abe8-81c7-8534-5e962d526f95",)]
    assert load(database, make_rows(2, id=..., model_tier=[None, "best"])).inserted == 1
    assert load(database, make_rows(2, id=..., model_tier=[None, "best"])).unchanged == 2
    assert load(database, make_rows(2, id=..., model_tier="fast", hull_competitors=3)).inserted == 2


def test_an_id_and_a_hash_of_two_rows(database: Database, make_rows: Make) -> None:
    load(database, make_rows(2, input_hash=["a", "b"]))
    crossed = make_rows(2, input_hash=["b", "c"])
    report = load(database, crossed, on_conflict="update")
    assert report.reasons == {"id and input_hash belong to two different rows": 1}
    assert report.unchanged == 1


def test_text_booleans_and_naive_times_of_003(
    database: Database, make_rows: Make, ask: Ask, tmp_path: Path
) -> None:
    path = tmp_path / "old.csv"
    path.write_text(
        "id,composition,reduced_formula,tc_predicted,phonon_stable,thermo_stable,extrapolation_warning,created_at,"
        "imaginary_modes_count\n"
        'a,"Nb3 Sn1",Nb3Sn,18.05,true,false,FALSE,2025-12-31 23:59:59.5,0\n'
        'b,"Nb3 Sn1",Nb3Sn,18.05,t,,no,2026-01-01,1\n'
        'c,"Nb3 Sn1",Nb3Sn,18.05,perhaps,,no,2026-01-01,1\n'
        'd,"Nb3 Sn1",Nb3Sn,18.05,yes,,no,yesterday,1\n'
        'e,"Nb3 Sn1",Nb3Sn,18.05,yes,,no,2026-01-01,9999999999\n'
        "f,too,short\n"
        'g,"Nb3 Sn1",Nb3Sn,much,yes,,no,2026-01-01,1\n'
        'h,"Nb3 Sn1",Nb3Sn,1e3,yes,,no,2026-01-01 02:00:00+02,1\n',
        "utf-8",
    )
    report = load(database, path, created_by="old", rejects=tmp_path / "bad.jsonl")
    assert (report.rows, report.inserted, report.rejected) == (8, 3, 5)
    assert {line["row"]: line["reasons"][0] for line in refused(tmp_path / "bad.jsonl")} == {
        3: "phonon_stable is neither true nor false",
        4: "created_at is not a time",
        5: "imaginary_modes_count is not a whole number of 32 bits",
        6: "line has 3 columns, not 9",
        7: "tc_predicted is not a number",
    }
    assert ask(
        database,
        "SELECT id, phonon_stable, thermo_stable, created_at AT TIME ZONE 'UTC' = '2025-12-31 23:59:59.5',"
        " created_by, elements::text FROM htc_predictions WHERE id = 'a'",
    ) == [("a", True, False, True, "old", "{Nb,Sn}")]
    assert ask(database, "SELECT created_at = '2026-01-01Z' FROM htc_predictions WHERE id = 'h'")


def test_bytes_that_are_no_text(database: Database, tmp_path: Path, ask: Ask) -> None:
    path = tmp_path / "bytes.csv"
    path.write_bytes(
        b"composition,reduced_formula,tc_predicted,extrapolation_warning\n"
        b"Mg1 B2,MgB2,39,f\nMg1 B\xff,MgB2,39,f\nMg1 B2,\xc3\xa9,1,f\n"
    )
    report = load(database, path, rejects=tmp_path / "bad.jsonl")
    assert (report.inserted, report.rejected) == (2, 1)
    assert report.reasons == {"composition is not valid text": 1}


@pytest.mark.parametrize(
    "name", ["x.parquet", "x.arrow", "x.feather", "x.csv", "x.csv.gz", "x.jsonl", "x.jsonl.gz"]
)
def test_every_format(database: Database, make_rows: Make, ask: Ask, tmp_path: Path, name: str) -> None:
    table, path = make_rows(120), tmp_path / name
    if name.endswith(".parquet"):
        pa.parquet.write_table(table, path)
    elif name.endswith(".arrow"):
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    elif name.endswith(".feather"):
        pa.feather.write_feather(table, path)
    else:
        with gzip.open(path, "wb") if name.endswith(".gz") else path.open("wb") as sink:
            if ".csv" in name:
                pa.csv.write_csv(table, sink)
            else:
                for row in table.to_pylist():
                    row["structure_info"] = json.loads(row["structure_info"])
                    sink.write(json.dumps(row, default=str).encode() + b"\n")
    report = load(database, path, chunk_rows=50)
    assert (report.rows, report.inserted, dict(report.reasons)) == (120, 120, {})
    # The same rows from memory are those of the file, to the last bit.
    assert load(database, table).differing == 0


def test_streams_and_odd_types(database: Database, make_rows: Make) -> None:
    table = make_rows(60)
    odd = table.set_column(3, "structure_info", table["structure_info"].dictionary_encode())
    at = odd.schema.get_field_index("imaginary_modes_count")
    odd = odd.set_column(at, "imaginary_modes_count", odd["imaginary_modes_count"].cast(pa.float32()))
    odd = odd.set_column(0, "id", odd["id"].cast(pa.large_string()))
    at = odd.schema.get_field_index("created_at")
    odd = odd.set_column(at, "created_at", odd["created_at"].cast(pa.timestamp("ns", "Europe/Berlin")))
    assert load(database, odd.to_reader(7), chunk_rows=20).inserted == 60
    assert load(database, iter(table.to_batches(11))).differing == 0


def test_lists_and_documents_as_arrow_has_them(database: Database, make_rows: Make, ask: Ask) -> None:
    table = make_rows(
        2,
        structure_info=[{"n": 1}, {"n": 2}],
        extrapolation_reasons=[["far", "é"], None],
        provenance=[{"a": [1.5]}, None],
    )
    assert load(database, table).inserted == 2
    assert ask(
        database,
        "SELECT structure_info ->> 'n', extrapolation_reasons, provenance FROM htc_predictions ORDER BY id",
    ) == [("1", ["far", "é"], {"a": [1.5]}), ("2", [], {})]


def test_unknown_columns_are_named(database: Database, make_rows: Make) -> None:
    table = make_rows(2, tc=1.0, **{"T c": 2})
    with pytest.raises(InputError, match="'tc', 'T c'"):
        load(database, table)
    assert load(database, table, ignore_unknown=True).inserted == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.parquet", b"PAR1 nothing", "cannot be read"),
        ("x.arrow", b"ARROW1 nothing", "cannot be read"),
        ("x.csv.gz", b"no gzip", "cannot be read"),
        ("x.csv", b"", "empty"),
        ("x.csv", b"id,id\n", "twice"),
        ("x.xlsx", b"", "format is not known"),
        ("x.jsonl.gz", gzip.compress(b"{}\n" * 1000, mtime=0)[:-20], "cannot be read"),
    ],
)
def test_files_that_are_none(
    database: Database, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        load(database, tmp_path / name)


def test_a_file_that_is_not_there(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load(database, tmp_path / "x.csv")


def test_lines_that_are_no_objects(database: Database, tmp_path: Path) -> None:
    good = (
        '{"composition": "Pb", "reduced_formula": "Pb", "tc_predicted": %s, "extrapolation_warning": false}'
    )
    path = tmp_path / "x.jsonl"
    path.write_text(
        "\n".join([good % 7.2, "[1]", "{", "", good % '"NaN"', good % '"7"', good % '"\\ud800"']), "utf-8"
    )
    report = load(database, path, rejects=tmp_path / "bad.jsonl")
    assert (report.rows, report.inserted) == (6, 2)
    assert [(line["row"], line["reasons"][0]) for line in refused(tmp_path / "bad.jsonl")] == [
        (2, "line is not a JSON object"),
        (3, "line is not JSON"),
        (7, "tc_predicted is not a number"),
        (5, "tc_valid"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_rejects_come_back_with_a_line_that_is_no_row(
    database: Database, make_rows: Make, tmp_path: Path, name: str
) -> None:
    good, bad = make_rows(2, created_at=..., mu_star=[0.1, -1.0]).to_pylist()
    file, first, second = tmp_path / name, tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    if name == "a.csv":
        pyarrow.csv.write_csv(pa.Table.from_pylist([good, bad]), file)
        file.write_text(file.read_text() + "one,two\n")
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in (good, bad)) + "{'one': 2}\n")
    load(database, file, rejects=first)
    assert len(refused(first)) == 2
    lines = refused(first)
    next(line["data"] for line in lines if "id" in line["data"])["mu_star"] = 0.1
    first.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    report = load(database, first, rejects=second)
    assert (report.inserted, report.rejected) == (1, 1)
    (line,) = refused(second)
    assert line["reasons"] == [r for old in refused(first) if "line" in old["data"] for r in old["reasons"]]
    assert line["data"] == {"line": "one,two" if name == "a.csv" else "{'one': 2}"}
    # The line itself mended, and `data` alone.
    third = tmp_path / "third.jsonl"
    row = make_rows(1, 7, created_at=...).to_pylist()[0]
    third.write_text(
        json.dumps(line | {"data": {"line": json.dumps(row)}}) + '\n{"line": "\\ud800"}\n', "utf-8"
    )
    report = load(database, third, rejects=tmp_path / "fourth.jsonl")
    assert (report.inserted, report.rejected) == (1, 1)


def test_the_run_and_who(database: Database, make_rows: Make, ask: Ask) -> None:
    run = start_run(database, "import", created_by="me", label="a file")
    load(
        database,
        make_rows(4, experiment_id=["own", None, None, None], created_by=...),
        run=run,
        created_by="me",
    )
    assert ask(database, f"SELECT count(*) FROM htc_predictions WHERE experiment_id = '{run}'") == 3
    assert ask(database, "SELECT DISTINCT created_by FROM htc_predictions") == "me"
    with pytest.raises(NotFoundError):
        load(database, make_rows(1), run="nowhere")


def test_parents_may_have_to_be_there(database: Database, make_rows: Make) -> None:
    report = load(
        database,
        make_rows(3, model_id=["m", None, None], experiment_id=[None, "r", None]),
        create_missing=False,
    )
    assert report.inserted == 1
    assert report.reasons == {"model_id is not in models": 1, "experiment_id is not in runs": 1}


def test_a_dry_run_keeps_nothing(database: Database, make_rows: Make, ask: Ask) -> None:
    report = load(database, make_rows(10, mu_star=[-1.0] + [0.1] * 9), dry_run=True)
    assert (report.inserted, report.rejected, report.dry_run) == (9, 1, True)
    assert ask(database, "SELECT (SELECT count(*) FROM htc_predictions) + (SELECT count(*) FROM runs)") == 0


def test_indexes_are_built_after_the_rows(database: Database, make_rows: Make, ask: Ask) -> None:
    count = "SELECT count(*) FROM pg_index WHERE indrelid = 'htc_predictions'::regclass AND indisvalid"
    before = ask(database, count)
    told: list[str] = []
    report = load(
        database,
        make_rows(300),
        defer_indexes=True,
        chunk_rows=100,
        progress=lambda what, *_: told.append(what),
    )
    assert report.inserted == 300
    assert "ix_htc_predictions_ranking" in report.rebuilt
    assert ask(database, count) == before
    assert {"rows", "building indexes"} <= set(told)
    with pytest.raises(InputError, match="holds rows"):
        load(database, make_rows(3, 1000), defer_indexes=True)


def test_what_a_killed_load_took_away_is_put_back(database: Database, make_rows: Make, ask: Ask) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_htc_predictions_ranking")
        connection.exec_driver_sql("ALTER TABLE htc_predictions DROP CONSTRAINT fk_htc_predictions_model_id")
        connection.exec_driver_sql(
            "ALTER TABLE htc_predictions DROP CONSTRAINT fk_htc_predictions_experiment_id"
        )
        connection.exec_driver_sql(
            "ALTER TABLE htc_predictions ADD CONSTRAINT fk_htc_predictions_experiment_id"
            " FOREIGN KEY (experiment_id) REFERENCES runs (id) NOT VALID"
        )
    report = load(database, make_rows(3))
    assert sorted(report.rebuilt) == [
        "fk_htc_predictions_experiment_id",
        "fk_htc_predictions_model_id",
        "ix_htc_predictions_ranking",
    ]
    assert load(database, make_rows(3)).rebuilt == []


@pytest.fixture
def plain_login(database: Database) -> Any:
    """The database as a role without any right of a superuser; it may be granted more."""
    from sqlalchemy import event

    def become(connection: Any, *_: Any) -> None:
        connection.execute("SET ROLE htc_plain")

    with database.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS htc_plain")
        connection.exec_driver_sql("CREATE ROLE htc_plain")
    database.engine.dispose()
    yield lambda: event.listen(database.engine, "connect", become)
    event.remove(database.engine, "connect", become)
    database.engine.dispose()
    with database.begin() as connection:
        connection.exec_driver_sql("REASSIGN OWNED BY htc_plain TO CURRENT_USER")
        connection.exec_driver_sql("DROP OWNED BY htc_plain")
        connection.exec_driver_sql("DROP ROLE htc_plain")


def test_an_owner_without_superuser_rights(
    database: Database, make_rows: Make, ask: Ask, plain_login: Callable[[], None]
) -> None:
    """Foreign keys are taken away for the first load, yet no row without its parent gets in."""
    tables = ask(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    with database.begin() as connection:
        connection.exec_driver_sql("GRANT CREATE ON SCHEMA public TO htc_plain")
        for (name,) in tables:
            connection.exec_driver_sql(f"ALTER TABLE {name} OWNER TO htc_plain")
    database.engine.dispose()
    plain_login()
    table = make_rows(60, structure_hash=[None] * 30 + ["beef"] + [None] * 29)
    report = load(database, table, defer_indexes=True, chunk_rows=20)
    assert (report.inserted, report.rejected) == (59, 1)
    assert "fk_htc_predictions_structure_hash" in report.rebuilt
    count = (
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'htc_predictions'::regclass AND contype = 'f'"
    )
    assert ask(database, count + " AND convalidated") == 4
    again = load(database, make_rows(60, 60), chunk_rows=20)
    assert (again.inserted, again.rebuilt) == (60, [])


def test_a_login_that_may_do_little(
    database: Database, make_rows: Make, plain_login: Callable[[], None]
) -> None:
    """No owner, no superuser: no index is taken away, and foreign keys are checked row by row."""
    with database.begin() as connection:
        connection.exec_driver_sql("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO htc_plain")
    database.engine.dispose()
    plain_login()
    report = load(database, make_rows(50, mu_star=[-1.0] + [0.1] * 49), chunk_rows=10)
    assert (report.inserted, report.rejected, report.rebuilt) == (49, 1, [])
    with pytest.raises(InputError, match="not yours"):
        load(database, make_rows(50, 50), defer_indexes=True)


def test_rejects_that_cannot_be_written(database: Database, make_rows: Make, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="rejects"):
        load(database, make_rows(2, mu_star=-1.0), rejects=tmp_path / "nowhere" / "bad.jsonl")
