"""How many known compounds the rules of plausibility would reject, and how good the volumes are.

    HTC_DATA=... python scripts/plausibility.py

Known compounds of one structure type are made from each other: a seed's shape is filled with the elements of
another compound. What the rules reject of these they reject wrongly. Prints the tables of
docs/howto/campaigns.md.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htc.discovery.campaign import Plausibility, Volume
from htc.discovery.campaign.pools import pool_of
from htc.discovery.space.parts import Substitutions
from htc.discovery.space.plausibility import Judge
from htc.discovery.space.prototypes import Shape
from htc.errors import HTCError
from htc.materials.symmetry import primitive_standardised
from htc.settings import get_settings

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

SEED = 5
SEEDS = 1
"""Seeds of each type."""
BONDS = 60
"""Volumes by bond lengths at most: they take their time."""
PARTNERS = 6
"""Compounds made from one seed at most."""
RANDOM = 5
"""Random fillings of each seed."""
ALIKE = 0.12
"""Shapes are one where all shortest distances agree to this, relative to the volume."""


def known(folder: Path) -> Iterator[tuple[str, int, Structure]]:
    """Source, fold and crystal of every compound at ambient pressure."""
    from htc.materials.library import library_entries
    from htc.materials.reading import structure_from_text

    for source in ("alexandria", "betenet", "jarvis"):
        for line in (folder / "epc" / f"{source}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield source, row["fold"], structure_from_text(row["poscar"], "poscar")
    for entry in library_entries():
        if entry.pressure_gpa < 1.0:
            yield "library", -1, entry.structure


def slots_of(structure: Structure) -> list[str]:
    """Elements in an order that is the same for all of a type: by how many atoms, then by symbol."""
    amounts = Counter(site.specie.symbol for site in structure)
    return sorted(amounts, key=lambda symbol: (amounts[symbol], symbol))


def _shape_of(structure: Structure) -> Shape | None:
    """All elements as slots."""
    try:
        return Shape.of(structure.composition.reduced_formula, structure, slots_of(structure))
    except HTCError:
        return None


def filling(seed: Shape, other: Shape) -> tuple[str, ...] | None:
    """Elements of ``other`` in the order of the seed's slots; None where the shapes differ."""
    for order in permutations(range(len(seed.slots))):
        if tuple(other.counts[i] for i in order) != seed.counts:
            continue
        place = {kind: i for i, kind in enumerate(order)}
        its = {tuple(sorted((place[a], place[b]))): d for a, b, _, _, d in other.sums}
        own = {(a, b): d for a, b, _, _, d in seed.sums}
        if own.keys() == its.keys() and max(abs(np.log(own[k] / its[k])) for k in own) < ALIKE:
            return tuple(other.elements[i] for i in order)
    return None


def by_radius(seed: Shape, elements: tuple[str, ...]) -> float:
    """The plain way: edges that scale with the mean atomic radius."""
    from pymatgen.core.periodic_table import Element

    def mean(symbols: tuple[str, ...]) -> float:
        radii = [float(Element(symbol).atomic_radius) for symbol in symbols]
        return float(np.average(radii, weights=seed.counts))

    return seed.crystal.volume_per_atom * (mean(elements) / mean(seed.elements)) ** 3


def by_bonds(structure: Structure, elements: tuple[str, ...], seed: Shape) -> float:
    """The predictor of bond lengths that comes with pymatgen."""
    from pymatgen.analysis.structure_prediction.volume_predictor import DLSVolumePredictor

    changed = structure.copy()
    changed.replace_species(dict(zip(seed.elements, elements, strict=True)))
    return float(DLSVolumePredictor().predict(changed)) / len(changed)


def main() -> None:
    """Make known compounds from each other and judge them."""
    folder = get_settings().data
    if folder is None:
        raise SystemExit("HTC_DATA is not set")
    draw = random.Random(SEED)  # noqa: S311  # a sample, nothing secret
    types: dict[Any, list[tuple[str, int, Structure]]] = defaultdict(list)
    rules, volume = Plausibility(), Volume()
    for source, fold, structure in known(folder):
        counts = tuple(sorted(Counter(site.specie.symbol for site in structure).values()))
        if len(counts) > 1:
            group = primitive_standardised(structure).spacegroup
            smallest = tuple(n // math.gcd(*counts) for n in counts)
            types[group, smallest].append((source, fold, structure))
    shapes: dict[int, Shape | None] = {}

    def shape_of(structure: Structure) -> Shape | None:
        # Structures cannot be hashed; all of them live as long as this.
        if id(structure) not in shapes:
            shapes[id(structure)] = _shape_of(structure)
        return shapes[id(structure)]

    pool = pool_of(["all", "-noble_gases", "-radioactive"])
    errors: dict[str, list[float]] = defaultdict(list)
    wrong: dict[str, Counter[str]] = defaultdict(Counter)
    asked: Counter[str] = Counter()
    for members in types.values():
        for _, _, given in draw.sample(members, min(SEEDS, len(members))):
            seed = shape_of(given)
            if seed is None:
                continue
            try:
                part = Substitutions.of(
                    seed, [pool] * len(seed.slots), equal=False, rules=rules, volume=volume
                )
            except HTCError:
                continue
            judge = Judge(rules, seed, seed.crystal.volume_per_atom)
            for source, fold, partner in draw.sample(members, min(PARTNERS, len(members))):
                other = shape_of(partner)
                elements = None if other is None else filling(seed, other)
                if other is None or elements is None or set(elements) == set(seed.elements):
                    continue
                true, made = other.crystal.volume_per_atom, part.volume_of(elements)
                asked[source] += 1
                verdict = judge(elements, made)
                wrong[source][verdict.rule if verdict else "none"] += 1
                if fold in {3, -1}:
                    errors["pair model"].append(made / true - 1)
                    errors["mean atomic radius"].append(by_radius(seed, elements) / true - 1)
                    errors["the prototype's volume"].append(seed.crystal.volume_per_atom / true - 1)
                    if len(errors["DLS of pymatgen"]) >= BONDS:
                        continue
                    try:
                        bonds = by_bonds(seed.crystal.structure(), elements, seed)
                    except (ValueError, KeyError, RuntimeError, ZeroDivisionError):
                        errors["not by DLS"].append(0.0)
                    else:
                        errors["DLS of pymatgen"].append(bonds / true - 1)
            for _ in range(RANDOM):
                elements = tuple(draw.sample(pool, len(seed.slots)))
                asked["random"] += 1
                verdict = judge(elements, part.volume_of(elements))
                wrong["random"][verdict.rule if verdict else "none"] += 1
    out = []
    for source, n in asked.items():
        shares = {rule: f"{found / n:.2%}" for rule, found in wrong[source].items() if rule != "none"}
        out.append(f"{source}: {n}, rejected {1 - wrong[source]['none'] / n:.2%}: {shares}")
    for name, values in errors.items():
        size = np.abs(values)
        out.append(
            f"{name}: {len(size)}, mean {size.mean():.1%}, median {np.median(size):.1%},"
            f" 95 % below {np.quantile(size, 0.95):.0%}"
        )
    print("\n".join(out))  # noqa: T201  # a report is what this script is for


if __name__ == "__main__":
    main()
