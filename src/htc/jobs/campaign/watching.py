"""What a person who watches a campaign is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Watch", "in_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one stage is. Counts are candidates at a pressure."""

    stage: int
    stages: int
    """How many the campaign has."""
    name: str
    """``predict fast``, ``relax``."""
    doing: str
    """``judging``, ``selecting``, ``storing``, ``over``."""
    entries: int
    judged: int = 0
    done: int = 0
    failed: int = 0
    rejected: int = 0
    passed: int | None = None
    duplicates: int | None = None
    per_second: float | None = None
    """Entries a second, of all workers, the rejected ones included."""
    seconds_left: float | None = None
    """Forecast for the rest of what it is doing, s."""


Watch = Callable[[Progress], None]


def in_words(one: Progress) -> str:
    """One line, for the message of the run and for terminals that are none."""
    text = f"stage {one.stage + 1} of {one.stages}, {one.name}: "
    if one.doing == "selecting":
        return f"{text}choosing who goes on"
    if one.doing == "over":
        twins = f", {one.duplicates:,} duplicates" if one.duplicates else ""
        return f"{text}{one.passed or 0:,} of {one.entries:,} pass{twins}"
    if one.doing == "storing":
        text += "predicting in full what passes, "
    text += f"{one.judged:,} of {one.entries:,}"
    if one.rejected:
        text += f", {one.rejected:,} rejected"
    if one.failed:
        text += f", {one.failed:,} failed"
    if one.per_second is not None:
        text += f", {one.per_second:.3g}/s"
    if one.seconds_left is not None:
        text += f", {duration(one.seconds_left)} left"
    return text


def duration(seconds: float) -> str:
    """``3 s``, ``12 min``, ``4.5 h``, ``12 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
