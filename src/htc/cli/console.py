"""Where the command line writes: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
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
    """Write ``value`` as JSON to stdout. NaN and infinity are refused: they are not JSON."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")
