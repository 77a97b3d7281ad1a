"""Errors as problem answers (RFC 9457), mapped from the exception tree in one place."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from htc import errors
from htc.service.request_id import current_request_id
from htc.service.schemas.problems import Problem

__all__ = [
    "RETRY_AFTER_S",
    "Problem",
    "fault",
    "install",
    "problem",
    "problem_body",
    "problem_of",
    "problem_responses",
]

_STATUS: tuple[tuple[type[errors.HTCError], HTTPStatus], ...] = (
    (errors.InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.NotFoundError, HTTPStatus.NOT_FOUND),
    (errors.ConflictError, HTTPStatus.CONFLICT),
    (errors.ConvergenceError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.BusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (errors.TooManyRequestsError, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.AccessError, HTTPStatus.FORBIDDEN),
    (errors.StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.ModelError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.MissingExtraError, HTTPStatus.NOT_IMPLEMENTED),
)
RETRY_AFTER_S = 5
"""Seconds after which asking again may help where something needed was away."""
MEDIA_TYPE = "application/problem+json"


def problem_responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` argument of a route that may answer with these problems."""
    return {
        int(status): {
            "description": _phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            "model": Problem,
        }
        for status in statuses
    }


_RENAMED = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""Names that Python has only from 3.13 on."""


def _phrase(status: int) -> str:
    """The name of a status by RFC 9110, whatever the version of Python."""
    return _RENAMED.get(int(status), HTTPStatus(status).phrase)


def problem(
    status: int, code: str, detail: str, *, where: str | None = None, hint: str | None = None
) -> JSONResponse:
    """A problem as an answer, with Retry-After where asking again later may help."""
    body = Problem(
        title=_phrase(status), status=status, code=code, detail=detail, where=where, hint=hint,
        request_id=current_request_id(),
    )  # fmt: skip
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(body.model_dump(), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def problem_body(error: Exception) -> Problem:
    """The problem that tells of an error, for a place within an answer; a fault of ours keeps its innards."""
    if not isinstance(error, errors.HTCError):
        error = errors.HTCError(
            "a fault of the program, not of the request", hint="the log of the server says more"
        )
        error.code = "internal"
    status = next((s for kind, s in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    return Problem(
        title=_phrase(status), status=status, code=error.code, detail=error.what, where=error.where,
        hint=error.hint, request_id=current_request_id(),
    )  # fmt: skip


def problem_of(error: errors.HTCError) -> JSONResponse:
    """The answer that tells of an error; for middleware, which stands outside of the exception handlers."""
    status = next((s for kind, s in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    answer = problem(status, error.code, error.what, where=error.where, hint=error.hint)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="HTC"'
    return answer


async def _htc_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.HTCError):  # registered for HTCError only
        raise error
    answer = problem_of(error)
    if isinstance(error, errors.DatabaseUnavailableError):
        request.app.state.health.forget()
        answer.background = BackgroundTask(request.app.state.service.recover)
    return answer


async def _bad_request(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):  # registered for RequestValidationError only
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return problem(
            HTTPStatus.BAD_REQUEST, "invalid-json", f"the body is not JSON: {reason}", where="body"
        )
    said = str(first["msg"])
    if first["type"] == "extra_forbidden":
        said = f"there is no field {str(first['loc'][-1])[:60]!r} here"
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", said, where=where,
        hint="the fields of each request are described at /docs",
    )  # fmt: skip


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # registered for HTTPException only
        raise error
    if error.status_code == HTTPStatus.NOT_FOUND:
        # Pages are made of much that an answer to a program does not need.
        from htc.service.pages.unknown import unknown_page

        shown = unknown_page(request)
        if shown is not None:
            return shown
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    answer = problem(error.status_code, code, str(error.detail))
    answer.headers.update(error.headers or {})
    if answer.headers.get("Allow") == "GET":
        answer.headers["Allow"] = "GET, HEAD"
    return answer


async def _fault(_: Request, __: Exception) -> JSONResponse:
    return fault()


def fault() -> JSONResponse:
    """The answer to a request that met a fault of the program.

    The log has the exception; what that says may hold what is nobody's business.
    """
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "a fault of the program, not of the request",
        hint="the log of the server says more",
    )


def install(app: FastAPI) -> None:
    """Answer every error of this application with a problem."""
    app.add_exception_handler(errors.HTCError, _htc_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)
