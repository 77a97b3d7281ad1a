"""What one examination of the database found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["VERDICTS", "Finding", "Fix", "Verdict", "worst"]

Verdict = Literal["ok", "skipped", "note", "warning", "failure"]

VERDICTS: Final[tuple[Verdict, ...]] = ("ok", "skipped", "note", "warning", "failure")
"""From harmless to worst. ``note``: worth knowing; ``warning``: works, but not for long or not well;
``failure``: something cannot work as it is."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A repair that loses nothing and may be repeated."""

    title: str
    """What it does, in the imperative: ``"refresh the ranking by formula"``."""
    apply: Callable[[], str]
    """Does it and says what was done; raises HTCError when it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One test, its evidence, the verdict and what to do about it."""

    check_id: str
    """Stable name: ``"<area>.<check>"``, e.g. ``"schema.stamp"``."""
    hypothesis: str
    """What might be wrong, as a statement: ``"alembic_version disagrees with the tables"``."""
    test: str
    """What was done to find out."""
    result: str
    """The evidence: what was seen, with names and numbers. Never a password."""
    verdict: Verdict
    action: str = ""
    """What a person should do next, a command where there is one; empty when nothing."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The evidence for programs, JSON-ready."""
    fix: Fix | None = None
    """A safe repair that ``htc db doctor --fix`` offers."""


def worst(findings: list[Finding]) -> Verdict:
    """The gravest verdict among findings; ``ok`` when there is none."""
    return max((f.verdict for f in findings), key=VERDICTS.index, default="ok")
