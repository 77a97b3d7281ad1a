"""The files that people read: what this program writes from the same record, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from htc.evidence.checks.check import Check, differs, ok, unchecked
from htc.evidence.pack import MANIFEST
from htc.version import __version__

__all__ = ["check_words"]

_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_CLOSE: Final = 1e-5


def check_words(files: Mapping[str, bytes], again: Mapping[str, bytes], environment: Any) -> Iterator[Check]:
    """Every file against the one that follows from the record, the inputs and the model's card.

    Numbers may differ in their last digits where other versions of the libraries wrote them.
    """
    theirs = environment.get("htc") if isinstance(environment, dict) else None
    for path in sorted(set(files) & set(again) - {MANIFEST}):
        if files[path] == again[path]:
            yield ok("words", "as written from the record", path)
        elif theirs != __version__:
            yield unchecked(
                "words",
                "as written from the record",
                path,
                f"HTC {theirs} wrote it, and this is {__version__}: the words may have changed",
            )
        elif _alike(files[path], again[path]):
            yield ok("words", "as written from the record", path, "the last digits apart")
        else:
            yield differs(
                "words", "as written from the record", path, _first_difference(files[path], again[path])
            )
    for path in sorted(set(again) - set(files)):
        yield differs("words", "is there", path, "it follows from the record and is missing")


def _alike(a: bytes, b: bytes) -> bool:
    """Whether two texts are the same but for the last digits of numbers."""
    try:
        one, two = a.decode(), b.decode()
    except UnicodeDecodeError:
        return False
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", two):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(two), strict=True)
    return all(
        x == y
        or ("." in x and "." in y and abs(float(x) - float(y)) <= _CLOSE * max(abs(float(x)), abs(float(y))))
        for x, y in pairs
    )


def _first_difference(a: bytes, b: bytes) -> str:
    one, two = (text.decode("utf-8", "replace").splitlines() for text in (a, b))
    for i, (x, y) in enumerate(zip(one, two, strict=False)):
        if x != y:
            return f"line {i + 1}: {x.strip()[:60]!r}, not {y.strip()[:60]!r}"
    return f"{len(one)} lines, not {len(two)}"
