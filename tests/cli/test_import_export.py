"""``htc import`` and ``htc export``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from htc.cli.exit_codes import ExitCode
from htc.store import Database, save

pytestmark = pytest.mark.usefixtures("database_in_settings")

CSV = """composition,reduced_formula,tc_predicted,extrapolation_warning
Nb3 Sn1,Nb3Sn,18.05,false
Mg1 B2,MgB2,{},false
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def count(database: Database, table: str = "htc_predictions") -> int:
    with database.connect() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_help_shows_an_example(run: Callable[..., Any]) -> None:
    for command in ("import", "export"):
        assert f"htc {command} " in run(command, "--help").out


def test_a_file_goes_in_once(here: Path, run: Callable[..., Any], database: Database) -> None:
    (here / "a.csv").write_text(CSV.format(39.0))
    first = run("import", "a.csv", "--run", "from a file")
    assert first.code == 0
    assert "2 rows" in first.out
    assert "2 new" in first.out
    again = json.loads(run("import", "a.csv", "--json").out)
    assert (again[0]["inserted"], again[0]["unchanged"], again[0]["rejected"]) == (0, 2, 0)
    assert count(database) == 2
    with database.connect() as connection:
        runs = connection.execute(sa.text("SELECT kind, label, status FROM runs")).all()
    assert [tuple(r) for r in runs] == [("import", "from a file", "finished")]


def test_refused_rows_are_in_a_file(here: Path, run: Callable[..., Any], database: Database) -> None:
    (here / "a.csv").write_text(CSV.format("warm"))
    outcome = run("import", "a.csv")
    assert outcome.code == ExitCode.PARTIAL
    assert "1 refused" in outcome.out
    assert "tc_predicted is not a number" in outcome.err
    line = json.loads((here / "a.csv.rejects.jsonl").read_text())
    assert (line["row"], line["data"]["tc_predicted"]) == (2, "warm")
    line["data"]["tc_predicted"] = 39
    (here / "mended.jsonl").write_text(json.dumps(line))
    assert run("import", "mended.jsonl", "--rejects", "other.jsonl").code == 0
    assert count(database) == 2
    assert not (here / "other.jsonl").exists()


def test_nothing_can_be_stored(here: Path, run: Callable[..., Any], database: Database) -> None:
    (here / "a.csv").write_text(CSV.format(39).replace("false", "?"))
    assert run("import", "a.csv").code == ExitCode.FAILED
    assert count(database) == 0


def test_a_dry_run_and_an_update(here: Path, run: Callable[..., Any], database: Database) -> None:
    line = {"id": "a", "composition": "Pb", "reduced_formula": "Pb", "extrapolation_warning": False}
    (here / "a.jsonl").write_text(json.dumps(line | {"tc_predicted": 7.2}))
    assert "would be 1 new" in run("import", "a.jsonl", "--dry-run").out
    assert count(database) == 0
    run("import", "a.jsonl")
    (here / "a.jsonl").write_text(json.dumps(line | {"tc_predicted": 7.3}))
    left = run("import", "a.jsonl")
    assert "--update" in left.err
    assert "1 updated" in run("import", "a.jsonl", "--update").out


def test_what_cannot_be_read(here: Path, run: Callable[..., Any]) -> None:
    (here / "a.csv").write_text("tc,composition\n1,2\n")
    for arguments, words in (
        (["import", "a.csv"], "no column 'tc'"),
        (["import", "b.csv"], "no such file"),
        (["import", "a.csv", "--table", "findings"], "not a table for bulk work"),
        (["export", "a.xlsx"], "format is not known"),
        (["export", "a.csv", "--columns", "tc"], "no column 'tc'"),
        (["export", "x", "--everything", "--min-tc", "1"], "all rows of all tables"),
    ):
        outcome = run(*arguments)
        assert outcome.code == ExitCode.USAGE
        assert words in outcome.err


def test_out_and_in(here: Path, run: Callable[..., Any], database: Database, make_prediction: Any) -> None:
    save(database, [make_prediction(i, tc_predicted=20.0 + i) for i in range(5)])
    outcome = run("export", "best.parquet", "--min-tc", "22")
    assert (outcome.code, outcome.out.split(",")[0]) == (0, "best.parquet: 3 rows")
    assert json.loads(run("export", "p.csv.gz", "--json").out)[0]["rows"] == 5
    assert json.loads(run("import", "p.csv.gz", "best.parquet", "--json").out)[1]["unchanged"] == 3
    assert run("export", "all", "--everything").code == 0
    loaded = json.loads(run("import", "all", "--json").out)
    assert {r["table"]: r["unchanged"] for r in loaded}["htc_predictions"] == 5
    assert sum(r["inserted"] for r in loaded) == 0
