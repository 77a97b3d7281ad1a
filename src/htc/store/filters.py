"""What a reader of the ranking may ask for, checked before the database sees it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

from htc.errors import InputError
from htc.materials.formulas import ELEMENTS, suggest_symbols

__all__ = ["CONFIDENCE", "TIERS", "Filters"]

CONFIDENCE: Final = ("low", "medium", "high")
"""Levels of confidence, rising."""

TIERS: Final = ("fast", "default", "best")
"""Tiers of the model."""

_SYMBOLS: Final = frozenset(ELEMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which predictions are wanted; all that is given must hold. A row without the value asked for is out.

    Raises:
        InputError: an unknown element, level or tier, a range whose ends are swapped, a number that is none,
            or wishes that exclude each other.
    """

    elements: tuple[str, ...] = ()
    """Symbols that must all be in the material."""
    any_of: tuple[str, ...] = ()
    """Symbols of which at least one must be in the material."""
    without: tuple[str, ...] = ()
    """Symbols of which none may be."""
    only: tuple[str, ...] = ()
    """A chemical system: no other element may be, and not all of these need be."""
    min_tc_predicted: float | None = None
    """Least Tc, K."""
    max_tc_predicted: float | None = None
    """Greatest Tc, K."""
    min_pressure_required_gpa: float | None = None
    """Least pressure, GPa."""
    max_pressure_required_gpa: float | None = None
    """Greatest pressure, GPa."""
    phonon_stable: bool | None = None
    """True: without imaginary modes. False: with some. None: either, or not known."""
    thermo_stable: bool | None = None
    """Likewise for decomposition into other phases."""
    max_hull_distance_eV: float | None = None  # noqa: N815  # name of the column
    """Greatest energy above the convex hull, eV/atom."""
    min_confidence_level: str | None = None
    """Least level of ``CONFIDENCE``."""
    confidence_level: tuple[str, ...] = ()
    """The levels wanted, instead of ``min_confidence_level``."""
    model_id: str | None = None
    """Id of the model."""
    model_tier: str | None = None
    """Tier of the model, one of ``TIERS``."""
    experiment_id: str | None = None
    """Id of the run."""
    formula: str | None = None
    """Reduced formula as pymatgen writes it, e.g. ``MgB2``."""
    family: str | None = None
    """Family of materials, e.g. ``boride``."""
    best_known: bool = False
    """Without predictions of models where a calculated spectrum of the same formula and pressure is stored:
    first principles outrank the model."""
    include_set_aside: bool = False
    """Also predictions that were set aside."""

    def __post_init__(self) -> None:
        """Check, and bring sets into one order, so that equal wishes are equal."""
        for name in ("elements", "any_of", "without", "only"):
            object.__setattr__(self, name, _symbols(getattr(self, name), name))
        object.__setattr__(self, "confidence_level", self._known_levels())
        self._check_elements()
        for name in (
            "min_tc_predicted",
            "max_tc_predicted",
            "min_pressure_required_gpa",
            "max_pressure_required_gpa",
            "max_hull_distance_eV",
        ):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"{value} is not a number to compare with", where=name)
        for low, high in (
            ("min_tc_predicted", "max_tc_predicted"),
            ("min_pressure_required_gpa", "max_pressure_required_gpa"),
        ):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise InputError(
                    f"nothing lies between {least:g} and {most:g}",
                    where=f"{low}, {high}",
                    hint="the smaller one comes first",
                )
        if self.model_tier is not None and self.model_tier not in TIERS:
            raise InputError(
                f"{self.model_tier!r} is no tier of the model", where="model_tier", hint=", ".join(TIERS)
            )
        for name in ("model_id", "experiment_id", "formula", "family"):
            text = getattr(self, name)
            if text is not None and (not text.strip() or "\0" in text):
                raise InputError("an empty text names nothing", where=name)

    @property
    def given(self) -> dict[str, object]:
        """What was asked for, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, (), False)} | {
            name: False for name in ("phonon_stable", "thermo_stable") if values[name] is False
        }

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of confidence wanted, rising; empty: any, or none stated."""
        if self.min_confidence_level is not None:
            return CONFIDENCE[CONFIDENCE.index(self.min_confidence_level) :]
        return self.confidence_level

    def _known_levels(self) -> tuple[str, ...]:
        wanted = tuple(self.confidence_level)
        for level in (
            *wanted,
            *([self.min_confidence_level] if self.min_confidence_level is not None else []),
        ):
            if level not in CONFIDENCE:
                raise InputError(
                    f"{level!r} is no level of confidence",
                    where="confidence_level",
                    hint=", ".join(CONFIDENCE),
                )
        if self.min_confidence_level is not None and wanted:
            raise InputError(
                "min_confidence_level and confidence_level exclude each other", where="confidence_level"
            )
        return tuple(level for level in CONFIDENCE if level in wanted)

    def _check_elements(self) -> None:
        both = sorted({*self.elements} & {*self.without})
        if both:
            raise InputError(f"{both[0]} cannot be both in and out", where="elements, without")
        if self.only and not {*self.elements} <= {*self.only}:
            beyond = sorted({*self.elements} - {*self.only})[0]
            raise InputError(
                f"{beyond} is asked for, but it is not among the only elements allowed", where="only"
            )
        if self.any_of and not {*self.any_of} - {*self.without}:
            raise InputError(f"{' or '.join(self.any_of)} cannot be both in and out", where="any_of, without")
        if self.only and self.any_of and not {*self.any_of} & {*self.only}:
            raise InputError(
                f"{' or '.join(self.any_of)} is asked for, but not among the only elements allowed",
                where="only",
            )
        if self.only and {*self.only} <= {*self.without}:
            raise InputError("no element is left that may be in the material", where="only, without")


def _symbols(given: Iterable[str], where: str) -> tuple[str, ...]:
    wanted = given.split(",") if isinstance(given, str) else given
    symbols = [symbol.strip() for symbol in wanted]
    for symbol in symbols:
        if symbol not in _SYMBOLS:
            near = suggest_symbols(symbol) if symbol else []
            raise InputError(
                f"there is no element {symbol[:20]!r}",
                where=where,
                hint=f"did you mean {' or '.join(near)}?" if near else "symbols look like B or Mg",
            )
    return tuple(sorted(set(symbols)))
