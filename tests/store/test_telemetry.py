"""The statements of ``htc.telemetry`` on each server: one to write, the indexes to look back."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from htc.errors import InputError, StoreError
from htc.store import Database
from htc.store.tables import test_telemetry as telemetry
from htc.telemetry.batch import Batch, Row
from htc.telemetry.reports import flaky, slowest, wilson_interval
from htc.telemetry.selection import select
from htc.telemetry.writer import HISTORY, write

NOW = 1.7e9


def row(name: str, passed: bool = True, at: float = NOW, duration_ms: float = 10.0, **more: Any) -> Row:
    values: dict[str, Any] = {
        "id": uuid.uuid4().hex[16:],
        "test_name": name,
        "test_file": name.split("::")[0],
        "duration_ms": duration_ms,
        "passed": passed,
        "error_message": None if passed else "t.py:1: no",
        "days_since_last_change": None,
        "created_at": at,
    }
    return Row(**values | more)


def batch(
    *rows: Row, commit: str | None = "a" * 40, changed: tuple[str, ...] | None = (), **more: Any
) -> Batch:
    values: dict[str, Any] = {
        "rows": rows,
        "commit_sha": commit,
        "branch": "main",
        "changed_files": changed,
        "lines_added": 1,
        "lines_deleted": 0,
        "files_changed": None if changed is None else len(changed),
        "complexity_delta": 0.0,
    }
    return Batch(**values | more)


@pytest.fixture
def recently(database: Database) -> float:
    """A day ago by the server's clock, seconds since the epoch."""
    with database.connect() as connection:
        return float(connection.execute(sa.text("SELECT extract(epoch FROM now())")).scalar_one()) - 86_400.0


def stored(database: Database) -> list[Any]:
    with database.connect() as connection:
        return list(connection.execute(sa.select(telemetry).order_by(telemetry.c.created_at)))


def test_a_batch_is_one_statement_and_keeps_every_value(database: Database) -> None:
    statements: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    weird = "a\\x00'; DROP TABLE test_telemetry; -- é 你 :name %s"
    written = batch(
        row(weird, at=NOW + 0.25, days_since_last_change=1.5),
        *(row(f"t{i}", passed=False) for i in range(2000)),
        changed=("a.py", weird),
    )
    assert write(database, written) == 2001
    assert [s for s in statements if "INSERT" in s] == [s for s in statements if "test_telemetry" in s]
    assert len([s for s in statements if "INSERT" in s]) == 1
    found = stored(database)[-1]
    assert (found.test_name, found.changed_files) == (weird, ["a.py", weird])
    assert (found.duration_ms, found.passed, found.error_message) == (10.0, True, None)
    assert found.created_at.timestamp() == NOW + 0.25
    assert (found.days_since_last_change, found.complexity_delta, found.files_changed) == (1.5, 0.0, 2)


def test_unknown_is_null(database: Database) -> None:
    unknown = {"lines_added": None, "lines_deleted": None, "complexity_delta": None, "branch": None}
    write(database, batch(row("t"), commit=None, changed=None, **unknown))
    with database.connect() as connection:
        nulls = connection.exec_driver_sql(
            "SELECT num_nulls(commit_sha, branch, changed_files, lines_added, lines_deleted, files_changed,"
            " complexity_delta, recent_failure_rate, avg_duration, days_since_last_change)"
            " FROM test_telemetry"
        ).scalar_one()
    assert nulls == 10


def test_history_is_of_the_last_twenty_before_the_batch(database: Database) -> None:
    # 25 executions, of which the first 10 failed: 5 of the last 20.
    write(database, batch(*(row("t", i >= 10, NOW + i, 100.0 + i) for i in range(25))))
    write(database, batch(row("t", at=NOW + 100), row("t", at=NOW + 101), row("other", at=NOW + 102)))
    first, again, other = stored(database)[-3:]
    assert first.recent_failure_rate == again.recent_failure_rate == 5 / HISTORY
    assert first.avg_duration == again.avg_duration == pytest.approx(100.0 + sum(range(5, 25)) / 20)
    assert (other.recent_failure_rate, other.avg_duration) == (None, None)
    # What comes in late is placed where it belongs.
    write(database, batch(row("t", at=NOW + 10.5)))
    assert (
        next(r for r in stored(database) if r.created_at.timestamp() == NOW + 10.5).recent_failure_rate
        == 10 / 11
    )


def test_rows_of_the_earlier_version_do_no_harm(database: Database, tmp_path: Path, recently: float) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO test_telemetry (id, test_name, created_at, passed, changed_files) VALUES"
            " ('1', 't.py::t', NULL, true, NULL), ('2', 't.py::t', now() - interval '2 days', NULL, '{}'),"
            " ('3', 't.py::t', now() - interval '2 days', false, '\"text\"')"
        )
    (tmp_path / "t.py").write_text("def t(): pass\n")
    write(database, batch(row("t.py::t", at=recently), changed=("a.py",)))
    (late,) = [r for r in stored(database) if r.commit_sha]
    assert (late.recent_failure_rate, late.avg_duration) == (1.0, None)
    assert [t.runs for t in slowest(database)] == [1]
    assert flaky(database) == []
    assert [c.node_id for c in select(database, ["a.py"], root=tmp_path)] == ["t.py::t"]


