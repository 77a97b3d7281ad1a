"""Selection on a history that really happened: commits in a repository, each with a run of its tests.

Some of its tests run programs by name, as end-to-end tests do: nothing in them tells which, so the ranking
must be learned. Others import what they test.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from htc.store import Database
from htc.telemetry.selection import Choice, select

PROGRAMS = ("parse", "solve")
TESTS_A_PROGRAM = 4
IMPORTED = ("units",)

END_TO_END = """
import subprocess, sys
from pathlib import Path
import pytest

PROGRAM = {programs!r}

@pytest.mark.parametrize("n", range({count}))
def test_{letter}(n):
    for program in PROGRAM:
        source = (Path(__file__).parents[1] / "programs" / (program + ".txt")).read_text()
        assert eval(source)(n) == n * n
"""

GOOD, BROKEN = "lambda n: n * n", "lambda n: n * n + 1"


@pytest.fixture
def history(project: Any) -> Any:
    """A repository in which each program was broken once and mended, with a run at every commit."""
    for program in PROGRAMS:
        path = project.folder / "programs" / f"{program}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(GOOD)
    # Letters that say nothing about which program a file tests.
    for letter, program in zip("xy", PROGRAMS, strict=True):
        body = END_TO_END.format(programs=[program], count=TESTS_A_PROGRAM, letter=letter)
        project.write(**{f"tests__test_{letter}": body})
    for module in IMPORTED:
        project.write(**{f"lib_{module}": "VALUE = 1\n"})
        project.write(
            **{f"tests__test_w{module}": f"import lib_{module} as m\ndef test_it(): assert m.VALUE == 1\n"}
        )
    project.write(
        **{f"tests__test_noise{i}": "def test_one(): pass\ndef test_two(): pass\n" for i in range(4)}
    )
    project.commit()
    assert project.pytest().code == 0
    for program in PROGRAMS:
        path = project.folder / "programs" / f"{program}.txt"
        path.write_text(BROKEN)
        project.commit(f"break {program}")
        assert project.pytest().code == 1
        path.write_text(GOOD)
        project.commit(f"mend {program}")
        assert project.pytest().code == 0
    return project


def average_precision(order: list[str], failing: set[str]) -> float:
    hits, total = 0, 0.0
    for position, node_id in enumerate(order, 1):
        if node_id in failing:
            hits += 1
            total += hits / position
    return total / len(failing)


def failing_now(project: Any) -> tuple[set[str], set[str]]:
    """What fails when all is run, without a record of it; and all there is."""
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--tb=no"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    words = [line.split() for line in done.stdout.splitlines()]
    by_outcome = {o: {w[1] for w in words if w[:1] == [o]} for o in ("PASSED", "FAILED")}
    return by_outcome["FAILED"], by_outcome["FAILED"] | by_outcome["PASSED"]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run ``htc`` in this process; its output."""
    from htc.cli import app

    def run(*arguments: str) -> str:
        capsys.readouterr()
        app(list(arguments), standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_the_tests_that_fail_come_first(
    history: Any, database_in_settings: Database, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., str]
) -> None:
    database = database_in_settings

    def ranking(*changed: str) -> list[Choice]:
        return select(database, changed, root=history.folder, n=None)

    precision = []
    for program in PROGRAMS:
        path = history.folder / "programs" / f"{program}.txt"
        path.write_text("lambda n: n * n - 1")  # broken in a way that was not seen before
        failing, everything = failing_now(history)
        assert len(failing) == TESTS_A_PROGRAM
        assert len(everything) == 2 * TESTS_A_PROGRAM + len(IMPORTED) + 8
        ranked = ranking(f"programs/{program}.txt")
        assert {c.node_id for c in ranked[: len(failing)]} == failing
        assert all(f"failed in 1 of 3 changes with programs/{program}.txt" in c.why for c in ranked[:4])
        precision.append(average_precision([c.node_id for c in ranked], failing))
        path.write_text(GOOD)
    assert precision == [1.0, 1.0]

    # A module that never broke before: its importers come first, of what history knows nothing about.
    for module in IMPORTED:
        name = f"lib_{module}"
        history.write(**{name: "VALUE = 2\n"})
        failing, _ = failing_now(history)
        assert failing == {f"tests/test_w{module}.py::test_it"}
        ranked = ranking(f"{name}.py")
        assert ranked[0].node_id in failing
        assert any(f"imports {name}.py" in why for why in ranked[0].why)
        history.write(**{name: "VALUE = 1\n"})

    # What `select --plain` prints is what pytest takes, whatever was renamed since.
    monkeypatch.chdir(history.folder)
    (history.folder / "programs/solve.txt").write_text("lambda n: -1")
    # test_y has lost one of its values and test_x is gone since they were recorded.
    text = (history.folder / "tests/test_y.py").read_text()
    history.write(tests__test_y=text.replace("range(4)", "range(3)"))
    (history.folder / "tests/test_x.py").unlink()
    printed = cli("telemetry", "select", "--plain").split()
    assert printed[0] == "tests/test_y.py::test_y"
    run = history.pytest(*printed)
    assert run.code == 1
    assert "3 failed" in run.out
