"""Structure or composition -> electron-phonon coupling, with calibrated uncertainty.

``load_model().predict_structures([...])`` gives lambda, omega_log and how far to trust them; the room
``htc.prediction`` turns that into a record. ``training`` needs the extra ``[train]``, prediction does not.
"""

from __future__ import annotations

from htc.models.coupling import Coupling, TcEstimate, Tier
from htc.models.model import CouplingModel
from htc.models.weights_io import TIERS, load_model

__all__ = ["TIERS", "Coupling", "CouplingModel", "TcEstimate", "Tier", "load_model"]
