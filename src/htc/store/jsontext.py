"""JSON as the database wants it: no NaN, and numpy's numbers as numbers."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import PurePath
from typing import Any

from htc.errors import InputError

__all__ = ["dumps"]


def dumps(value: Any) -> str:
    """Serialise; what JSON cannot hold is an error, never a guess.

    Raises:
        InputError: NaN, infinity, or an object without a JSON form.
    """
    try:
        return json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot be stored as JSON: {error}") from error


def _plain(value: Any) -> Any:
    # numpy's arrays and scalars, without importing numpy for them
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
