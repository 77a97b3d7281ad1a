"""What made a pack: versions, the class of machine, the database's revision; no names of people or hosts."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from htc.version import __version__

__all__ = ["environment"]

_PACKAGES: Final = (
    "numpy",
    "scipy",
    "pymatgen",
    "moyopy",
    "spglib",
    "safetensors",
    "jinja2",
    "rocrate",
    "jsonschema",
    "torch",
    "sevenn",
)
"""Packages whose version can change a number or a byte of a pack; None where one is not installed."""


def environment(database_revision: str | None) -> dict[str, Any]:
    """The environment as ``environment.json`` has it.

    Args:
        database_revision: revision of the database the prediction came from.
    """
    return {**_program(), "database_revision": database_revision}


@lru_cache(maxsize=1)
def _program() -> Mapping[str, Any]:
    return {
        "htc": __version__,
        "python": platform.python_version(),
        "python_implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
