"""The process that takes a run's batch to the database: ``python -m htc.telemetry.deliver``, batch on stdin.

It is a process of its own so that the project under test and its modules, environment, warnings and deadlines
have nothing to do with the database. Each line on stdout is a JSON object: first ``{"kept": path}`` once the
batch cannot get lost any more, at the end the fields of :class:`Delivery`.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.telemetry import spool
from htc.telemetry.batch import Batch

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["FOLDER", "Delivery", "deliver", "main", "unanswered"]

FOLDER: Final = "telemetry"
"""Below HTC_HOME."""

CONNECT_S: Final = 3
LIFE_S: Final = 120
"""After this the process is stuck and ends itself; what it holds is kept."""
EARLIER_S: Final = 5.0
"""No further batch of earlier runs is begun after this."""
OTHERS_S: Final = 20.0
"""How long another process may take with the batch of this one."""

_UNANSWERED: Final = "unanswered"
_QUIET_S: Final = 600.0


@dataclass(slots=True)
class Delivery:
    """What became of a batch."""

    recorded: int = 0
    """Rows of this run in the database."""
    earlier: int = 0
    """Rows of earlier runs that went in with them."""
    kept: int = 0
    """Rows of this run that wait in the spool."""
    lost: int = 0
    """Rows of this run that could not be kept either."""
    dropped: int = 0
    """Batches of earlier runs that the spool had no room for."""
    reason: str | None = None
    """Why not all is recorded."""


def unanswered(home: Path) -> bool:
    """Whether the database lately let a process wait in vain: then nobody waits for it again so soon."""
    try:
        return time.time() - (home / FOLDER / _UNANSWERED).stat().st_mtime < _QUIET_S
    except OSError:
        return False


def deliver(settings: Settings, batch: Batch, *, kept_at: Path | None) -> Delivery:
    """Insert a batch and those of earlier runs that wait.

    Args:
        settings: say which database and which HTC_HOME.
        batch: with one row or more.
        kept_at: the file it is kept in, None when it could not be kept.

    Returns:
        What became of them; a database that fails is told, not raised.
    """
    from htc.errors import DatabaseUnavailableError, HTCError

    folder = settings.home / FOLDER
    out = Delivery()
    if kept_at is not None:
        out.dropped = spool.trim(folder)
    began = time.monotonic()
    try:
        with _open(settings) as database:
            # First what came first: it is the history of what comes after.
            for path in spool.waiting(folder):
                if path != kept_at and time.monotonic() - began < EARLIER_S:
                    out.earlier += _deliver_file(database, path)
            _deliver_own(database, batch, kept_at, out)
        with suppress(OSError):
            (folder / _UNANSWERED).unlink(missing_ok=True)
    except HTCError as error:
        out.reason = str(error)
        if isinstance(error, DatabaseUnavailableError) and time.monotonic() - began >= CONNECT_S:
            with suppress(OSError):
                (folder / _UNANSWERED).touch()
    left = len(batch.rows) - out.recorded
    if kept_at is not None:
        out.kept = left
    else:
        out.lost = left
    return out


def _open(settings: Settings) -> Database:
    from htc.store.database import Database, url_of

    url = url_of(settings)
    if url is None:
        return Database.open(settings)
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(CONNECT_S)})
    return Database.connect_to(url)


def _deliver_own(database: Database, batch: Batch, kept_at: Path | None, out: Delivery) -> None:
    from htc.telemetry.writer import write

    if kept_at is None:
        write(database, batch)
    else:
        with spool.locked(kept_at, OTHERS_S) as ours:
            if ours:
                write(database, batch)
                kept_at.unlink()
            elif kept_at.exists():
                out.reason = "another process has been writing it for long"
                return
    out.recorded = len(batch.rows)


def _deliver_file(database: Database, path: Path) -> int:
    from htc.errors import StoreError
    from htc.telemetry.writer import write

    try:
        with spool.locked(path) as ours:
            if not ours:
                return 0
            try:
                count = write(database, Batch.loads(path.read_bytes()))
            except ValueError:
                spool.refuse(path)
                return 0
            except StoreError as error:
                if type(error) is not StoreError:  # no connection, no room: the next one fares no better
                    raise
                spool.refuse(path)
                return 0
            path.unlink()
            return count
    except OSError:
        return 0


def main() -> None:
    """Read a batch from stdin, keep it, deliver it."""
    if hasattr(signal, "SIGALRM"):
        signal.alarm(LIFE_S)
    # Loaded while the run that started this is still asking git.
    from htc import settings as settings_module
    from htc.errors import HTCError

    failure: str | None = None
    settings: Settings | None = None
    try:
        settings = settings_module.get_settings()
    except HTCError as error:
        failure = str(error)
    try:
        import htc.store.database
        import htc.store.embedded
        import htc.telemetry.writer  # noqa: F401
    except Exception as error:  # noqa: BLE001 - a broken installation: what was measured is kept all the same
        failure = failure or f"the database cannot be used: {error!r}"
    document = sys.stdin.buffer.read()
    batch = Batch.loads(document)
    total = len(batch.rows)
    home = settings.home if settings else settings_module.config_file().parent
    kept_at: Path | None = None
    unkept = ""
    try:
        kept_at = spool.keep(home / FOLDER, batch.name, document)
        _say({"kept": str(kept_at)})
    except OSError as error:
        unkept = f"; {home / FOLDER} cannot be written: {error.strerror}"
    out = Delivery(kept=total if kept_at else 0, lost=0 if kept_at else total, reason=failure)
    if settings is not None and failure is None:
        try:
            out = deliver(settings, batch, kept_at=kept_at)
        except Exception as error:  # noqa: BLE001 - told in the run's summary, which nothing here may fail
            out.reason = repr(error)
    if out.lost:
        out.reason = f"{out.reason}{unkept}"
    _say(asdict(out))


def _say(value: dict[str, Any]) -> None:
    # Whoever started this may have gone.
    with suppress(OSError):
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
