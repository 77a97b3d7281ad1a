"""Distance of a crystal to the convex hull of the phases known, with one potential's energies only.

The hull is that of pymatgen (Ong et al., Chem. Mater. 20, 1798 (2008), doi:10.1021/cm702327g). A phase that
nobody told of cannot lower it: every distance is a lower bound of the true one, and says of how many phases.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from htc.errors import InputError

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

__all__ = [
    "ON_HULL_EV",
    "HullDistance",
    "LeftOut",
    "Phase",
    "chemical_potentials",
    "distinct",
    "hull_distance",
]

ON_HULL_EV: Final = 1e-3
"""eV/atom. Two relaxations of one crystal from different starts agree to some tenths of this."""
_SAME_ENERGY_EV: Final = 1e-3
_SAME_VOLUME: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A crystal with its energy by one potential."""

    name: str
    """Reduced formula, with the name of the form where there is one: ``"C (graphite)"``."""
    origin: str
    """``library: MgB2``, ``prototype: A4B_oP20_62_2cd_c``, ``materials-project: mp-763``, a path, ..."""
    amounts: Mapping[str, float]
    """Atoms by element, in any multiple."""
    energy_ev: float
    """Energy, under pressure enthalpy, eV/atom."""
    potential_id: str
    pressure_gpa: float = 0.0
    reference: bool = False
    """Whether this is the crystal that an element is known to take: without one the element has no zero."""
    made_up: bool = False
    """Whether nobody claims that it exists."""
    spacegroup: int | None = None
    volume_per_atom: float | None = None
    """Å^3."""

    @property
    def fractions(self) -> dict[str, float]:
        """Atomic fractions by element."""
        total = sum(self.amounts.values())
        return {symbol: n / total for symbol, n in sorted(self.amounts.items()) if n > 0}

    def same_composition(self, other: Phase) -> bool:
        """Whether both have the same atomic fractions, to one part in a million."""
        a, b = self.fractions, other.fractions
        return a.keys() == b.keys() and all(abs(a[s] - b[s]) < 1e-6 for s in a)

    def same_crystal(self, other: Phase) -> bool:
        """Whether two relaxed phases are one: composition, space group, energy (1 meV/atom), volume (1 %)."""
        if not self.same_composition(other) or self.spacegroup != other.spacegroup:
            return False
        if abs(self.energy_ev - other.energy_ev) > _SAME_ENERGY_EV:
            return False
        a, b = self.volume_per_atom, other.volume_per_atom
        return a is None or b is None or abs(a - b) <= _SAME_VOLUME * max(a, b)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A competitor that is not in the hull."""

    name: str
    origin: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HullDistance:
    """Distance to the hull of the known competitors, or why there is none."""

    distance_ev: float | None
    """Energy above the hull, eV/atom, never negative: a lower bound of the true one. None: not known."""
    margin_ev: float | None
    """Energy against the best mixture of phases of *other* compositions, eV/atom; negative where it is
    stable by that much. None where there are none, as for an element."""
    formation_ev: float | None
    """Energy against the elements in their known crystals, eV/atom."""
    decomposition: Mapping[str, float] = field(default_factory=dict)
    """Atomic fractions, by name, of the phases of the hull at this composition, the crystal itself aside."""
    competitors: tuple[Phase, ...] = ()
    """Every distinct phase in the hull except the crystal itself."""
    left_out: tuple[LeftOut, ...] = ()
    """Competitors that were known but could not be given an energy."""
    screened_out: int = 0
    """Made-up competitors that were not relaxed: they could not lower the hull at this composition."""
    screening_slack_ev: float | None = None
    """How far above the hull's plane the nearest of them stays, however far relaxing is taken to lower it,
    eV/atom. None where none was screened out."""
    missing_elements: tuple[str, ...] = ()
    """Elements whose own crystal is not among the phases: why the distance is not known."""
    notes: tuple[str, ...] = ()
    """What could not be asked, one sentence each."""
    potential_id: str
    pressure_gpa: float = 0.0

    @property
    def n_competitors(self) -> int:
        """How many distinct phases the hull knows besides the crystal."""
        return len(self.competitors)

    @property
    def n_made_up(self) -> int:
        """How many of them are elements put on the sites of a structure type: nobody claims they exist."""
        return sum(phase.made_up for phase in self.competitors)

    @property
    def on_hull(self) -> bool | None:
        """Whether none of the known phases, nor a mixture of them, is lower; None where that is not known."""
        return None if self.distance_ev is None else self.distance_ev <= ON_HULL_EV

    @property
    def says(self) -> str:
        """The result in a sentence, with the number of phases it rests on."""
        if self.distance_ev is None:
            missing = ", ".join(self.missing_elements)
            return f"distance to the hull not known: no usable crystal of {missing} to measure it from"
        n = self.n_competitors - self.n_made_up
        phases = f"{n} known phase{'' if n == 1 else 's'}"
        if self.n_made_up:
            phases += f" and {self.n_made_up} made up"
        if self.screened_out:
            phases += f" ({self.screened_out} more made up ones were screened out)"
        if self.on_hull:
            return f"on the hull of {phases}"
        into = " + ".join(self.decomposition)
        return f"{self.distance_ev:.3f} eV/atom above the hull of {phases} (decays into {into})"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "distance_ev": self.distance_ev,
            "margin_ev": self.margin_ev,
            "formation_ev": self.formation_ev,
            "on_hull": self.on_hull,
            "n_competitors": self.n_competitors,
            "n_made_up": self.n_made_up,
            "decomposition": dict(self.decomposition),
            "competitors": [
                {
                    "name": p.name,
                    "origin": p.origin,
                    "made_up": p.made_up,
                    "energy_ev": p.energy_ev,
                    "spacegroup": p.spacegroup,
                }
                for p in self.competitors
            ],
            "left_out": [{"name": x.name, "origin": x.origin, "reason": x.reason} for x in self.left_out],
            "screened_out": self.screened_out,
            "screening_slack_ev": self.screening_slack_ev,
            "missing_elements": list(self.missing_elements),
            "notes": list(self.notes),
            "says": self.says,
            "potential_id": self.potential_id,
            "pressure_gpa": self.pressure_gpa,
        }


def distinct(phases: Iterable[Phase]) -> tuple[Phase, ...]:
    """Phases without those that relaxed into one told before.

    A reference stands for its likes, and a known crystal for one made up.
    """
    kept: list[Phase] = []
    for phase in sorted(phases, key=lambda p: (not p.reference, p.made_up)):
        if not any(phase.same_crystal(other) for other in kept):
            kept.append(phase)
    return tuple(kept)


def hull_distance(
    target: Phase,
    phases: Iterable[Phase],
    *,
    left_out: Sequence[LeftOut] = (),
    screened_out: int = 0,
    screening_slack_ev: float | None = None,
    notes: Sequence[str] = (),
) -> HullDistance:
    """Energy of a phase above the hull of others.

    Args:
        target: the crystal.
        phases: its competitors; those with elements it lacks are passed over. At least one ``reference`` for
            each of its elements is needed for an answer.
        left_out: competitors without an energy, told on.
        screened_out: how many made-up competitors were not relaxed, told on.
        screening_slack_ev: told on.
        notes: told on.

    Raises:
        InputError: energies of two potentials or two pressures, or one that is not a number.
    """
    elements = target.fractions.keys()
    inside = [p for p in phases if p.fractions.keys() <= elements]
    _check_alike(target, inside)
    known = distinct(inside)
    others = tuple(p for p in known if not p.same_crystal(target))
    found = {next(iter(p.fractions)) for p in known if p.reference and len(p.fractions) == 1}
    missing = tuple(sorted(elements - found))
    distance = margin = formation = None
    decomposition: dict[str, float] = {}
    if not missing:
        formation = _formation(target, known)
        # An element's own crystal is not its competitor, and still where its energy is measured from.
        hull = [*others, *(p for p in known if len(p.fractions) == 1 and p not in others)]
        energy, decomposition = _on_diagram(target.fractions, hull)
        distance = max(0.0, target.energy_ev - energy)
        elsewhere = [p for p in hull if not p.same_composition(target)]
        if len(elements) > 1:
            margin = target.energy_ev - _on_diagram(target.fractions, elsewhere)[0]
    return HullDistance(
        distance_ev=distance,
        margin_ev=margin,
        formation_ev=formation,
        decomposition=decomposition,
        competitors=others,
        left_out=tuple(left_out),
        screened_out=screened_out,
        screening_slack_ev=screening_slack_ev,
        missing_elements=missing,
        notes=tuple(notes),
        potential_id=target.potential_id,
        pressure_gpa=target.pressure_gpa,
    )


def chemical_potentials(amounts: Mapping[str, float], phases: Sequence[Phase]) -> dict[str, float]:
    """Energy of each element in the mixture of phases that is lowest at a composition, eV/atom.

    They are the plane of the hull there: no phase lies below it.

    Args:
        amounts: atoms by element.
        phases: with at least one crystal of each element.
    """
    from pymatgen.core.composition import Composition

    diagram = _diagram(tuple(map(_Frozen.of, phases)))
    found = diagram.get_composition_chempots(Composition(dict(amounts)))
    return {element.symbol: float(value) for element, value in found.items()}


def _check_alike(target: Phase, phases: Sequence[Phase]) -> None:
    for phase in (target, *phases):
        if phase.potential_id != target.potential_id:
            raise InputError(
                f"energies of {phase.potential_id} and {target.potential_id} do not belong in one hull",
                where=phase.origin,
                hint="evaluate every competitor with the potential of the crystal itself",
            )
        if abs(phase.pressure_gpa - target.pressure_gpa) > 1e-9:
            raise InputError(
                f"enthalpies at {phase.pressure_gpa:g} and {target.pressure_gpa:g} GPa do not belong in one"
                " hull",
                where=phase.origin,
            )
        if not math.isfinite(phase.energy_ev):
            raise InputError("the energy is not a finite number", where=phase.origin)


def _formation(target: Phase, phases: Sequence[Phase]) -> float:
    """Energy against the lowest crystal of each element, eV/atom."""
    pure = [p for p in phases if len(p.fractions) == 1]
    lowest = {s: min(p.energy_ev for p in pure if s in p.fractions) for s in target.fractions}
    return target.energy_ev - sum(x * lowest[s] for s, x in target.fractions.items())


def _on_diagram(amounts: Mapping[str, float], phases: Sequence[Phase]) -> tuple[float, dict[str, float]]:
    """Energy of the hull of phases at a composition, eV/atom, and what it is a mixture of."""
    from pymatgen.core.composition import Composition

    mixture = _diagram(tuple(map(_Frozen.of, phases))).get_decomposition(Composition(dict(amounts)))
    names: dict[str, float] = {}
    for entry, share in mixture.items():
        name = str(getattr(entry, "name", entry.reduced_formula))
        names[name] = names.get(name, 0.0) + float(share)
    energy = sum(float(entry.energy_per_atom) * float(share) for entry, share in mixture.items())
    return energy, dict(sorted(names.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What a diagram needs of a phase, hashable: screening asks one diagram hundreds of times."""

    name: str
    fractions: tuple[tuple[str, float], ...]
    energy_ev: float

    @classmethod
    def of(cls, phase: Phase) -> _Frozen:
        return cls(phase.name, tuple(phase.fractions.items()), phase.energy_ev)


@lru_cache(maxsize=8)
def _diagram(phases: tuple[_Frozen, ...]) -> PhaseDiagram:
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core.composition import Composition

    # Fractions, so that every entry is of one atom and its energy is the energy per atom.
    return PhaseDiagram([PDEntry(Composition(dict(p.fractions)), p.energy_ev, name=p.name) for p in phases])
