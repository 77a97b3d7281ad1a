"""Problem answers (RFC 9457) as the errors they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from htc import errors
from htc.errors import HTCError

if TYPE_CHECKING:
    import httpx

__all__ = ["error_of", "problem_error"]

_BY_CODE: Final[dict[str, type[HTCError]]] = {
    kind.code: kind for name in errors.__all__ if issubclass(kind := getattr(errors, name), HTCError)
}
_BY_STATUS: Final[dict[int, type[HTCError]]] = {
    400: errors.InputError,
    401: errors.UnauthenticatedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    405: errors.InputError,
    408: errors.InputError,
    409: errors.ConflictError,
    411: errors.InputError,
    413: errors.InputError,
    415: errors.InputError,
    421: errors.InputError,
    422: errors.InputError,
    429: errors.TooManyRequestsError,
    503: errors.BusyError,
}


def error_of(answer: httpx.Response) -> HTCError:
    """The error that an answer tells of; its body must have been read.

    An answer that is no problem of HTC's, e.g. of a proxy in between, gets an error by its status.
    """
    try:
        told = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("detail"), str):
        kind = _BY_STATUS.get(answer.status_code, HTCError)
        return kind(
            f"HTTP {answer.status_code} {answer.reason_phrase}",
            where=str(answer.request.url),
            hint="this is no answer of HTC; is the address right?",
        )
    return problem_error(told)


def problem_error(told: dict[str, Any]) -> HTCError:
    """The error that a problem tells of, by its ``code``, else by its ``status``."""
    code = str(told.get("code", ""))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(int(told.get("status") or 0), HTCError)
    error = kind(str(told["detail"]), where=told.get("where"), hint=told.get("hint"))
    if code:
        error.code = code
    return error
