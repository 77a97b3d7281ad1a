"""``/optimade``: the paths, with and without version, and errors as JSON:API has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastapi import APIRouter
from fastapi.exceptions import HTTPException
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from htc.errors import AccessError, DatabaseUnavailableError, HTCError, InputError, NotFoundError, StoreError
from htc.optimade import answers
from htc.optimade.answers import API_VERSION, VERSIONS, Place
from htc.optimade.counts import Counts
from htc.optimade.parameters import check_version_hint, read_parameters
from htc.optimade.properties import ENTRY_TYPES, EntryType
from htc.optimade.refusals import OptimadeError, VersionError
from htc.store.optimade import find_entries, get_entry

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["PREFIX", "Host", "create_router"]

PREFIX: Final = "/optimade"

_RETRY_AFTER_S: Final = 5
_VERSION: Final = re.compile(r"v\d+(\.\d+){0,2}")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Host(Protocol):
    """What this room needs of the service it runs in."""

    @property
    def database(self) -> Database:
        """The open database."""
        ...

    def recover(self) -> None:
        """Bring a database of our own back that died."""
        ...


def create_router(host_of: Callable[[Request], Host]) -> APIRouter:
    """The routes of OPTIMADE 1.2, at every base URL the specification names.

    They are not part of the service's own OpenAPI document: each answer names the standard's.

    Args:
        host_of: gives the running service of a request.
    """

    class Route(APIRoute):
        """A route whose errors are JSON:API documents. Those of access are left to the service."""

        def get_route_handler(self) -> Handler:
            inner = super().get_route_handler()

            async def handler(request: Request) -> Response:
                try:
                    return await inner(request)
                except AccessError:
                    raise
                except HTCError as error:
                    return _refusal(request, host_of, error)
                except HTTPException as error:
                    return _document(
                        request, error.status_code, HTTPStatus(error.status_code).phrase, error.detail
                    )

            return handler

    router = APIRouter(prefix=PREFIX, route_class=Route, include_in_schema=False)
    counts = Counts()
    for version in ("", *VERSIONS):
        _add_routes(router, version, host_of, counts)

    @router.get("/versions")
    def versions() -> Response:
        """The major versions served; only at the base URL without one."""
        return PlainTextResponse("version\n1\n", media_type="text/csv; header=present")

    @router.api_route("/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def nothing(request: Request, rest: str) -> Response:
        """Everything else."""
        version = rest.partition("/")[0]
        if _VERSION.fullmatch(version) and version not in VERSIONS:
            raise VersionError(f"version {version[:20]} is not served", hint=f"this is {API_VERSION}, at /v1")
        if request.method != "GET":
            answer = _document(request, 405, "Method Not Allowed", "entries are only read here")
            answer.headers["Allow"] = "GET"
            return answer
        raise NotFoundError("there is nothing at this path", hint="/optimade/v1/info lists what there is")

    return router


def _add_routes(router: APIRouter, version: str, host_of: Callable[[Request], Host], counts: Counts) -> None:
    """The paths below one base URL."""
    base = f"/{version}" if version else ""

    def place(request: Request) -> Place:
        if not version:
            check_version_hint(request.query_params.get("api_hint"), API_VERSION)
        return _place(request)

    def info(request: Request) -> Response:
        where = place(request)
        return _json({"data": answers.info(where), "meta": answers.about(where)})

    def links(request: Request) -> Response:
        where = place(request)
        data = answers.links(where)
        meta = answers.about(where, returned=len(data), available=len(data))
        return _json({"data": data, "meta": meta, "links": {"next": None}})

    for path in ("", "/", "/info", "/info/"):
        router.add_api_route(f"{base}{path}", info, methods=["GET"])
    for path in ("/links", "/links/"):
        router.add_api_route(f"{base}{path}", links, methods=["GET"])
    for kind in ENTRY_TYPES.values():
        _add_entries(router, base, kind, place, host_of, counts)


def _add_entries(
    router: APIRouter,
    base: str,
    kind: EntryType,
    place: Callable[[Request], Place],
    host_of: Callable[[Request], Host],
    counts: Counts,
) -> None:
    def described(request: Request) -> Response:
        where = place(request)
        return _json({"data": answers.kind_info(kind), "meta": answers.about(where)})

    def listed(request: Request) -> Response:
        where = place(request)
        given = request.query_params.multi_items()
        asked = read_parameters(given, kind)
        database = host_of(request).database
        page = find_entries(
            database, kind.kind, answers.columns_for(kind, asked), asked.limit,
            wish=asked.wish, sort=asked.sort, after=asked.cursor, above=asked.above, offset=asked.offset,
        )  # fmt: skip
        first = asked.cursor is None and asked.above is None and not asked.offset
        if first and page.next_cursor is None:
            returned: int | None = len(page.rows)
        else:
            least = len(page.rows) + (page.next_cursor is not None)
            returned = counts.of(database, kind, asked.text, asked.wish, least)
        link = answers.next_link(where, given, page.next_cursor)
        return _json(
            {
                "data": [answers.resource(kind, asked, row) for row in page.rows],
                "links": {"next": link},
                "meta": answers.about(
                    where, more=link is not None, returned=returned, warnings=asked.warnings
                ),
            }
        )

    def one(request: Request, entry_id: str) -> Response:
        where = place(request)
        asked = read_parameters(request.query_params.multi_items(), kind, single=True)
        row = get_entry(host_of(request).database, kind.kind, entry_id, answers.columns_for(kind, asked))
        if row is None:
            raise NotFoundError(f"no entry of {kind.name} has the id {entry_id[:80]!r}")
        data = answers.resource(kind, asked, row)
        meta = answers.about(where, returned=1, warnings=asked.warnings)
        return _json({"data": data, "meta": meta, "links": {"next": None}})

    for path in (f"/info/{kind.name}", f"/info/{kind.name}/"):
        router.add_api_route(f"{base}{path}", described, methods=["GET"])
    for path in (f"/{kind.name}", f"/{kind.name}/"):
        router.add_api_route(f"{base}{path}", listed, methods=["GET"])
    router.add_api_route(f"{base}/{kind.name}/{{entry_id}}", one, methods=["GET"])


def _place(request: Request) -> Place:
    root = str(request.base_url).rstrip("/")
    path = request.url.path.partition(PREFIX)[2].rstrip("/")
    version = path[1:].partition("/")[0]
    if version in VERSIONS:
        path = path[1 + len(version) :]
    else:
        version = ""
    return Place(f"{root}{PREFIX}", path or "/info", version, request.url.query)


def _json(content: dict[str, Any], status: int = HTTPStatus.OK) -> JSONResponse:
    return JSONResponse(content, status_code=status, media_type=answers.MEDIA_TYPE)


def _document(
    request: Request, status: int, title: str, detail: str, **more: str | dict[str, str]
) -> JSONResponse:
    error = {"status": str(status), "title": title, "detail": detail, **more}
    return _json({"errors": [error], "meta": answers.about(_place(request))}, status)


def _refusal(request: Request, host_of: Callable[[Request], Host], error: HTCError) -> JSONResponse:
    status = _status(error)
    title = "Version Not Supported" if isinstance(error, VersionError) else HTTPStatus(status).phrase
    detail = f"{error.what} ({error.hint})" if error.hint else error.what
    more: dict[str, str | dict[str, str]] = {"code": error.code}
    if isinstance(error, InputError) and error.where:
        more["source"] = {"parameter": error.where}
    answer = _document(request, status, title, detail, **more)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
    if isinstance(error, DatabaseUnavailableError):
        answer.background = BackgroundTask(host_of(request).recover)
    return answer


def _status(error: HTCError) -> int:
    if isinstance(error, OptimadeError):
        return error.status
    kinds: Sequence[tuple[type[HTCError], HTTPStatus]] = (
        (InputError, HTTPStatus.BAD_REQUEST),
        (NotFoundError, HTTPStatus.NOT_FOUND),
        (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    return next(
        (status for kind, status in kinds if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR
    )
