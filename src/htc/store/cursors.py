"""Places in an ordered list, as text that a client hands back to go on from there."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from htc.errors import InputError

__all__ = ["is_cursor", "pack", "unpack"]

_VERSION: Final = "1"
"""Another order of a list is another version: an old place is then refused, never misread."""


def pack(kind: str, *key: Any) -> str:
    """A cursor of a kind of list, e.g. ``"t"``, for a row's sort key of JSON values."""
    text = json.dumps(key, separators=(",", ":"))
    return f"{kind}{_VERSION}.{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


def is_cursor(kind: str, text: str) -> bool:
    """Whether a text claims to be a cursor of this kind, of any version."""
    head, dot, _ = text.partition(".")
    return bool(dot) and head.startswith(kind) and head[len(kind) :].isdigit()


def unpack(kind: str, text: str, *types: type | tuple[type, ...]) -> tuple[Any, ...]:
    """The sort key of a cursor from :func:`pack`.

    Args:
        kind: of the list.
        text: the cursor.
        types: of the key's values, in order.

    Raises:
        InputError: it is none, was cut short, or belongs to another list or version.
    """
    head, _, body = text.partition(".")
    key = _decoded(body) if head == kind + _VERSION else None
    if (
        not isinstance(key, list)
        or len(key) != len(types)
        or not all(isinstance(value, kind_of) for value, kind_of in zip(key, types, strict=True))
        or any(isinstance(value, str) and "\0" in value for value in key)  # no text of a database
    ):
        raise InputError(
            "this is no place to go on from in this list",
            where=text[:60],
            hint="give the cursor exactly as the page before had it, or begin at the first page",
        )
    return tuple(key)


def _decoded(body: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):  # binascii.Error and UnicodeDecodeError are ValueErrors
        return None
