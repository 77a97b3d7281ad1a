"""Where the crystal of a formula may be found: the library, OPTIMADE providers, the Materials Project.

A source answers with what it has, best first; choosing between sources is the caller's. Nothing here is
asked unless the user has set a provider or a key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from htc.errors import InputError, SettingsError, SourceUnavailableError, StructureError
from htc.materials.formulas import formula_amounts
from htc.materials.library import pressure_matches, structures_for
from htc.materials.reading import as_structure

if TYPE_CHECKING:
    import httpx
    from pymatgen.core.structure import Structure

__all__ = [
    "FoundStructure",
    "LibrarySource",
    "MaterialsProjectSource",
    "OptimadeSource",
    "StructureSource",
]


@dataclass(frozen=True, slots=True)
class FoundStructure:
    """A structure for a formula, and what is known of its standing among others."""

    structure: Structure
    origin: str
    """``library: Nb3Sn``, ``optimade: <host> <id>``, ``materials-project: mp-763``, ..."""
    pressure_gpa: float = 0.0
    hull_distance_ev: float | None = None
    """Energy above the convex hull as the provider states it, eV/atom."""
    energy_ev: float | None = None
    """Total energy as the provider states it, eV/atom; comparable only within one provider."""
    note: str | None = None
    """What must be said with it, e.g. that it is one of several."""


@runtime_checkable
class StructureSource(Protocol):
    """Anything that knows crystals by formula. The store offers one, too."""

    @property
    def name(self) -> str:
        """Short name, the first word of ``FoundStructure.origin``."""
        ...

    def find(self, reduced_formula: str, pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """Crystals of a composition near a pressure, best first; empty where none is known.

        Raises:
            SourceUnavailableError: the source cannot be asked.
        """
        ...


class LibrarySource:
    """The bundled library."""

    name = "library"

    def find(self, reduced_formula: str, pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """See :class:`StructureSource`."""
        return [
            FoundStructure(entry.structure, f"library: {entry.name}", entry.pressure_gpa, note=entry.note)
            for entry in structures_for(reduced_formula, pressure_gpa)
        ]


_OFFLINE_HINT: Final = "try again later, or give the structure as a file"


class OptimadeSource:
    """Any provider that speaks OPTIMADE 1 (https://www.optimade.org), by its base URL.

    Args:
        base_url: URL up to, and without, ``/v1``.
        timeout_s: seconds for connecting and for each answer.
        page_limit: structures asked for on a page.
        max_pages: pages read at most.

    Raises:
        SettingsError: ``base_url`` is no http(s) address.
    """

    name = "optimade"

    def __init__(
        self, base_url: str, *, timeout_s: float = 10.0, page_limit: int = 20, max_pages: int = 3
    ) -> None:
        """Keep the address; nothing is asked yet."""
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise SettingsError(
                f"'{base_url}' is not the address of an OPTIMADE provider",
                where="HTC_OPTIMADE_PROVIDER",
                hint="an http(s) URL such as https://optimade.materialsproject.org",
            )
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        self.host = parts.netloc.rpartition("@")[2]
        self.timeout_s = timeout_s
        self.page_limit = page_limit
        self.max_pages = max_pages

    def find(self, reduced_formula: str, pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """See :class:`StructureSource`. Lowest hull distance or energy first where the provider gives one."""
        if not pressure_matches(pressure_gpa, 0.0):
            return []  # OPTIMADE has no field for pressure: what it lists is at ambient
        formula = optimade_formula(reduced_formula)
        if formula is None:
            return []
        rows, more = self._rows(f'chemical_formula_reduced="{formula}"')
        found = [found for row in rows if (found := self._read(row)) is not None]
        return _ranked(found, more=more)

    def find_system(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """Crystals of exactly these elements near a pressure, lowest hull distance or energy first.

        Raises:
            SourceUnavailableError: the provider cannot be asked.
        """
        if not elements or not pressure_matches(pressure_gpa, 0.0):
            return []
        symbols = ",".join(f'"{symbol}"' for symbol in sorted(elements))
        rows, more = self._rows(f"elements HAS ALL {symbols} AND nelements={len(elements)}")
        found = [found for row in rows if (found := self._read(row)) is not None]
        return _ranked(found, more=more)

    def select(self, question: str, limit: int) -> list[FoundStructure]:
        """Up to ``limit`` sound, ordered crystals that fulfil an OPTIMADE filter, in the provider's order.

        Raises:
            SourceUnavailableError: the provider cannot be asked, or refuses the filter.
        """
        pages = -(-limit // self.page_limit)
        rows, _ = self._rows(question, pages)
        return [found for row in rows[:limit] if (found := self._read(row)) is not None]

    def _rows(self, question: str, pages: int | None = None) -> tuple[list[dict[str, Any]], bool]:
        """Entries of the answer over its pages, and whether there were more than were read."""
        import httpx

        params = {
            "filter": question,
            "page_limit": str(self.page_limit),
            "response_format": "json",
        }
        url: str | None = f"{self.base_url}/v1/structures"
        rows: list[dict[str, Any]] = []
        with httpx.Client(timeout=self.timeout_s, follow_redirects=False) as client:
            for _ in range(pages or self.max_pages):
                if url is None:
                    break
                document = self._get(client, url, params)
                rows += [row for row in document["data"] if isinstance(row, dict)]
                url, params = self._next(document), {}
        return rows, url is not None

    def _get(self, client: httpx.Client, url: str, params: dict[str, str]) -> dict[str, Any]:
        import httpx

        try:
            answer = client.get(url, params=params or None, headers={"Accept": "application/vnd.api+json"})
        except httpx.TimeoutException as error:
            raise self._unavailable(f"no answer within {self.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unavailable(f"cannot be reached: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise self._unavailable(f"answered with HTTP {answer.status_code}{_detail(answer)}")
        try:
            document = answer.json()
        except ValueError as error:
            raise self._unavailable(
                "did not answer with JSON; is this the base URL of a provider?"
            ) from error
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            raise self._unavailable("did not answer as OPTIMADE does: no list 'data'")
        return document

    def _next(self, document: dict[str, Any]) -> str | None:
        """Address of the next page, never on another host: a provider must not send us elsewhere."""
        link = (document.get("links") or {}).get("next")
        url = link.get("href") if isinstance(link, dict) else link
        if not isinstance(url, str) or not url or urlsplit(url).netloc.rpartition("@")[2] != self.host:
            return None
        return url

    def _unavailable(self, what: str) -> SourceUnavailableError:
        return SourceUnavailableError(what, where=f"OPTIMADE provider {self.host}", hint=_OFFLINE_HINT)

    def _read(self, row: dict[str, Any]) -> FoundStructure | None:
        """One entry; None where it is disordered, incomplete or not sound."""
        attributes = row.get("attributes") or {}
        origin = f"optimade: {self.host} {row.get('id', '?')}"
        try:
            structure = _optimade_structure(attributes, origin)
        except (KeyError, TypeError, ValueError, StructureError):
            return None
        hull = _first_number(attributes, _HULL_SUFFIXES)
        energy = _first_number(attributes, _ENERGY_SUFFIXES)
        return FoundStructure(structure, origin, 0.0, hull, energy)


_HULL_SUFFIXES: Final = ("hull_distance", "energy_above_hull", "e_above_hull", "ehull", "_stability")
_ENERGY_SUFFIXES: Final = ("energy_per_atom", "final_energy_per_atom", "formation_energy_per_atom", "delta_e")
"""Ends of the names providers give these (``_alexandria_hull_distance``, ``_oqmd_stability``, ...): OPTIMADE
itself defines no energy."""


def _first_number(attributes: dict[str, Any], suffixes: tuple[str, ...]) -> float | None:
    for suffix in suffixes:
        for key, value in attributes.items():
            if key.endswith(suffix) and isinstance(value, int | float) and math.isfinite(value):
                return float(value)
    for value in attributes.values():  # the Materials Project nests its fields by functional
        if isinstance(value, dict) and value is not attributes:
            nested = _first_number(value, suffixes)
            if nested is not None:
                return nested
    return None


def _optimade_structure(attributes: dict[str, Any], source: str) -> Structure:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    symbols: dict[str, str] = {}
    for species in attributes["species"]:
        if len(species["chemical_symbols"]) != 1 or float(species["concentration"][0]) != 1.0:
            raise StructureError("disordered", where=source)
        symbols[species["name"]] = species["chemical_symbols"][0]
    raw = Structure(
        Lattice(attributes["lattice_vectors"]),
        [symbols[name] for name in attributes["species_at_sites"]],
        attributes["cartesian_site_positions"],
        coords_are_cartesian=True,
    )
    return as_structure(raw, source=source)


def _detail(answer: httpx.Response) -> str:
    """What the provider says about an error, where it says so in OPTIMADE's way."""
    try:
        errors = answer.json()["errors"]
        return f": {str(errors[0].get('detail') or errors[0].get('title'))[:200]}"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""


def optimade_formula(formula: str) -> str | None:
    """Formula as OPTIMADE's ``chemical_formula_reduced``: alphabetical, smallest integers, no ones.

    None for compositions without small integers (doped materials), of which providers hold no ordered cell.
    """
    from pymatgen.core.composition import Composition

    amounts = formula_amounts(formula)
    if any(abs(n - round(n)) > 1e-6 for n in amounts.values()):
        _, factor = Composition(amounts).get_integer_formula_and_factor(max_denominator=12)
        amounts = {symbol: n / factor for symbol, n in amounts.items()}
        if any(abs(n - round(n)) > 1e-3 for n in amounts.values()) or sum(amounts.values()) > 60:
            return None
    whole = {symbol: round(n) for symbol, n in amounts.items()}
    divisor = math.gcd(*whole.values())
    return "".join(symbol + (str(n // divisor) if n > divisor else "") for symbol, n in sorted(whole.items()))


def _ranked(found: list[FoundStructure], *, more: bool) -> list[FoundStructure]:
    """Lowest hull distance, else lowest energy, first; where neither is known, as given and with a note."""
    if len(found) > 1 and all(item.hull_distance_ev is not None for item in found):
        return sorted(found, key=lambda item: item.hull_distance_ev or 0.0)
    if len(found) > 1 and all(item.energy_ev is not None for item in found):
        return sorted(found, key=lambda item: item.energy_ev or 0.0)
    if len(found) <= 1 and not more:
        return found
    count = f"{len(found)}{' or more' if more else ''}"
    note = f"one of {count} candidates; the provider gives no energies to choose by"
    return [
        FoundStructure(f.structure, f.origin, f.pressure_gpa, f.hull_distance_ev, f.energy_ev, note)
        for f in found
    ]


class MaterialsProjectSource:
    """The Materials Project, with the user's API key.

    Args:
        api_key: key of 32 characters from the user's Materials Project dashboard.
        base_url: address of the service.
        timeout_s: seconds for connecting and for each answer.

    Raises:
        SettingsError: the key cannot be one.
    """

    name = "materials-project"

    def __init__(
        self, api_key: str, *, base_url: str = "https://api.materialsproject.org", timeout_s: float = 20.0
    ) -> None:
        """Keep the key; nothing is asked yet."""
        if len(api_key) != _KEY_LENGTH or not api_key.isalnum():
            raise SettingsError(
                "the Materials Project API key does not look like one",
                where="HTC_MATERIALS_PROJECT_API_KEY",
                hint=f"a key has {_KEY_LENGTH} letters and digits, as on your Materials Project dashboard",
            )
        self._api_key = api_key
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s

    def find(self, reduced_formula: str, pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """See :class:`StructureSource`. Lowest hull distance first."""
        if not pressure_matches(pressure_gpa, 0.0) or optimade_formula(reduced_formula) is None:
            return []
        return self._found({"formula": reduced_formula, "_limit": "20"})

    def find_system(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """Crystals of exactly these elements near a pressure, lowest hull distance first.

        Raises:
            SourceUnavailableError: the service cannot be asked.
            SettingsError: the service refuses the key.
        """
        if not elements or not pressure_matches(pressure_gpa, 0.0):
            return []
        system = "-".join(sorted(elements))
        return self._found({"chemsys": system, "_sort_fields": "energy_above_hull", "_limit": "100"})

    def select(self, question: dict[str, str], limit: int) -> list[FoundStructure]:
        """Up to ``limit`` crystals that fulfil parameters of the service's search, by material id.

        Raises:
            SourceUnavailableError: the service cannot be asked.
            SettingsError: the service refuses the key.
        """
        found: list[FoundStructure] = []
        for start in range(0, limit, _MP_PAGE):
            size = min(_MP_PAGE, limit - start)
            page = {"_sort_fields": "material_id", "_skip": str(start), "_limit": str(size)}
            rows = self._rows({**question, **page})
            found += self._read(rows)
            if len(rows) < size:
                break
        return found

    def _found(self, question: dict[str, str]) -> list[FoundStructure]:
        return _ranked(self._read(self._rows(question)), more=False)

    @staticmethod
    def _read(rows: list[dict[str, Any]]) -> list[FoundStructure]:
        found: list[FoundStructure] = []
        for row in rows:
            origin = f"materials-project: {row.get('material_id', '?')}"
            try:
                structure = as_structure(row["structure"], source=origin)
            except (KeyError, InputError):
                continue
            hull = row.get("energy_above_hull")
            found.append(FoundStructure(structure, origin, 0.0, hull, row.get("energy_per_atom")))
        return found

    def _rows(self, question: dict[str, str]) -> list[dict[str, Any]]:
        import httpx

        where = "Materials Project"
        params = {
            **question,
            "_fields": "material_id,structure,energy_above_hull,energy_per_atom",
        }
        try:
            answer = httpx.get(
                f"{self.base_url}/materials/summary/",
                params=params,
                headers={"X-API-KEY": self._api_key},
                timeout=self.timeout_s,
            )
        except httpx.TimeoutException as error:
            what = f"no answer within {self.timeout_s:g} s"
            raise SourceUnavailableError(what, where=where, hint=_OFFLINE_HINT) from error
        except httpx.HTTPError as error:
            what = f"cannot be reached: {error}"
            raise SourceUnavailableError(what, where=where, hint=_OFFLINE_HINT) from error
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise SettingsError(
                "the Materials Project refuses the API key",
                where="HTC_MATERIALS_PROJECT_API_KEY",
                hint="copy it again from your Materials Project dashboard",
            )
        if answer.status_code != httpx.codes.OK:
            what = f"answered with HTTP {answer.status_code}"
            raise SourceUnavailableError(what, where=where, hint=_OFFLINE_HINT)
        try:
            rows = answer.json()["data"]
        except (ValueError, KeyError, TypeError) as error:
            what = "did not answer as its interface is documented"
            raise SourceUnavailableError(what, where=where, hint=_OFFLINE_HINT) from error
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


_KEY_LENGTH: Final = 32
_MP_PAGE: Final = 500
