"""Potentials by name: the shipped ones and those that installed packages add.

A package plugs its own in by an entry point of the group ``htc.potentials`` whose name is the potential's and
whose object is called without arguments and returns a :class:`Potential`.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Final

from htc.errors import InputError, ModelError
from htc.stability.potentials.protocol import Potential
from htc.stability.potentials.sevennet import SHIPPED, load_sevennet

__all__ = ["DEFAULT_POTENTIAL", "ENTRY_POINTS", "FAST_POTENTIAL", "load_potential", "potential_names"]

ENTRY_POINTS: Final = "htc.potentials"
DEFAULT_POTENTIAL: Final = "sevennet-l3i5"
FAST_POTENTIAL: Final = "sevennet-0"


def potential_names() -> tuple[str, ...]:
    """Names that :func:`load_potential` takes, the shipped ones first."""
    plugged = {point.name for point in entry_points(group=ENTRY_POINTS)} - set(SHIPPED)
    return (*SHIPPED, *sorted(plugged))


@lru_cache(maxsize=4)
def load_potential(name: str) -> Potential:
    """A potential by name, loaded once a process. Nothing is ever downloaded for the shipped ones.

    Raises:
        InputError: no potential has this name.
        MissingExtraError: a package of the extra ``[mlip]`` is not installed.
        ModelError: the weights are not where they should be, or a plugged-in potential is none.
    """
    if name in SHIPPED:
        return load_sevennet(name)
    for point in entry_points(group=ENTRY_POINTS, name=name):
        potential = point.load()()
        if not isinstance(potential, Potential):
            raise ModelError(
                "the entry point does not give a potential",
                where=f"{ENTRY_POINTS}: {name} = {point.value}",
                hint="its object must return a htc.stability.potentials.Potential when called",
            )
        return potential
    known = potential_names()
    near = difflib.get_close_matches(name, known, 1)
    raise InputError(
        f"no interatomic potential is called {name!r}",
        where="potential",
        hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}",
    )
