"""PostgreSQL programs that were installed by other means than our wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["installed_folders"]

_PLACES: Final = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat, from postgresql.org
    "/opt/homebrew/opt/postgresql@*/bin",  # Homebrew on Apple silicon
    "/usr/local/opt/postgresql@*/bin",  # Homebrew on Intel
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/Library/PostgreSQL/*/bin",
)


def installed_folders(major: int | None = None) -> list[Path]:
    """Folders of programs in the usual places, of one major version or of all, in the order of the places."""
    found: list[Path] = []
    for place in _PLACES:
        wanted = place if major is None else place.replace("*", str(major))
        found += sorted(path for path in Path("/").glob(wanted.lstrip("/")) if path.is_dir())
    return found
