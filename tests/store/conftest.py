"""In this room the ordinary database tests run on the embedded server and on PostgreSQL 15."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import URL

from htc.store.database import Database
from htc.store.embedded import process
from htc.store.embedded.binaries import Binaries
from htc.store.embedded.cluster import quiet_environment, write_access_rules
from htc.store.embedded.identity import current_identity
from htc.store.embedded.installed import installed_folders


@pytest.fixture(scope="session")
def postgres_15() -> Path:
    """Folder of the programs of PostgreSQL 15."""
    folder = next((f for f in installed_folders(15) if (f / "initdb").exists()), None)
    if folder is None:
        pytest.skip("PostgreSQL 15 is not installed (Debian: apt install postgresql-15)")
    return folder


@pytest.fixture(scope="session")
def server_15(
    tmp_path_factory: pytest.TempPathFactory, test_server_class: Any, postgres_15: Path
) -> Iterator[Any]:
    """A private PostgreSQL 15, where its programs are installed."""
    folder = postgres_15
    root = tmp_path_factory.mktemp("pg15")
    data, socket_dir, log = root / "data", root / "s", root / "log"
    socket_dir.mkdir(mode=0o700)
    identity, binaries = current_identity(), Binaries(folder)
    command = [*identity.prefix, str(folder / "initdb"), "-D", str(data), "-U", "htc", "-E", "UTF8"]
    subprocess.run(
        [*command, "--locale=C", "-A", "peer", "-N"], check=True, capture_output=True, env=quiet_environment()
    )
    write_access_rules(data, identity)
    lock = root / "server.lock"
    process.start(data, socket_dir, lock, log, binaries, identity)
    query = {"host": str(socket_dir), "port": str(process.PORT)}
    yield test_server_class(
        "pg15", lambda name: URL.create("postgresql+psycopg", username="htc", database=name, query=query)
    )
    process.stop(data, lock)


@pytest.fixture(scope="session")
def test_server_class(embedded_server: Any) -> Any:
    """The class of ``embedded_server``: conftest files are not importable."""
    return type(embedded_server)


@pytest.fixture(params=["embedded", "pg15"])
def server(request: pytest.FixtureRequest) -> Any:
    """Each server in turn."""
    return request.getfixturevalue("embedded_server" if request.param == "embedded" else "server_15")


@pytest.fixture
def database(server: Any) -> Iterator[Database]:
    """A fresh, migrated database on each server in turn."""
    with server.migrated() as fresh:
        yield fresh


@pytest.fixture
def empty_database(server: Any) -> Iterator[Database]:
    """A fresh database without tables on each server in turn."""
    with server.empty() as fresh:
        yield fresh


Noted = Callable[[], AbstractContextManager[list[tuple[str, Any]]]]


@pytest.fixture
def noted() -> Noted:
    """Keeps what is asked in an order meanwhile, also past SQLAlchemy: the driver itself tells.

    ``with noted() as asked: ...``; ``asked`` are the statements with their parameters.
    """

    @contextmanager
    def keep() -> Iterator[list[tuple[str, Any]]]:
        asked: list[tuple[str, Any]] = []
        execute = psycopg.Cursor.execute

        def note(cursor: Any, statement: Any, parameters: Any = None, **options: Any) -> Any:
            if isinstance(statement, str) and "ORDER BY" in statement and "EXPLAIN" not in statement:
                asked.append((statement, parameters))
            return execute(cursor, statement, parameters, **options)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(psycopg.Cursor, "execute", note)
            yield asked

    return keep
