"""Times that a program can read: rows of an earlier version may hold infinity, or years beyond 1 to 9999."""

from __future__ import annotations

from typing import Final

__all__ = ["FIRST", "LAST", "in_calendar"]

# As seconds since 1970: the text of a condition is then the same in every time zone.
FIRST: Final = "to_timestamp('-62135510400'::float8)"
"""SQL of 0001-01-02 00:00 UTC: a day within Python's first year, whatever the zone."""
LAST: Final = "to_timestamp('253402214400'::float8)"
"""SQL of 9999-12-31 00:00 UTC."""


def in_calendar(column: str) -> str:
    """SQL condition: the time is neither infinite nor outside the years 1 to 9999."""
    return f"({column} > {FIRST} AND {column} < {LAST})"
