"""What there is to say about a database: where it lies, what it holds, how fresh its ranking is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text

from htc.store.database import Database, redacted, user_url
from htc.store.rankings import Freshness, freshness
from htc.store.schema import HEAD, standing

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.embedded import ServerStatus

__all__ = ["DatabaseStatus", "TableSize", "look"]

EXACT_BELOW: Final = 1_000_000
"""Larger tables are not counted; the planner's estimate is given instead."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table with its indexes."""

    name: str
    rows: int
    is_estimate: bool
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """What :func:`look` found. The fields after ``server`` are None where there is no database yet."""

    where: str
    """Folder of the embedded database, or the URL without its password."""
    embedded: bool
    server: ServerStatus | None
    """The embedded server as it was before looking."""
    server_version: str | None = None
    revision: str | None = None
    program_revision: str = HEAD
    unused_data_dir: str | None = None
    """Folder of an embedded database that lies under HTC_HOME while HTC_DATABASE_URL names another one."""
    size_bytes: int | None = None
    tables: tuple[TableSize, ...] = ()
    freshness: Freshness | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        out = asdict(self)
        if self.server is not None:
            out["server"] |= {
                "data_dir": str(self.server.data_dir),
                "socket_dir": str(self.server.socket_dir) if self.server.socket_dir else None,
                "log": str(self.server.log),
            }
        if self.freshness is not None and self.freshness.refreshed_at is not None:
            out["freshness"]["refreshed_at"] = self.freshness.refreshed_at.isoformat()
        return out


def look(settings: Settings) -> DatabaseStatus:
    """Describe the database of the settings. Nothing is created or upgraded.

    An embedded server that does not run is started for the moment of looking.

    Raises:
        StoreError: there is a database and it cannot be opened.
    """
    from htc.store.embedded import EmbeddedServer

    if settings.database_url is not None:
        where, server = redacted(user_url(settings.database_url.get_secret_value())), None
        beside = EmbeddedServer(settings.home).status()
        unused = None if beside.state == "absent" else str(beside.data_dir)
    else:
        unused = None
        server = EmbeddedServer(settings.home).status()
        where = str(server.data_dir)
        if server.state == "absent":
            return DatabaseStatus(where=where, embedded=True, server=server)
    with Database.open(settings, ensure_schema=False) as database:
        with database.connect() as connection:
            found = standing(connection)
            tables = tuple(_size(connection, name) for name in sorted(found.tables))
            size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return DatabaseStatus(
            where=where,
            unused_data_dir=unused,
            embedded=server is not None,
            server=server,
            server_version=f"{database.server_version // 10_000}.{database.server_version % 10_000}",
            revision=", ".join(found.revisions) or None,
            size_bytes=size,
            tables=tables,
            freshness=freshness(database) if found.is_current else None,
        )


def _size(connection: Connection, name: str) -> TableSize:
    # The name comes from a fixed list of ours.
    total, estimate = connection.execute(
        text(
            "SELECT pg_total_relation_size(oid), reltuples::bigint FROM pg_class"
            " WHERE oid = to_regclass(:name)"
        ),
        {"name": name},
    ).one()
    if estimate >= EXACT_BELOW:
        return TableSize(name, estimate, True, total)
    rows = connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 - see above
    return TableSize(name, rows, False, total)
