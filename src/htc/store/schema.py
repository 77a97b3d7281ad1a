"""The revision a database stands at, and the ways to move it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from htc.errors import SchemaError
from htc.store.faults import store_errors

if TYPE_CHECKING:
    from alembic.config import Config

    from htc.store.database import Database

__all__ = [
    "HEAD",
    "MIGRATION_LOCK",
    "REVISIONS",
    "Standing",
    "downgrade",
    "ensure",
    "standing",
    "upgrade",
    "upgrade_sql",
]

REVISIONS: Final = (
    "001_test_telemetry",
    "002_bete_runs",
    "003_htc_predictions",
    "004_checks_runs_provenance",
    "005_structures_findings",
)
"""The chain, oldest first. Kept here as well as in the files so that opening a database needs no Alembic."""

HEAD: Final = REVISIONS[-1]

MIGRATION_LOCK: Final = 0x4854_4301
"""Key of the advisory lock that lets one migrator work at a time ('HTC' and a number)."""

_ALEMBIC = threading.Lock()
"""Alembic keeps its context in module globals: one migration at a time in a process."""

_OUR_TABLES: Final = frozenset(
    {"test_telemetry", "bete_runs", "htc_predictions", "runs", "ranking_refreshes", "findings"}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a database's schema looks like from outside."""

    revisions: tuple[str, ...]
    """Stamps in alembic_version: none, or normally one."""
    tables: frozenset[str]
    """Those of our tables that exist."""

    @property
    def revision(self) -> str | None:
        """The one stamp, or None."""
        return self.revisions[0] if len(self.revisions) == 1 else None

    @property
    def is_empty(self) -> bool:
        """Nothing of ours is there yet."""
        return not self.revisions and not self.tables

    @property
    def is_current(self) -> bool:
        """At this program's revision."""
        return self.revision == HEAD


def standing(connection: Connection) -> Standing:
    """Look at a database without changing it."""
    found = connection.execute(
        text(
            "SELECT c.relname FROM pg_class c WHERE pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'p')"
            " AND c.relname = ANY (:names)"
        ),
        {"names": [*_OUR_TABLES, "alembic_version"]},
    )
    names = {row[0] for row in found}
    stamps: tuple[str, ...] = ()
    if "alembic_version" in names:
        stamped = connection.execute(text("SELECT version_num FROM alembic_version ORDER BY 1"))
        stamps = tuple(row[0] for row in stamped)
    return Standing(stamps, frozenset(names & _OUR_TABLES))


def ensure(database: Database) -> None:
    """Bring the schema to :data:`HEAD` where that is ours to do, else say what to run.

    The embedded database is always brought up. On a server of the user's only an empty schema is filled;
    changing tables that hold rows is the user's own step, ``htc db upgrade``.

    Raises:
        SchemaError: behind on a user's server, ahead of this program, or in a state no version made.
    """
    with database.connect() as connection:
        now = standing(connection)
    if now.is_current:
        return
    _refuse_strange(now, database.where)
    if database.embedded is None and not now.is_empty:
        raise SchemaError(
            f"the database stands at revision {now.revision}, this program needs {HEAD}",
            where=database.where,
            hint="run `htc db upgrade` (`htc db upgrade --sql` shows the statements first)",
        )
    upgrade(database)


def upgrade(database: Database) -> Standing:
    """Run all outstanding revisions in one transaction: all of them, or none.

    Returns:
        Where the database stood before.

    Raises:
        SchemaError: ahead, unknown, or the outcome is not what the revision promises.
        StoreError: the database refused; it then stands where it stood.
    """
    from alembic import command

    with database.connect() as connection:
        before = standing(connection)
    _refuse_strange(before, database.where)
    _run(database, lambda config: command.upgrade(config, "head"))
    return before


def downgrade(database: Database, revision: str) -> None:
    """Go back to an earlier revision. Columns that it does not have are dropped with their content.

    Raises:
        SchemaError: no such revision.
        StoreError: the database refused; it then stands where it stood.
    """
    from alembic import command

    if revision not in REVISIONS:
        raise SchemaError(f"there is no revision {revision!r}", hint="known: " + ", ".join(REVISIONS))
    _run(database, lambda config: command.downgrade(config, revision))


def upgrade_sql(start: str | None = None) -> str:
    """The statements of an upgrade from ``start`` (None: an empty database) to :data:`HEAD`, for review."""
    from alembic import command

    config = _config()
    config.output_buffer = buffer = io.StringIO()
    with _ALEMBIC:
        command.upgrade(config, f"{start}:head" if start else "head", sql=True)
    return buffer.getvalue()


def _run(database: Database, action: Callable[[Config], None]) -> None:
    from alembic.util import CommandError

    config = _config()
    with _ALEMBIC, store_errors(database.where), database.engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            action(config)
        except CommandError as error:
            raise SchemaError(str(error), where=database.where) from error
        _verify(connection, database.where)


def _verify(connection: Connection, where: str) -> None:
    """Before the commit: what the stamp promises is there."""
    from htc.store.tables import metadata

    now = standing(connection)
    if now.revision not in REVISIONS:
        raise SchemaError(f"the migration left the stamp {now.revisions}; nothing was changed", where=where)
    if now.is_current:
        missing = sorted(set(metadata.tables) - now.tables)
        inspector = inspect(connection)
        for name in sorted(now.tables):
            have = {column["name"] for column in inspector.get_columns(name)}
            missing += [
                f"{name}.{column.name}" for column in metadata.tables[name].columns if column.name not in have
            ]
        if missing:
            raise SchemaError(
                f"the database lacks {', '.join(missing)} although the migration ran; nothing was changed",
                where=where,
            )


def _refuse_strange(now: Standing, where: str) -> None:
    if len(now.revisions) > 1:
        raise SchemaError(
            f"the database carries several revision stamps: {', '.join(now.revisions)}",
            where=where,
            hint="alembic_version must hold one row; look which tables are really there",
        )
    if now.revision is None and now.tables:
        raise SchemaError(
            f"the database has tables of HTC ({', '.join(sorted(now.tables))}) but no revision stamp",
            where=where,
            hint="they may be left from a migration that failed; nothing was changed",
        )
    if now.revision is not None and now.revision not in REVISIONS:
        raise SchemaError(
            f"the database stands at revision {now.revision!r}, which this program does not know",
            where=where,
            hint="a newer htc may have made it: update htc; nothing was changed",
        )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # Alembic interpolates % in values.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
