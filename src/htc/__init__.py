"""HTC finds high-temperature conventional superconductors.

``read_spectra`` and ``critical_temperature`` go from an electron-phonon spectrum to Tc, by closed formulas
or the Eliashberg equations, ``gap`` and ``thermodynamics`` to what follows from these; ``predict`` goes
from a formula or a crystal to Tc with a calibrated interval. The command ``htc`` and the service store and
rank what they predict; see ``htc.store``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from htc.version import __version__

if TYPE_CHECKING:
    from htc.api import predict
    from htc.errors import HTCError
    from htc.models import load_model
    from htc.prediction import Prediction, predict_from_spectrum
    from htc.spectra import Spectrum, read_spectra
    from htc.theory import critical_temperature
    from htc.theory.eliashberg.gap_curve import gap
    from htc.theory.eliashberg.thermodynamics import thermodynamics

__all__ = [
    "HTCError",
    "Prediction",
    "Spectrum",
    "__version__",
    "critical_temperature",
    "gap",
    "load_model",
    "predict",
    "predict_from_spectrum",
    "read_spectra",
    "thermodynamics",
]

_HOMES = {
    "HTCError": "htc.errors",
    "Prediction": "htc.prediction",
    "Spectrum": "htc.spectra",
    "critical_temperature": "htc.theory",
    "gap": "htc.theory.eliashberg.gap_curve",
    "load_model": "htc.models",
    "predict": "htc.api",
    "predict_from_spectrum": "htc.prediction",
    "read_spectra": "htc.spectra",
    "thermodynamics": "htc.theory.eliashberg.thermodynamics",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: the command line pays only for what it runs."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'htc' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted(__all__)
