"""Disk, memory and clock of this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.store.clock import Clock, clock_of
from htc.store.doctor.check import Check

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database
    from htc.store.doctor.finding import Finding

__all__ = ["check_clock", "check_machine"]

_HOME = Check("machine.home", "HTC_HOME cannot be written", "looked at its permissions and free room")
_TEMPORARY = Check("machine.temporary", "there is no room for temporary files", "wrote one")
_MEMORY = Check("machine.memory", "the processes do not fit into memory", "asked the system and its limits")
_CLOCK = Check("machine.clock", "this machine's clock is wrong", "compared it with the database's")

_ROOM_FAILS: Final = 100_000_000
_ROOM_WARNS: Final = 1_000_000_000
_WITHOUT_ROWS: Final = 0.02
"""Share of that room which is enough where the database is elsewhere: a findings log, counts of requests."""
_MEMORY_WARNS: Final = 1_000_000_000
"""A web worker and a job worker without torch take some 700 MB together."""
_SKEW_WARNS_S: Final = 2.0
_SKEW_FAILS_S: Final = 60.0
_LOOKS: Final = 5

_CGROUP: Final = Path("/sys/fs/cgroup")


def check_machine(settings: Settings) -> list[Finding]:
    """Room and rights on disk, and memory."""
    return [_home(settings.home, holds_rows=settings.database_url is None), _temporary(), _memory()]


def _home(home: Path, *, holds_rows: bool) -> Finding:
    existing = home
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not os.access(existing, os.W_OK | os.X_OK):
        return _HOME.warning(
            f"{existing} cannot be written: no embedded database, no findings log, and the workers of a"
            " service do not count requests together",
            "set HTC_HOME to a folder of your own",
        )
    free = shutil.disk_usage(existing).free
    said = f"{home} can be written; {free / 1e9:.1f} GB are free"
    needed = 1.0 if holds_rows else _WITHOUT_ROWS
    if free < _ROOM_FAILS * needed:
        return _HOME.failure(said, "free some room", free_bytes=free)
    if free < _ROOM_WARNS * needed:
        return _HOME.warning(said, "free some room soon", free_bytes=free)
    return _HOME.ok(said, free_bytes=free)


def _temporary() -> Finding:
    try:
        folder = tempfile.gettempdir()
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x" * 1_000_000)
            file.flush()
    except OSError as error:
        return _TEMPORARY.failure(
            f"no temporary file can be written: {error.strerror or error}",
            "make room in the folder of temporary files, or set TMPDIR to another; in a container mount one"
            " (`--tmpfs /tmp`)",
        )
    return _TEMPORARY.ok(f"{folder} can be written")


def _memory() -> Finding:
    available, limit = _available(), _limit()
    known = [value for value in (available, limit) if value is not None]
    if not known:
        return _MEMORY.skipped("this system does not say")
    said = ", ".join(
        f"{value / 1e9:.1f} GB {what}"
        for value, what in ((available, "are available"), (limit, "are this container's limit"))
        if value is not None
    )
    if min(known) < _MEMORY_WARNS:
        return _MEMORY.warning(
            said,
            "a web worker takes some 300 MB and a job worker about as much; give it more, or start fewer:"
            " `htc serve --workers 1 --job-workers 0`",
            bytes=min(known),
        )
    return _MEMORY.ok(said, bytes=min(known))


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    return None


def _limit() -> int | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (_CGROUP / name).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 60:
            return int(text)
    return None


def check_clock(database: Database | None) -> list[Finding]:
    """This machine's clock against the database's: keys expire and leases run out by these."""
    if database is None:
        return [_CLOCK.skipped("there is no open database to compare it with")]
    looks = [_skew(clock_of(database)) for _ in range(_LOOKS)]
    # The look that took least time is the least uncertain one.
    skew, uncertain = min(looks, key=lambda look: look[1])
    said = f"{abs(skew):.3f} s {'ahead of' if skew > 0 else 'behind'} the database (within {uncertain:.3f} s)"
    action = "set the clock by the network (NTP); until then keys expire early or late by as much"
    details: dict[str, Any] = {"skew_s": round(skew, 6), "uncertain_s": round(uncertain, 6)}
    beyond = abs(skew) - uncertain
    if beyond > _SKEW_FAILS_S:
        return [_CLOCK.failure(said, action, **details)]
    if beyond > _SKEW_WARNS_S:
        return [_CLOCK.warning(said, action, **details)]
    if time.time() < _BUILT:
        return [_CLOCK.failure(f"{said}, and both are in the past", "set the clocks", **details)]
    return [_CLOCK.ok(said, **details)]


_BUILT: Final = 1_760_000_000.0
"""A day of October 2025: no clock that goes right shows an earlier one."""


def _skew(clock: Clock) -> tuple[float, float]:
    middle = (clock.before + clock.after) / 2.0
    return middle - clock.database, (clock.after - clock.before) / 2.0
