"""The revision a database stands at, and whether this program may use it as it is.

Moving a database is the work of :mod:`htc.store.migrating`; putting one right that no version left in order
that of :mod:`htc.store.adoption`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text

from htc.errors import SchemaError
from htc.store.locks import MIGRATION_LOCK
from htc.store.tables import metadata

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database
    from htc.store.migrating import Migration

__all__ = [
    "HEAD",
    "MIGRATION_LOCK",
    "REVISIONS",
    "Standing",
    "downgrade",
    "elsewhere_hint",
    "ensure",
    "is_of_the_early_chain",
    "refuse_elsewhere",
    "refuse_strange",
    "schema_elsewhere",
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
    "006_model_tiers",
    "007_service",
    "008_campaigns",
)
"""The chain, oldest first. Kept here as well as in the files so that opening a database needs no Alembic."""

HEAD: Final = REVISIONS[-1]

_OUR_TABLES: Final = frozenset(metadata.tables)

_SINCE: Final = {"test_telemetry": REVISIONS[0], "bete_runs": REVISIONS[1], "htc_predictions": REVISIONS[2]}
"""The tables of the first deployments. Later revisions were never applied by halves."""


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

    @property
    def orphans(self) -> tuple[str, ...]:
        """Tables of the first deployments that the stamp does not know yet: left by a failed migration."""
        if self.revision not in REVISIONS:
            return ()
        at = REVISIONS.index(self.revision)
        return tuple(
            name for name, since in _SINCE.items() if name in self.tables and REVISIONS.index(since) > at
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """Tables that the stamp promises and that are not there."""
        if self.revision not in REVISIONS:
            return ()
        if self.is_current:
            return tuple(sorted(_OUR_TABLES - self.tables))
        at = REVISIONS.index(self.revision)
        return tuple(
            name for name, since in _SINCE.items() if name not in self.tables and REVISIONS.index(since) <= at
        )


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


def schema_elsewhere(connection: Connection) -> str | None:
    """A schema out of the search path that has tables of HTC, where the search path finds none.

    An ``alembic_version``, even an empty one, says that the schema in the search path is meant.
    """
    return connection.execute(
        text(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname = ANY (:names) AND c.relkind IN ('r', 'p') AND NOT pg_table_is_visible(c.oid)"
            " AND n.nspname !~ '^pg_' AND to_regclass('alembic_version') IS NULL"
            " AND NOT EXISTS (SELECT FROM pg_class o WHERE o.relname = ANY (:names)"
            " AND pg_table_is_visible(o.oid))"
            " GROUP BY n.nspname ORDER BY count(*) DESC, n.nspname LIMIT 1"
        ),
        {"names": list(_SINCE)},
    ).scalar_one_or_none()


def refuse_elsewhere(connection: Connection, now: Standing, where: str) -> None:
    """Nothing, unless the tables lie in another schema than the search path says.

    Raises:
        SchemaError: they do; a second, empty set of tables would hide them.
    """
    other = schema_elsewhere(connection) if now.is_empty else None
    if other is None:
        return
    here = connection.execute(text("SELECT current_schema()")).scalar_one()
    raise SchemaError(
        f"the schema {here} has no tables of HTC, but the schema {other} of this database has;"
        " nothing was changed",
        where=where,
        hint=elsewhere_hint(here, other),
    )


def elsewhere_hint(here: str | None, other: str) -> str:
    """What to do where the search path leads past our tables."""
    return (
        f"add ?options=-csearch_path%3D{other} to HTC_DATABASE_URL, or `ALTER ROLE ... SET search_path ="
        f" {other}`. To begin a second set of tables in {here}: CREATE TABLE {here}.alembic_version"
        " (version_num VARCHAR(32) PRIMARY KEY)"
    )


def ensure(database: Database) -> None:
    """Bring the schema to :data:`HEAD` where that is ours to do, else say what to run.

    A database that a newer program brought further is used as it is where that one wrote down that it fits
    this one, see :mod:`htc.store.fitness`. The embedded database is always brought up. On a server of the
    user's only an empty schema is filled; changing tables that hold rows is the user's own step,
    ``htc db upgrade``.

    Raises:
        SchemaError: behind on a user's server, ahead of this program, or in a state no version made.
    """
    with database.connect() as connection:
        now = standing(connection)
        refuse_elsewhere(connection, now, database.where)
        if now.revision is not None and now.revision not in REVISIONS:
            # Of a newer program, which may have said that this one can go on meanwhile.
            from htc.store.fitness import COMMENT, fits

            if fits(now.revision, connection.execute(text(f"SELECT {COMMENT}")).scalar_one()):
                return
    refuse_strange(now, database.where)
    if now.is_current:
        return
    if database.embedded is None and not now.is_empty:
        raise SchemaError(
            f"the database stands at revision {now.revision}, this program needs {HEAD}",
            where=database.where,
            hint="run `htc db upgrade` (`htc db upgrade --sql` shows the statements first)",
        )
    upgrade(database, settings=None if now.is_empty else _settings_of(database))


def _settings_of(database: Database) -> Settings | None:
    """Settings whose findings log lies beside the embedded database."""
    from htc.errors import SettingsError
    from htc.settings import get_settings

    if database.embedded is None:
        return None
    try:
        return get_settings().model_copy(update={"home": database.embedded.root.parent})
    except SettingsError:
        return None  # the log is not worth refusing a database whose settings were given by hand


def refuse_strange(now: Standing, where: str) -> None:
    """Nothing, where the stamp and the tables tell one story.

    Raises:
        SchemaError: they do not; the hint names the command that puts it right.
    """
    if len(now.revisions) > 1:
        raise SchemaError(
            f"the database carries several revision stamps: {', '.join(now.revisions)}",
            where=where,
            hint="`htc db adopt` finds out from the tables which is right, keeps every row, and asks first",
        )
    if now.revision is None and now.tables:
        raise SchemaError(
            f"the database has tables of HTC ({', '.join(sorted(now.tables))}) but no revision stamp",
            where=where,
            hint="a migration failed, or a restore left the stamp out: `htc db adopt` finds out which,"
            " keeps every row, and asks first",
        )
    if now.revision is not None and now.revision not in REVISIONS:
        early = is_of_the_early_chain(now.revision)
        raise SchemaError(
            f"the database stands at revision {now.revision!r}, which this program does not know",
            where=where,
            hint="an earlier deployment used this name: `htc db adopt` takes it over without losing a row"
            if early
            else "a newer htc may have made it: update htc; nothing was changed",
        )
    if now.orphans:
        raise SchemaError(
            f"the database is stamped {now.revision} but already has {' and '.join(now.orphans)},"
            " left by a migration that failed",
            where=where,
            hint="`htc db adopt` takes them over with their rows, and asks first",
        )
    if now.missing:
        raise SchemaError(
            f"the database is stamped {now.revision} but lacks {', '.join(now.missing)}",
            where=where,
            hint="somebody dropped them, or a restore stopped half-way: restore a backup, or `htc db adopt`"
            " says what the rest is and what can be done, and asks first",
        )


def is_of_the_early_chain(stamp: str) -> bool:
    """Whether an unknown stamp may be an earlier name of one of the first three revisions.

    ``001_add_test_telemetry`` was the first one's; file names were taken for revision ids at times.
    """
    return stamp not in REVISIONS and stamp[:3] in {revision[:3] for revision in REVISIONS[:3]}


def upgrade(database: Database, **options: Any) -> Migration:
    """See :func:`htc.store.migrating.upgrade`."""
    from htc.store import migrating

    return migrating.upgrade(database, **options)


def downgrade(database: Database, revision: str, **options: Any) -> Migration:
    """See :func:`htc.store.migrating.downgrade`."""
    from htc.store import migrating

    return migrating.downgrade(database, revision, **options)


def upgrade_sql(start: str | None = None, end: str = HEAD) -> str:
    """See :func:`htc.store.migrating.upgrade_sql`."""
    from htc.store import migrating

    return migrating.upgrade_sql(start, end)
