"""Where the crystal of a formula is looked for, by the settings."""

from __future__ import annotations

from htc.materials.sources import LibrarySource, MaterialsProjectSource, OptimadeSource, StructureSource
from htc.settings import Settings

__all__ = ["known_sources"]


def known_sources(settings: Settings) -> list[StructureSource]:
    """The bundled library, then the services the user has set a key or an address for."""
    sources: list[StructureSource] = [LibrarySource()]
    if settings.materials_project_api_key is not None:
        sources.append(MaterialsProjectSource(settings.materials_project_api_key.get_secret_value()))
    if settings.optimade_provider is not None:
        sources.append(OptimadeSource(settings.optimade_provider))
    return sources
