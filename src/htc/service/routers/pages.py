"""The ranking desk, the material page and the files that pages load."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from htc.service.pages import PageRoute, assets, page
from htc.service.pages.desk import CHOICES, read_wish, rows_of
from htc.service.pages.elements import periodic_table
from htc.service.state import ServiceState

__all__ = ["files", "router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)
files = APIRouter(include_in_schema=False)
"""The files are public, like the program itself: the page that asks for a key needs them."""

_FOR_GOOD = "public, max-age=31536000, immutable"


@router.get("/")
def desk(request: Request, service: ServiceState, after: str | None = None) -> Response:
    """The ranking, with its filters."""
    wish = read_wish({k: v for k, v in request.query_params.items() if k != "after"})
    rows, cursor = ([], None) if wish.problem else rows_of(service, wish, after)
    return page(
        request, "desk.html", wish=wish, rows=rows, cursor=cursor, after=after, elements=periodic_table(),
        choices=CHOICES, status=422 if wish.problem else 200,
    )  # fmt: skip


@files.get("/static/{path:path}")
def static(request: Request, path: str) -> Response:
    """A file; by an address with its version it may be kept for good."""
    found = assets().find(path)
    if found is None:
        raise HTTPException(404, "there is no such file")
    asset, is_current = found
    headers = {
        "Cache-Control": _FOR_GOOD if is_current else "no-cache",
        "ETag": asset.etag,
        "Vary": "Accept-Encoding",
    }
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = asset.body
    if len(asset.zipped) < len(body) and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = asset.zipped, "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)
