"""Where the command line writes: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

from rich.console import Console

__all__ = ["err", "out", "print_json"]

_PIPE_WIDTH = 160
"""Columns for tables that go into a file or another program: neither has a width of its own."""

out = Console(highlight=False)
if not out.is_terminal and "COLUMNS" not in os.environ:
    out.width = _PIPE_WIDTH
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Write ``value`` as JSON to stdout, whole or not at all.

    NaN and infinity, which rows of an earlier version may hold, become null: JSON has neither.
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
