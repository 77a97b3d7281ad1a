"""The ``[plausibility]`` table: rules that reject what cannot be, each with its switch and its bounds."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from htc.discovery.campaign.base import Table

__all__ = ["ChargeRule", "ContactRule", "ElectronsRule", "Plausibility", "SizeRule"]


class ChargeRule(Table):
    """The other elements must be able to give the electrons that strongly electronegative anions take.

    Looks only at compounds in which elements of Pauling electronegativity ``min_anion_x`` and more make up at
    least ``min_anion_fraction`` of the atoms. Nitrogen or oxygen atoms with a bond between them, as in SrN2
    and NaO2, take less: one electron, and half of one, an atom. Too few anions are no reason: what is left
    over makes a metal. Metals with metals, borides, carbides, silicides and hydrides always pass.
    """

    on: bool = Field(default=True, description="Whether the rule is used.")
    min_anion_x: float = Field(
        default=2.9, ge=2.0, le=4.0, description="Pauling electronegativity that makes an anion."
    )
    min_anion_fraction: float = Field(
        default=0.3, ge=0.0, le=1.0, description="Fraction of such atoms from which the rule is used."
    )
    tolerance: float = Field(
        default=0.5, ge=0.0, le=8.0, description="Electrons an atom that may be missing: anions may pair up."
    )


class SizeRule(Table):
    """Every atom must fill its site: its tightest contact not much looser than in the prototype."""

    on: bool = Field(default=True, description="Whether the rule is used.")
    max_ratio: float = Field(
        default=1.3,
        gt=1.0,
        le=5.0,
        description="Shortest distance of an atom over the usual one, over the prototype's, at most.",
    )


class ContactRule(Table):
    """No two atoms much nearer to each other than in the prototype, after the volume was set."""

    on: bool = Field(default=True, description="Whether the rule is used.")
    min_ratio: float = Field(
        default=0.85,
        gt=0.0,
        le=1.0,
        description="Shortest distance of all over the usual one, over the prototype's, at least.",
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
