"""What a route asks of those who call it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from htc.errors import AccessError, ForbiddenError, UnauthenticatedError
from htc.service.access.caller import Caller, caller_of
from htc.store.keys import SCOPES, Scope

__all__ = ["Requires", "WhatItTakes", "refusal"]

_WHY = {
    "unknown": "the access key is not known",
    "revoked": "the access key has been revoked",
    "expired": "the access key has expired",
}


class _Holds(SecurityBase):
    """The dependency behind :func:`Requires`; a security scheme, so that OpenAPI tells of it."""

    model = HTTPBearer(
        description="An access key, `htc_<prefix>_<secret>`, as `Authorization: Bearer ...` or "
        "`X-API-Key: ...`. Its scopes are read < predict < run < admin, each including those before. A "
        "service on a person's own machine needs none."
    )
    scheme_name = "access key"

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> None:
        caller = caller_of(request)
        # A route may require more than the router it belongs to.
        known = request.scope.get("htc.required", "read")
        request.scope["htc.required"] = max(known, self.scope, key=SCOPES.index)
        if not caller.may(self.scope):
            raise refusal(caller, self.scope)


def Requires(scope: Scope) -> Any:  # noqa: N802  # reads as a declaration, like Depends and Security
    """A dependency: the caller must hold a key with ``scope``, unless the access mode asks for none.

    Without it a request is answered with 401 (no valid key) or 403 (a key that may not do this).
    """
    return Security(_Holds(scope), scopes=[scope])


class WhatItTakes:
    """The scope that a request needs, before any route has taken it.

    Args:
        routers: whose routes declare theirs by :func:`Requires`.
    """

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        """Note what each route declares."""
        self._known: list[tuple[set[str], Any, Scope]] = []
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute):
                    asked = [
                        held.scope for d in route.dependencies if isinstance(held := d.dependency, _Holds)
                    ]
                    if asked:
                        scope: Scope = max(asked, key=SCOPES.index)
                        self._known.append((set(route.methods or ()), route.path_regex, scope))

    def __call__(self, method: str, path: str) -> Scope | None:
        """The scope, None where no route declares one for this address."""
        return next(
            (s for methods, path_of, s in self._known if method in methods and path_of.match(path)), None
        )


def refusal(caller: Caller, scope: Scope) -> AccessError:
    """Why a caller may not do what needs ``scope``."""
    if caller.refused is not None:
        return UnauthenticatedError(
            _WHY[caller.refused],
            where="Authorization",
            hint="ask the people who run this service for another",
        )
    if caller.key is None:
        return UnauthenticatedError(
            "an access key is needed",
            where="Authorization",
            hint=f"send one with the scope {scope} as `Authorization: Bearer htc_...` (or `X-API-Key`);"
            " `htc keys create` makes one",
        )
    return ForbiddenError(
        f"the key {caller.key.prefix} has the scope {caller.key.scopes[-1]}, this needs {scope}",
        where="Authorization",
        hint=f"use a key with the scope {scope}",
    )
