"""A prediction with what is known of the stability of its crystal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from htc.prediction.record import Prediction

if TYPE_CHECKING:
    from htc.stability import Stability
    from htc.stability.table import TableAnswer

__all__ = ["FAR_FROM_HULL_EV", "with_stability", "with_table"]

FAR_FROM_HULL_EV: Final = 0.1
"""eV/atom above which a prediction carries a caution: few compounds that were ever made lie higher (Sun et
al., Sci. Adv. 2, e1600225 (2016), doi:10.1126/sciadv.1600225)."""

_ON_HULL_EV: Final = 1e-3


def with_stability(prediction: Prediction, stability: Stability) -> Prediction:
    """The prediction with the verdicts of an interatomic potential on its crystal.

    Tc stays as it is. What speaks against the crystal becomes a caution of the record, what was refused or
    not done a note. The record's ``input_hash`` is then another one.

    Args:
        prediction: of the same crystal.
        stability: from ``htc.stability.assess``.
    """
    phonons, hull = stability.phonons, stability.hull
    cautions = [*prediction.cautions]
    notes = [*prediction.notes, *(f"no stability: {reason}" for reason in stability.refusals)]
    notes += [f"stability: {note}" for note in stability.notes]
    if phonons is not None and phonons.verdict != "stable":
        cautions.append(f"phonons {phonons.verdict}: {phonons.reason}")
    if hull is not None:
        notes += [f"hull: {note}" for note in hull.notes]
        if hull.distance_ev is None:
            notes.append(hull.says)
        elif hull.distance_ev > FAR_FROM_HULL_EV:
            cautions.append(hull.says)
    told = {k: v for k, v in stability.as_dict().items() if k not in {"relaxation", "source"}}
    return replace(
        prediction,
        phonon_stable=stability.phonon_stable,
        phonon_verdict=None if phonons is None else phonons.verdict,
        imaginary_modes_count=None if phonons is None else phonons.imaginary_modes_count,
        lowest_frequency_thz=None if phonons is None else phonons.lowest_frequency_thz,
        thermo_stable=stability.thermo_stable,
        hull_distance_ev=stability.hull_distance_ev,
        hull_competitors=stability.hull_competitors,
        stability_potential=None if stability.refusals else stability.potential_id,
        input_hash=_hash(prediction, {"stability": told}),
        provenance={**prediction.provenance, "cautions": cautions, "notes": notes, "stability": told},
    )


def with_table(prediction: Prediction, answer: TableAnswer) -> Prediction:
    """The prediction with the hull distance of its composition in a table.

    It is that of the lowest crystal of the composition, and a note says so; phonons stay unknown.

    Args:
        prediction: of the same composition.
        answer: from ``htc.stability.table.look_up``.
    """
    note = f"hull distance of the composition, not of this crystal: {answer.says}"
    return replace(
        prediction,
        thermo_stable=answer.hull_distance_ev <= _ON_HULL_EV,
        hull_distance_ev=max(0.0, answer.hull_distance_ev),
        stability_potential=f"{answer.table} ({answer.functional})",
        input_hash=_hash(prediction, {"table": answer.as_dict()}),
        provenance={
            **prediction.provenance,
            "notes": [*prediction.notes, note],
            "stability": answer.as_dict(),
        },
    )


def _hash(prediction: Prediction, found: dict[str, Any]) -> str:
    content = json.dumps({"prediction": prediction.input_hash, **found}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
