"""Who goes on to the next stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from htc.store.campaigns import Rule

if TYPE_CHECKING:
    from htc.discovery.campaign import Keep

__all__ = ["Selection", "most_that_pass", "rule_of", "select"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Who passes a stage, best first, and who would have but for being the same crystal as one of them."""

    passing: list[int] = field(default_factory=list)
    duplicates: list[tuple[int, int]] = field(default_factory=list)
    """Position of a candidate, and of the one that it is a duplicate of."""


def rule_of(keep: Keep) -> Rule:
    """The ``keep`` table of a stage as conditions on its values."""
    among: dict[str, tuple[str | bool, ...]] = {}
    if keep.phonon_verdict is not None:
        among["phonon_verdict"] = keep.phonon_verdict
    if keep.confidence_level is not None:
        among["confidence_level"] = keep.confidence_level
    if keep.extrapolation_warning is not None:
        among["extrapolation_warning"] = (keep.extrapolation_warning,)
    return Rule(bounds=keep.bounds, among=among, by=keep.by, largest_first=keep.wanted == "max")


def most_that_pass(keep: Keep, next_budget: int | None) -> int | None:
    """How many may go on: ``best`` of this stage, and no more than the next one takes; None: all."""
    limits = [n for n in (keep.best, next_budget) if n is not None]
    return min(limits) if limits else None


def select(
    ordered: Iterable[tuple[int, str | None]],
    most: int | None,
    twin_of: Callable[[int, str | None], int | None] = lambda _, __: None,
) -> Selection:
    """Choose from candidates that fulfil the rule of a stage.

    Args:
        ordered: their positions and formulas, best first.
        most: how many may pass; None: all.
        twin_of: of a position and its formula, the position of one that was passed before and is the same
            crystal; None: there is none.
    """
    found = Selection()
    for position, formula in ordered:
        if most is not None and len(found.passing) >= most:
            break
        twin = twin_of(position, formula)
        if twin is None:
            found.passing.append(position)
        else:
            found.duplicates.append((position, twin))
    return found
