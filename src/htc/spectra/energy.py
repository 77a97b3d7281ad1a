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
_END = r"(?![\w/^*])"
_FREQUENCY = r"(?:freq\w*|omega|energ\w+|phonon\w*|w|e|nu|ω|ν)"
# `omega (meV)`, `E(THz)`: a unit in brackets, unless it follows the name of a temperature.
_IN_BRACKETS = re.compile(rf"(\w*)\s*[\(\[]\s*({_SPELLINGS})\s*[\)\]]", re.IGNORECASE)
_TEMPERATURE = re.compile(r"t|tc|temp\w*", re.IGNORECASE)
# `unit: eV`, `frequencies in Rydberg`, and `freqs, THz` or `omega_meV` as the first column's name.
_IN_WORDS = re.compile(
    rf"\bunits?\b\s*[:=]?\s*({_SPELLINGS}){_END}"
    rf"|\b{_FREQUENCY}\b[^,;\n]*\bin\s+({_SPELLINGS}){_END}"
    rf"|^\W*{_FREQUENCY}\s*[,_]\s*({_SPELLINGS}){_END}",
    re.IGNORECASE | re.MULTILINE,
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
    """The units a header names for its frequencies: ``(THz)``, ``[meV]``, ``unit: eV``, ``omega_meV``."""
    found = [spelling for name, spelling in _IN_BRACKETS.findall(header) if not _TEMPERATURE.fullmatch(name)]
    if not found:
        found = [spelling for groups in _IN_WORDS.findall(header) for spelling in groups if spelling]
    return {_ALIASES[spelling.lower()] for spelling in found}
