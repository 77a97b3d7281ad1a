"""The findings log: kept where anything can be kept, sent when it can be sent, numbered for good."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from htc.settings import Settings
from htc.store.database import Database
from htc.store.doctor.finding import Finding, Verdict
from htc.store.findings import as_markdown, label, read, record
from htc.store.journal import Journal


def finding(number: int, verdict: Verdict = "ok", result: str = "seen") -> Finding:
    return Finding(
        check_id=f"check.{number}",
        hypothesis="something may be wrong",
        test="looked",
        result=result,
        verdict=verdict,
        action="mend it" if verdict == "failure" else "",
        details={"number": number},
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def rows_of(database: Database) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(text("SELECT check_id FROM findings ORDER BY id")).scalars())


def test_what_the_database_could_not_be_told_it_hears_later(database: Database, settings: Settings) -> None:
    first = record([finding(1, "failure")], command="doctor", settings=settings, where=database.where)
    assert (first.in_journal, first.in_table, first.trouble) == (True, False, None)
    other = record([finding(9)], command="doctor", settings=settings, where="another database")
    assert other.in_journal
    second = record([finding(2), finding(3)], command="upgrade", settings=settings, database=database)
    assert second.in_table
    assert rows_of(database) == ["check.1", "check.2", "check.3"]
    record([], command="doctor", settings=settings, database=database)
    assert len(rows_of(database)) == 3
    log = read(settings, database)
    assert [label(e, log.own_origin) for e in log.entries] == ["F-1", "F-2", "F-3", "F-4"]
    assert [e.check_id for e in log.entries] == ["check.1", "check.9", "check.2", "check.3"]
    assert [e.position for e in log.entries] == [1, 1, 1, 2]
    assert log.entries[0].details == {"number": 1}


def test_sending_twice_is_harmless(database: Database, settings: Settings) -> None:
    record([finding(1)], command="doctor", settings=settings, database=database)
    path = Journal(settings.home).path
    lines = [line for line in path.read_text().splitlines() if "sent" not in json.loads(line)]
    path.write_text("\n".join(lines) + "\n")  # as if the process had died before it noted the sending
    record([finding(2)], command="doctor", settings=settings, database=database)
    assert rows_of(database) == ["check.1", "check.2"]


def test_two_homes_on_one_database_keep_their_own_numbers(database: Database, tmp_path: Path) -> None:
    here, there = Settings(home=tmp_path / "here"), Settings(home=tmp_path / "there")
    record([finding(1)], command="doctor", settings=here, database=database)
    record([finding(2)], command="doctor", settings=there, database=database)
    record([finding(3)], command="doctor", settings=here, database=database)
    log = read(here, database)
    labels = [label(e, log.own_origin) for e in log.entries]
    assert labels[0] == "F-1"
    assert labels[1].startswith("F-1@")
    assert labels[2] == "F-2"
    # The journal lost, the table still has everything, under the names it had.
    Journal(here.home).path.unlink()
    assert [e.check_id for e in read(here, database).entries] == ["check.1", "check.2", "check.3"]


def test_without_the_table(empty_database: Database, settings: Settings) -> None:
    kept = record([finding(1)], command="doctor", settings=settings, database=empty_database)
    assert (kept.in_journal, kept.in_table, kept.trouble) == (True, False, None)
    assert len(read(settings, empty_database).entries) == 1


def test_a_table_that_is_locked_or_read_only_does_not_hold_up(database: Database, settings: Settings) -> None:
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE findings"))
        kept = record([finding(1)], command="doctor", settings=settings, database=database)
        assert (kept.in_journal, kept.in_table, kept.trouble) == (True, False, None)
        log = read(settings, database)
        assert len(log.entries) == 1
        assert log.trouble is not None
    record([finding(2)], command="doctor", settings=settings, database=database)
    assert rows_of(database) == ["check.1", "check.2"]


def test_where_nothing_can_be_written_the_table_still_is(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = Settings(home=tmp_path / "file")
    kept = record([finding(1)], command="doctor", settings=blocked, database=database)
    assert (kept.in_journal, kept.in_table) == (False, True)
    assert kept.trouble is not None
    assert "journal" in kept.trouble
    nowhere = record([finding(1)], command="doctor", settings=blocked, where="x")
    assert (nowhere.in_journal, nowhere.in_table) == (False, False)
    log = read(blocked, database)
    assert len(log.entries) == 1
    assert log.trouble is not None


def test_a_read_only_home(database: Database, tmpfs: Callable[[str], Path]) -> None:
    settings = Settings(home=tmpfs("ro,size=1m"))
    kept = record([finding(1)], command="doctor", settings=settings, database=database)
    assert (kept.in_journal, kept.in_table) == (False, True)
    assert kept.trouble is not None
    assert len(read(settings, database).entries) == 1


def test_a_full_disk(settings: Settings, tmpfs: Callable[[str], Path]) -> None:
    full = Settings(home=tmpfs("size=64k"))
    record([finding(1)], command="doctor", settings=full, where="x")
    with pytest.raises(OSError, match="No space"):
        (full.home / "filler").write_bytes(b"x" * 100_000)
    kept = record([finding(i) for i in range(2, 50)], command="doctor", settings=full, where="x")
    assert not kept.in_journal
    (full.home / "filler").unlink()
    record([finding(99)], command="doctor", settings=full, where="x")
    checks = [e.check_id for e in read(full).entries]
    assert (checks[0], checks[-1]) == ("check.1", "check.99")


def test_a_torn_line_costs_itself_only(settings: Settings) -> None:
    record([finding(1), finding(2)], command="doctor", settings=settings, where="x")
    path = Journal(settings.home).path
    path.write_bytes(path.read_bytes()[:-40])
    with path.open("ab") as file:
        file.write(b'\xff\xfe not JSON\n[1, 2]\n{"entry_id": 3}\n{"check_id')
    record([finding(3)], command="doctor", settings=settings, where="x")
    log = read(settings)
    assert [e.check_id for e in log.entries] == ["check.1", "check.3"]
    assert len({e.number for e in log.entries}) == 2


def test_a_full_log_is_turned_over_and_goes_on_counting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htc.store.journal.LIMIT_BYTES", 3000)
    for i in range(1, 31):
        record([finding(i)], command="doctor", settings=settings, where="x")
    log = read(settings)
    numbers = [e.number for e in log.entries]
    assert numbers[-1] == 30
    assert numbers == list(range(numbers[0], 31))
    assert sum(p.stat().st_size for p in settings.home.glob("findings*.jsonl")) < 10_000


# A program of its own: a spawned process could not import this file, packages install a `tests` of theirs.
WRITE_TWENTY = """
import sys
from pathlib import Path

