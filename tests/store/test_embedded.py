"""The embedded server through what can happen to it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from htc.errors import DatabaseUnavailableError, SchemaError, StorageError
from htc.settings import Settings
from htc.store import Database, get, save
from htc.store.embedded import EmbeddedServer, process
from htc.store.embedded import server as server_module

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

OPEN_AND_WAIT = """
import sys, time
from pathlib import Path
from htc.settings import Settings
from htc.store import Database
database = Database.open(Settings(home=Path(sys.argv[1])))
print("open", flush=True)
time.sleep(float(sys.argv[2]))
"""


def run_user(home: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that opens the database, says so, and leaves without closing it."""
    return subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WAIT, str(home), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def count(home: Path) -> int:
    with Database.open(Settings(home=home)) as database, database.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM htc_predictions")).scalar_one())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cold_start_makes_a_private_database_without_network(tmp_path: Path) -> None:
    with Database.open(Settings(home=tmp_path)) as database:
        assert database.embedded is not None
        with database.connect() as connection:
            assert connection.execute(text("SHOW listen_addresses")).scalar_one() == ""
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
            assert connection.execute(text("SHOW data_checksums")).scalar_one() == "on"
        for folder in ("postgres", "postgres/data", "postgres/socket"):
            assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
        socket = tmp_path / "postgres/socket/.s.PGSQL.5432"
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert "reject" not in (tmp_path / "postgres/data/pg_hba.conf").read_text()
        assert (tmp_path / "postgres/data/pg_hba.conf").read_text().split() == [
            "local",
            "all",
            "htc",
            "peer",
            "map=htc",
        ]
    assert EmbeddedServer(tmp_path).status().state == "stopped"
    assert (tmp_path / "postgres/data/PG_VERSION").stat().st_uid == os.geteuid()


def test_the_last_user_stops_the_server(home: Path) -> None:
    server = EmbeddedServer(home)
    first, second = server.acquire(), server.acquire()
    assert server.status().state == "running"
    first.close()
    assert server.status().state == "running"
    second.close()
    second.close()
    assert server.status().state == "stopped"


def test_a_process_that_ends_without_closing_leaves_nothing_running(home: Path) -> None:
    user = run_user(home, 0)
    _, errors = user.communicate(timeout=60)
    assert user.returncode == 0, errors
    assert EmbeddedServer(home).status().state == "stopped"


def test_a_kept_server_stays_until_it_is_stopped(home: Path) -> None:
    server = EmbeddedServer(home)
    lease = server.acquire()
    server.keep()
    lease.close()
    assert server.status().state == "running"
    assert server.status().kept
    assert server.stop()
    assert server.status().state == "stopped"
    assert not server.stop()
    server.acquire().close()
    assert server.status().state == "stopped"


def test_a_server_in_use_is_not_stopped_unless_forced(home: Path) -> None:
    server = EmbeddedServer(home)
    lease = server.acquire()
    with pytest.raises(DatabaseUnavailableError, match="another process") as caught:
        server.stop()
    assert "--force" in str(caught.value.hint)
    assert server.stop(force=True)
    lease.close()


def test_nothing_is_lost_when_the_postmaster_is_killed(
    home: Path, make_prediction: Callable[..., Prediction]
) -> None:
    with Database.open(Settings(home=home)) as database:
        saved = save(database, [make_prediction(1)])
        note = process.read_postmaster(home / "postgres/data")
        assert note is not None
        os.kill(note.pid, signal.SIGKILL)
    with Database.open(Settings(home=home)) as database:
        assert get(database, saved[0].id).prediction.source == "input-1"
    assert EmbeddedServer(home).status().state == "stopped"


def test_a_killed_owner_is_forgotten(home: Path) -> None:
    owner = run_user(home, 600)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "open\n"
    owner.kill()
    owner.communicate()
    status = EmbeddedServer(home).status()
    assert status.state == "running"
    assert not status.in_use
    assert count(home) == 0
    assert EmbeddedServer(home).status().state == "stopped"


def test_a_killed_owner_during_a_cold_start_leaves_a_database_that_opens(tmp_path: Path) -> None:
    # The moments of a cold start: before, during and after initdb, and while the server comes up.
    for delay in (0.0, 0.2, 0.5, 0.9, 1.3):
        owner = run_user(tmp_path, 600)
        wait_for(lambda: (tmp_path / "postgres").exists())
        time.sleep(delay)
        owner.kill()
        owner.communicate()
    assert count(tmp_path) == 0


def test_four_processes_start_cold_at_once(tmp_path: Path) -> None:
    users = [run_user(tmp_path, 0.2) for _ in range(4)]
    for user in users:
        output, errors = user.communicate(timeout=120)
        assert (user.returncode, output) == (0, "open\n"), errors
    assert EmbeddedServer(tmp_path).status().state == "stopped"
    assert not list((tmp_path / "postgres").glob("data.new-*"))


def test_a_note_naming_a_living_stranger_is_stale(home: Path) -> None:
    # After a restart of the machine the server's process id may belong to anybody, even to us.
    note = home / "postgres/data/postmaster.pid"
    note.write_text(f"{os.getpid()}\n{home}/postgres/data\n0\n5432\n{home}/postgres/socket\n\n0 0\n")
    (home / "postgres/socket").mkdir(exist_ok=True)
    (home / "postgres/socket/.s.PGSQL.5432.lock").write_text(note.read_text())
    assert count(home) == 0


