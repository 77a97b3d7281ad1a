"""What an OPTIMADE server refuses, each with the status the specification asks for."""

from __future__ import annotations

from http import HTTPStatus

from htc.errors import InputError

__all__ = ["BadRequestError", "NotServedError", "OptimadeError", "PageTooLargeError", "VersionError"]

VERSION_NOT_SUPPORTED = 553


class OptimadeError(InputError):
    """A request that is not answered.

    Args:
        what: what is wrong, one sentence without a full stop.
        parameter: the query parameter it was found in.
        hint: what the reader can do about it.
    """

    status: int = HTTPStatus.BAD_REQUEST

    def __init__(self, what: str, *, parameter: str | None = None, hint: str | None = None) -> None:
        """Keep the parameter as the place of the error."""
        super().__init__(what, where=parameter, hint=hint)


class BadRequestError(OptimadeError):
    """The request is wrong."""


class PageTooLargeError(OptimadeError):
    """More entries a page than this server gives."""

    status = HTTPStatus.FORBIDDEN


class NotServedError(OptimadeError):
    """An optional feature of the specification that this server does not have."""

    code = "not-implemented"
    status = HTTPStatus.NOT_IMPLEMENTED


class VersionError(OptimadeError):
    """A version of the API that is not served."""

    code = "version-not-supported"
    status = VERSION_NOT_SUPPORTED