def test_a_batch_sent_twice_is_stored_once(database: Database) -> None:
    one = batch(row("a"), row("b"))
    assert write(database, one) == 2
    assert write(database, one) == 0
    assert write(database, replace(one, rows=(*one.rows, row("c")))) == 1
    assert write(database, batch()) == 0
    assert len(stored(database)) == 3


def test_writers_at_the_same_time_lose_nothing(database: Database) -> None:
    batches = [batch(*(row(f"t{i}", at=NOW + n) for i in range(100))) for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda b: write(database, b), batches + batches)).count(100) == 8
    assert len(stored(database)) == 800


def test_a_batch_the_rules_refuse_leaves_nothing(database: Database) -> None:
    with pytest.raises(StoreError):
        write(database, batch(row("a"), row("x" * 501)))
    assert stored(database) == []


def plan_of(database: Database, call: Callable[[], object]) -> str:
    caught: list[tuple[str, Any]] = []

    def listen(*args: Any) -> None:
        caught.append((args[2], args[3]))

    sa.event.listen(database.engine, "before_cursor_execute", listen)
    call()
    sa.event.remove(database.engine, "before_cursor_execute", listen)
    plans = []
    with database.connect() as connection:
        for statement, parameters in caught:
            if "test_telemetry" in statement:
                plans += connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars()
    return "\n".join(plans)


def test_every_look_at_the_past_is_served_by_an_index(database: Database, tmp_path: Path) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO test_telemetry (id, test_name, test_file, duration_ms, passed, commit_sha,"
            " changed_files, files_changed, created_at)"
            " SELECT to_hex(i), 't.py::t' || i %% 500, 't.py', 1, i %% 97 > 0, md5((i / 500)::text),"
            " '[\"a.py\"]', 1, now() - i * interval '10 min' FROM generate_series(1, 50000) AS i"
        )
        connection.exec_driver_sql("ANALYZE test_telemetry")
    writing = plan_of(database, lambda: write(database, batch(row("t.py::t1"))))
    assert "Scan Backward using idx_test_telemetry_name_created" in writing
    assert "Seq Scan" not in writing
    assert "idx_test_telemetry_passed_created" in plan_of(database, lambda: flaky(database, since_days=7))
    assert "idx_test_telemetry_passed_created" in plan_of(database, lambda: slowest(database, since_days=1))
    selecting = plan_of(database, lambda: select(database, ["a.py"], root=tmp_path, since_days=2))
    assert "Scan Backward using idx_test_telemetry_name_created" in selecting


def test_slowest_by_the_median(database: Database, recently: float) -> None:
    for name, durations in {"a": [10.0, 20.0, 900.0], "b": [50.0, 50.0], "c": [1.0]}.items():
        write(database, batch(*(row(name, True, recently + i, ms) for i, ms in enumerate(durations))))
    write(database, batch(row("old", True, NOW, 1e6)))
    found = slowest(database)
    assert [(t.test_name, t.runs, t.median_ms, t.max_ms) for t in found] == [
        ("b", 2, 50.0, 50.0),
        ("a", 3, 20.0, 900.0),
        ("c", 1, 1.0, 1.0),
    ]
    assert found[1].mean_ms == pytest.approx(310.0)
    assert sum(t.share for t in found) == pytest.approx(1.0)
    assert [t.test_name for t in slowest(database, 1)] == ["b"]
    assert slowest(database, since_days=20_000)[0].test_name == "old"


def test_flaky_is_both_on_the_same_code_and_nothing_else(database: Database, recently: float) -> None:
    def runs(name: str, outcomes: str, start: float = 0.0, **code: Any) -> None:
        for i, outcome in enumerate(outcomes):
            write(database, batch(row(name, outcome == "p", recently + start + i), **code))

    runs("flaky", "pfpfp")
    runs("flaky", "ff", 10, commit="b" * 40)  # only failed there: it may be right
    runs("flaky", "pppp", 20, commit="c" * 40)
    runs("broken", "fff")
    runs("repaired", "fff")
    runs("repaired", "ppp", 10, commit="b" * 40)
    runs("edited", "fff", changed=("a.py",))  # same commit, other code on top of it
    runs("edited", "ppp", 10, changed=("a.py",), lines_added=2)
    runs("without a commit", "pf", commit=None)
    runs("once", "pf")
    found = flaky(database)
    assert [(t.test_name, t.failures, t.runs, t.flips) for t in found] == [
        ("once", 1, 2, 1),  # 1 of 2 is more surely often than 2 of 9
        ("flaky", 2, 9, 4),
    ]
    first = found[1]
    assert first.failure_rate == 2 / 9
    assert (first.rate_lower_95ci, first.rate_upper_95ci) == wilson_interval(2, 9)
    assert first.commits == ("a" * 40,)
    assert first.last_failure.timestamp() == pytest.approx(recently + 3)
    assert first.last_error == "t.py:1: no"
    assert len(flaky(database, 1)) == 1


