"""What pages show of the chemical elements: names, places in the periodic table, colours, radii."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from htc.materials.formulas import ELEMENTS

if TYPE_CHECKING:
    from pymatgen.core.periodic_table import Element

__all__ = ["TableCell", "elements_json", "periodic_table"]


@dataclass(frozen=True, slots=True)
class TableCell:
    """An element in the periodic table of 18 columns; lanthanides and actinides are rows 9 and 10."""

    symbol: str
    name: str
    number: int
    row: int
    """1 to 7, 9 or 10."""
    column: int
    """1 to 18."""


@lru_cache(maxsize=1)
def periodic_table() -> tuple[TableCell, ...]:
    """The elements that formulas may name, by number."""
    from pymatgen.core.periodic_table import Element

    cells = []
    for symbol in ELEMENTS:
        element = Element(symbol)
        number = int(element.Z)
        row, column = int(element.row), int(element.group)
        if 57 <= number <= 71:
            row, column = 9, number - 54
        elif 89 <= number <= 103:
            row, column = 10, number - 86
        cells.append(TableCell(symbol, str(element.long_name), number, row, column))
    return tuple(sorted(cells, key=lambda cell: cell.number))


@lru_cache(maxsize=1)
def elements_json() -> bytes:
    """For the structure viewer: ``{symbol: {name, number, color, radius}}``.

    ``color`` is CSS ``#rrggbb`` (pymatgen's table of the VESTA scheme), null where it has none; ``radius``
    the atomic radius in angstrom, null where none is known.
    """
    from importlib.resources import files

    from pymatgen.core.periodic_table import Element
    from ruamel.yaml import YAML

    schemes = YAML(typ="safe").load((files("pymatgen.vis") / "ElementColorSchemes.yaml").read_text("utf-8"))
    colours: dict[str, list[int]] = schemes["VESTA"]
    out: dict[str, Any] = {}
    for cell in periodic_table():
        colour = colours.get(cell.symbol)
        out[cell.symbol] = {
            "name": cell.name,
            "number": cell.number,
            "color": None if colour is None else "#{:02x}{:02x}{:02x}".format(*colour),
            "radius": _radius(Element(cell.symbol)),
        }
    return json.dumps(out, separators=(",", ":"), sort_keys=True).encode()


def _radius(element: Element) -> float | None:
    with warnings.catch_warnings():
        # pymatgen warns of each value that it has not; here none is an answer.
        warnings.simplefilter("ignore", UserWarning)
        radius = element.atomic_radius or element.atomic_radius_calculated
    return None if radius is None else float(radius)
