"""How large a space is before it is walked: numbers by source, and the plausible share from a sample."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.space.permutation import Permutation
from htc.discovery.space.types import Rejected

if TYPE_CHECKING:
    from htc.discovery.space.space import CandidateSpace

__all__ = ["SizeEstimate", "SourceEstimate", "estimated"]

_Z95: Final = 1.959963984540054
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEstimate:
    """One source."""

    name: str
    kind: str
    total: int
    """Numbers before the limits."""
    taken: int
    """Numbers after its own limit."""
    looked_at: int
    plausible: int
    """Of those looked at."""
    rejected: dict[str, int]
    """Of those looked at, by rule."""
    share: float
    """Plausible share."""
    share_lower: float
    share_upper: float
    """95 % interval of it; the share itself where all were looked at."""
    examples: tuple[str, ...]
    """Labels of some plausible ones."""
    rejected_examples: tuple[str, ...]
    """Labels of some others and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeEstimate:
    """The whole space."""

    numbers: int
    """Of the space, after all limits."""
    pressures: int
    sources: tuple[SourceEstimate, ...]
    plausible: float
    """How many candidates to expect."""
    plausible_lower: float
    plausible_upper: float
    """Bounds of 95 % for every source together."""
    seconds_per_number: float
    """Measured on the sample, on this machine, one core, s."""

    @property
    def predictions(self) -> float:
        """Plausible candidates times pressures."""
        return self.plausible * self.pressures

    @property
    def seconds(self) -> float:
        """What making all candidates will take on one core, s."""
        return self.seconds_per_number * self.numbers

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        from dataclasses import asdict

        return asdict(self) | {"predictions": self.predictions, "seconds": self.seconds}


def estimated(space: CandidateSpace, sample: int) -> SizeEstimate:
    """Look at up to ``sample`` candidates of every source, drawn by the campaign's seed."""
    sources: list[SourceEstimate] = []
    looked, seconds = 0, 0.0
    for place, source in enumerate(space.sources):
        n = len(source)
        order = Permutation(n, space.campaign.seed + place) if n > sample else range(n)
        plausible: list[str] = []
        rejected: list[Rejected] = []
        began = 0.0
        tried = min(n, sample)
        # What is worked out once for a source must not be taken for the cost of each candidate.
        warm = tried // 4
        for i in range(tried):
            if i == warm:
                began = time.perf_counter()
            which, at = source.locate(order[i])
            part = source.parts[which]
            if isinstance(part, int):
                raise TypeError("a slice is not a space")
            made = part.make(at, i)
            if isinstance(made, Rejected):
                rejected.append(made)
            else:
                plausible.append(made.label)
        if tried:
            seconds += time.perf_counter() - began
        looked += tried - warm
        low, share, high = _share(len(plausible), tried, exact=tried == n)
        sources.append(
            SourceEstimate(
                name=source.name,
                kind=source.kind,
                total=source.total,
                taken=n,
                looked_at=tried,
                plausible=len(plausible),
                rejected=dict(Counter(one.rule for one in rejected).most_common()),
                share=share,
                share_lower=low,
                share_upper=high,
                examples=tuple(plausible[:_EXAMPLES]),
                rejected_examples=tuple(f"{one.label}: {one.reason}" for one in rejected[:_EXAMPLES]),
            )
        )
    # The limit of the whole space takes from every source in proportion.
    total = space.tree.total
    kept = len(space) / total if total else 0.0
    return SizeEstimate(
        numbers=len(space),
        pressures=len(space.campaign.pressures_gpa),
        sources=tuple(sources),
        plausible=kept * sum(one.share * one.taken for one in sources),
        plausible_lower=kept * sum(one.share_lower * one.taken for one in sources),
        plausible_upper=kept * sum(one.share_upper * one.taken for one in sources),
        seconds_per_number=seconds / looked if looked else 0.0,
    )


def _share(hits: int, n: int, *, exact: bool) -> tuple[float, float, float]:
    """Lower end, share, upper end: Wilson's interval (J. Am. Stat. Assoc. 22, 209 (1927))."""
    if n == 0:
        return 0.0, 0.0, 0.0
    share = hits / n
    if exact:
        return share, share, share
    z2 = _Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), share, min(1.0, middle + half)
