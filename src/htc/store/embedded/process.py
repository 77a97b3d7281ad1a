"""The server process: started detached, known to live by a lock it holds, stopped in order.

Whether a server lives is never read from a process id. The server inherits a descriptor on which
``server.lock`` is held, and so do all its children; while any of them is left the lock is taken, and when it
is free none is left, whatever ``postmaster.pid`` says. That settles a killed server, a zombie, a recycled
process id and a second container on the same folder alike.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from htc.errors import DatabaseUnavailableError, SettingsError
from htc.store.embedded.binaries import Binaries
from htc.store.embedded.cluster import ROLE, quiet_environment
from htc.store.embedded.diagnosis import from_output
from htc.store.embedded.identity import Identity
from htc.store.embedded.locks import is_free, open_lock, try_lock

__all__ = [
    "PORT",
    "Postmaster",
    "answers",
    "is_alive",
    "read_from",
    "read_postmaster",
    "read_settings",
    "start",
    "stop",
]

PORT = 5432
"""Part of the socket's name only: the server does not listen on the network."""

POLL_S = 0.01
START_TIMEOUT_S = 300.0
"""Long enough for recovery after a crash."""

STOP_TIMEOUT_S = 20.0
"""Then it is stopped without its last checkpoint, which the next start makes up for."""

_FIXED = {"listen_addresses": "", "unix_socket_permissions": "0700"}
"""What keeps the server private is nobody's choice."""

_NOT_YOURS = {"unix_socket_directories", "unix_socket_group", "port", "hba_file", "ident_file"}
_NOT_YOURS |= {"data_directory", "config_file", "ssl"}

_SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "jit": "off",
    "max_wal_size": "2GB",
    # Rarer checkpoints: each makes the next change of every page a whole page in the log.
    "checkpoint_timeout": "15min",
}


_LINE = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w.]*)\s*(?:=|\s)\s*(?:'(?P<quoted>(?:[^']|'')*)'|(?P<bare>[^\s'#]+))\s*(?:#.*)?"
)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What ``postmaster.pid`` says about a server."""

    pid: int
    socket_dir: Path


def read_postmaster(data: Path) -> Postmaster | None:
    """The server's own note, or None where there is none or it is not finished."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return Postmaster(int(lines[0]), Path(lines[4]))
    except (OSError, ValueError, IndexError):
        return None


def is_alive(server_lock: Path) -> bool:
    """Whether the server or any of its children is left."""
    return not is_free(server_lock, of_exclusive=True)


def _cache_mb() -> int:
    """A sixteenth of the memory, 128 MB to 1 GB: enough for the upper levels of the indexes of 10^7 rows.

    It is taken from the system page by page as it is used.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 128
    return min(max(memory // 16 // 2**20, 128), 1024)


def answers(socket_dir: Path) -> bool:
    """Whether the server accepts connections (libpq's PQping, as ``pg_isready`` does)."""
    from psycopg import pq

    conninfo = f"host={_quoted(socket_dir)} port={PORT} user={ROLE} dbname=postgres connect_timeout=2"
    return pq.PGconn.ping(conninfo.encode()) == pq.Ping.OK


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


def read_settings(file: Path) -> dict[str, str]:
    """Server settings of the user's: ``name = value`` lines, as in postgresql.conf; none without a file.

    Raises:
        SettingsError: a line is not one of these, or sets what keeps the server private.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SettingsError(
                "not a setting of PostgreSQL", where=f"{file}:{number}", hint="write: name = value"
            )
        name = match["name"].lower()
        if name in _FIXED or name in _NOT_YOURS:
            raise SettingsError(
                f"{name} is set by htc, which keeps the server private", where=f"{file}:{number}"
            )
        found[name] = match["bare"] if match["quoted"] is None else match["quoted"].replace("''", "'")
    return found


def start(
    data: Path,
    socket_dir: Path,
    server_lock: Path,
    log: Path,
    binaries: Binaries,
    identity: Identity,
    own_settings: Mapping[str, str] | None = None,
) -> None:
    """Start a server and return when it answers.

    The caller holds the lifecycle lock and knows that no server lives. ``own_settings`` win over ours.

    Raises:
        StoreError: it did not come up; the message says why, from its log.
    """
    # Nobody holds server.lock, so nothing of an earlier server is left: its note is stale for certain.
    (data / "postmaster.pid").unlink(missing_ok=True)
    for stale in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (socket_dir / stale).unlink(missing_ok=True)
    log_start = log.stat().st_size if log.exists() else 0
    private = {**_FIXED, "unix_socket_directories": str(socket_dir)}
    settings = {**_SETTINGS, "shared_buffers": f"{_cache_mb()}MB", **(own_settings or {}), **private}
    command = [
        *identity.prefix,
        str(binaries / "postgres"),
        "-D",
        str(data),
        "-p",
        str(PORT),
        *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
    ]
    held = open_lock(server_lock)
    try:
        if not try_lock(held, patience_s=1.0):
            raise DatabaseUnavailableError("another server took the data directory", where=str(data))
        # The shell's `&` hands the server to init, so that it is nobody's zombie; its own session
        # keeps a Ctrl-C at the terminal from reaching it.
        subprocess.run(
            ["/bin/sh", "-c", '"$@" </dev/null >>"$0" 2>&1 &', str(log), *command],
            pass_fds=(held,),
            start_new_session=True,
            env=quiet_environment(),
            check=True,
        )
    finally:
        os.close(held)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers(socket_dir):
        if not is_alive(server_lock):
            raise from_output(read_from(log, log_start), "starting the database", data, log)
        if time.monotonic() > deadline:
            raise DatabaseUnavailableError(
                f"the database did not answer within {START_TIMEOUT_S:.0f} s",
                where=str(data),
                hint=f"see {log}",
            )
        time.sleep(POLL_S)


def read_from(log: Path, start_at: int) -> str:
    """What the log says after an offset, at most its last 20 kB."""
    try:
        with log.open("rb") as source:
            size = log.stat().st_size
            begin = start_at if start_at <= size else 0  # shorter than it was: rotated meanwhile
            source.seek(max(begin, size - 20_000))
            return source.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def stop(data: Path, server_lock: Path) -> bool:
    """Stop the server and wait until nothing of it is left. Open transactions are rolled back.

    Returns:
        Whether there was a server to stop.

    Raises:
        DatabaseUnavailableError: it cannot be stopped from here.
    """
    if not is_alive(server_lock):
        return False
    # Fast shutdown first; immediate shutdown (recovery at the next start) when that hangs.
    for signal_number in (signal.SIGINT, signal.SIGQUIT):
        note = read_postmaster(data)
        if note is not None and _is_postgres(note.pid):
            os.kill(note.pid, signal_number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if not is_alive(server_lock):
                return True
            time.sleep(POLL_S)
    raise DatabaseUnavailableError(
        "the database server does not stop",
        where=str(data),
        hint="it may run in another container or belong to another user; stop it there",
    )


def _is_postgres(pid: int) -> bool:
    """Whether it is safe to signal ``pid``: the note may stem from another process namespace."""
    command_line = Path(f"/proc/{pid}/cmdline")
    if command_line.parent.parent.joinpath("self").exists():
        try:
            return b"postgres" in command_line.read_bytes()
        except OSError:
            return False
    shown = subprocess.run(["/bin/ps", "-p", str(pid), "-o", "command="], capture_output=True, check=False)
    return b"postgres" in shown.stdout
