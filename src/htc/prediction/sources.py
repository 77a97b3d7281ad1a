"""Where the crystal of a formula is looked for, by the settings."""

from __future__ import annotations

from htc.materials.sources import LibrarySource, MaterialsProjectSource, OptimadeSource, StructureSource
from htc.settings import Settings

__all__ = ["known_sources", "with_store"]


def known_sources(settings: Settings) -> list[StructureSource]:
    """The bundled library, then the services the user has set a key or an address for."""
    sources: list[StructureSource] = [LibrarySource()]
    if settings.materials_project_api_key is not None:
        sources.append(MaterialsProjectSource(settings.materials_project_api_key.get_secret_value()))
    if settings.optimade_provider is not None:
        sources.append(OptimadeSource(settings.optimade_provider))
    return sources


def with_store(sources: list[StructureSource], store: StructureSource) -> list[StructureSource]:
    """The sources with the store's own crystals right after the library.

    The library knows the phase that is known to exist; whatever polymorph somebody tried last stands behind
    it, and before any service that must be asked over the network.
    """
    return [*sources[:1], store, *sources[1:]]
