"""Which fillings of a shape cannot be: four named rules, each with the numbers that it judges by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from htc.discovery.campaign.plausibility import Plausibility
from htc.discovery.space.prototypes import Shape
from htc.materials.volumes import pair

__all__ = ["ElementFacts", "Judge", "Verdict", "element_facts"]

_PAIRED_TAKES: Final = {"N": 1.0, "O": 0.5}
"""Electrons an atom that the ions with a bond between two atoms take at least: the diazenides' N2 (2-), as in
SrN2 (Auffermann et al., Angew. Chem. Int. Ed. 40, 547 (2001)), and the superoxides' O2 (-), as in NaO2."""
_PAIRED: Final = 0.93
"""Shortest distance, in cube roots of the volume an atom, below which atoms of a shape are pairs: 0.91 in
pyrite, where a close packing has 1.12, fluorite 1.14, rutile 1.16. Not a length: the pairs of a shape are
stretched with its volume until it is relaxed."""


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
        own_volume: of the prototype, Å^3 an atom.

    Raises:
        StructureError: nothing is known of an element of the prototype.
    """

    def __init__(self, rules: Plausibility, shape: Shape, own_volume: float) -> None:
        """Work out what does not depend on the filling."""
        self._rules = rules
        self._shape = shape
        self._n = sum(shape.counts)
        self._contacts = tuple((a, b, nearest) for a, b, _, _, nearest in shape.sums)
        self._own, self._own_by_kind, _ = self._tightest(shape.elements, own_volume)

    def __call__(self, elements: Sequence[str], volume: float) -> Verdict | None:
        """What speaks against a filling; None where nothing does.

        Args:
            elements: for each kind of site.
            volume: that the crystal is given, Å^3 an atom.
        """
        if tuple(elements) == self._shape.elements:
            return None
        rules = self._rules
        found = (self._electrons(elements) if rules.electrons.on else None) or (
            self._charge(elements) if rules.charge.on else None
        )
        if found is None and (rules.contact.on or rules.size.on):
            found = self._room(elements, volume)
        return found

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
        paired = self._paired(elements)
        for kind, (n, symbol) in enumerate(zip(self._shape.counts, elements, strict=True)):
            facts = element_facts(symbol)
            if facts.chi >= rule.min_anion_x:
                anions += n
                takes += n * (_PAIRED_TAKES[symbol] if kind in paired else facts.takes)
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

    def _paired(self, elements: Sequence[str]) -> set[int]:
        """Kinds of sites whose atoms have a bond to one of their own element, where that forms such ions."""
        return {
            kind
            for a, b, nearest in self._contacts
            if elements[a] == elements[b] in _PAIRED_TAKES and nearest < _PAIRED
            for kind in (a, b)
        }

    def _tightest(self, elements: Sequence[str], volume: float) -> tuple[float, list[float], tuple[int, int]]:
        """Shortest distances over the usual ones: of all atoms, of each kind, and between which kinds."""
        unit = volume ** (1 / 3)
        by_kind = [float("inf")] * len(elements)
        worst, which = float("inf"), (0, 0)
        for a, b, nearest in self._contacts:
            ratio = nearest * unit / pair(elements[a], elements[b]).distance
            by_kind[a] = min(by_kind[a], ratio)
            by_kind[b] = min(by_kind[b], ratio)
            if ratio < worst:
                worst, which = ratio, (a, b)
        return worst, by_kind, which

    def _room(self, elements: Sequence[str], volume: float) -> Verdict | None:
        worst, by_kind, (a, b) = self._tightest(elements, volume)
        rules, tight = self._rules, worst / self._own
        if rules.contact.on and tight < rules.contact.min_ratio:
            return Verdict(
                "contact",
                f"{elements[a]} and {elements[b]} would be {tight:.2f} times as far apart as the prototype's"
                f" atoms, measured by what is usual; less than {rules.contact.min_ratio:g}",
                {"contact_ratio": tight},
            )
        loose = [now / own for now, own in zip(by_kind, self._own_by_kind, strict=True)]
        most = max(loose)
        if rules.size.on and most > rules.size.max_ratio:
            symbol = elements[loose.index(most)]
            return Verdict(
                "size",
                f"{symbol} would sit {most:.2f} times as loosely as the prototype's own atom,"
                f" more than {rules.size.max_ratio:g}",
                {"size_ratio": most},
            )
        return None