def test_leftovers_of_a_broken_initdb_are_removed(tmp_path: Path) -> None:
    half = tmp_path / "postgres/data.new-abc"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert count(tmp_path) == 0
    assert not half.exists()


@pytest.mark.parametrize("name", ["a" * 120, "with space", 'it\'s, "quoted"', "größe"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    with Database.open(Settings(home=home)) as database:
        assert str(home) in database.where
        assert database.embedded is not None
        socket_dir = database.embedded.status().socket_dir
        assert socket_dir is not None
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    assert socket_dir.parent == home / "postgres" or not socket_dir.exists()


def test_a_socket_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(server_module, "SOCKET_PATH_LIMIT", len(str(tmp_path)) + 60)
    server = EmbeddedServer(tmp_path / ("long" * 30))
    lease = server.acquire()
    (squatted,) = tmp_path.glob("htc-*")
    lease.close()
    assert not squatted.exists()
    squatted.mkdir()
    squatted.chmod(0o777)
    with pytest.raises(StorageError, match="not private"):
        server.acquire()


def test_another_major_version_is_refused_with_both_names(home: Path) -> None:
    (home / "postgres/data/PG_VERSION").write_text("14\n")
    with pytest.raises(SchemaError, match=r"PostgreSQL 14, but the programs here are 18"):
        EmbeddedServer(home).acquire()


def test_a_folder_that_is_not_a_database_is_never_replaced(home: Path) -> None:
    (home / "postgres/data/PG_VERSION").unlink()
    with pytest.raises(StorageError, match="PG_VERSION is missing"):
        EmbeddedServer(home).acquire()
    assert (home / "postgres/data/base").is_dir()


@pytest.mark.parametrize("victim", ["global/pg_control", "pg_wal", "global/pg_filenode.map"])
def test_damaged_files_are_named_as_such(home: Path, victim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_TIMEOUT_S", 1.0)  # a server in a crash loop does not stop politely
    path = home / "postgres/data" / victim
    if path.is_dir():
        for segment in path.glob("0*"):
            segment.write_bytes(b"")
    else:
        path.write_bytes(b"")
    with pytest.raises(StorageError, match="damaged") as caught:
        Database.open(Settings(home=home))
    assert "backup" in str(caught.value.hint)
    assert EmbeddedServer(home).status().state == "stopped"


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="a file stands where a folder is needed") as caught:
            EmbeddedServer(home).acquire()
        assert "HTC_HOME" in str(caught.value.hint)


def test_a_read_only_home(tmpfs: Callable[[str], Path]) -> None:
    with pytest.raises(StorageError, match="Read-only file system"):
        EmbeddedServer(tmpfs("ro,size=1m") / "home").acquire()


def test_no_room_for_the_database_then_room(tmpfs: Callable[[str], Path]) -> None:
    disk = tmpfs("size=20m")
    with pytest.raises(StorageError, match="no room on the disk for making the database"):
        EmbeddedServer(disk).acquire()
    assert not list((disk / "postgres").glob("data*"))
    subprocess.run(["mount", "-o", "remount,size=300m", str(disk)], check=True)
    assert count(disk) == 0


def test_the_disk_fills_up_during_writing(
    tmpfs: Callable[[str], Path], make_prediction: Callable[..., Prediction]
) -> None:
    disk = tmpfs("size=150m")
    settings = Settings(home=disk)
    with Database.open(settings) as database:
        save(database, [make_prediction(1)])
        free = os.statvfs(disk)
        filler = disk / "filler"
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 400_000))
        big = {"lattice": {}, "sites": [{"x": i, "label": os.urandom(40).hex()} for i in range(2_000)]}
        with pytest.raises(StorageError, match=r"disk is full|no room on the disk"):
            save(database, (make_prediction(i, structure=big) for i in range(2, 400)))
    filler.unlink()
    with Database.open(settings) as database:
        assert get(database, save(database, [make_prediction(1)])[0].id).prediction.source == "input-1"
        assert not save(database, [make_prediction(1)])[0].is_new
    assert count(disk) % 100 == 1  # whole chunks only


def test_a_full_disk_at_start(tmpfs: Callable[[str], Path]) -> None:
    disk = tmpfs("size=150m")
    Database.open(Settings(home=disk)).close()
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))
    with pytest.raises(StorageError, match="no room on the disk for starting the database"):
        Database.open(Settings(home=disk))
    (disk / "filler").unlink()
    assert count(disk) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs the namespace")
def test_where_user_namespaces_are_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "unshare"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(DatabaseUnavailableError, match="does not allow the user namespace") as caught:
        EmbeddedServer(tmp_path / "home").acquire()
    assert "HTC_DATABASE_URL" in str(caught.value.hint)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatabaseUnavailableError, match="no `unshare`"):
        EmbeddedServer(tmp_path / "home").acquire()


def test_status_of_nothing_makes_nothing(tmp_path: Path) -> None:
    assert EmbeddedServer(tmp_path / "none").status().state == "absent"
    assert not EmbeddedServer(tmp_path / "none").stop()
    assert not (tmp_path / "none").exists()
