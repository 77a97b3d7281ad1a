"""What one stage found stays in the record that the next one makes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from htc.prediction.record import Prediction
    from htc.stability import Stability

__all__ = ["with_earlier", "with_more"]

_PHONONS: Final = ("phonon_stable", "phonon_verdict", "imaginary_modes_count", "lowest_frequency_thz")
_HULL: Final = ("thermo_stable", "hull_distance_ev", "hull_competitors")


def with_more(prediction: Prediction, stability: Stability) -> Prediction:
    """The prediction with what a stage found of its stability; what another stage found before stays.

    Args:
        prediction: of the same crystal.
        stability: phonons or hull of it.
    """
    from htc.prediction.stability import with_stability

    found = with_stability(prediction, stability)
    kept: dict[str, Any] = {}
    if stability.phonons is None:
        kept |= {name: getattr(prediction, name) for name in _PHONONS}
    if stability.hull is None:
        kept |= {name: getattr(prediction, name) for name in _HULL}
    before = prediction.provenance.get("stability")
    if isinstance(before, dict):
        after = found.provenance["stability"]
        told = before | {k: v for k, v in after.items() if v is not None}
        kept["provenance"] = {**found.provenance, "stability": told}
    return replace(found, **kept)


def with_earlier(prediction: Prediction, earlier: Prediction) -> Prediction:
    """A new prediction of a crystal with the stability that was found before.

    Args:
        prediction: by another tier, or of the relaxed crystal.
        earlier: of the same candidate.
    """
    told = earlier.provenance.get("stability")
    if told is None:
        return prediction
    notes = [n for n in earlier.notes if n.startswith(("stability: ", "hull: ", "no stability: "))]
    cautions = [c for c in earlier.cautions if c not in prediction.cautions and _of_stability(c, told)]
    content = json.dumps({"prediction": prediction.input_hash, "stability": told}, sort_keys=True)
    return replace(
        prediction,
        **{name: getattr(earlier, name) for name in (*_PHONONS, *_HULL, "stability_potential")},
        input_hash=hashlib.sha256(content.encode()).hexdigest() if prediction.input_hash else "",
        provenance={
            **prediction.provenance,
            "stability": told,
            "notes": [*prediction.notes, *notes],
            "cautions": [*prediction.cautions, *cautions],
        },
    )


def _of_stability(caution: str, told: dict[str, Any]) -> bool:
    hull = told.get("hull") or {}
    return caution.startswith("phonons ") or caution == hull.get("says")
