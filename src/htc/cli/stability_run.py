"""What ``htc stability`` and ``htc predict --with-stability`` share: potential, competitors, cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htc.cli.console import err
from htc.cli.progress import steps
from htc.errors import HTCError, MissingExtraError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.prediction import Prediction
    from htc.settings import Settings
    from htc.stability import CompetitorSource, Potential, Stability, StabilityCache
    from htc.stability.relaxation import Progress
    from htc.store import Database

__all__ = [
    "Assessor",
    "assessor_or_tables",
    "competitor_sources",
    "stability_adder",
    "stability_folder",
    "stages",
]


def stability_folder(settings: Settings) -> Path:
    """Where results, energies and imported tables are kept."""
    return settings.home / "stability"


def competitor_sources(
    settings: Settings, paths: Sequence[Path], database: Database | None, *, made_up: bool = True
) -> list[CompetitorSource]:
    """Everything that may know a competing phase: files, what is bundled, the store, providers.

    Raises:
        SettingsError: a provider's address or key cannot be one.
    """
    from htc.materials.sources import MaterialsProjectSource, OptimadeSource
    from htc.stability.competitors import FileCompetitors, ServiceCompetitors, bundled

    sources: list[CompetitorSource] = [FileCompetitors(paths)] if paths else []
    sources += bundled(made_up=made_up)
    if database is not None:
        from htc.store.systems import StoredSystems

        sources.append(ServiceCompetitors(StoredSystems(database), elements_are_references=False))
    if settings.materials_project_api_key is not None:
        key = settings.materials_project_api_key.get_secret_value()
        sources.append(ServiceCompetitors(MaterialsProjectSource(key), elements_are_references=True))
    if settings.optimade_provider is not None:
        provider = OptimadeSource(settings.optimade_provider)
        sources.append(ServiceCompetitors(provider, elements_are_references=False))
    return sources


@dataclass(frozen=True, slots=True)
class Assessor:
    """A potential with sources of competitors and a cache, ready for crystal after crystal."""

    potential: Potential
    sources: Sequence[CompetitorSource]
    cache: StabilityCache
    pressure_gpa: float = 0.0
    with_phonons: bool = True
    with_hull: bool = True

    def __call__(self, structure: Structure, source: str, progress: Progress | None = None) -> Stability:
        """Assess one crystal.

        Raises:
            HTCError: what ``htc.stability.assess`` raises.
        """
        from htc.stability import assess

        return assess(
            structure,
            self.potential,
            source=source,
            pressure_gpa=self.pressure_gpa,
            with_phonons=self.with_phonons,
            with_hull=self.with_hull,
            competitors=self.sources,
            cache=self.cache,
            progress=progress,
        )


def assessor_or_tables(
    settings: Settings,
    potential: str,
    *,
    pressure_gpa: float,
    paths: Sequence[Path] = (),
    with_phonons: bool = True,
    with_hull: bool = True,
    made_up: bool = True,
    database: Callable[[], Database | None] = lambda: None,
) -> Assessor | None:
    """The potential with its competitors; None, said on stderr, where only imported tables can answer.

    Args:
        settings: of this process.
        potential: its name.
        pressure_gpa: pressure of the crystals, GPa.
        paths: competitors of the user's own.
        with_phonons: compute phonons.
        with_hull: compute the distance to the hull.
        made_up: let made-up crystals compete.
        database: opens the database whose crystals compete; asked only where they do.

    Raises:
        MissingExtraError: the potential is not installed and no table has been imported.
        InputError: no potential has this name.
    """
    from htc.stability import StabilityCache, load_potential
    from htc.stability.table import tables

    folder = stability_folder(settings)
    try:
        loaded = load_potential(potential)
    except MissingExtraError as error:
        if not tables(folder):
            raise
        err.print(f"{error.what}: the imported tables are asked instead", soft_wrap=True, markup=False)
        return None
    sources: Sequence[CompetitorSource] = ()
    if with_hull:
        sources = competitor_sources(settings, paths, database(), made_up=made_up)
    return Assessor(loaded, sources, StabilityCache(folder), pressure_gpa, with_phonons, with_hull)


def stages(tell: Callable[[str, int, int | None], None], source: str) -> Progress:
    """Bars of one input, one for each stage of its assessment."""
    name = Path(source).name

    def progress(done: int, of: int, what: str) -> None:
        tell(f"{name}: {what}", done, of)

    return progress


@contextmanager
def stability_adder(
    settings: Settings, potential: str, pressure_gpa: float, database: Database | None
) -> Iterator[Callable[[Prediction], Prediction]]:
    """A function that adds the stability of its crystal to a prediction, with bars while it works.

    Predictions outside the theory and without a crystal come back as they are, but for what tables know of
    their composition where there is no potential.

    Raises:
        MissingExtraError: the potential is not installed and no table has been imported.
        InputError: no potential has this name.
    """
    assessor = assessor_or_tables(settings, potential, pressure_gpa=pressure_gpa, database=lambda: database)
    with steps() as tell:
        yield lambda prediction: _added(prediction, assessor, settings, tell)


def _added(prediction: Prediction, assessor: Assessor | None, settings: Settings, tell: Any) -> Prediction:
    from dataclasses import replace

    from htc.materials.reading import as_structure
    from htc.prediction.stability import with_stability, with_table
    from htc.stability.table import look_up

    if not prediction.applicable:
        return prediction
    if assessor is None:
        if prediction.pressure_gpa > 0.0:
            notes = [*prediction.notes, "no stability: the imported tables are of zero pressure"]
            return replace(prediction, provenance={**prediction.provenance, "notes": notes})
        answers = look_up(prediction.reduced_formula, stability_folder(settings))
        return with_table(prediction, answers[0]) if answers else prediction
    if prediction.structure is None:
        return prediction
    try:
        crystal = as_structure(prediction.structure, source=prediction.source)
        return with_stability(
            prediction, assessor(crystal, prediction.source, stages(tell, prediction.source))
        )
    except HTCError as error:
        # The Tc is not worth less for it.
        notes = [*prediction.notes, f"no stability: {error.what}"]
        return replace(prediction, provenance={**prediction.provenance, "notes": notes})
