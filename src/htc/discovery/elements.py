"""What elements cost, how few countries they come from, how strictly their dust is regulated.

| column | of a compound | source |
|---|---|---|
| ``element_cost`` | price of its elements, USD per kg of compound | pymatgen's table, prices of 2013 |
| ``hhi_production`` | concentration of production, mean by mass | Gaultois 2013, doi:10.1021/cm400893e |
| ``hhi_reserve`` | concentration of reserves, mean by mass | the same |
| ``dust_hazard`` | decades of its strictest element below the limit of harmless dust | 29 CFR 1910 Z |

All follow from the formula alone. Prices are good for orders of magnitude, no more: they are old and some are
of ore-grade material. The Herfindahl-Hirschman index is 10,000 where one country has everything; markets
above 2,500 count as concentrated. ``dust_hazard`` is a legal limit of airborne dust, not toxicology, and
knows nothing of radioactivity: 0 for elements without a limit of their own, 3.5 for cadmium, 4.9 for
beryllium.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from htc.materials.formulas import parse_formula

__all__ = ["ELEMENT_COLUMNS", "ElementColumn", "element_column", "element_value"]

FloatArray = NDArray[np.float64]
ElementColumn = Literal["element_cost", "hhi_production", "hhi_reserve", "dust_hazard"]
ELEMENT_COLUMNS: Final[tuple[ElementColumn, ...]] = get_args(ElementColumn)

_HARMLESS: Final = 15.0
"""Limit of total dust that has none of its own, mg/m3."""

_DUST_LIMIT: Final[dict[str, float]] = {
    "Be": 0.0002, "Os": 0.002, "Cd": 0.005, "Ag": 0.01, "As": 0.01, "Pb": 0.05,
    "Co": 0.1, "Hg": 0.1, "Rh": 0.1, "Te": 0.1, "Tl": 0.1, "Se": 0.2, "U": 0.25,
    "V": 0.28, "Ba": 0.5, "Hf": 0.5, "Sb": 0.5,
    "Cr": 1.0, "Cu": 1.0, "Ni": 1.0, "Y": 1.0, "Sn": 2.0, "F": 2.5,
    "Mn": 5.0, "Ta": 5.0, "Zr": 5.0,
}  # fmt: skip
"""Permissible exposure limit of the United States, mg/m3 as the element: 29 CFR 1910.1000 tables Z-1 and Z-2
(Hg), 1910.1018 (As), .1024 (Be), .1025 (Pb), .1027 (Cd).

Of dust of the metal and its insoluble compounds where the law tells them from soluble ones and gives a limit
(Ag, Cr, Ni, Rh, U), else of what it limits: soluble compounds (Ba, Tl), all but oxides (Sn), the tetroxide
(Os), the pentoxide (V: 0.5 mg/m3 as V2O5, of which 56 % is vanadium). Limits of Hg, Mn and V are ceilings.
Elements that are not here (gases, and halogens other than in fluorides, among them) have none as dust, or
none but that of harmless dust; limits of 1989 that a court vacated do not count.

Compared with what OSHA's and NIOSH's pages state for each substance: all but As, Cd, F and Pb, which were not
looked up there."""


def element_column(column: ElementColumn, formulas: Sequence[str]) -> FloatArray:
    """A column of several compounds, shape ``(n,)``; NaN where an element is not in the table.

    Raises:
        FormulaError: a formula cannot be read.
    """
    found = [element_value(column, formula) for formula in formulas]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


@lru_cache(maxsize=50_000)
def element_value(column: ElementColumn, formula: str) -> float | None:
    """A column of one compound; None where an element is not in the table.

    Raises:
        FormulaError: the formula cannot be read.
    """
    composition = parse_formula(formula)
    if column == "dust_hazard":
        strictest = min(_DUST_LIMIT.get(element.symbol, _HARMLESS) for element in composition.elements)
        return math.log10(_HARMLESS / strictest)
    table = _TABLES[column]()
    total = 0.0
    for element in composition.elements:
        value = table.get(element.symbol)
        if value is None:
            return None
        total += value * float(composition.get_wt_fraction(element))
    return total


@lru_cache(maxsize=1)
def _prices() -> dict[str, float]:
    """USD/kg."""
    from importlib.util import find_spec

    # The class of that module brings phase diagrams with it; the table alone is wanted.
    place = find_spec("pymatgen.analysis.cost")
    if place is None or place.origin is None:
        raise ModuleNotFoundError("pymatgen.analysis.cost")
    path = Path(place.origin).with_name("costdb_elements.csv")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, quotechar="|"))
    return {row[0].strip(): float(row[1]) for row in rows if len(row) > 1}


@lru_cache(maxsize=1)
def _concentrations() -> tuple[dict[str, float], dict[str, float]]:
    from pymatgen.analysis.hhi import HHIModel

    known = HHIModel().symbol_hhip_hhir  # type: ignore[no-untyped-call]  # pymatgen gives it no types
    return {s: float(v[0]) for s, v in known.items()}, {s: float(v[1]) for s, v in known.items()}


_TABLES: Final[dict[str, Callable[[], dict[str, float]]]] = {
    "element_cost": _prices,
    "hhi_production": lambda: _concentrations()[0],
    "hhi_reserve": lambda: _concentrations()[1],
}
