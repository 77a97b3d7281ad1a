"""Reports, names, complexity, nearness and the spool, each by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.telemetry import spool
from htc.telemetry.batch import Batch, batch_of
from htc.telemetry.complexity import complexity
from htc.telemetry.executions import Collector, Execution
from htc.telemetry.git import CodeState
from htc.telemetry.node_ids import NodeIds
from htc.telemetry.proximity import Imports, shares_name
from htc.telemetry.text import NAME_LIMIT, fitted_name, is_shortened, storable


def report(nodeid: str, when: str, outcome: str = "passed", **more: Any) -> Any:
    return SimpleNamespace(
        **{"nodeid": nodeid, "when": when, "outcome": outcome, "duration": 1.0, "longrepr": None, "stop": 7.0}
        | more
    )


def executions(*reports: Any) -> list[Execution]:
    collector = Collector(root="/root", now=lambda: 0.0)
    for one in reports:
        collector.add(one)
    return collector.finish()


def test_a_test_repeated_in_a_run_is_several_executions() -> None:
    phases = ("setup", "call", "teardown")
    done = executions(
        *(report("t.py::a", when, "rerun" if when == "call" else "passed") for when in phases),
        *(report("t.py::a", when) for when in phases),
    )
    assert [e.passed for e in done] == [False, True]
    assert [e.duration_ms for e in done] == [3000.0, 3000.0]


def test_the_same_test_on_two_workers_is_two_executions() -> None:
    done = executions(
        *(report("t.py::a", when, worker_id=w) for when in ("setup", "call", "teardown") for w in ("1", "2"))
    )
    assert [(e.passed, e.duration_ms) for e in done] == [(True, 3000.0)] * 2


def test_interrupted_tests_count_only_once_they_failed() -> None:
    done = executions(
        report("t.py::a", "setup"),
        report("t.py::b", "setup"),
        report("t.py::b", "call", "failed", longrepr="E  no"),
        report("t.py::c", "setup"),
        report("t.py::c", "call"),
    )
    assert [(e.test_name, e.passed, e.error_message) for e in done] == [("t.py::b", False, "no")]


def test_a_skip_whose_teardown_fails_has_failed() -> None:
    done = executions(
        report("t.py::a", "setup"),
        report("t.py::a", "call", "skipped"),
        report("t.py::a", "teardown", "failed", longrepr=("t.py", 1, "gone")),
    )
    assert [e.passed for e in done] == [False]


def test_errors_are_bounded_and_hold_nothing_postgresql_refuses() -> None:
    crash = SimpleNamespace(path="t.py", lineno=3, message="\0\udc80" + "x" * 5000 + "\nmore")
    (done,) = executions(
        report("t\0.py::\udcff", "setup", "failed", longrepr=SimpleNamespace(reprcrash=crash)),
        report("t\0.py::\udcff", "teardown"),
    )
    assert done.test_name == r"t\x00.py::\udcff"
    assert done.error_message is not None
    assert done.error_message.startswith(r"t.py:3: \x00\udc80xxx")
    assert len(done.error_message) == 1000


@given(st.text(st.characters(codec=None), max_size=1200))
def test_any_name_fits_and_can_be_stored(name: str) -> None:
    stored = fitted_name(storable(name))
    assert len(stored) <= NAME_LIMIT
    assert "\0" not in stored
    assert stored.encode() == stored.encode("utf-8", "surrogatepass")
    assert storable(stored) == stored == fitted_name(stored)
    assert is_shortened(stored) == (len(storable(name)) > NAME_LIMIT)


@given(st.text("ab", min_size=501, max_size=600), st.text("ab", min_size=501, max_size=600))
def test_shortened_names_differ_where_the_names_do(one: str, other: str) -> None:
    assert (fitted_name(one) == fitted_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", 0),
        ("def f(): pass", 1),
        ("def f(x):\n if x: return 1\n elif x > 1: return 2\n else: return 3", 3),
        ("def f(x):\n for i in x:\n  while i and x or i: pass\n else: pass", 5),
        ("def f(x):\n try: pass\n except A: pass\n except B: pass\n finally: pass", 3),
        ("def f(x): return [i if i else 0 for i in x if i if x]", 5),
        ("def f(x):\n match x:\n  case 1: pass\n  case [a, b]: pass\n  case _: pass", 3),
        ("class A:\n async def f(self):\n  async for i in x: pass\n def g(self): pass", 3),
        ("if x: pass", 1),
        ("x = '\\d'  # an escape that Python warns of", 0),
        ("def f(:", None),
        ("\0", None),
    ],
)
def test_complexity(source: str, expected: int | None) -> None:
    assert complexity(source) == expected


def test_a_batch_survives_its_document() -> None:
    execution = Execution(
        test_name="t.py::é", test_file="t.py", duration_ms=1.5, passed=True, error_message=None, ended_at=1e9
    )
    state = CodeState(commit_sha="a" * 64, branch="b" * 300, changed_files=tuple(f"{i}" for i in range(500)))
    batch = batch_of([execution], state, {"t.py": 1e9 - 86_400.0})
    assert Batch.loads(batch.dumps()) == batch
    assert (len(batch.commit_sha or ""), len(batch.branch or "")) == (40, 200)
    assert (batch.files_changed, len(batch.changed_files or ())) == (500, 100)
    assert batch.rows[0].days_since_last_change == 1.0
    for broken in (b"", b"{}", b"[]", b'{"rows": [1]}', batch.dumps()[:-1]):
        with pytest.raises(ValueError, match=r".+"):
            Batch.loads(broken)


def test_the_spool_is_bounded_and_drops_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MAX_FILES", 3)
    paths = [spool.keep(tmp_path / "s", f"{i}", b"x" * 10) for i in range(5)]
    assert spool.keep(tmp_path / "s", "4", b"x" * 10) == paths[4]  # kept twice is kept once
    assert spool.waiting(tmp_path / "s") == paths
    spool.refuse(paths[3])
    assert spool.trim(tmp_path / "s") == 2
    assert spool.waiting(tmp_path / "s") == [paths[2], paths[4]]
    monkeypatch.setattr(spool, "MAX_BYTES", 15)
    assert spool.trim(tmp_path / "s") == 2
    assert spool.waiting(tmp_path / "s") == [paths[4]]
    monkeypatch.setattr(spool, "MAX_BYTES", 5)
    assert spool.trim(tmp_path / "s") == 0


def test_a_batch_is_delivered_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = spool.keep(tmp_path, "1", b"{}")
    code = (
        "import sys; from pathlib import Path; from htc.telemetry import spool\n"
        f"with spool.locked(Path({str(path)!r})) as ours: print(ours)"
    )

    def other() -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with spool.locked(path) as ours:
        assert ours
        assert other() == "False"
    assert other() == "True"
    path.unlink()
    assert other() == "False"


@pytest.fixture
def source(tmp_path: Path) -> Any:
    def write(**files: str) -> Path:
        for name, content in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def test_imports_are_followed(source: Any) -> None:
    root = source(
        src__pkg__init="", src__pkg__a="from . import b\n", src__pkg__b="import pkg.sub.c\n",
        src__pkg__sub__c="import os, nowhere\nfrom ..d import thing\n", src__pkg__d="thing = 1\n",
        tests__helper="import pkg.d\n", tests__conftest="import pkg.b\n", conftest="",
        tests__test_x="from pkg.a import f\nfrom helper import g\nimport numpy\n", tests__broken="def (:\n",
    )  # fmt: skip
    (root / "src/pkg/init.py").rename(root / "src/pkg/__init__.py")
    found = Imports(root).distances("tests/test_x.py")
    assert found == {
        "src/pkg/__init__.py": 1,
        "src/pkg/a.py": 1,
        "tests/helper.py": 1,
        "tests/conftest.py": 1,
        "conftest.py": 1,
        "src/pkg/b.py": 2,
        "src/pkg/d.py": 2,
        "src/pkg/sub/c.py": 3,
    }
    assert Imports(root).of("tests/broken.py") == ()
    assert Imports(root).of("tests/gone.py") == ()


@pytest.mark.parametrize(
    ("test_file", "changed", "expected"),
    [
        ("tests/test_gap.py", "src/htc/gap.py", True),
        ("tests/gap_test.py", "gap.c", True),
        ("tests/gap/test_solver.py", "src/gap.py", True),
        ("tests/gap/test_solver.py", "src/gap/__init__.py", True),
        ("tests/test_gap.py", "src/gap/__init__.py", True),
        ("tests/test_gap.py", "src/gap_curve.py", False),
        ("tests/test_a.py", "tests/conftest.py", False),
        ("tests/test_a.py", "src/__init__.py", False),
    ],
)
def test_names_that_belong_together(test_file: str, changed: str, expected: bool) -> None:
    assert shares_name(test_file, changed) is expected


def test_names_of_the_past_become_ids_of_today(source: Any) -> None:
    root = source(
        old="def test_a(): pass\n",
        new="class TestX:\n def test_m(self): pass\n\ndef test_a(): pass\n\nif 1:\n def test_b(): pass\n",
        broken="def (:\n",
    )
    (root / "notes.txt").write_text(">>> 1\n1\n")
    now = (root / "new.py").stat().st_mtime
    os.utime(root / "old.py", (now - 100, now - 100))
    ids = NodeIds(root)

    def current(name: str) -> str | None:
        return ids.current(name, name.split("::")[0], now - 50)

    assert current("old.py::test_a[1]") == "old.py::test_a[1]"
    assert current("old.py::test_a[1 2]") == "old.py::test_a"
    assert current("old.py::" + "x" * 475 + "~" + "0" * 16) == "old.py"
    assert current("new.py::test_a[1]") == "new.py::test_a"
    assert current("new.py::test_b") == "new.py::test_b"
    assert current("new.py::TestX::test_m") == "new.py::TestX::test_m"
    assert current("new.py::TestX::test_inherited") == "new.py::TestX"
    assert current("new.py::test_gone") is None
    assert current("broken.py::test_a") == "broken.py"
    assert current("gone.py::test_a") is None
    assert current("notes.txt::notes.txt") == "notes.txt"


def test_importing_the_plugin_costs_nothing() -> None:
    code = "import json, sys; import htc.telemetry; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"pytest", "sqlalchemy", "pydantic", "numpy", "psycopg", "ast", "subprocess", "htc.settings"}
    assert not heavy & set(json.loads(done.stdout))