from htc.settings import Settings
from htc.store.doctor.finding import Finding
from htc.store.findings import record

settings = Settings(home=Path(sys.argv[1]))
for i in range(10):
    found = Finding(check_id=f"check.{i}", hypothesis="h", test="t", result="r", verdict="ok")
    record([found, found], command="doctor", settings=settings, where="x")
"""


def test_several_processes_at_once(settings: Settings) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITE_TWENTY, str(settings.home)]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    log = read(settings)
    assert sorted(e.number for e in log.entries) == list(range(1, 61))


def test_what_neither_json_nor_postgresql_can_hold(database: Database, settings: Settings) -> None:
    strange = finding(1, result="a\x00b \ud800 µ |")
    strange = Finding(
        **{f: getattr(strange, f) for f in ("check_id", "hypothesis", "test", "verdict")},
        result=strange.result,
        details={"nan": float("nan"), "path": Path("/x"), "many": {1}, "\x00": "\x00"},
    )
    assert record([strange], command="doctor", settings=settings, database=database).in_table
    entry = read(settings, database).entries[0]
    assert entry.result == "ab ? µ |"
    assert entry.details == {"nan": None, "path": "/x", "many": [1], "": ""}


@pytest.mark.parametrize("where", ["journal", "table"])
def test_filters(database: Database, settings: Settings, where: str) -> None:
    kept = record(
        [finding(1), finding(2, "note"), finding(3, "failure")],
        command="doctor", settings=settings, database=database,
    )  # fmt: skip
    record([finding(4, "warning")], command="doctor", settings=settings, database=database)
    if where == "table":
        Journal(settings.home).path.unlink()
    source = database if where == "table" else None

    def checks(**filters: object) -> list[str]:
        return [e.check_id[-1] for e in read(settings, source, **filters).entries]  # type: ignore[arg-type]

    assert checks() == ["1", "2", "3", "4"]
    assert checks(limit=2) == ["3", "4"]
    assert checks(mildest="warning") == ["3", "4"]
    assert checks(report=kept.report_id[:8]) == ["1", "2", "3"]
    assert checks(report="%") == []
    assert checks(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert checks(since=datetime.now(UTC) - timedelta(hours=1), mildest="failure") == ["3"]


def test_markdown(settings: Settings) -> None:
    assert "None." in as_markdown(read(settings))
    record([finding(1, "failure", "a|b\nc")], command="htc db doctor", settings=settings, where="x|y")
    page = as_markdown(read(settings))
    assert "| F-1 | failure | something may be wrong | looked | a\\|b c | mend it |" in page
    assert "htc db doctor" in page
