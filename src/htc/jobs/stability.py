"""The stability that a run may ask for: one potential a process, competitors from everywhere known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.errors import MissingExtraError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.discovery.requests import StabilityWish
    from htc.settings import Settings
    from htc.stability import CompetitorSource, Potential, Stability, StabilityCache
    from htc.store import Database

__all__ = ["Assessment", "assessment_for", "check_available"]


class Assessment:
    """Relaxation, hull and, where wished, phonons of one crystal after the other."""

    def __init__(
        self,
        potential: Potential,
        sources: list[CompetitorSource],
        cache: StabilityCache,
        *,
        with_phonons: bool,
    ) -> None:
        """Keep what every crystal needs."""
        self._potential = potential
        self._sources = sources
        self._cache = cache
        self._with_phonons = with_phonons

    def __call__(self, structure: Structure, source: str, pressure_gpa: float) -> Stability:
        """See ``htc.discovery.evaluation.Assess``."""
        from htc.stability import assess

        return assess(
            structure,
            self._potential,
            source=source,
            pressure_gpa=pressure_gpa,
            with_phonons=self._with_phonons,
            with_hull=True,
            competitors=self._sources,
            cache=self._cache,
        )


def check_available(wish: StabilityWish) -> None:
    """Whether what is wished for can be done here.

    Raises:
        MissingExtraError: the extra [mlip] is not installed.
    """
    import importlib.util

    if wish != "none" and any(importlib.util.find_spec(name) is None for name in ("torch", "sevenn")):
        raise MissingExtraError(
            "stability needs an interatomic potential, which is not installed",
            where="stability",
            hint='install it with: pip install "htc[mlip]"; or ask with stability = none',
        )


def assessment_for(wish: StabilityWish, settings: Settings, database: Database) -> Assessment | None:
    """What assesses crystals as wished; None where nothing was wished.

    Raises:
        MissingExtraError: the extra [mlip] is not installed.
        ModelError: the weights of the potential are not where they should be.
        SettingsError: a provider's address or key cannot be one.
    """
    if wish == "none":
        return None
    from htc.materials.sources import MaterialsProjectSource, OptimadeSource
    from htc.prediction.sources import known_sources
    from htc.stability import StabilityCache, load_potential
    from htc.stability.competitors import ServiceCompetitors, bundled
    from htc.stability.potentials.registry import DEFAULT_POTENTIAL
    from htc.store.systems import StoredSystems

    sources: list[CompetitorSource] = list(bundled())
    sources.append(ServiceCompetitors(StoredSystems(database), elements_are_references=False))
    sources += [
        ServiceCompetitors(provider, elements_are_references=provider.name == "materials-project")
        for provider in known_sources(settings)
        if isinstance(provider, OptimadeSource | MaterialsProjectSource)
    ]
    return Assessment(
        load_potential(DEFAULT_POTENTIAL),
        sources,
        StabilityCache(settings.home / "stability"),
        with_phonons=wish == "full",
    )
