"""Alembic, held by the hand: one migration at a time in a process, on a connection that is given to it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htc.errors import HTCError, SchemaError
from htc.store.doctor.migration_files import check_migration_files
from htc.store.faults import store_errors
from htc.store.fitness import mark
from htc.store.migrating.outcome import Applied
from htc.store.schema import HEAD, MIGRATION_LOCK, REVISIONS, standing

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

__all__ = [
    "LOCK_TIMEOUT_MS",
    "config",
    "move",
    "need_known",
    "path_between",
    "run_alone",
    "upgrade_sql",
]

LOCK_TIMEOUT_MS = 900
"""How long a migration queues for a table. Shorter than PostgreSQL's deadlock_timeout (1 s): where it and a
reader wait for each other it is the migration that gives way, never the reader."""

_ALEMBIC = threading.Lock()
"""Alembic keeps its context in module globals."""

_GUARD = """
DO $$
BEGIN
    IF {condition} THEN
        RAISE EXCEPTION 'this script is for a database {standing}';
    END IF;
END
$$;
"""


def config() -> Config:
    """Alembic's configuration: the revisions lie in the package, nothing is read from the working folder."""
    from alembic.config import Config

    made = Config()
    folder = Path(__file__).parent.parent / "migrations"
    # Alembic interpolates % in values.
    made.set_main_option("script_location", str(folder).replace("%", "%%"))
    return made


def need_known(revision: str) -> str:
    """``revision`` itself.

    Raises:
        SchemaError: it is not one of ours.
    """
    if revision not in REVISIONS:
        raise SchemaError(f"there is no revision {revision!r}", hint="known: " + ", ".join(REVISIONS))
    return revision


def path_between(start: str | None, end: str) -> tuple[str, ...]:
    """The revisions that an upgrade from ``start`` (None: nothing) to ``end`` runs, in order."""
    first = REVISIONS.index(start) + 1 if start else 0
    return REVISIONS[first : REVISIONS.index(end) + 1]


def move(
    connection: Connection,
    target: str,
    *,
    down: bool = False,
    on_applied: Callable[[Applied], None] | None = None,
) -> tuple[Applied, ...]:
    """Run the revisions between the stamp and ``target`` in the connection's open transaction.

    Returns:
        What ran, in order, with its time.

    Raises:
        SchemaError: Alembic does not find its way from the stamp.
        StoreError: the database refused; the message names the revision.
    """
    from alembic import command
    from alembic.util import CommandError

    start = standing(connection).revision
    applied: list[Applied] = []
    since = time.perf_counter()

    def note(*, step: Any, **_: Any) -> None:
        nonlocal since
        now = time.perf_counter()
        revision = step.down_revision_ids if down else step.up_revision_ids
        name = step.up_revision_id if down else (revision[0] if revision else target)
        applied.append(Applied(str(name), now - since))
        since = now
        if on_applied is not None:
            on_applied(applied[-1])

    settings = config()
    settings.attributes |= {"connection": connection, "on_version_apply": note}
    try:
        with _ALEMBIC, store_errors():
            (command.downgrade if down else command.upgrade)(settings, target)
            mark(connection, target)
    except CommandError as error:
        raise SchemaError(str(error), hint="`htc db doctor` looks at the files and the stamp") from error
    except HTCError as error:
        error.what = (
            f"{_failed_at(start, applied, target, down=down)} failed, nothing was changed: {error.what}"
        )
        raise
    return tuple(applied)


def run_alone(connection: Connection, revision: str) -> None:
    """Do what one revision does, whatever the stamp; the stamp stays.

    Raises:
        SchemaError: no such revision.
        StoreError: the database refused.
    """
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(config()).get_revision(need_known(revision))
    with _ALEMBIC, store_errors(), Operations.context(MigrationContext.configure(connection)):
        script.module.upgrade()


def upgrade_sql(start: str | None = None, end: str = HEAD) -> str:
    """The statements of an upgrade, for review or for psql: one transaction that refuses any other start.

    Args:
        start: the revision the database stands at, None for an empty database.
        end: the revision it is to stand at.

    Raises:
        SchemaError: no such revision, ``end`` lies before ``start``, or the migration files are no chain.
    """
    from alembic import command

    for revision in filter(None, (start, end)):
        need_known(revision)
    if start is not None and REVISIONS.index(end) < REVISIONS.index(start):
        raise SchemaError(f"{end} lies before {start}", hint="`htc db downgrade` goes back")
    if start == end:
        return f"-- Nothing to do: the database stands at {end}.\n"
    _refuse_broken_files()
    settings = config()
    settings.output_buffer = buffer = io.StringIO()
    settings.attributes["preamble"] = _preamble(start)
    with _ALEMBIC:
        command.upgrade(settings, f"{start}:{end}" if start else end, sql=True)
    return buffer.getvalue()


def _refuse_broken_files() -> None:
    # Alembic answers a broken chain with a bare KeyError.
    for one in check_migration_files():
        if one.verdict == "failure":
            raise SchemaError(f"{one.result}; nothing was printed", hint=one.action or None)


def _preamble(start: str | None) -> list[str]:
    """What the printed script does before the first revision."""
    if start is None:
        condition, standing = "to_regclass('alembic_version') IS NOT NULL", "without tables of HTC"
    else:
        condition = f"(SELECT string_agg(version_num, ',') FROM alembic_version) IS DISTINCT FROM '{start}'"  # noqa: S608 - one of ours
        standing = f"at revision {start}"
    return [
        f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'",
        f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})",
        _GUARD.format(condition=condition, standing=standing).strip().rstrip(";"),
    ]


def _failed_at(start: str | None, applied: list[Applied], target: str, *, down: bool) -> str:
    if down:
        left = list(reversed(path_between(target, start or HEAD)))
        return f"taking back revision {left[len(applied)]}" if len(applied) < len(left) else "the downgrade"
    left = list(path_between(start, target))
    return f"revision {left[len(applied)]}" if len(applied) < len(left) else "the upgrade"
