"""Text that cannot be stored or answered with is refused before a route sees it.

PostgreSQL's text holds no NUL, and half a surrogate pair has no UTF-8: both pass through JSON and URLs
unharmed, and would fail deep inside.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import Request

from htc.errors import InputError

__all__ = ["storable_text"]

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_SUSPECT: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""How such characters look in JSON; the escapes of whole pairs look so too."""
_JSON: Final = re.compile(rb"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)


async def storable_text(request: Request) -> None:
    """A dependency of every route.

    Raises:
        InputError: path, query or a JSON body holds a NUL or half a surrogate pair.
    """
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise _error("URL", "a NUL character")
    if request.method in {"GET", "HEAD"}:
        return
    kind = next((value for name, value in request.scope["headers"] if name == b"content-type"), b"")
    if not _JSON.match(kind):
        return
    # Read before for its parsing, and kept.
    body = await request.body()
    if _SUSPECT.search(body) and (found := _first_unstorable(await request.json())) is not None:
        where, character = found
        what = "a NUL character" if character == "\x00" else "half of a surrogate pair"
        raise _error(where or "body", what)


def _error(where: str, what: str) -> InputError:
    return InputError(f"the text holds {what}, which cannot be stored", where=where)


def _first_unstorable(document: Any) -> tuple[str, str] | None:
    """Place and character of one in a JSON document; no recursion, its depth is the caller's choice."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, str):
            if match := _UNSTORABLE.search(value):
                return where, match[0]
        elif isinstance(value, dict):
            for name, item in value.items():
                if match := _UNSTORABLE.search(name):
                    return where, match[0]
                waiting.append((f"{where}.{name}".lstrip("."), item))
        elif isinstance(value, list):
            waiting.extend((f"{where}.{index}".lstrip("."), item) for index, item in enumerate(value))
    return None
