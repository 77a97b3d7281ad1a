"""The gap function on the real axis: continuation, density of states, gap edge, and whether to believe it."""

from __future__ import annotations

from htc.theory.eliashberg.real_axis.exact import continue_exact
from htc.theory.eliashberg.real_axis.pade import continue_pade, gap_edges
from htc.theory.eliashberg.real_axis.quasiparticles import density_of_states, shares_of
from htc.theory.eliashberg.real_axis.records import DensityOfStates, GapEdges, RealAxis

__all__ = [
    "DensityOfStates",
    "GapEdges",
    "RealAxis",
    "continue_exact",
    "continue_pade",
    "density_of_states",
    "gap_edges",
    "shares_of",
]
