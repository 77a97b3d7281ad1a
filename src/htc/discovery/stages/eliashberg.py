"""Stage ``eliashberg``: Tc by the isotropic Eliashberg equations on a spectrum made from the moments.

The spectrum is a surrogate: it has the predicted lambda, omega_log and omega_2 and a smooth shape. What the
equations add to the closed formula is strong coupling; the shape adds nothing that is known.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from htc.discovery.stages.columns import columns_of
from htc.discovery.stages.predicting import evaluator
from htc.discovery.stages.subjects import Finding, Subject, failed, rejected
from htc.errors import InputError, SpectrumError

if TYPE_CHECKING:
    from htc.prediction.record import ModelTier, Prediction

__all__ = ["CONVENTION", "eliashberg_judge"]

CONVENTION: Final = "ebmb"
"""mu* is meant at omega_2 and rescaled to the cutoff: the sense nearest to that of the closed formula, and
one that does not look at where the surrogate happens to end."""


class eliashberg_judge:  # noqa: N801  # called like a function, kept like an object
    """Solves the equations for one prediction after the other.

    Args:
        mu_star: Coulomb pseudopotential.
        model: folder of the model, for predictions of which only columns were kept.
    """

    def __init__(self, *, mu_star: float, model: str | None) -> None:
        """Keep the conditions."""
        self._mu_star = mu_star
        self._model = model

    def __call__(self, subject: Subject) -> Finding:
        """Judge one."""
        from htc.prediction.surrogate import with_surrogate_spectrum
        from htc.theory.tc import critical_temperature

        prediction = self._prediction(subject)
        if not prediction.applicable:
            return rejected(prediction.reason or "outside the theory", subject)
        found = with_surrogate_spectrum(prediction)
        if found.spectrum is None:
            reason = next((n for n in reversed(found.notes) if n.startswith("no surrogate")), None)
            return failed(SpectrumError(reason or "no spectrum can be made of the moments"), subject)
        tc = critical_temperature(found.spectrum, self._mu_star, "eliashberg", CONVENTION)
        told: dict[str, Any] = {
            "tc_k": tc.tc_k,
            "mu_star": tc.mu_star,
            "convention": tc.convention,
            "spectrum": found.spectrum_origin,
            "reason": tc.reason,
        }
        note = (
            f"Tc by the Eliashberg equations on a {found.spectrum_origin} spectrum: {tc.tc_k:.4g} K"
            f" (mu* {tc.mu_star:g}, convention {tc.convention})"
        )
        content = json.dumps({"prediction": found.input_hash, "eliashberg": told}, sort_keys=True)
        whole = replace(
            found,
            input_hash=hashlib.sha256(content.encode()).hexdigest(),
            provenance={**found.provenance, "eliashberg": told, "notes": [*found.notes, note]},
        )
        values = columns_of(whole) | {
            "tc_eliashberg": tc.tc_k,
            "eliashberg_spectrum": found.spectrum_origin,
            "eliashberg_convention": tc.convention,
        }
        return Finding(state="done", values=values, prediction=whole)

    def _prediction(self, subject: Subject) -> Prediction:
        if subject.prediction is not None:
            return subject.prediction
        tier = subject.values.get("model_tier")
        if tier is None:
            raise InputError(
                "nothing has predicted its coupling yet",
                where=subject.label,
                hint="put a stage of kind predict before the one of kind eliashberg",
            )
        judge = evaluator(cast("ModelTier", tier), mu_star=self._mu_star, model=self._model)
        (verdict,) = judge([(subject.item, subject.pressure_gpa)])
        if verdict.prediction is None:
            raise verdict.error or InputError("it cannot be predicted", where=subject.label)
        return verdict.prediction
