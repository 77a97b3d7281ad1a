"""Run by Alembic. Migrations go through :mod:`htc.store.migrating`, which hands over an open connection."""

from __future__ import annotations

from alembic import context

from htc.store.schema import MIGRATION_LOCK
from htc.store.tables import metadata

LOCK_SQL = f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"


def run() -> None:
    """All outstanding revisions in one transaction, one migrator at a time."""
    attributes = context.config.attributes
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True, target_metadata=metadata)
        with context.begin_transaction():
            for statement in attributes.get("preamble", [LOCK_SQL]):
                context.execute(statement)
            context.run_migrations()
        return
    connection = attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        on_version_apply=attributes.get("on_version_apply", ()),
    )
    with context.begin_transaction():
        # Taken before Alembic reads the stamp: a migrator that had to wait sees the work already done.
        connection.exec_driver_sql(LOCK_SQL)
        context.run_migrations()


run()
