"""The ``[[candidates]]`` tables: where candidates come from."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from htc.discovery.campaign.base import Table
from htc.discovery.campaign.pools import PoolWords

__all__ = [
    "FilesSource",
    "FormulasSource",
    "MaterialsProjectQuery",
    "OptimadeQuery",
    "Source",
    "StoreSource",
    "SubstitutionSource",
]

_MOST_FROZEN: Final = 100_000
"""Most crystals of a source whose answers are kept with the run."""

_Symbol = Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]
_Symbols = Annotated[tuple[_Symbol, ...], Field(max_length=118)]
_SlotName = Annotated[str, Field(pattern=r"^[A-Z][a-z]?(@[a-zA-Z]+)?$")]


class _Named(Table):
    name: str | None = Field(
        default=None, max_length=100, description="Name of the source in counts and labels."
    )


class SubstitutionSource(_Named):
    """Crystals made from prototypes by putting elements into their slots: every combination once."""

    kind: Literal["substitution"] = Field(description="Kind of the source.")
    prototypes: Annotated[tuple[str, ...], Field(min_length=1, max_length=300)] = Field(
        description="Crystals that lend their shape: AFLOW labels (`A3B_cP8_223_c_a`), Strukturbericht"
        " symbols (`A15`), minerals (`Heusler`), crystals of the bundled library (`Nb3Sn`), files. `aflow:`,"
        " `library:` or `file:` before a name says which is meant."
    )
    slots: Annotated[dict[_SlotName, PoolWords], Field(min_length=1, max_length=8)] = Field(
        description="For elements of the prototype, what may take their place: symbols and groups. `Fe@a`"
        " names only the sites of Fe on Wyckoff position a. Elements without a slot stay."
    )
    equal_elements: bool = Field(
        default=False, description="Whether two slots may hold the same element: another, simpler compound."
    )
    limit: int | None = Field(
        default=None, ge=1, description="So many of the combinations, drawn at random (seeded), each once."
    )


class FilesSource(_Named):
    """Crystals of files: what `htc predict` reads."""

    kind: Literal["files"] = Field(description="Kind of the source.")
    paths: Annotated[tuple[str, ...], Field(min_length=1, max_length=10_000)] = Field(
        description="CIF, POSCAR, pymatgen JSON and extended XYZ files, folders, zip archives, and patterns"
        " such as `seeds/*.cif`; relative to the campaign's file."
    )
    limit: int = Field(default=10_000, ge=1, le=_MOST_FROZEN, description="The first so many.")


class FormulasSource(_Named):
    """Formulas: their crystal is looked up; without one, the composition is judged."""

    kind: Literal["formulas"] = Field(description="Kind of the source.")
    formulas: Annotated[tuple[str, ...], Field(min_length=1, max_length=_MOST_FROZEN)] = Field(
        description="Chemical formulas, e.g. `MgB2`."
    )


class StoreSource(_Named):
    """Crystals stored already, chosen as the run begins. All that is given must hold."""

    kind: Literal["store"] = Field(description="Kind of the source.")
    elements: _Symbols = Field(default=(), description="Symbols that must all be in the crystal.")
    without: _Symbols = Field(default=(), description="Symbols of which none may be.")
    only: _Symbols = Field(default=(), description="No other element may be.")
    formula: str | None = Field(default=None, max_length=200, description="Chemical formula.")
    spacegroup_number: int | None = Field(
        default=None, ge=1, le=230, description="Number of the space group."
    )
    ids: Annotated[tuple[str, ...], Field(max_length=_MOST_FROZEN)] = Field(
        default=(), description="Or, instead, ids of stored crystals or predictions."
    )
    limit: int = Field(default=1000, ge=1, le=_MOST_FROZEN, description="At most so many.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        chosen = (self.elements, self.without, self.only, self.formula, self.spacegroup_number)
        if self.ids and any(chosen):
            raise ValueError("ids and conditions cannot be given together")
        return self


class OptimadeQuery(_Named):
    """Crystals of an OPTIMADE provider, fetched as the run begins."""

    kind: Literal["optimade"] = Field(description="Kind of the source.")
    url: str = Field(
        pattern=r"^https?://", max_length=500, description="Base URL of the provider, without `/v1`."
    )
    filter: str = Field(
        min_length=1,
        max_length=5000,
        description='OPTIMADE filter, e.g. `elements HAS ALL "Nb","N" AND nelements=3`.',
    )
    limit: int = Field(default=1000, ge=1, le=_MOST_FROZEN, description="At most so many.")


class MaterialsProjectQuery(_Named):
    """Crystals of the Materials Project, fetched as the run begins; needs HTC_MATERIALS_PROJECT_API_KEY."""

    kind: Literal["materials_project"] = Field(description="Kind of the source.")
    elements: _Symbols = Field(default=(), description="Symbols that must all be in the crystal.")
    without: _Symbols = Field(default=(), description="Symbols of which none may be.")
    formula: str | None = Field(
        default=None, max_length=200, description="Formula, `*` for any element: `Nb3*`, `**N`."
    )
    chemsys: str | None = Field(default=None, max_length=200, description="System, e.g. `Nb-N` or `Nb-*-N`.")
    max_hull_distance_eV: float | None = Field(  # noqa: N815  # the column's name
        default=None, ge=0.0, description="Energy above the hull at most, eV/atom, as the service states it."
    )
    max_sites: int = Field(default=20, ge=1, le=200, description="Sites in the cell at most.")
    limit: int = Field(default=1000, ge=1, le=_MOST_FROZEN, description="At most so many.")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.elements or self.formula or self.chemsys):
            raise ValueError("one of elements, formula and chemsys is required")
        return self


Source = Annotated[
    SubstitutionSource | FilesSource | FormulasSource | StoreSource | OptimadeQuery | MaterialsProjectQuery,
    Field(discriminator="kind"),
]
