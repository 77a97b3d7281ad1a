"""One embedded server under ``HTC_HOME/postgres``, shared by any number of processes.

    HTC_HOME/postgres/       0700
        data/                the PostgreSQL data directory
        server.log           what the server said (server.log.1: before that)
        lifecycle.lock       held while a process starts or stops the server
        users.lock           held, shared, by every process that uses it
        server.lock          held by the server itself, see ``process``
        keep                 present while `htc db start` wants the server to stay
        postgresql.htc.conf  the user's settings for the server, if there is such a file, see ``process``
        upgrade/             a data directory of a newer version in the making, see ``swap``
        data.pg<N>/          the one of an older version, kept after an upgrade

The first user starts the server, the last one stops it: measured at 0.1-0.2 s for both together, that is
cheap enough to leave nothing running behind a finished command. A user that is killed loses its locks
with its life, so nobody has to count or prune; the server it may have left running is taken over by the next
user and stopped when that one leaves.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from htc.errors import DatabaseUnavailableError, StorageError, StoreError
from htc.store.embedded import process, swap
from htc.store.embedded.binaries import Binaries, find_binaries
from htc.store.embedded.cluster import ensure_cluster, write_access_rules
from htc.store.embedded.diagnosis import from_os_error, known_trouble
from htc.store.embedded.identity import Identity, current_identity
from htc.store.embedded.locks import exclusive, is_free, open_lock, try_lock

__all__ = ["EmbeddedServer", "Lease", "ServerStatus"]

State = Literal["absent", "stopped", "running", "not answering"]

LIFECYCLE_TIMEOUT_S = 330.0
SETTLE_TIMEOUT_S = 60.0
"""How long a server that lives but does not answer may take to come up or go away."""

LOG_LIMIT_BYTES = 5_000_000
SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107
_SOCKET_NAME = f"/.s.PGSQL.{process.PORT}"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What can be said about the server without touching it."""

    state: State
    data_dir: Path
    socket_dir: Path | None
    log: Path
    pid: int | None
    kept: bool
    """Stays until `htc db stop`."""
    in_use: bool
    """Some process holds it open."""


class Lease:
    """A process's right to use the running server; ``close`` gives it back."""

    def __init__(self, server: EmbeddedServer, socket_dir: Path, users_fd: int, log_start: int) -> None:
        """Made by :meth:`EmbeddedServer.acquire`."""
        self.server = server
        self.socket_dir = socket_dir
        self._log_start = log_start
        # Runs at interpreter exit too, for callers who never close.
        self._finalizer = weakref.finalize(self, _give_back, server, users_fd, os.getpid())

    def diagnosis(self) -> StoreError | None:
        """Why the server fails, where its log says so since this lease began; else None."""
        log = self.server.log
        said = process.read_from(log, self._log_start)
        return known_trouble(said, "using the database", self.server.data, log)

    def revive(self) -> None:
        """Start the server again if it died; its recovery brings back everything that was committed.

        Raises:
            StoreError: it cannot be started.
        """
        self.server.revive()

    def close(self) -> None:
        """Leave; the last user stops the server unless it is to be kept. Closing twice is harmless."""
        self._finalizer()


