"""Who sends a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from fastapi import Request

if TYPE_CHECKING:
    from htc.service.access.mode import Mode
    from htc.store.keys import AccessKey, Scope

__all__ = ["Caller", "caller_of"]

Refusal = Literal["unknown", "revoked", "expired"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and what that person or program may do."""

    mode: Mode
    address: str
    """Address of the client, behind the trusted proxies; ``unknown`` where there is none."""
    key: AccessKey | None = None
    refused: Refusal | None = None
    """Why the key that was sent is no good; None where it is, and where none was sent."""

    @property
    def name(self) -> str:
        """For ``created_by``, the audit log and the owner of idempotency keys: stable, without a secret."""
        return f"key:{self.key.prefix}:{self.key.name}" if self.key else f"address:{self.address}"

    def may(self, scope: Scope) -> bool:
        """Whether the request may do what needs ``scope``."""
        if self.refused is not None:
            return False
        if self.mode == "open" or (self.mode == "read-only" and scope == "read"):
            return True
        return self.key is not None and self.key.allows(scope)


def caller_of(request: Request) -> Caller:
    """Who sends this request; the middleware :class:`~htc.service.access.Gate` has found it out."""
    return cast(Caller, request.scope["htc.caller"])
