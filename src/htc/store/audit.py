"""The log of writes that came by HTTP: who, what, when, and how it was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.store import cursors
from htc.store.tables import api_keys, audit_log

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["AuditEntry", "AuditRows", "StoredAuditEntry", "read_audit", "write_audit"]

_LONGEST_PATH: Final = 500
_BY_NUMBER: Final = "a"
_LAST_NUMBER: Final = 2**63 - 1
"""Whoever makes a cursor up may write any number."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One write."""

    request_id: str
    actor: str
    """Who sent it, in words."""
    method: str
    route: str
    """Template of the route, e.g. ``/api/htc/runs/{run_id}/cancel``."""
    path: str
    status: int
    """Of the answer."""
    key_id: str | None = None
    client: str | None = None
    """Address of the client."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the route said about it: ids of what it made or changed."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAuditEntry(AuditEntry):
    """One write, with its number and the prefix of its key."""

    id: int
    key_prefix: str | None


@dataclass(frozen=True, slots=True)
class AuditRows:
    """Some entries, newest first, and where the next ones begin."""

    rows: tuple[StoredAuditEntry, ...]
    next_cursor: str | None
    """For ``after``; None on the last page."""


def write_audit(database: Database, entries: Sequence[AuditEntry]) -> None:
    """Store entries, all or none.

    Raises:
        StoreError: the database refused.
    """
    if not entries:
        return
    rows = [
        {
            "at": entry.at,
            "request_id": _clean(entry.request_id),
            "key_id": entry.key_id,
            "actor": _clean(entry.actor),
            "method": _clean(entry.method),
            "route": _clean(entry.route),
            "path": _clean(entry.path)[:_LONGEST_PATH],
            "status": entry.status,
            "client": entry.client,
            "details": dict(entry.details),
        }
        for entry in entries
    ]
    with database.begin() as connection:
        connection.execute(sa.insert(audit_log), rows)


def read_audit(
    database: Database,
    n: int = 50,
    *,
    since: datetime | None = None,
    key: str | None = None,
    after: str | None = None,
) -> AuditRows:
    """Entries, newest first.

    Args:
        database: an open database.
        n: rows a page.
        since: none older than this.
        key: only what was done with the key of this prefix or id.
        after: ``next_cursor`` of the page before.

    Raises:
        InputError: a damaged cursor.
        StoreError: the database refused.
    """
    a = audit_log.c
    query = (
        sa.select(audit_log, api_keys.c.prefix.label("key_prefix"))
        .join(api_keys, api_keys.c.id == a.key_id, isouter=True)
        .order_by(a.id.desc())
        .limit(n + 1)
    )
    if since is not None:
        query = query.where(a.at >= since)
    if key is not None:
        query = query.where(sa.or_(a.key_id == key, api_keys.c.prefix == key))
    if after is not None:
        (number,) = cursors.unpack(_BY_NUMBER, after, int)
        query = query.where(a.id < max(0, min(number, _LAST_NUMBER)))
    with database.connect() as connection:
        found = [StoredAuditEntry(**row) for row in connection.execute(query).mappings()]
    cursor = cursors.pack(_BY_NUMBER, found[n - 1].id) if len(found) > n else None
    return AuditRows(tuple(found[:n]), cursor)


def _clean(text: str) -> str:
    """``text`` as PostgreSQL can hold it and a terminal can show it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