class EmbeddedServer:
    """The server of one HTC_HOME."""

    def __init__(self, home: Path) -> None:
        """Nothing is touched yet. ``home`` is the value of HTC_HOME."""
        self.root = home / "postgres"
        self.data = self.root / "data"
        self.log = self.root / "server.log"
        self._lifecycle = self.root / "lifecycle.lock"
        self._users = self.root / "users.lock"
        self._server_lock = self.root / "server.lock"
        self._keep = self.root / "keep"
        self._settings = self.root / "postgresql.htc.conf"

    def acquire(self) -> Lease:
        """Start the server if it does not run, and hold it open.

        Raises:
            StorageError: no room, not writable, damaged.
            SchemaError: the data directory belongs to another major version.
            DatabaseUnavailableError: it cannot be started for another reason.
        """
        with self._as_ours("opening the database"):
            self._make_root()
            log_start = self.log.stat().st_size if self.log.exists() else 0
            with exclusive(self._lifecycle, LIFECYCLE_TIMEOUT_S):
                socket_dir = self._ensure_running()
                users_fd = open_lock(self._users)
                # Lasting exclusive holders of users.lock hold the lifecycle lock as well: there is none.
                if not try_lock(users_fd, shared=True, patience_s=5.0):
                    os.close(users_fd)
                    raise DatabaseUnavailableError("cannot register as a user", where=str(self._users))
        return Lease(self, socket_dir, users_fd, log_start)

    def revive(self) -> None:
        """Start the server if it does not run. Same errors as :meth:`acquire`."""
        with self._as_ours("starting the database"), exclusive(self._lifecycle, LIFECYCLE_TIMEOUT_S):
            self._ensure_running()

    def keep(self) -> None:
        """Let the server stay after its last user, until :meth:`stop`."""
        with self._as_ours("marking the server to stay"):
            self._keep.touch(mode=0o600)

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server now.

        Args:
            force: also when other processes use it; they lose their connections.

        Returns:
            Whether it was running.

        Raises:
            DatabaseUnavailableError: it is in use, or does not stop.
        """
        if not self.root.is_dir():
            return False
        with self._as_ours("stopping the database"), exclusive(self._lifecycle, LIFECYCLE_TIMEOUT_S):
            if not force and not is_free(self._users):
                raise DatabaseUnavailableError(
                    "another process is using the database",
                    where=str(self.data),
                    hint="let it finish, or stop the server all the same with `htc db stop --force`",
                )
            self._keep.unlink(missing_ok=True)
            return self._stop_server()

    @contextmanager
    def sole_use(self) -> Iterator[None]:
        """Keep everybody else away from the data directory; no server runs on it at the beginning.

        Raises:
            DatabaseUnavailableError: another process uses it.
            StorageError: not writable.
        """
        with self._as_ours("having the database alone"):
            self._make_root()
        with exclusive(self._lifecycle, LIFECYCLE_TIMEOUT_S):
            if not is_free(self._users):
                raise DatabaseUnavailableError(
                    "another process is using the database",
                    where=str(self.data),
                    hint="let it finish, or end it with `htc db stop --force`",
                )
            self._stop_server()
            with self._as_ours("finishing an upgrade"):
                swap.finish(self.root)
            yield

    @contextmanager
    def run_with(self, binaries: Binaries) -> Iterator[Path]:
        """Run the server with given programs, within :meth:`sole_use`; yields the folder of its socket.

        Raises:
            StoreError: it does not come up.
        """
        identity = current_identity()
        with self._as_ours("starting the database"):
            self._prepare_log()
            write_access_rules(self.data, identity)
            socket_dir = self._socket_dir()
            self._start(socket_dir, binaries, identity)
        try:
            yield socket_dir
        finally:
            self._stop_server()

    def status(self) -> ServerStatus:
        """Look, without starting anything."""
        alive = process.is_alive(self._server_lock)
        note = process.read_postmaster(self.data) if alive else None
        state: State
        if alive:
            state = "running" if note and process.answers(note.socket_dir) else "not answering"
        else:
            state = "stopped" if self.data.exists() or swap.is_pending(self.root) else "absent"
        return ServerStatus(
            state=state,
            data_dir=self.data,
            socket_dir=note.socket_dir if note else None,
            log=self.log,
            pid=note.pid if note else None,
            kept=self._keep.exists(),
            in_use=not is_free(self._users),
        )

    def leave(self, users_fd: int) -> None:
        """Drop a user's hold and stop the server if nobody else has one."""
        try:
            with exclusive(self._lifecycle, LIFECYCLE_TIMEOUT_S):
                if try_lock(users_fd, patience_s=0.02) and not self._keep.exists():
                    self._stop_server()
        except FileNotFoundError:
            # The whole folder was removed under us; there is no server file left to tidy.
            return
        finally:
            os.close(users_fd)

    def _make_root(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root.chmod(0o700)

    def _ensure_running(self) -> Path:
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while process.is_alive(self._server_lock):
            note = process.read_postmaster(self.data)
            if note and process.answers(note.socket_dir):
                return note.socket_dir
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError(
                    f"a database server lives but has not answered for {SETTLE_TIMEOUT_S:.0f} s",
                    where=str(self.data),
                    hint=f"`htc db stop --force` ends it; {self.log} says what it is doing",
                )
            time.sleep(process.POLL_S)
        binaries, identity = find_binaries(), current_identity()
        self._prepare_log()
        swap.finish(self.root)
        ensure_cluster(self.data, binaries, identity, self.log)
        write_access_rules(self.data, identity)
        socket_dir = self._socket_dir()
        self._start(socket_dir, binaries, identity)
        return socket_dir

    def _start(self, socket_dir: Path, binaries: Binaries, identity: Identity) -> None:
        own = process.read_settings(self._settings)
        process.start(self.data, socket_dir, self._server_lock, self.log, binaries, identity, own)

    def _stop_server(self) -> bool:
        note = process.read_postmaster(self.data)
        was_running = process.stop(self.data, self._server_lock)
        if note is not None and note.socket_dir.parent != self.root:
            with suppress(OSError):  # whatever else lies in it is not ours
                note.socket_dir.rmdir()
        return was_running

    def _prepare_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(mode=0o600)

    def _socket_dir(self) -> Path:
        """A private folder for the socket: our own, or a short one where the path would be too long."""
        own = self.root / "socket"
        # The limit counts bytes and the closing zero; a comma would split the setting in two.
        if len(os.fsencode(own)) + len(_SOCKET_NAME) <= SOCKET_PATH_LIMIT and "," not in str(own):
            own.mkdir(mode=0o700, exist_ok=True)
            return own
        digest = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:12]
        short = Path(tempfile.gettempdir()) / f"htc-{os.geteuid()}-{digest}"
        if len(os.fsencode(short)) + len(_SOCKET_NAME) > SOCKET_PATH_LIMIT:
            short = Path("/tmp") / short.name  # noqa: S108 - created 0700 and its owner checked below
        short.mkdir(mode=0o700, exist_ok=True)
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise StorageError(
                "the folder for the database's socket is not private to you",
                where=str(short),
                hint="remove it, or set HTC_HOME to a shorter path",
            )
        return short

    @contextmanager
    def _as_ours(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise from_os_error(error, doing, self.root) from error


def _give_back(server: EmbeddedServer, users_fd: int, owner: int) -> None:
    # A forked child inherits the lease object, but leaving is its parent's affair.
    if os.getpid() == owner:
        server.leave(users_fd)