def test_wilson_interval_reference() -> None:
    # Newcombe 1998, DOI 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, Table I, method 3
    for successes, trials, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
                                         (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]:  # fmt: skip
        assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_rate(pair: tuple[int, int]) -> None:
    low, high = wilson_interval(*pair)
    assert 0.0 <= low <= pair[0] / pair[1] <= high <= 1.0
    assert math.isclose(1.0 - wilson_interval(pair[1] - pair[0], pair[1])[0], high, abs_tol=1e-12)


def test_select_learns_what_fails_with_what(database: Database, tmp_path: Path, recently: float) -> None:
    for name in ("test_one.py", "test_two.py", "test_slow.py"):
        (tmp_path / name).write_text("def test(): pass\n")
    ids = [f"{name}::test" for name in ("test_one.py", "test_two.py", "test_slow.py")]
    for change in range(6):
        fails = {0: ids[0], 1: ids[1]}.get(change % 3)
        changed = {0: ("lib/a.py",), 1: ("lib/b.py",)}.get(change % 3, ("README",))
        for attempt in range(3):  # a change tried three times is one change
            at = recently + 100 * change + attempt
            rows = [row(i, i != fails, at, 90_000.0 if "slow" in i else 10.0) for i in ids]
            write(database, batch(*rows, commit=f"{change:040d}", changed=changed))
    for i in range(25):
        write(database, batch(*(row(name, True, recently + 1000 + i) for name in ids), commit="f" * 40))
    (first,) = select(database, ["lib/a.py"], root=tmp_path)
    assert first.node_id == "test_one.py::test"
    assert first.why == ("failed in 2 of 2 changes with lib/a.py",)
    assert 0.5 < first.score < 1.0
    (first,) = select(database, ["lib/b.py"], root=tmp_path)
    assert first.node_id == "test_two.py::test"
    both = select(database, ["lib/b.py", "lib/a.py"], root=tmp_path)
    assert {c.node_id for c in both} == set(ids[:2])
    assert select(database, ["README"], root=tmp_path) == []
    assert select(database, ["lib/a.py"], root=tmp_path / "elsewhere") == []


def test_history_corrects_an_opinion(database: Database, tmp_path: Path, recently: float) -> None:
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / name).write_text("import lib\ndef test(): pass\n")
    (tmp_path / "lib.py").write_text("")
    for change in range(10):
        write(
            database,
            batch(
                row("test_a.py::test", True, recently + change),
                commit=f"{change:040d}",
                changed=("lib.py",),
            ),
        )
    write(database, batch(row("test_b.py::test", True, recently)))
    new, tried = select(database, ["lib.py"], root=tmp_path)
    assert (new.node_id, new.why) == ("test_b.py::test", ("imports lib.py",))
    assert tried.why == ("imports lib.py, failed in 0 of 10 changes with lib.py",)
    assert tried.score < new.score / 4


def test_select_knows_tests_that_changed_or_failed_lately(
    database: Database, tmp_path: Path, recently: float
) -> None:
    for name in ("test_a.py", "test_b.py", "test_new.py"):
        (tmp_path / name).write_text("def test(n=1): pass\n")
    rows = [row(f"test_a.py::test[{n}]", True, recently, 40.0) for n in range(3)]
    write(database, batch(*rows, row("test_b.py::test", False, recently)))
    found = {c.node_id: c for c in select(database, ["test_a.py", "test_new.py"], root=tmp_path)}
    # Its file is newer than its last run: the values may be others now, the function is there.
    assert set(found) == {"test_new.py", "test_a.py::test", "test_b.py::test"}
    assert found["test_a.py::test"].duration_s == pytest.approx(0.12)
    assert found["test_b.py::test"].why == ("its only run failed",)
    assert found["test_new.py"].duration_s is None
    assert [c.node_id for c in select(database, ["gone.py"], root=tmp_path)] == ["test_b.py::test"]


def test_a_budget_is_kept(database: Database, tmp_path: Path, recently: float) -> None:
    (tmp_path / "test_a.py").write_text("".join(f"def test_{i}(): pass\n" for i in range(10)))
    write(
        database, batch(*(row(f"test_a.py::test_{i}", True, recently, 1000.0 * (i + 1)) for i in range(10)))
    )
    found = select(database, ["test_a.py"], root=tmp_path, n=None, budget_s=6.5)
    assert [c.duration_s for c in found] == [1.0, 2.0, 3.0]
    assert len(select(database, ["test_a.py"], root=tmp_path, n=2)) == 2
    assert len(select(database, ["test_a.py"], root=tmp_path, n=None)) == 10


def test_numbers_out_of_range(database: Database, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: slowest(database, 0),
        lambda: slowest(database, since_days=0.0),
        lambda: flaky(database, 0),
        lambda: flaky(database, since_days=math.nan),
        lambda: select(database, [], root=tmp_path, n=0),
        lambda: select(database, [], root=tmp_path, budget_s=0.0),
        lambda: select(database, [], root=tmp_path, since_days=-1.0),
        lambda: wilson_interval(3, 2),
        lambda: wilson_interval(0, 0),
    ]
    for call in calls:
        with pytest.raises(InputError):
            call()
