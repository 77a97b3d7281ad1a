"""The files that pages load: styles, modules and pictures, read once, hashed, compressed.

Pages name a file by a path that holds the hash of all of them, ``/static/<version>/js/desk.js``; relative
imports between modules stay within it. What such a path answers never changes and is kept by browsers for
good. Without the version, ``/static/js/desk.js``, a browser asks each time whether the file changed.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["Asset", "Assets", "assets"]

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    body: bytes
    zipped: bytes
    media_type: str
    etag: str


class Assets:
    """All files of the pages by their path below ``static/``."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        """Hash and compress them."""
        whole = hashlib.sha256()
        self._by_path: dict[str, Asset] = {}
        for path in sorted(contents):
            body = contents[path]
            own = hashlib.sha256(body).hexdigest()
            whole.update(f"{path}\0{own}\n".encode())
            self._by_path[path] = Asset(
                body, gzip.compress(body, 9, mtime=0), MEDIA_TYPES[path[path.rindex(".") :]], f'"{own[:24]}"'
            )
        self.version: Final = whole.hexdigest()[:16]

    def find(self, path: str) -> tuple[Asset, bool] | None:
        """The file at a path, and whether the path names this version of it; None where there is none."""
        version, _, rest = path.partition("/")
        if version == self.version and rest in self._by_path:
            return self._by_path[rest], True
        # A page opened before an upgrade asks for the version it was made with.
        asset = self._by_path.get(path) or self._by_path.get(rest)
        return None if asset is None else (asset, False)

    def url(self, path: str) -> str:
        """Address of a file, with its version.

        Raises:
            KeyError: there is no such file.
        """
        if path not in self._by_path:
            raise KeyError(path)
        return f"/static/{self.version}/{path}"


@lru_cache(maxsize=1)
def assets() -> Assets:
    """The files of this package, and those made from installed packages."""
    from htc.service.pages.elements import elements_json

    root = files("htc.service.pages") / "static"
    return Assets({**_read(root, ""), "elements.json": elements_json()})


def _read(folder: Traversable, prefix: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found |= _read(entry, f"{name}/")
        elif name[name.rfind(".") :] in MEDIA_TYPES:
            found[name] = entry.read_bytes()
    return found
