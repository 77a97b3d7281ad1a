"""Answers to requests that may be sent again under the same key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.store.tables import idempotency_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from htc.store.database import Database

__all__ = ["KEPT_S", "LEASE_S", "Remembered", "claim", "forget_expired", "keep", "release"]

KEPT_S: Final = 24 * 3600
"""Seconds for which an answer is kept."""
LEASE_S: Final = 15 * 60
"""Seconds after which a request that was never answered counts as lost: its process died."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a key."""

    same_request: bool
    """Whether it was used for this very request."""
    done: bool
    """Whether that request was answered; else it is being worked on."""
    status: int
    headers: Mapping[str, str]
    body: bytes


def claim(database: Database, owner: str, key: str, *, route: str, request_hash: str) -> Remembered | None:
    """Take a key for a request; None: it is ours, to be ended by :func:`keep` or :func:`release`.

    Of several that come at the same moment one gets it, whichever process they reach.

    Raises:
        StoreError: the database does not answer.
    """
    t = idempotency_keys.c
    row = {
        "owner": owner,
        "key": key,
        "route": route,
        "request_hash": request_hash,
        "expires_at": _in(LEASE_S),
    }
    fresh = insert(idempotency_keys).values(**row)
    # What has expired is as good as not there: an answer too old, or a request whose process died.
    taken = fresh.on_conflict_do_update(
        index_elements=[t.owner, t.key],
        set_={
            "route": fresh.excluded.route,
            "request_hash": fresh.excluded.request_hash,
            "state": "running",
            "status": None,
            "headers": {},
            "body": None,
            "created_at": sa.func.now(),
            "expires_at": fresh.excluded.expires_at,
        },
        where=t.expires_at <= sa.func.now(),
    ).returning(t.key)
    with database.begin() as connection:
        if connection.execute(taken).first() is not None:
            return None
        found = connection.execute(
            sa.select(t.route, t.request_hash, t.state, t.status, t.headers, t.body).where(
                t.owner == owner, t.key == key
            )
        ).first()
    if found is None:  # released between the two statements: whoever had it was not answered
        return Remembered(same_request=True, done=False, status=0, headers={}, body=b"")
    return Remembered(
        same_request=(found.route, found.request_hash) == (route, request_hash),
        done=found.state == "done",
        status=found.status or 0,
        headers=found.headers,
        body=bytes(found.body or b""),
    )


def keep(
    database: Database, owner: str, key: str, *, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Keep the answer to the request that has the key.

    Raises:
        StoreError: the database does not answer.
    """
    with database.begin() as connection:
        connection.execute(
            sa.update(idempotency_keys)
            .where(idempotency_keys.c.owner == owner, idempotency_keys.c.key == key)
            .values(state="done", status=status, headers=dict(headers), body=body, expires_at=_in(KEPT_S))
        )


def release(database: Database, owner: str, key: str) -> None:
    """Give a key back: its request was not carried out.

    Raises:
        StoreError: the database does not answer.
    """
    with database.begin() as connection:
        connection.execute(
            sa.delete(idempotency_keys).where(
                idempotency_keys.c.owner == owner,
                idempotency_keys.c.key == key,
                idempotency_keys.c.state == "running",
            )
        )


def forget_expired(database: Database) -> int:
    """Remove answers that are kept no longer, and return how many.

    Raises:
        StoreError: the database does not answer.
    """
    with database.begin() as connection:
        gone = connection.execute(
            sa.delete(idempotency_keys).where(idempotency_keys.c.expires_at <= sa.func.now())
        )
    return gone.rowcount


def _in(seconds: int) -> Any:
    return sa.func.now() + sa.text(f"interval '{seconds} seconds'")
