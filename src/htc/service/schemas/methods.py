"""Tc of a prediction by every method."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["MethodTc", "MethodsAnswer"]


class MethodTc(BaseModel):
    """Tc by one method at one mu*."""

    method: str = Field(description="Name of the closed formula, or `eliashberg`.")
    title: str = Field(description="The formula, or what mu* means in this convention, in words.")
    doi: str = Field(description="DOI of the source.")
    convention: str | None = Field(description="Convention of the Eliashberg equations; null for a formula.")
    mu_star: float = Field(description="Coulomb pseudopotential, as the method takes it.")
    tc_kelvin: float | None = Field(description="Critical temperature, K; null where there is none.")
    tc_lower_95ci: float | None = Field(
        description="Lower end of the 95 % interval that the uncertainty of lambda_ep and the frequencies "
        "gives at this mu*, K; null where they are not known, and for the Eliashberg equations."
    )
    tc_upper_95ci: float | None = Field(description="Its upper end, K.")
    reason: str | None = Field(description="Why Tc is zero or missing; null where it is not.")


class MethodsAnswer(BaseModel):
    """A stored prediction by every formula and Eliashberg convention, at mu* 0.10, 0.13 and its own."""

    prediction_id: str = Field(description="Id of the prediction.")
    mu_star: float | None = Field(description="Coulomb pseudopotential of the prediction itself.")
    spectrum_origin: Literal["measured", "surrogate", "formed"] | None = Field(
        description="Spectrum the Eliashberg equations were solved for: the stored one, given (`measured`) "
        "or `surrogate`, or a surrogate `formed` of the stored moments; null where none can be."
    )
    rows: list[MethodTc] = Field(description="Tc by method, mu* by mu*.")
