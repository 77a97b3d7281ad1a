"""The candidates of a campaign by number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.space.parts import Part, part_from_json
from htc.discovery.space.tree import Source, Tree
from htc.discovery.space.types import Candidate, Rejected
from htc.errors import ConflictError

if TYPE_CHECKING:
    from htc.discovery.campaign import Campaign
    from htc.discovery.space.estimate import SizeEstimate

__all__ = ["CandidateSpace", "SpaceSlice"]

_RECIPE: Final = 1
"""Raised whenever a number would no longer stand for the same candidate."""


@lru_cache(maxsize=1)
def _recipe() -> str:
    """Changes whenever the same numbers would be other crystals."""
    fitted = resources.files("htc.materials").joinpath("volumes.json").read_bytes()
    return f"{_RECIPE}-{hashlib.sha256(fitted).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class SpaceSlice:
    """Some numbers of a space and all that is needed to make them. Picklable; asks nobody."""

    numbers: Sequence[int]
    tree: Tree

    def __len__(self) -> int:
        """How many numbers."""
        return len(self.numbers)

    def __iter__(self) -> Iterator[Candidate | Rejected]:
        """The candidates, in the order of ``numbers``."""
        return (self.tree[number] for number in self.numbers)

    def candidate(self, number: int) -> Candidate | Rejected:
        """The candidate of one of ``numbers``.

        Raises:
            IndexError, KeyError: it is none of them.
        """
        return self.tree[number]


class CandidateSpace:
    """All candidates of a campaign: numbered, made when asked for, never all in memory.

    Made by :func:`htc.discovery.space.open_space`, which asks files, store and services, or by
    :meth:`thawed` from what a run has kept of their answers.

    Args:
        campaign: whose space it is.
        sources: one for each of its ``[[candidates]]`` tables.
    """

    def __init__(self, campaign: Campaign, sources: Sequence[Source]) -> None:
        """Put the sources one behind the other."""
        self.campaign = campaign
        self.tree = Tree(tuple(sources), campaign.limit, campaign.seed)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources, in order."""
        return self.tree.sources

    def __len__(self) -> int:
        """How many numbers there are, the implausible ones included."""
        return len(self.tree)

    def __getitem__(self, number: int) -> Candidate | Rejected:
        """The candidate of a number, the same on every machine and at any time.

        Raises:
            IndexError: there is no such number.
        """
        return self.tree[number]

    def __iter__(self) -> Iterator[Candidate | Rejected]:
        """All of them, one at a time."""
        return (self.tree[number] for number in range(len(self)))

    def slice(self, numbers: Iterable[int]) -> SpaceSlice:
        """Some numbers for another process.

        Raises:
            IndexError: there is no such number.
        """
        kept = numbers if isinstance(numbers, range) else tuple(numbers)
        return SpaceSlice(kept, self.tree.restricted(kept))

    def estimate(self, sample: int = 1000) -> SizeEstimate:
        """How large the space is, and how much of it is plausible. See :mod:`htc.discovery.space.estimate`.

        Args:
            sample: candidates looked at in each source.
        """
        from htc.discovery.space.estimate import estimated

        return estimated(self, sample)

    def frozen(self) -> Iterator[dict[str, Any]]:
        """What files, store and services have answered, as JSON documents to be kept with the run."""
        layout = [
            {"name": s.name, "kind": s.kind, "parts": len(s.parts), "limit": s.limit, "seed": s.seed}
            for s in self.sources
        ]
        yield {"space": _recipe(), "sources": layout}
        for s, source in enumerate(self.sources):
            for p, part in enumerate(source.parts):
                if isinstance(part, int):
                    raise TypeError("a slice is not a space")
                yield from ({"source": s, "part": p, **document} for document in part.documents())

    @classmethod
    def thawed(cls, campaign: Campaign, documents: Iterable[Mapping[str, Any]]) -> CandidateSpace:
        """The very space of which ``documents`` were kept.

        Args:
            campaign: the same as then.
            documents: those of :meth:`frozen`, in order.

        Raises:
            ConflictError: kept by a version that numbered candidates or set their volumes differently.
        """
        stream = iter(documents)
        head = next(stream, None)
        if head is None or head.get("space") != _recipe():
            raise ConflictError(
                "this run's candidates were made by another version of HTC",
                hint="finish it with that version, or start it anew",
            )
        grouped: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        for document in stream:
            grouped.setdefault((document["source"], document["part"]), []).append(document)
        sources: list[Source] = []
        for s, one in enumerate(head["sources"]):
            parts: list[Part] = [
                part_from_json(grouped[s, p], rules=campaign.plausibility, volume=campaign.volume)
                for p in range(one["parts"])
            ]
            sources.append(Source(one["name"], one["kind"], tuple(parts), one["limit"], one["seed"]))
        return cls(campaign, sources)
