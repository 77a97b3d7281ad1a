"""Which candidates are one crystal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from htc.discovery.campaign.tables import Duplicates
from htc.discovery.space.types import Candidate

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["DuplicateMatcher", "duplicates"]


class DuplicateMatcher:
    """Whether two structures are one crystal, whatever their cells and volumes (pymatgen's matcher).

    Args:
        rule: tolerances.
    """

    def __init__(self, rule: Duplicates | None = None) -> None:
        """Make pymatgen's matcher."""
        from pymatgen.analysis.structure_matcher import StructureMatcher

        rule = rule or Duplicates()
        self._matcher = StructureMatcher(
            ltol=rule.ltol, stol=rule.stol, angle_tol=rule.angle_tol, primitive_cell=True, scale=True
        )

    def __call__(self, one: Structure, other: Structure) -> bool:
        """Whether they are."""
        return bool(self._matcher.fit(one, other))


def duplicates(candidates: Iterable[Candidate], rule: Duplicates | None = None) -> dict[int, int]:
    """Those that are the same crystal as one before them.

    Only candidates of one ``group`` are compared, the first of each kind is kept. Two formulas without a
    crystal are the same where their compositions are.

    Args:
        candidates: in the order in which they are to be kept.
        rule: tolerances; None for the default ones.

    Returns:
        Number of each duplicate -> number of the one kept.
    """
    same = DuplicateMatcher(rule)
    kept: dict[str, list[Candidate]] = defaultdict(list)
    out: dict[int, int] = {}
    for one in candidates:
        for other in kept[one.group]:
            if one.structure is None or other.structure is None:
                equal = one.structure is None and other.structure is None
            else:
                equal = same(other.structure, one.structure)
            if equal:
                out[one.number] = other.number
                break
        else:
            kept[one.group].append(one)
    return out
