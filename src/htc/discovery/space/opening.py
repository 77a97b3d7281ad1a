"""From a campaign to its space: files are read, prototypes found, the store and providers asked, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.campaign import candidates as tables
from htc.discovery.campaign.candidates import (
    FilesSource,
    FormulasSource,
    MaterialsProjectQuery,
    OptimadeQuery,
    StoreSource,
    SubstitutionSource,
)
from htc.discovery.campaign.pools import pool_of
from htc.discovery.space.crystals import Crystal
from htc.discovery.space.parts import Entry, Given, Part, Substitutions
from htc.discovery.space.prototypes import Shape, find_prototype
from htc.discovery.space.space import CandidateSpace
from htc.discovery.space.tree import Source
from htc.errors import HTCError, InputError, MissingExtraError, SettingsError, StoreError, StructureError
from htc.materials.inputs import InputItem, iter_inputs
from htc.materials.sources import FoundStructure, MaterialsProjectSource, OptimadeSource
from htc.settings import Settings, get_settings

if TYPE_CHECKING:
    from htc.discovery.campaign import Campaign
    from htc.store.database import Database

__all__ = ["open_space"]

_PAGE: Final = 1000
_LABEL: Final = 200


def open_space(
    campaign: Campaign,
    *,
    folder: str | Path = ".",
    database: Database | Callable[[], Database] | None = None,
    settings: Settings | None = None,
) -> CandidateSpace:
    """The space of a campaign, its outside sources asked now.

    Args:
        campaign: what to look for.
        folder: where relative paths of the campaign begin: the folder of its file.
        database: for sources of kind ``store``, or a function that opens it, called if there is one.
        settings: with the key of the Materials Project; None for those of this process.

    Raises:
        InputError: a prototype or file that there is not, a slot without sites, a source without candidates.
        SettingsError: a key that is missing or refused.
        SourceUnavailableError: a provider cannot be asked.
        NotFoundError: nothing stored has an id.
        StoreError: the database does not answer.
        MissingExtraError: extended XYZ files without ASE.
    """
    opened: list[Database] = []

    def store() -> Database:
        if not opened:
            if database is None:
                raise InputError("there is no database to take stored crystals from")
            opened.append(database() if callable(database) else database)
        return opened[0]

    sources: list[Source] = []
    for place, table in enumerate(campaign.candidates):
        try:
            parts = _parts(table, campaign, Path(folder), store, settings or get_settings())
        except HTCError as error:
            where = f"candidates[{place + 1}]"
            error.where = where if error.where is None else f"{where}: {error.where}"
            raise
        if not sum(len(part) for part in parts):
            raise InputError("this source has no candidates", where=f"candidates[{place + 1}]")
        limit = table.limit if isinstance(table, SubstitutionSource) else None
        # Sources of one campaign must not draw alike.
        seed = campaign.seed * 1_000_003 + place + 1
        sources.append(Source(table.name or _name_of(table), table.kind, tuple(parts), limit, seed))
    return CandidateSpace(campaign, sources)


def _name_of(table: tables.Source) -> str:
    if isinstance(table, SubstitutionSource):
        names = ", ".join(table.prototypes[:3])
        return names if len(table.prototypes) <= 3 else f"{names} and {len(table.prototypes) - 3} more"
    if isinstance(table, OptimadeQuery):
        return table.url
    return table.kind.replace("_", " ")


def _parts(
    table: tables.Source, campaign: Campaign, folder: Path, store: Callable[[], Database], settings: Settings
) -> list[Part]:
    if isinstance(table, SubstitutionSource):
        return list(_substitutions(table, campaign, folder))
    name = table.name or _name_of(table)
    if isinstance(table, FilesSource):
        return [_given(name, islice(_of_files(table, folder), table.limit))]
    if isinstance(table, FormulasSource):
        return [_given(name, map(_of_item, iter_formulas(table.formulas)))]
    if isinstance(table, StoreSource):
        return [_given(name, _of_store(table, store()))]
    if isinstance(table, OptimadeQuery):
        provider = OptimadeSource(table.url, timeout_s=60.0, page_limit=min(100, table.limit))
        return [_given(name, _of_provider(provider.select(table.filter, table.limit)))]
    return [_given(name, _of_provider(_materials_project(table, settings)))]


def _given(name: str, entries: Iterable[Entry]) -> Given:
    kept = dict(enumerate(entries))
    return Given(name, kept, len(kept))


# -- generated -----------------------------------------------------------------------------------------


def _substitutions(table: SubstitutionSource, campaign: Campaign, folder: Path) -> Iterator[Substitutions]:
    pools = [pool_of(words, campaign.groups) for words in table.slots.values()]
    for given in table.prototypes:
        try:
            name, structure = find_prototype(given, folder)
            shape = Shape.of(name, structure, list(table.slots))
        except HTCError as error:
            raise error.located(f"prototypes: {given}") from error
        yield Substitutions.of(
            shape, pools, equal=table.equal_elements, rules=campaign.plausibility, volume=campaign.volume
        )


# -- files and formulas --------------------------------------------------------------------------------


def iter_formulas(formulas: Iterable[str]) -> Iterator[InputItem]:
    """Formulas as items, even where a file of that name lies about."""
    from htc.materials.formulas import parse_formula

    for text in formulas:
        try:
            yield InputItem(text, "formula", parse_formula(text))
        except HTCError as error:
            yield InputItem(text, "error", error.located(text))


def _of_files(table: FilesSource, folder: Path) -> Iterator[Entry]:
    for given in table.paths:
        for path in _matching(given, folder):
            if path.suffix.lower() in {".xyz", ".extxyz"}:
                yield from _of_xyz(path)
            else:
                yield from map(_of_item, iter_inputs([path]))


def _matching(given: str, folder: Path) -> list[Path]:
    """Paths that a text names, in sorted order."""
    path = folder / Path(given).expanduser()
    if path.exists() or not any(c in given for c in "*?["):
        if not path.exists():
            raise StructureError("no such file", where=str(path))
        return [path]
    # The pattern may begin anywhere above: from the last folder without a wildcard on.
    parts = path.parts
    first = next(i for i, part in enumerate(parts) if any(c in part for c in "*?["))
    found = sorted(Path(*parts[:first]).glob(str(Path(*parts[first:]))))
    if not found:
        raise InputError("no file fits the pattern", where=str(path))
    return found


def _of_xyz(path: Path) -> Iterator[Entry]:
    try:
        from ase.io import iread
    except ImportError as error:
        raise MissingExtraError(
            "extended XYZ files are read with ASE, which is not installed",
            where=str(path),
            hint="pip install ase, or convert the file to CIF",
        ) from error
    from htc.materials.reading import as_structure

    frames = iread(str(path), index=":", format="extxyz")
    for number in range(1_000_000):
        label = f"{path.name}:{number + 1}"[-_LABEL:]
        try:
            atoms = next(frames)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001  # a parser of other people's files fails in every way
            yield Entry(label, error=f"not a readable frame: {str(error)[:200] or type(error).__name__}")
            return
        try:
            yield Entry(label, Crystal.of(as_structure(atoms, source=label)))
        except HTCError as error:
            yield Entry(label, error=error.what)


def _of_item(item: InputItem) -> Entry:
    label = item.source[-_LABEL:]
    if item.error is not None:
        return Entry(label, error=f"{item.error.what}{f' ({item.error.hint})' if item.error.hint else ''}")
    if item.structure is not None:
        return Entry(label, Crystal.of(item.structure), notes=item.notes)
    return Entry(label, formula=item.source, notes=item.notes)


# -- the store -----------------------------------------------------------------------------------------


def _of_store(table: StoreSource, database: Database) -> Iterator[Entry]:
    from htc.materials.reading import as_structure
    from htc.store.records import structure_id_of, structure_record

    for given in table.ids or _selected(table, database):
        short = given[:12] if len(given) > 36 else given
        try:
            found = structure_record(database, structure_id_of(database, given))
            structure = as_structure(found["structure"], source=short)
        except StoreError:
            raise
        except StructureError as error:
            yield Entry(short, error=error.what)
            continue
        formula = structure.composition.reduced_formula
        yield Entry(f"{formula} {short}"[:_LABEL], Crystal.of(structure))


def _selected(table: StoreSource, database: Database) -> Iterator[str]:
    """Hashes of stored crystals, in their order."""
    from htc.materials.formulas import parse_formula
    from htc.store import find_structures

    formula = None if table.formula is None else parse_formula(table.formula).reduced_formula
    left, after = table.limit, None
    while left:
        page = find_structures(
            database,
            min(left, _PAGE),
            elements=table.elements,
            without=table.without,
            only=table.only,
            formula=formula,
            spacegroup=table.spacegroup_number,
            after=after,
        )
        yield from (row.hash for row in page.rows)
        left -= len(page.rows)
        after = page.next_cursor
        if after is None:
            return


# -- providers -----------------------------------------------------------------------------------------


def _of_provider(found: Iterable[FoundStructure]) -> Iterator[Entry]:
    for one in found:
        formula = one.structure.composition.reduced_formula
        notes = (
            ()
            if one.hull_distance_ev is None
            else (f"{one.hull_distance_ev:.3f} eV/atom above the hull, as the provider states it",)
        )
        yield Entry(f"{formula} {one.origin}"[:_LABEL], Crystal.of(one.structure), notes=notes)


def _materials_project(table: MaterialsProjectQuery, settings: Settings) -> list[FoundStructure]:
    if settings.materials_project_api_key is None:
        raise SettingsError(
            "the Materials Project is asked with a key, and there is none",
            where="HTC_MATERIALS_PROJECT_API_KEY",
            hint="it is on your Materials Project dashboard",
        )
    source = MaterialsProjectSource(settings.materials_project_api_key.get_secret_value(), timeout_s=60.0)
    question: dict[str, Any] = {
        "elements": ",".join(table.elements),
        "exclude_elements": ",".join(table.without),
        "formula": table.formula,
        "chemsys": table.chemsys,
        "energy_above_hull_max": table.max_hull_distance_eV,
        "nsites_max": table.max_sites,
        "deprecated": "false",
    }
    return source.select({k: str(v) for k, v in question.items() if v not in {None, ""}}, table.limit)
