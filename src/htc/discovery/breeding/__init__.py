"""A pool that is bred: candidates of a space made from the best of those looked at so far.

:mod:`htc.discovery.breeding.coordinates` says what a candidate inherits (source, prototype, elements of the
slots, pressure), :mod:`htc.discovery.breeding.fitness` how good a look at one is, and
:mod:`htc.discovery.breeding.evolution` who has children.
"""

from htc.discovery.breeding.coordinates import Coordinates, Gene
from htc.discovery.breeding.evolution import Evolution
from htc.discovery.breeding.fitness import Fitness, bred_by

__all__ = ["Coordinates", "Evolution", "Fitness", "Gene", "bred_by"]
