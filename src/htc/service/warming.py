"""What requests need, loaded before the first of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from htc.settings import Settings

__all__ = ["warm_up"]

_LATER: Final = (
    "htc.evidence.pack",
    "pymatgen.io.cif",
    "pymatgen.io.vasp.inputs",
    "rocrate.rocrate",
    "scipy.integrate",
    "scipy.interpolate",
    "scipy.optimize",
)
"""Imported where they are used, to keep the command line quick."""


def warm_up(settings: Settings) -> None:
    """Load the model, and import what is otherwise imported by the first request that needs it.

    Two requests that import a package at the same moment, each in a thread of its own, can find it half
    initialised: where its modules import each other, Python breaks the deadlock that way. And nobody has to
    wait for the first answer.

    Raises:
        ModelError: the model cannot be loaded.
    """
    from htc.materials.library import library_entries
    from htc.models import load_model

    model = load_model(settings.model, settings.tier)
    for name in _LATER:
        import_module(name)
    if model.tier != "best":  # whose potential takes its time and its memory: loaded when it is asked
        model.predict_structures([library_entries()[0].structure])
