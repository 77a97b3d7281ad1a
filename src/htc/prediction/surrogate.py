"""A prediction with a spectrum formed from its moments, so that the Eliashberg equations can run on it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from htc.errors import HTCError
from htc.models.surrogate_spectrum import TYPICAL_RATIO, surrogate_spectrum
from htc.prediction.record import Prediction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from htc.spectra import Spectrum

__all__ = ["with_surrogate_spectrum"]

_RECIPE: Final = 1
"""Raised whenever equal moments would no longer give an equal spectrum."""


def with_surrogate_spectrum(
    prediction: Prediction, dos: tuple[ArrayLike, ArrayLike] | None = None
) -> Prediction:
    """The prediction with a surrogate alpha2F of its lambda, omega_log and, where predicted, omega_2.

    Tc and its interval stay those of the formula. A refusal, and a prediction that has a spectrum, come back
    as they are. A density of states that does not fit is left out; this, an assumed omega_2, and why there is
    no spectrum at all, are notes of the record. The record's ``input_hash`` is then another one.

    Args:
        prediction: any.
        dos: phonon density of states, frequencies (THz) and values, shapes ``(n,)``.
    """
    lambda_ep, omega_log = prediction.lambda_ep, prediction.omega_log
    if not prediction.applicable or lambda_ep is None or omega_log is None or prediction.spectrum is not None:
        return prediction
    notes: list[str] = []
    spectrum: Spectrum | None = None
    for density in (dos, None) if dos is not None else (None,):
        try:
            spectrum = surrogate_spectrum(lambda_ep, omega_log, omega_2_k=prediction.omega_2, dos=density)
            break
        except HTCError as error:
            lacking = (
                "surrogate spectrum" if density is None else "density of states for the surrogate spectrum"
            )
            notes.append(f"no {lacking}: {error.what}")
    if spectrum is not None and spectrum.provenance["omega_2_from"] == "typical":
        notes.append(f"surrogate spectrum with omega_2 assumed to be {TYPICAL_RATIO:g} omega_log")
    content = {"prediction": prediction.input_hash, "surrogate": _RECIPE, "dos": _digest(dos)}
    return replace(
        prediction,
        spectrum=spectrum,
        spectrum_origin=None if spectrum is None else "surrogate",
        input_hash=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        provenance={**prediction.provenance, "notes": [*prediction.notes, *notes]},
    )


def _digest(dos: tuple[ArrayLike, ArrayLike] | None) -> str | None:
    if dos is None:
        return None
    digest = hashlib.sha256()
    for column in dos:
        digest.update(np.asarray(column, dtype="<f8").tobytes())
    return digest.hexdigest()
