"""``/api/htc``: who one is, access keys, the log of writes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime

from htc.service.access import Requires, caller_of
from htc.service.audit import audit_details
from htc.service.problems import problem_responses
from htc.service.rates import limit_of
from htc.service.schemas.access import (
    AccessState,
    AuditAnswer,
    AuditPage,
    KeyAnswer,
    KeyRequest,
    KeysAnswer,
    NewKeyAnswer,
)
from htc.service.state import ServiceState
from htc.store.audit import read_audit
from htc.store.keys import SCOPES, create_key, list_keys, revoke_key

__all__ = ["router"]

router = APIRouter(prefix="/api/htc", tags=["access"])


@router.get("/access")
async def access(request: Request, service: ServiceState) -> AccessState:
    """What the one who asks may do: answered with any key, and with none."""
    caller = caller_of(request)
    return AccessState(
        mode=caller.mode,
        scopes=[scope for scope in SCOPES if caller.may(scope)],
        key=KeyAnswer.model_validate(caller.key) if caller.key else None,
        refused=caller.refused,
        requests_per_minute=None if caller.mode == "open" else limit_of(caller, service.settings).per_minute,
    )


@router.get("/keys", dependencies=[Requires("admin")])
def keys(service: ServiceState) -> KeysAnswer:
    """Every access key that was ever made, without its secret."""
    return KeysAnswer(keys=[KeyAnswer.model_validate(key) for key in list_keys(service.database)])


@router.post(
    "/keys",
    status_code=HTTPStatus.CREATED,
    dependencies=[Requires("admin")],
    responses=problem_responses(HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def new_key(request: Request, service: ServiceState, wanted: KeyRequest) -> NewKeyAnswer:
    """Make an access key. This answer is the only place where it is ever shown."""
    made = create_key(
        service.database,
        wanted.name,
        wanted.scopes,
        created_by=caller_of(request).name,
        expires_at=wanted.expires_at,
        requests_per_minute=wanted.requests_per_minute,
    )
    audit_details(request, key=made.key.prefix, scopes=list(made.key.scopes))
    return NewKeyAnswer(**KeyAnswer.model_validate(made.key).model_dump(), key=made.text)


@router.post(
    "/keys/{prefix}/revoke",
    dependencies=[Requires("admin")],
    responses=problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def revoke(
    request: Request,
    service: ServiceState,
    prefix: str = Path(max_length=100, description="Prefix of the key: what stands between the underscores."),
) -> KeyAnswer:
    """Make an access key useless, within seconds and for good. By prefix or id."""
    revoked = revoke_key(service.database, prefix)
    audit_details(request, key=revoked.prefix)
    return KeyAnswer.model_validate(revoked)


@router.get(
    "/audit", dependencies=[Requires("admin")], responses=problem_responses(HTTPStatus.UNPROCESSABLE_ENTITY)
)
def audit(
    service: ServiceState,
    n: Annotated[int, Query(ge=1, le=1000, description="Rows a page.")] = 50,
    since: Annotated[
        AwareDatetime | None, Query(description="None older than this, with a time zone.")
    ] = None,
    key: Annotated[
        str | None, Query(max_length=100, description="Only what a key of this prefix or id did.")
    ] = None,
    after: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> AuditPage:
    """The log of writes, newest first."""
    page = read_audit(service.database, n, since=since, key=key, after=after)
    return AuditPage(
        rows=[AuditAnswer.model_validate(entry) for entry in page.rows], next_cursor=page.next_cursor
    )
