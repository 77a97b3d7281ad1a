"""Which fillings of a shape cannot be: four named rules, each with the numbers that it judges by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from htc.discovery.campaign.plausibility import Plausibility
from htc.discovery.space.prototypes import Shape
from htc.discovery.space.volumes import pair

__all__ = ["ElementFacts", "Judge", "Verdict", "element_facts"]

_NEIGHBOURS: Final = 1.35
"""Kinds are neighbours where their shortest distance is below this, in cube roots of the volume an atom."""


@dataclass(frozen=True, slots=True)
class ElementFacts:
    """What the rules look at of an element."""

    chi: float
    """Pauling electronegativity; 0 where there is none."""
    gives: float
    """Most electrons that it gives away in compounds."""
    takes: float
    """Electrons that it takes up as an anion."""
    valence: int
    """Electrons beyond the closed shell; d electrons count up to group 10."""


@lru_cache(maxsize=128)
def element_facts(symbol: str) -> ElementFacts:
    """Facts of an element, from pymatgen's tables."""
    from pymatgen.core.periodic_table import Element

    from htc.materials.formulas import settle_electronegativity

    settle_electronegativity([symbol])
    element = Element(symbol)
    chi = float(element.X)
    states = [state for state in element.oxidation_states if state < 0]
    group = element.group
    f_element = element.is_lanthanoid or element.is_actinoid
    valence = 3 if f_element else group if group <= 12 else group - 10
    return ElementFacts(
        chi=chi if chi == chi else 0.0,
        gives=float(max(element.max_oxidation_state, 0.0)),
        takes=float(-min(states, default=0)),
        valence=int(valence),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a filling is rejected."""

    rule: str
    reason: str
    values: dict[str, float]


class Judge:
    """The rules of a campaign for the fillings of one shape.

    Args:
        rules: the ``[plausibility]`` table.
        shape: the prototype.
    """

    def __init__(self, rules: Plausibility, shape: Shape) -> None:
        """Work out what does not depend on the filling."""
        self._rules = rules
        self._shape = shape
        self._n = sum(shape.counts)
        self._neighbours = tuple(
            (a, b, nearest) for a, b, _, _, nearest in shape.sums if nearest < _NEIGHBOURS
        )
        self._contacts = tuple((a, b, nearest) for a, b, _, _, nearest in shape.sums)
        self._pairs = tuple((a, b) for a, b, _ in self._neighbours if a != b)

    def __call__(self, elements: Sequence[str], volume: float) -> Verdict | None:
        """What speaks against a filling; None where nothing does.

        Args:
            elements: for each kind of site.
            volume: that the crystal is given, Å^3 an atom.
        """
        if tuple(elements) == self._shape.elements:
            return None
        rules = self._rules
        return (
            (self._electrons(elements) if rules.electrons.on else None)
            or (self._charge(elements) if rules.charge.on else None)
            or (self._size(elements) if rules.size.on else None)
            or (self._contact(elements, volume) if rules.contact.on else None)
        )

    def _electrons(self, elements: Sequence[str]) -> Verdict | None:
        low, high = self._rules.electrons.min_per_atom, self._rules.electrons.max_per_atom
        if low is None and high is None:
            return None
        counts = zip(self._shape.counts, elements, strict=True)
        found = sum(n * element_facts(symbol).valence for n, symbol in counts) / self._n
        if (low is None or found >= low) and (high is None or found <= high):
            return None
        window = f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"
        return Verdict(
            "electrons",
            f"{found:.2f} valence electrons an atom, outside {window}",
            {"electrons_per_atom": found},
        )

    def _charge(self, elements: Sequence[str]) -> Verdict | None:
        rule = self._rules.charge
        takes = gives = anions = 0.0
        for n, symbol in zip(self._shape.counts, elements, strict=True):
            facts = element_facts(symbol)
            if facts.chi >= rule.min_anion_x:
                anions += n
                takes += n * facts.takes
            else:
                gives += n * facts.gives
        if anions < rule.min_anion_fraction * self._n:
            return None
        missing = (takes - gives) / self._n
        if missing <= rule.tolerance:
            return None
        return Verdict(
            "charge",
            f"its anions take {takes:g} electrons, the others give {gives:g} at most:"
            f" {missing:.2f} an atom are missing, more than {rule.tolerance:g}",
            {"missing_electrons_per_atom": missing},
        )

    def _size(self, elements: Sequence[str]) -> Verdict | None:
        worst, which = 1.0, ""
        own = self._shape.elements
        for a, b in self._pairs:
            if elements[a] == own[a] and elements[b] == own[b]:
                continue
            now = pair(elements[a], elements[a]).distance / pair(elements[b], elements[b]).distance
            then = pair(own[a], own[a]).distance / pair(own[b], own[b]).distance
            factor = max(now / then, then / now)
            if factor > worst:
                worst, which = factor, f"{elements[a]} to {elements[b]}"
        if worst <= self._rules.size.max_factor:
            return None
        return Verdict(
            "size",
            f"the sizes of {which} are {worst:.2f} times as unlike as in the prototype,"
            f" more than {self._rules.size.max_factor:g}",
            {"size_factor": worst},
        )

    def _contact(self, elements: Sequence[str], volume: float) -> Verdict | None:
        unit = volume ** (1 / 3)
        worst, which = 1e9, ""
        for a, b, nearest in self._contacts:
            ratio = nearest * unit / pair(elements[a], elements[b]).distance
            if ratio < worst:
                worst, which = ratio, f"{elements[a]} and {elements[b]}"
        if worst >= self._rules.contact.min_ratio:
            return None
        return Verdict(
            "contact",
            f"{which} would be at {worst:.2f} of their usual distance,"
            f" less than {self._rules.contact.min_ratio:g}",
            {"contact_ratio": worst},
        )
