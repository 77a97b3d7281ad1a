"""The manifest, and that nothing is missing or came from elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from htc.evidence.checks.check import Check, differs, ok, same
from htc.evidence.crate import CRATE_FILE
from htc.evidence.environment import environment
from htc.evidence.pack import MANIFEST, PREVIEW, WHAT
from htc.evidence.reading import OpenedPack

__all__ = ["check_crate", "check_environment", "check_files", "check_parts"]

_ALWAYS: Final = (
    "README.md",
    "environment.json",
    "prediction.json",
    "prediction.schema.json",
    "worksheet.html",
    "worksheet.json",
    "worksheet.md",
    CRATE_FILE,
    PREVIEW,
    MANIFEST,
)
_OF_SPECTRUM: Final = tuple(path for path in WHAT if path.startswith(("spectrum/", "figures/")))
_UNLISTED: Final = frozenset({CRATE_FILE, PREVIEW, MANIFEST})
"""Files that are the crate and the manifest, and are not described in it."""
_ENVIRONMENT: Final = frozenset(environment(None))
_ROW: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")


def check_files(pack: OpenedPack) -> Iterator[Check]:
    """Checksums, and that the files and the manifest name each other."""
    for path, why in sorted(pack.damaged.items()):
        yield differs("files", "can be unpacked", path, why)
    for path in _ALWAYS:
        if path not in pack.files and path not in pack.damaged:
            yield differs("files", "is there", path, "the file is missing")
    for path in sorted(set(pack.files) - set(WHAT)):
        yield differs("files", "belongs to a pack", path, "no file of a pack has this name")
    if MANIFEST not in pack.files:
        return
    stated: dict[str, str] = {}
    text = pack.files[MANIFEST].decode("utf-8", "replace")
    if text and not text.endswith("\n"):
        yield differs("files", "ends with a whole line", MANIFEST)
    for line in text.splitlines():
        row = _ROW.fullmatch(line)
        if row is None or row[2] in stated:
            yield differs("files", "is a list of checksums", MANIFEST, f"the line {line[:80]!r}")
            continue
        stated[row[2]] = row[1]
    for path, digest in sorted(stated.items()):
        if path in pack.files:
            yield same("files", "SHA-256", digest, hashlib.sha256(pack.files[path]).hexdigest(), where=path)
        elif path not in pack.damaged and path not in _ALWAYS:
            yield differs("files", "is there", path, "the manifest names it and it is missing")
    for path in sorted(set(pack.files) - set(stated) - {MANIFEST}):
        yield differs("files", "SHA-256", path, "the manifest does not name the file")


def check_parts(record: Mapping[str, Any], pack: OpenedPack) -> Iterator[Check]:
    """That the inputs the record speaks of are there."""
    parts: list[tuple[str, str]] = []
    if record.get("structure_origin") is not None:
        parts.append(("input/structure.json", "the record has a crystal"))
    if record.get("spectrum_origin") is not None or "spectrum/alpha2f.json" in pack.files:
        parts += [(path, "the record has a spectrum") for path in _OF_SPECTRUM]
    for path, why in parts:
        if path in pack.files:
            yield ok("files", "is there", path)
        elif path not in pack.damaged:
            yield differs("files", "is there", path, f"{why} and its file is missing")


def check_crate(metadata: Mapping[str, Any], pack: OpenedPack) -> Iterator[Check]:
    """That the metadata of the crate describes these files."""
    graph = metadata.get("@graph")
    entities = [e for e in graph if isinstance(e, dict)] if isinstance(graph, list) else []
    stated = {str(e.get("@id")): e for e in entities if e.get("@type") == "File"}
    for path, content in sorted(pack.files.items()):
        if path in _UNLISTED:
            continue
        if path not in stated:
            yield differs("files", "is described in the crate", path)
            continue
        digest = hashlib.sha256(content).hexdigest()
        if stated[path].get("sha256") != digest or stated[path].get("contentSize") != str(len(content)):
            yield differs("files", "SHA-256 in the crate", path, "the crate describes another file")
    for path in sorted(set(stated) - set(pack.files)):
        if path not in _ALWAYS:
            yield differs("files", "is there", path[:200], "the crate names it and it is missing")


def check_environment(stated: Mapping[str, Any]) -> Iterator[Check]:
    """That it says what an environment says."""
    where = "environment.json"
    packages = stated.get("packages")
    texts = [stated.get(name) for name in ("htc", "python", "python_implementation", "system", "machine")]
    if not all(isinstance(text, str) and len(text) < 100 for text in texts) or not isinstance(packages, dict):
        yield differs("files", "is an environment", where)
    elif set(stated) != _ENVIRONMENT:
        yield differs("files", "is an environment", where, "something is missing, or more than there is")
    elif not all(v is None or (isinstance(v, str) and len(v) < 100) for v in packages.values()):
        yield differs("files", "is an environment", where, "a version is no text")
