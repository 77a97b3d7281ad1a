"""Answers straight from rows: no model is built and nothing is checked twice on the way out.

The schemas say what the rows hold; a test holds the two together.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import Response

__all__ = ["JSONAnswer", "dumps"]

# Times of the database come without zone, in UTC.
_OPTIONS: Final = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY


def dumps(content: Any) -> bytes:
    """JSON of rows, records and numpy's numbers; what is not finite is null."""
    return orjson.dumps(content, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    # pydantic's models inside of rows, e.g. a problem in a line of a batch
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


class JSONAnswer(Response):
    """A JSON answer made by :func:`dumps`."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return dumps(content)
