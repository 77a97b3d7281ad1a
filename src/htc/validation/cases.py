"""What a suite consists of: cases, the pairs that judging them gives, the views the pairs are shown in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from htc.materials.inputs import InputItem

__all__ = ["Case", "Pair", "Suite", "SuiteName", "View", "doi_in"]

SuiteName = Literal["reference", "formulas", "eliashberg", "fold3", "experiment"]

_DOI: Final = re.compile(r"doi:(10\.\S+?)[.,;)]?(?:\s|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Pairs of one meaning and unit: one parity plot, one table of metrics."""

    name: str
    title: str
    """What is held against what, in a few words."""
    unit: str
    known: str
    """Title of the axis of what is known."""
    predicted: str
    """Title of the axis of what is judged."""
    group: str | None = None
    """Key of :attr:`Pair.groups` that the plot tells apart by colour."""
    headline: str = "mae"
    """The figure that says most here."""
    headline_part: str = "all"
    """The part whose figures stand for the view; with another than ``all`` there is none of all pairs."""
    mape_from: float = 1.0
    """Smallest known value that a relative error is taken of, in the unit."""
    case_tolerance: float = 0.5
    """How much more a case may be off than in the run before, in the unit."""
    case_tolerance_share: float = 0.05
    """The same as a share of what is known, added to it."""
    least_change: float = 1e-3
    """Change of a figure that is none, in the unit."""
    same_within: float = 1e-6
    """Relative change of a judged value that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A known and a judged value of one case, in the unit of its view."""

    view: str
    known: float
    predicted: float
    lower_95: float | None = None
    upper_95: float | None = None
    within: bool | None = None
    """Whether they agree within the digits of what is known; None where no tolerance follows from it."""
    tolerance: float | None = None
    """That tolerance."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Parts it belongs to, e.g. ``{"family": "A15"}``."""

    def as_values(self) -> dict[str, Any]:
        """JSON-ready; what is not known is left out."""
        return {k: v for k, v in asdict(self).items() if v is not None and v != {}}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Pair:
        """Read what :meth:`as_values` wrote."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in values.items() if k in known})


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is known, and how what is judged comes about.

    It has either a crystal or formula that the model predicts (``item`` and ``pairs_of``) or values of its
    own (``compute``).
    """

    label: str
    """Its name; no two cases of a suite share one, and it stays from run to run."""
    formula: str
    pressure_gpa: float
    source: str
    """Where what is known comes from."""
    doi: str | None
    item: Callable[[], InputItem] | None = None
    """Makes what is predicted."""
    pairs_of: Callable[[Any], list[Pair]] | None = None
    """Pairs of a ``htc.prediction.Prediction`` that has a Tc."""
    compute: Callable[[], list[Pair]] | None = None
    """Pairs that need no model.

    Raises:
        HTCError: the case cannot be judged.
    """
    facts: dict[str, Any] = field(default_factory=dict)
    """What else is known, JSON-ready."""

    def as_values(self) -> dict[str, Any]:
        """What is known, JSON-ready."""
        return {
            "formula": self.formula,
            "pressure_gpa": self.pressure_gpa,
            "source": self.source,
            "doi": self.doi,
            **self.facts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases that belong together."""

    name: SuiteName
    title: str
    about: str
    """What it holds against what, and on which data, in a sentence or two."""
    cases: tuple[Case, ...]
    views: tuple[View, ...]
    cautions: tuple[str, ...] = ()
    """What keeps its figures from saying more than they do."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Rows of the data that make no case, counted by reason."""
    mu_star: float | None = None
    """mu* that the data fix; None where that of the request counts."""
    fingerprint: str = ""
    """Of the data, the first 12 digits of a SHA-256: equal for equal cases."""
    stores_predictions: bool = False
    """Whether the predictions become rows of their own: where the materials are well-known ones."""

    @property
    def uses_model(self) -> bool:
        """Whether a model predicts."""
        return any(case.item is not None for case in self.cases)


def doi_in(reference: str) -> str | None:
    """The DOI that a reference names."""
    found = _DOI.search(reference)
    return found[1] if found else None
