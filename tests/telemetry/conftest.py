"""Small projects with real git repositories, on which real pytest runs are recorded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from htc.store import Database
from htc.store.tables import test_telemetry as telemetry

GIT_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "n"), ("EMAIL", "n@example.org"))
}


class Run:
    """What a person sees of a run of pytest."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout + done.stderr
        said = re.findall(r"^htc telemetry: (.*)$", done.stdout, re.MULTILINE)
        assert len(said) <= 1
        self.said: str | None = said[0] if said else None


class Project:
    """A folder with tests, which knows nothing of HTC."""

    def __init__(self, folder: Path, home: Path, url: str | None) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HTC_", "PYTEST_", "GIT_", "COV"))}
        self.home = home
        self.environment = kept | GIT_IDENTITY | {"HTC_HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull}
        if url is not None:
            self.environment["HTC_DATABASE_URL"] = url

    def git(self, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        """``write(tests__test_a="...")`` writes tests/test_a.py."""
        for name, content in files.items():
            path = self.folder / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def init(self) -> None:
        self.git("init", "-q", "-b", "main")
        (self.folder / ".gitignore").write_text("__pycache__\n")

    def commit(self, message: str = "a change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def command(self, *arguments: str, python: tuple[str, ...] = ()) -> list[str]:
        given = ["-q", "-p", "no:cacheprovider", "-p", "htc.telemetry", *arguments]
        return [sys.executable, "-B", *python, "-m", "pytest", *given]

    def pytest(self, *arguments: str, python: tuple[str, ...] = (), **environment: str) -> Run:
        return Run(
            subprocess.run(
                self.command(*arguments, python=python),
                cwd=self.folder,
                env=self.environment | environment,
                check=False,
                capture_output=True,
                text=True,
            )
        )

    @property
    def spool(self) -> list[Path]:
        return sorted((self.home / "telemetry").glob("*.json"))


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """A maker of projects by name, without a database unless given one."""

    def make(name: str = "project", database: Database | None = None) -> Project:
        url = None if database is None else database.engine.url.render_as_string(hide_password=False)
        return Project(tmp_path / name, tmp_path / "htc-home", url)

    return make


@pytest.fixture
def project(make_project: Callable[..., Project], database: Database) -> Project:
    """A project in a repository, whose runs go into ``database``."""
    made = make_project(database=database)
    made.init()
    return made


@pytest.fixture
def recorded(database: Database) -> Callable[[], list[Any]]:
    """The rows of ``database``, oldest first."""

    def rows() -> list[Any]:
        with database.connect() as connection:
            return list(connection.execute(sa.select(telemetry).order_by(telemetry.c.created_at)))

    return rows
