"""The ranking desk, the material page and the files that pages load."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from htc.service.pages import PageRoute, assets, page
from htc.service.pages.csv_rows import csv_of
from htc.service.pages.desk import CHOICES, read_wish, rows_of
from htc.service.pages.material import material_view, methods_part, nothing_known
from htc.service.state import ServiceState
from htc.store.records import prediction_record

__all__ = ["files", "router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)
files = APIRouter(include_in_schema=False)
"""The files are public, like the program itself: the page that asks for a key needs them."""

_FOR_GOOD = "public, max-age=31536000, immutable"


@router.get("/")
def desk(request: Request, service: ServiceState, after: str | None = None) -> Response:
    """The ranking with its filters; with the header ``X-Part: rows`` its rows alone."""
    wish = read_wish({k: v for k, v in request.query_params.items() if k != "after"})
    part = request.headers.get("x-part") == "rows"
    if wish.prediction_id is not None and not part:
        record = prediction_record(service.database, wish.prediction_id)
        formula = quote(str(record["reduced_formula"] or "unknown"), safe="")
        return RedirectResponse(f"/materials/{formula}?prediction={quote(record['id'])}", 303)
    rows, cursor = ([], None) if wish.problem else rows_of(service, wish, after)
    return page(
        request,
        "_part.html" if part else "desk.html",
        status=422 if wish.problem and not part else 200,
        headers={"Vary": "Accept-Encoding, Authorization, X-API-Key, X-Part"},
        wish=wish,
        rows=rows,
        cursor=cursor,
        more="/?" + urlencode({**wish.given, "after": cursor or ""}, safe=","),
        choices=CHOICES,
    )


@router.get("/rankings.csv")
def ranking_file(request: Request, service: ServiceState) -> Response:
    """The ranking under the filters of the desk as CSV, 100,000 rows at most."""
    wish = read_wish(request.query_params)
    if wish.problem:
        raise wish.problem
    return StreamingResponse(
        csv_of(service, wish.filters),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="ranking.csv"', "Cache-Control": "no-store"},
    )


@router.get("/materials/{formula}")
def material(
    request: Request, service: ServiceState, formula: str, prediction: str | None = None
) -> Response:
    """Everything known of a formula, about one of its predictions or the best of them."""
    reduced = nothing_known(formula)
    if reduced != formula:
        query = "?" + urlencode({"prediction": prediction}) if prediction else ""
        return RedirectResponse(f"/materials/{quote(reduced, safe='')}{query}", 303)
    view = material_view(service, formula, prediction)
    return page(
        request,
        "material.html",
        status=200 if view["p"] or view["references"] else 404,
        mu_star=f"{service.settings.mu_star:g}",
        **view,
    )


@router.get("/materials/{formula}/methods")
def material_methods(request: Request, service: ServiceState, formula: str, prediction: str) -> Response:
    """The table of methods with the Eliashberg equations solved, for the page to put in place."""
    return page(request, "_methods.html", **methods_part(service, formula, prediction))


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
