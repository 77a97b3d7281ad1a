"""The space of a campaign: candidates by number, made when asked for, the same on every machine.

    space = open_space(load_campaign("a15.toml"), folder=".")
    len(space), space[17], space.estimate()
    part = space.slice(range(1000, 2000))      # picklable: for another process

A number stands for a :class:`Candidate` or, where a rule of plausibility or the symmetry of a prototype
speaks against it, for a :class:`Rejected` with the reason. Numbers never change:
:meth:`CandidateSpace.frozen` is what a run keeps of files, store and providers,
:meth:`CandidateSpace.thawed` gives the same space back.
"""

from htc.discovery.space.estimate import SizeEstimate, SourceEstimate
from htc.discovery.space.opening import open_space
from htc.discovery.space.prototypes import KnownPrototype, known_prototypes
from htc.discovery.space.space import CandidateSpace, SpaceSlice
from htc.discovery.space.twins import DuplicateMatcher, duplicates
from htc.discovery.space.types import Candidate, Rejected

__all__ = [
    "Candidate",
    "CandidateSpace",
    "DuplicateMatcher",
    "KnownPrototype",
    "Rejected",
    "SizeEstimate",
    "SourceEstimate",
    "SpaceSlice",
    "duplicates",
    "known_prototypes",
    "open_space",
]
