"""Texts of any project as PostgreSQL can hold them."""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["NAME_LIMIT", "fitted_name", "is_shortened", "storable"]

NAME_LIMIT: Final = 500
"""Characters of test_name and test_file."""

_MARK: Final = re.compile(r"~[0-9a-f]{16}\Z")


def storable(text: str) -> str:
    r"""The text without what PostgreSQL refuses: NUL becomes ``\x00``, a lone surrogate ``\udc80`` or so."""
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def fitted_name(name: str) -> str:
    """The name if it fits, else its beginning and 16 digits of its SHA-256: two long names stay two."""
    if len(name) <= NAME_LIMIT:
        return name
    return f"{name[: NAME_LIMIT - 17]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def is_shortened(name: str) -> bool:
    """Whether :func:`fitted_name` cut the name, so that pytest would not know it."""
    return len(name) == NAME_LIMIT and _MARK.search(name) is not None
