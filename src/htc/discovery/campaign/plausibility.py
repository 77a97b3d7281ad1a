"""The ``[plausibility]`` table: rules that reject what cannot be, each with its switch and its bounds."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from htc.discovery.campaign.base import Table

__all__ = ["ChargeRule", "ContactRule", "ElectronsRule", "Plausibility", "SizeRule"]


class ChargeRule(Table):
    """Charges must be able to balance where strongly electronegative anions leave no metal behind.

    Looks only at compounds in which elements of Pauling electronegativity above ``min_anion_x`` make up at
    least ``min_anion_fraction`` of the atoms. Metals with metals, borides, carbides, silicides and hydrides
    always pass.
    """

    on: bool = Field(default=True, description="Whether the rule is used.")
    min_anion_x: float = Field(
        default=2.9,
        ge=2.0,
        le=4.0,
        description="Pauling electronegativity that makes an anion.",
    )
    min_anion_fraction: float = Field(
        default=0.4, ge=0.0, le=1.0, description="Fraction of such atoms from which the rule is used."
    )
    tolerance: float = Field(
        default=0.3,
        ge=0.0,
        le=4.0,
        description="Charge an atom that may be left over: metallic oxides and nitrides are not exact.",
    )


class SizeRule(Table):
    """New atoms must fit into their sites: their size relative to each other near that of the prototype.

    For every pair of slots the ratio of sizes (cube root of the atomic volume) over the same ratio in the
    prototype must stay within a factor.
    """

    on: bool = Field(default=True, description="Whether the rule is used.")
    max_factor: float = Field(
        default=1.6, gt=1.0, le=5.0, description="Largest factor by which a ratio of sizes may change."
    )


class ContactRule(Table):
    """No two atoms nearer than a share of the distance usual for them, after the volume was set."""

    on: bool = Field(default=True, description="Whether the rule is used.")
    min_ratio: float = Field(
        default=0.7, gt=0.0, le=1.0, description="Shortest distance over the usual one at least."
    )


class ElectronsRule(Table):
    """Valence electrons an atom within a window, e.g. 4.5 to 7 for A15-like compounds. Off unless given."""

    on: bool = Field(default=True, description="Whether the rule is used.")
    min_per_atom: float | None = Field(default=None, ge=0.0, description="At least so many.")
    max_per_atom: float | None = Field(default=None, ge=0.0, description="At most so many.")

    @model_validator(mode="after")
    def _window(self) -> Self:
        low, high = self.min_per_atom, self.max_per_atom
        if low is not None and high is not None and low > high:
            raise ValueError("min_per_atom is above max_per_atom: nothing fulfils both")
        return self


class Plausibility(Table):
    """Rules for generated candidates; what came from files, the store or a provider is taken as it is."""

    charge: ChargeRule = Field(default_factory=ChargeRule, description="Charges can balance.")
    size: SizeRule = Field(default_factory=SizeRule, description="Atoms fit into their sites.")
    contact: ContactRule = Field(default_factory=ContactRule, description="No atoms on top of each other.")
    electrons: ElectronsRule = Field(
        default_factory=ElectronsRule, description="Valence electrons within a window."
    )
