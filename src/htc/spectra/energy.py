"""Names of energy units as files and people write them."""

from __future__ import annotations

import re
from typing import Final

from htc.errors import SpectrumError
from htc.units import MEV_PER_UNIT

__all__ = ["UNIT_NAMES", "parse_unit", "units_in_header"]

UNIT_NAMES: Final[tuple[str, ...]] = ("meV", "eV", "THz", "cm-1", "Ry", "Ha", "K")

_ALIASES: Final[dict[str, str]] = {
    **{name.lower(): name for name in UNIT_NAMES},
    "cm^-1": "cm-1",
    "cm^{-1}": "cm-1",
    "cm**-1": "cm-1",
    "cm⁻¹": "cm-1",
    "1/cm": "cm-1",
    "ryd": "Ry",
    "rydberg": "Ry",
    "hartree": "Ha",
    "kelvin": "K",
    "terahertz": "THz",
}

_SPELLINGS = "|".join(re.escape(alias) for alias in sorted(_ALIASES, key=len, reverse=True))
_IN_BRACKETS = re.compile(rf"[\(\[]\s*({_SPELLINGS})\s*[\)\]]", re.IGNORECASE)
_AFTER_WORD = re.compile(
    rf"(?:\bunits?\b\s*(?:of\s+\w+\s*)?[:=]?|\bin\b|\w\s*[,/_])\s*({_SPELLINGS})(?![\w/^*])", re.IGNORECASE
)


def parse_unit(name: str) -> str:
    """The canonical name of an energy unit, one of `UNIT_NAMES`.

    Raises:
        SpectrumError: no energy unit is called that.
    """
    try:
        return _ALIASES[name.strip().lower()]
    except KeyError:
        raise SpectrumError(
            f"{name!r} is not an energy unit known here", where="unit", hint="known: " + ", ".join(UNIT_NAMES)
        ) from None


def mev_per(unit: str) -> float:
    """meV in one of a canonical unit."""
    return MEV_PER_UNIT[unit.lower()]


def units_in_header(header: str) -> set[str]:
    """The energy units a header names: ``(THz)``, ``[meV]``, ``unit: eV``, ``freqs, THz``, ``omega_meV``."""
    found = _IN_BRACKETS.findall(header) or _AFTER_WORD.findall(header)
    return {_ALIASES[spelling.lower()] for spelling in found}
