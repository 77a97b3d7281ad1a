"""What is told of an input's name to those who did not give it.

A row keeps the input as its giver named it, and on a command line that is a path: folders have the names of
people and projects in them. Whatever leaves for others (HTTP, pages, OPTIMADE, evidence packs) goes through
here; the command line shows its own user the path.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["file_name", "without_folders"]

_PATH: Final = re.compile(r"^(/|~|\.{1,2}[\\/]|[A-Za-z]:[\\/]|\\\\)")
_ABSOLUTE: Final = re.compile(r"^(/|~|[A-Za-z]:[\\/]|\\\\)")
_RELATIVE: Final = re.compile(r"[\\/].*\.\w{1,8}$")
_SEPARATOR: Final = re.compile(r"[\\/]")


def file_name(text: str) -> str:
    """A path without its folders; a formula or a label as it is."""
    if _SEPARATOR.search(text) is None:
        return text
    if _PATH.match(text) or _RELATIVE.search(text):
        return _SEPARATOR.split(text.rstrip("\\/"))[-1]
    return text


def without_folders(value: Any) -> Any:
    """A JSON value whose paths are cut to file names: texts that begin like one, and all under ``source``."""
    if isinstance(value, str):
        return file_name(value) if _ABSOLUTE.match(value) else value
    if isinstance(value, dict):
        return {
            key: file_name(item) if key == "source" and isinstance(item, str) else without_folders(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    return value
