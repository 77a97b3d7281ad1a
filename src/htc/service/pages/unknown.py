"""The page of an address that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from htc.service.pages.render import page
from htc.service.request_id import current_request_id

if TYPE_CHECKING:
    from fastapi import Request, Response

__all__ = ["unknown_page"]

_FOR_PROGRAMS: Final = ("/api/", "/static/", "/optimade", "/metrics", "/openapi.json")


def unknown_page(request: Request) -> Response | None:
    """The page for a browser that asked for one, None for a program: that gets the problem as JSON."""
    if request.method not in {"GET", "HEAD"} or request.url.path.startswith(_FOR_PROGRAMS):
        return None
    if "text/html" not in request.headers.get("accept", ""):
        return None
    return page(
        request, "error.html", status=404, status_code=404, what="No page has this address", where=None,
        hint="the pages are named in the line at the top", request_id=current_request_id(),
    )  # fmt: skip
