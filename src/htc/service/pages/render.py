"""Pages from templates: filled in, compressed, and locked where a key is needed first.

>>> router = APIRouter(route_class=PageRoute, include_in_schema=False)         # doctest: +SKIP
>>> @router.get("/compare")                                                    # doctest: +SKIP
... def compare(request: Request, service: ServiceState) -> Response:
...     return page(request, "compare.html", rows=...)

``PageRoute`` is what makes a route a page: a caller who may not read gets the frame with a field for a key
(``locked.html``) instead of the page, and an error becomes ``error.html`` with its status.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Coroutine
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from markupsafe import Markup
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from htc.errors import DatabaseUnavailableError, HTCError
from htc.service.access import caller_of
from htc.service.pages import words
from htc.service.pages.assets import assets
from htc.service.problems import problem_of
from htc.service.request_id import current_request_id
from htc.version import __version__

if TYPE_CHECKING:
    import jinja2

__all__ = ["PageRoute", "page", "templates"]

_WORTH_ZIPPING = 1000


@lru_cache(maxsize=1)
def templates() -> jinja2.Environment:
    """The templates of this package: everything inserted is escaped, a name that is not given is an error.

    Globals: ``static(path)``, the address of a file; ``version``. Filters: those of
    :mod:`htc.service.pages.words`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("htc.service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        # A process answers with the templates it was started with, also while another version is installed.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        static=assets().url,
        version=__version__,
        axis_ticks=words.AXIS_TICKS_K,
        sym=words.sym,
        periodic_table_cells=_periodic_table_cells,
    )
    environment.filters.update({name: getattr(words, name) for name in words.__all__ if name.islower()})
    return environment


@lru_cache(maxsize=1)
def _periodic_table_cells() -> Markup:
    """The buttons of the periodic table, which are the same on every page."""
    from htc.service.pages.elements import periodic_table

    template = templates().get_template("_periodic_table.html")
    return Markup(template.render(elements=periodic_table()))  # noqa: S704  # rendered by an escaping template


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> Response:
    """A page from a template.

    Args:
        request: what is answered; templates see its path as ``here``.
        template: file name below ``templates/``.
        status: HTTP status.
        headers: further headers of the answer.
        context: names for the template.
    """
    text = templates().get_template(template).render(here=request.url.path, **context)
    body = text.encode()
    sent = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"} | (headers or {})
    if len(body) > _WORTH_ZIPPING and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, status, sent, media_type="text/html; charset=utf-8")


class PageRoute(APIRoute):
    """A route whose refusals and errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, within what locks it and turns its errors into pages."""
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            caller = caller_of(request)
            if not caller.may("read"):
                return page(
                    request, "locked.html", status=401, headers={"WWW-Authenticate": "Bearer"},
                    refused=caller.refused,
                )  # fmt: skip
            try:
                return await answer(request)
            except HTCError as error:
                told = problem_of(error)
                kept = {k: v for k, v in told.headers.items() if k.lower() == "retry-after"}
                failed = _failed(request, told.status_code, error.what, error.where, error.hint, headers=kept)
                if isinstance(error, DatabaseUnavailableError):
                    failed.background = BackgroundTask(request.app.state.service.recover)
                return failed
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"][1:])
                return _failed(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(first["msg"]), where)
            except HTTPException as error:
                return _failed(request, error.status_code, str(error.detail))

        return handler


def _failed(
    request: Request,
    status: int,
    what: str,
    where: str | None = None,
    hint: str | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Response:
    return page(
        request,
        "error.html",
        status=status,
        headers=headers,
        status_code=int(status),
        what=what,
        where=where,
        hint=hint,
        request_id=current_request_id(),
    )
