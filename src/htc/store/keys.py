"""Access keys: shown once when made, kept as a hash, scoped, expiring, revocable."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import sqlalchemy as sa

from htc.errors import InputError, NotFoundError
from htc.store.ids import new_id
from htc.store.tables import api_keys

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "SCOPES",
    "AccessKey",
    "NewKey",
    "Scope",
    "count_usable_keys",
    "create_key",
    "find_key",
    "list_keys",
    "looks_like_a_key",
    "revoke_key",
]

Scope = Literal["read", "predict", "run", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""From the least to the most: each includes those before it."""

_MARK: Final = "htc"
_PREFIX_CHARACTERS: Final = 8
_SECRET_BYTES: Final = 32
_LONGEST_KEY: Final = 100
_NAME_LENGTH: Final = 100
_MAX_PER_MINUTE: Final = 1_000_000

_USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""``last_used_at`` is this exact and no more: a write for every request would cost more than the request."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A stored access key, without its secret."""

    id: str
    name: str
    """What it is for, in its maker's words."""
    prefix: str
    """Its public part, by which lists and logs name it."""
    scopes: tuple[Scope, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    """UTC; None: never."""
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    requests_per_minute: int | None
    """Its own rate limit; None: the one of the settings."""

    def allows(self, scope: Scope) -> bool:
        """Whether one of its scopes is, or includes, ``scope``."""
        return max(map(SCOPES.index, self.scopes)) >= SCOPES.index(scope)

    def fault(self, now: datetime | None = None) -> Literal["revoked", "expired"] | None:
        """Why the key cannot be used (any more), or None."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= (now or datetime.now(UTC)):
            return "expired"
        return None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only moment at which its text is known."""

    key: AccessKey
    text: str = field(repr=False)
    """``htc_<prefix>_<secret>``."""


def create_key(
    database: Database,
    name: str,
    scopes: Iterable[str],
    *,
    created_by: str,
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
) -> NewKey:
    """Make a key and store its hash.

    Args:
        database: an open database.
        name: what it is for; need not be unique.
        scopes: of :data:`SCOPES`, at least one.
        created_by: who makes it.
        expires_at: from when on it is refused, with a time zone; None: never.
        requests_per_minute: its own rate limit.

    Raises:
        InputError: a name, scope, time or limit that cannot be.
        StoreError: the database refused.
    """
    name = name.strip()
    if not name or len(name) > _NAME_LENGTH or not name.isprintable():
        raise InputError(f"a name has 1 to {_NAME_LENGTH} printable characters", where="name")
    chosen = tuple(scope for scope in SCOPES if scope in set(wanted := list(scopes)))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not chosen:
        raise InputError(
            f"there is no scope {unknown[0]!r}" if unknown else "a key needs a scope",
            where="scopes",
            hint=f"the scopes are {', '.join(SCOPES)}; each includes those before it",
        )
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InputError("a key that has expired before it is made is of no use", where="expires_at")
    if requests_per_minute is not None and not 1 <= requests_per_minute <= _MAX_PER_MINUTE:
        raise InputError(f"a limit is between 1 and {_MAX_PER_MINUTE}", where="requests_per_minute")
    prefix = secrets.token_hex(_PREFIX_CHARACTERS // 2)
    text = f"{_MARK}_{prefix}_{secrets.token_hex(_SECRET_BYTES)}"
    row = {
        "id": new_id(),
        "name": name,
        "prefix": prefix,
        "key_hash": _hash(text),
        "scopes": list(chosen),
        "created_by": created_by,
        "expires_at": expires_at,
        "requests_per_minute": requests_per_minute,
    }
    with database.begin() as connection:
        made = connection.execute(sa.insert(api_keys).values(row).returning(*_shown())).one()
    return NewKey(_key(made), text)


def list_keys(database: Database) -> tuple[AccessKey, ...]:
    """Every key that was ever made, newest first."""
    query = sa.select(*_shown()).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
    with database.connect() as connection:
        return tuple(_key(row) for row in connection.execute(query))


def count_usable_keys(database: Database) -> int:
    """How many keys are neither revoked nor expired."""
    with database.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).where(*_usable())).scalar_one())


def revoke_key(database: Database, which: str) -> AccessKey:
    """Make a key useless for good; one that is revoked already stays so, with its first time.

    Args:
        database: an open database.
        which: its prefix, its id, or its name if no other usable key has it.

    Raises:
        NotFoundError: there is none.
        InputError: several usable keys have this name.
        StoreError: the database refused.
    """
    c = api_keys.c
    with database.begin() as connection:
        found = connection.execute(
            sa.select(*_shown()).where(sa.or_(c.id == which, c.prefix == which))
        ).all() or connection.execute(
            sa.select(*_shown()).where(c.name == which).order_by(c.revoked_at.desc().nulls_first())
        ).all()  # fmt: skip
        if not found:
            raise NotFoundError(
                f"no key has the prefix, id or name {which!r}", hint="`htc keys list` shows them"
            )
        live = [row for row in found if row.revoked_at is None]
        if len(live) > 1:
            raise InputError(
                f"{len(live)} keys are named {which!r}",
                hint=f"name one by its prefix: {', '.join(row.prefix for row in live)}",
            )
        chosen = (live or found)[0]
        revoked = connection.execute(
            sa.update(api_keys)
            .where(c.id == chosen.id)
            .values(revoked_at=sa.func.coalesce(c.revoked_at, sa.func.now()))
            .returning(*_shown())
        ).one()
    return _key(revoked)


def looks_like_a_key(text: str) -> bool:
    """Whether the text has the form of a key: what has not needs no look into the database."""
    parts = text.split("_")
    return (
        len(text) <= _LONGEST_KEY
        and len(parts) == 3
        and parts[0] == _MARK
        and len(parts[1]) == _PREFIX_CHARACTERS
        and len(parts[2]) == 2 * _SECRET_BYTES
        and text.isascii()
        and all(part.isalnum() for part in parts)
    )


def find_key(database: Database, text: str) -> AccessKey | None:
    """The key with this text, usable or not (see :meth:`AccessKey.fault`); None where there is none.

    That it was used is noted, at most once a minute.

    Raises:
        StoreError: the database refused.
    """
    if not looks_like_a_key(text):
        return None
    prefix = text.split("_")[1]
    with database.connect() as connection:
        row = connection.execute(
            sa.select(*_shown(), api_keys.c.key_hash).where(api_keys.c.prefix == prefix)
        ).one_or_none()
        # Found by its public part, compared in constant time: the index lookup tells nothing of the secret.
        if row is None or not hmac.compare_digest(row.key_hash, _hash(text)):
            return None
        key = _key(row)
        now = datetime.now(UTC)
        if key.fault(now) is None and (key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY):
            connection.execute(
                sa.update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=sa.func.now())
            )
            connection.commit()
    return key


def _hash(text: str) -> str:
    """SHA-256, without salt or stretching: 256 random bits cannot be guessed from their hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def _shown() -> list[sa.Column[Any]]:
    return [column for column in api_keys.c if column.name != "key_hash"]


def _usable() -> list[sa.ColumnElement[bool]]:
    c = api_keys.c
    return [c.revoked_at.is_(None), sa.or_(c.expires_at.is_(None), c.expires_at > sa.func.now())]


def _key(row: Any) -> AccessKey:
    values = {column.name: getattr(row, column.name) for column in _shown()}
    return AccessKey(**values | {"scopes": tuple(values["scopes"])})
