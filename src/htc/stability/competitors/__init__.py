"""Competing phases: what a crystal may decay into, and where those are known.

The user's files (``FileCompetitors``), the store and providers (``ServiceCompetitors`` of a
``SystemSource``), and what is bundled: the elements' own crystals, the library's compounds, pymatgen's
prototypes as they are and with the elements of the system on their sites.
"""

from __future__ import annotations

from htc.stability.competitors.elements import ElementCrystals, known_elements
from htc.stability.competitors.files import FileCompetitors
from htc.stability.competitors.library import LibraryCompounds
from htc.stability.competitors.prototypes import DecoratedPrototypes, KnownPrototypes
from htc.stability.competitors.services import ServiceCompetitors, SystemSource
from htc.stability.competitors.source import Competitor, CompetitorSource, Found, subsystems

__all__ = [
    "Competitor",
    "CompetitorSource",
    "DecoratedPrototypes",
    "ElementCrystals",
    "FileCompetitors",
    "Found",
    "KnownPrototypes",
    "LibraryCompounds",
    "ServiceCompetitors",
    "SystemSource",
    "bundled",
    "known_elements",
    "subsystems",
]


def bundled(*, made_up: bool = True) -> list[CompetitorSource]:
    """The sources that need neither files nor a network.

    Args:
        made_up: with elements put on the sites of common structure types, too.
    """
    sources: list[CompetitorSource] = [ElementCrystals(), LibraryCompounds(), KnownPrototypes()]
    return [*sources, DecoratedPrototypes()] if made_up else sources
