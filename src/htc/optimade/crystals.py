"""A stored pymatgen document as the geometric properties of an OPTIMADE structure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["GEOMETRY", "geometry"]

GEOMETRY: Final = ("lattice_vectors", "cartesian_site_positions", "species", "species_at_sites")
"""Properties that are read from the document."""

_FULL: Final = 0.99999
"""Occupancy from which a site counts as fully occupied."""


def geometry(document: Mapping[str, Any]) -> dict[str, Any]:
    """Lattice vectors and site positions (angstrom), species, and the species' names at the sites.

    What an earlier version stored without lattice matrix or species has None for what depends on it. Species
    come in the order of their first site, so that clients which pair them with sites one by one, where every
    site has its own, read the crystal as it is.
    """
    lattice = _matrix(document)
    sites = document.get("sites")
    sites = sites if isinstance(sites, list) else []
    species: dict[str, dict[str, Any]] = {}
    names: list[str] = []
    positions: list[list[float]] = []
    try:
        for site in sites:
            one = _species(site)
            species.setdefault(one["name"], one)
            names.append(one["name"])
    except (KeyError, TypeError, ValueError):
        species, names = {}, []
    try:
        positions = [_position(site, lattice) for site in sites]
    except (KeyError, TypeError, ValueError):
        positions = []
    return {
        "lattice_vectors": lattice,
        "cartesian_site_positions": positions or None,
        "species": list(species.values()) or None,
        "species_at_sites": names or None,
    }


def _matrix(document: Mapping[str, Any]) -> list[list[float]] | None:
    lattice = document.get("lattice")
    matrix = lattice.get("matrix") if isinstance(lattice, Mapping) else None
    try:
        rows = [[_number(x) for x in row] for row in matrix or ()]
    except (TypeError, ValueError):
        return None
    return rows if len(rows) == 3 and all(len(row) == 3 for row in rows) else None


def _position(site: Mapping[str, Any], lattice: list[list[float]] | None) -> list[float]:
    xyz = site.get("xyz")
    if xyz is None:
        abc = [_number(x) for x in site["abc"]]
        if lattice is None:
            raise ValueError("fractional coordinates without a lattice")
        xyz = [sum(abc[i] * lattice[i][k] for i in range(3)) for k in range(3)]
    place = [_number(x) for x in xyz]
    if len(place) != 3:
        raise ValueError("a place in space has three coordinates")
    return place


def _species(site: Mapping[str, Any]) -> dict[str, Any]:
    shares: dict[str, float] = {}
    for part in site["species"]:
        symbol = str(part["element"])
        shares[symbol] = shares.get(symbol, 0.0) + _number(part["occu"])
    if not shares:
        raise ValueError("a site without an atom")
    symbols, concentration = list(shares), list(shares.values())
    left = 1.0 - sum(concentration)
    if left > 1.0 - _FULL:
        symbols.append("vacancy")
        concentration.append(left)
    name = (
        symbols[0]
        if len(symbols) == 1
        else "".join(f"{s}{c:g}" for s, c in zip(symbols, concentration, strict=True))
    )
    return {"name": name, "chemical_symbols": symbols, "concentration": concentration}


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number
