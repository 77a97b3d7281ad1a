"""Measured critical temperatures from tables of formulas: one value a composition, and what it stands for.

The tables come from one lineage (NIMS SuperCon). ``supercon_mtg.csv`` gives one value a formula, near the
mean of the reports; ``superband.csv`` gives the highest. Neither says at which pressure or in what form
the sample was, and both list compounds without a Tc: mostly tested and found normal, some not reported.
"""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from htc.errors import FormulaError, InputError
from htc.models.experiment.elements import AMBIENT_TC_K

__all__ = ["EXCLUDED", "Measured", "read_measured"]

_TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "supercon_mtg.csv": ("Chemical_Formula", "Temp_critical"),
    "superband.csv": ("formula", "Tc"),
}
"""Files, best first, with their columns of formulas and of Tc."""

EXCLUDED: Final[Mapping[str, str]] = {
    "Li2Ca": "superconducts only under pressure (doi:10.1103/PhysRevLett.100.197003)",
    "HPd": "listed is a claim for a quenched hydride (doi:10.1016/S0921-4534(02)02745-4); bulk PdH has 9 K",
}
"""Compositions whose listed Tc is known not to be of the bulk crystal at ambient pressure, by pymatgen's
reduced formula, and why."""

_MOST_ATOMS: Final = 60
"""Whole numbers that add up to more are percentages, not formulas."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the tables say about one composition."""

    reduced_formula: str
    tc_k: float
    """Measured Tc, K; 0 where the composition is listed without one."""
    spread_k: float
    """Difference of the highest and the lowest Tc listed, K."""
    n_entries: int
    """Rows of the tables."""
    family: str
    """See ``htc.materials.families``."""
    n_elements: int

    @property
    def has_tc(self) -> bool:
        """Whether a Tc was measured: without one it is normal, or was not reported."""
        return self.tc_k > 0.0


def read_measured(folder: Path, left_out: Counter[str] | None = None) -> dict[str, Measured]:
    """Measured Tc of stoichiometric compounds of conventional families, by reduced formula.

    Left out are compositions with fractional amounts (doped, alloys), families outside electron-phonon
    theory, deuterides and :data:`EXCLUDED`. Elements take their Tc at ambient pressure from the literature.

    Args:
        folder: holds ``supercon_mtg.csv``, ``superband.csv`` or both.
        left_out: counts the different formulas that were left out, by reason.

    Raises:
        InputError: neither table is there, or one lacks its columns or cannot be read.
    """
    from htc.materials.families import recognise
    from htc.materials.formulas import formula_amounts, parse_formula

    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    apart: dict[str, str] = {}
    for table, formula, tc in _rows(folder):
        try:
            amounts = formula_amounts(formula)
        except FormulaError:
            apart[formula] = "not a formula"
            continue
        whole = all(abs(n - round(n)) < 1e-6 for n in amounts.values())
        if whole and sum(amounts.values()) <= _MOST_ATOMS:
            found[formula][table].append(tc)
        else:
            apart[formula] = "doped, or an alloy: amounts that are not whole numbers"

    merged: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    families: dict[str, tuple[str, int]] = {}
    for formula, by_table in found.items():
        composition = parse_formula(formula)
        reduced = composition.reduced_formula
        if reduced not in families:
            family = recognise(composition)
            if not family.applicable:
                apart[formula] = f"outside electron-phonon theory: {family.name}"
                continue
            if reduced in EXCLUDED:
                apart[formula] = "known to be listed for another sample"
                continue
            families[reduced] = (family.name, len(composition))
        for table, values in by_table.items():
            merged[reduced][table] += values
    if left_out is not None:
        left_out.update(apart.values())
    return {
        reduced: _settled(reduced, merged[reduced], family, n)
        for reduced, (family, n) in sorted(families.items())
    }


def _rows(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Table, formula and Tc (K, 0 where none is given) of every row with a formula."""
    paths = [folder / name for name in _TABLES if (folder / name).is_file()]
    if not paths:
        raise InputError(
            f"no table of measured Tc: neither {' nor '.join(_TABLES)}",
            where=str(folder),
            hint="HTC_DATA must name the folder that has experimental/*.csv",
        )
    for path in paths:
        columns = _TABLES[path.name]
        try:
            with path.open(encoding="utf-8", newline="") as file:
                # One table names fewer columns than it has, so by position and not by csv.DictReader.
                reader = csv.reader(file)
                header = next(reader, [])
                missing = [name for name in columns if name not in header]
                if missing:
                    raise InputError(
                        f"the table has no column {' and no column '.join(missing)}", where=str(path)
                    )
                at_formula, at_tc = (header.index(name) for name in columns)
                for row in reader:
                    if len(row) > max(at_formula, at_tc) and row[at_formula].strip():
                        yield path.name, row[at_formula].strip(), _number(row[at_tc])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"the table cannot be read: {error}", where=str(path)) from error


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value > 0.0 else 0.0


def _settled(reduced: str, by_table: Mapping[str, list[float]], family: str, n_elements: int) -> Measured:
    positive = {table: [t for t in values if t > 0.0] for table, values in by_table.items()}
    listed = [t for values in positive.values() for t in values]
    tc = next((median(positive[table]) for table in _TABLES if positive.get(table)), 0.0)
    if n_elements == 1:
        tc = AMBIENT_TC_K.get(reduced.rstrip("0123456789"), 0.0)
    return Measured(
        reduced_formula=reduced,
        tc_k=tc,
        spread_k=max(listed) - min(listed) if listed else 0.0,
        n_entries=sum(len(values) for values in by_table.values()),
        family=family,
        n_elements=n_elements,
    )
