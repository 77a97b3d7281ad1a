"""The command as a person runs it: through ``main``, in this process or in one of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import htc
from htc.cli.app import main
from htc.cli.console import out
from htc.settings import get_settings
from htc.store import Database

EXAMPLES = Path(htc.__file__).parent / "examples/structures"


class Outcome(NamedTuple):
    """What a person sees of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Programs of ours send the log of the whole process to their stderr; the next test has another one."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_logging: None
) -> Callable[..., Outcome]:
    """``run("predict", "MgB2")`` -> its outcome, errors as ``main`` shows them."""

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["htc", *map(str, arguments)])
        monkeypatch.setattr(out, "width", 200)  # tables as wide as they like, whoever runs the tests
        get_settings.cache_clear()
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Outcome(int(left.value.code or 0), said.out, " ".join(said.err.split()))

    return command


# A test run in the background of a shell hands down that Ctrl-C is ignored; a person's terminal does not.
_MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from htc.cli import main
main()
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start(home, "predict", "MgB2")`` -> a process of its own, ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def command(home: Path, *arguments: object) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HTC_")}
        process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | {"HTC_HOME": str(home), "COLUMNS": "200"},
        )
        started.append(process)
        return process

    yield command
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def many_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 300 different crystals: CsCl-type cells whose edge grows by 0.002 Å."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(300):
        edge = 3.0 + 0.002 * i
        (folder / f"{i:03d}.vasp").write_text(
            f"TiAl\n1.0\n{edge} 0 0\n0 {edge} 0\n0 0 {edge}\nTi Al\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
        )
    return folder


@pytest.fixture(scope="session")
def example() -> Callable[[str], Path]:
    """Path of a bundled structure."""
    return lambda name: EXAMPLES / name


@pytest.fixture
def rows() -> Callable[[Database], dict[str, Any]]:
    """Counts that must agree in a database where nothing is half written."""
    import sqlalchemy as sa

    def count(database: Database) -> dict[str, Any]:
        with database.connect() as connection:

            def one(query: str) -> int:
                return int(connection.execute(sa.text(query)).scalar_one())

            return {
                "predictions": one("SELECT count(*) FROM htc_predictions"),
                "hashes": one("SELECT count(DISTINCT input_hash) FROM htc_predictions"),
                "bete_runs": one("SELECT count(*) FROM bete_runs"),
                "without_their_run": one(
                    "SELECT count(*) FROM htc_predictions p LEFT JOIN bete_runs b ON b.id = p.bete_run_id "
                    "WHERE p.applicable AND p.structure_origin IS NOT NULL AND b.id IS NULL"
                ),
            }

    return count
