"""The record of a pack: what is stored about a prediction, as JSON that a schema describes."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from htc.store.naming import file_name, without_folders

if TYPE_CHECKING:
    from htc.store import StoredPrediction

__all__ = ["FORMAT", "as_json", "record_of", "record_schema"]

FORMAT: Final = "htc-evidence-2"

_OWN_FILES: Final = frozenset({"structure", "spectrum"})
"""Fields that are files of their own in a pack."""


def record_of(stored: StoredPrediction) -> dict[str, Any]:
    """The record as ``prediction.json`` has it.

    Paths are cut to the file's name: a pack goes to strangers, and folders have the names of people in them.
    """
    fields = {k: v for k, v in stored.as_dict().items() if k not in _OWN_FILES}
    cleaned: dict[str, Any] = _plain({"format": FORMAT, **fields})
    cleaned["source"] = file_name(cleaned["source"])
    cleaned["provenance"] = without_folders(cleaned["provenance"])
    return cleaned


def as_json(value: Any) -> bytes:
    """Canonical JSON of a pack: sorted, indented, UTF-8; floats come back exactly."""
    text = json.dumps(_plain(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


@lru_cache(maxsize=1)
def record_schema() -> dict[str, Any]:
    """The JSON schema of ``prediction.json``."""
    schema: dict[str, Any] = json.loads(
        files("htc.evidence").joinpath("prediction.schema.json").read_text("utf-8")
    )
    return schema


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity, which rows of an earlier version may hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
