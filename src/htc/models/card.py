"""Model cards: what a model was trained on, how good it is, and what it must not be used for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from htc.errors import ModelError

__all__ = ["card_schema", "check_card"]


@lru_cache(maxsize=1)
def card_schema() -> dict[str, Any]:
    """The JSON schema every card follows."""
    schema: dict[str, Any] = json.loads(files("htc.models").joinpath("card.schema.json").read_text("utf-8"))
    return schema


def check_card(card: Mapping[str, Any], where: str) -> None:
    """Check a card against the schema.

    Raises:
        ModelError: the first place where it departs from the schema.
    """
    from jsonschema import Draft202012Validator

    first = next(iter(Draft202012Validator(card_schema()).iter_errors(card)), None)
    if first is not None:
        path = "/".join(str(part) for part in first.absolute_path) or "the card"
        raise ModelError(f"{path}: {first.message}", where=where, hint="retrain with `htc model train`")
