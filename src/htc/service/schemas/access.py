"""Access keys, who one is, and the log of writes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["AccessState", "AuditAnswer", "AuditPage", "KeyAnswer", "KeyRequest", "KeysAnswer", "NewKeyAnswer"]

KeyScope = Literal["read", "predict", "run", "admin"]


class KeyAnswer(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Identifier (UUID).")
    name: str = Field(description="What it is for.")
    prefix: str = Field(description="Its public part: htc_<prefix>_...")
    scopes: list[KeyScope] = Field(description="What it may do; each scope includes those before it.")
    created_by: str = Field(description="Who made it.")
    created_at: datetime = Field(description="When it was made, UTC.")
    expires_at: datetime | None = Field(description="From when on it is refused, UTC; null: never.")
    revoked_at: datetime | None = Field(description="When it was revoked, UTC; null: it was not.")
    last_used_at: datetime | None = Field(description="When it was last used, UTC, to the minute.")
    requests_per_minute: int | None = Field(description="Its own rate limit; null: that of the service.")


class KeysAnswer(BaseModel):
    """All keys."""

    keys: list[KeyAnswer] = Field(description="Newest first, revoked and expired ones too.")


class KeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="What it is for.", examples=["notebook"])
    scopes: list[KeyScope] = Field(
        default=["read"], min_length=1, max_length=4, description="What it may do."
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="From when on it is refused, with a time zone; null: never."
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Its own rate limit; null: that of the service."
    )


class NewKeyAnswer(KeyAnswer):
    """A key that was just made."""

    key: str = Field(description="The key itself. It is stored nowhere and cannot be shown again.")


class AccessState(BaseModel):
    """What the one who asks may do."""

    mode: Literal["keys", "open", "read-only"] = Field(
        description="Who may use the service: those with a key, everyone on its machine, or everyone to read."
    )
    scopes: list[KeyScope] = Field(
        description="What this request may do, from least to most; empty: nothing."
    )
    key: KeyAnswer | None = Field(description="The key that was sent; null for none, or none that is known.")
    refused: Literal["unknown", "revoked", "expired"] | None = Field(
        description="Why the key that was sent is no good; null where it is, or none was sent."
    )
    requests_per_minute: int | None = Field(description="The rate limit that holds; null: there is none.")


class AuditAnswer(BaseModel):
    """One write."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the entry.")
    at: datetime = Field(description="When it was answered, UTC.")
    request_id: str = Field(description="Id of the request, as in X-Request-ID.")
    actor: str = Field(description="Who sent it: key:<prefix>:<name> or address:<address>.")
    key_prefix: str | None = Field(description="Prefix of the key; null where none was sent.")
    method: str = Field(description="HTTP method.")
    route: str = Field(description="Template of the route.")
    path: str = Field(description="Path as it was sent.")
    status: int = Field(description="HTTP status of the answer.")
    client: str | None = Field(description="Address of the client.")
    details: dict[str, Any] = Field(description="What was made or changed.")


class AuditPage(BaseModel):
    """A page of the log of writes."""

    rows: list[AuditAnswer] = Field(description="Newest first.")
    next_cursor: str | None = Field(description="For `after`; null on the last page.")
