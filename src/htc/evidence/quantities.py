"""The quantities of the worksheet: how each is written, what it is called, and its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from htc.evidence.arithmetic import number

__all__ = ["Quantity", "describe", "numbers", "numbers_mathml", "symbols", "symbols_mathml"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity of the worksheet."""

    letter: str
    index: str
    name: str
    unit: str

    @property
    def text(self) -> str:
        """Its symbol in a line of text."""
        return f"{self.letter}_{self.index}" if self.index else self.letter

    @property
    def html(self) -> str:
        """Its symbol in HTML."""
        low = f"<sub>{escape(self.index)}</sub>" if self.index else ""
        return f"<i>{escape(self.letter)}</i>{low}"

    @property
    def mathml(self) -> str:
        """Its symbol in MathML."""
        letter = f"<mi>{escape(self.letter)}</mi>"
        return f"<msub>{letter}<mi>{escape(self.index)}</mi></msub>" if self.index else letter


_KNOWN: Final[Mapping[str, Quantity]] = {
    "lambda_ep": Quantity("λ", "", "electron-phonon coupling constant", ""),
    "omega_log": Quantity("ω", "log", "logarithmic average phonon frequency", "K"),
    "omega_2": Quantity("ω", "2", "second-moment phonon frequency", "K"),
    "mu_star": Quantity("μ*", "", "Coulomb pseudopotential", ""),
    "xi_parameter": Quantity("ξ", "", "share of the coupling in the mass enhancement", ""),
    "numerator": Quantity("A", "", "strength of the mass enhancement", ""),
    "attraction": Quantity("B", "", "attraction that the repulsion leaves over", ""),
    "exponent": Quantity("x", "", "exponent", ""),
    "tc_exponential": Quantity("T", "exp", "the exponential by itself", "K"),
    "L1": Quantity("Λ", "1", "coupling at which f1 sets in", ""),
    "f1": Quantity("f", "1", "strong-coupling factor", ""),
    "r": Quantity("r", "", "ratio of the two frequencies", ""),
    "L2": Quantity("Λ", "2", "coupling at which f2 sets in", ""),
    "f2": Quantity("f", "2", "shape factor", ""),
    "f_omega": Quantity("f", "ω", "factor of the spectrum's shape", ""),
    "f_mu": Quantity("f", "μ", "factor of the repulsion", ""),
    "tc": Quantity("T", "c", "critical temperature", "K"),
    "sum_0": Quantity("S", "0", "sum of the column lambda_piece", ""),
    "sum_log": Quantity("S", "log", "sum of the column log_piece, frequencies in meV", ""),
    "sum_2": Quantity("S", "2", "sum of the column second_piece", "meV²"),
    "kelvin_per_mev": Quantity("k", "", "temperature of 1 meV", "K/meV"),
    "omega_log_mev": Quantity("ω", "log", "logarithmic average phonon frequency", "meV"),
    "omega_2_mev": Quantity("ω", "2", "second-moment phonon frequency", "meV"),
    "tc_known": Quantity("T", "k", "T_c, not beyond the compounds it was learned from", "K"),
    "tc_max": Quantity("T", "m", "highest predicted Tc among those compounds", "K"),
    "beyond": Quantity("b", "", "how far beyond them", ""),
    "intercept": Quantity("a", "", "intercept of the line", ""),
    "slope": Quantity("s", "", "slope of the line", ""),
    "tc_median": Quantity("T", "median", "median of what is measured", "K"),
    "tc_line": Quantity("T", "line", "what the line says", "K"),
}


def describe(name: str) -> Quantity:
    """The quantity of a name; an unknown name stands for itself."""
    return _KNOWN.get(name) or Quantity(name, "", name, "")


def symbols(names: tuple[str, ...]) -> dict[str, str]:
    """Symbols in text by name."""
    return {name: describe(name).text for name in names}


def symbols_mathml(names: tuple[str, ...]) -> dict[str, str]:
    """Symbols in MathML by name."""
    return {name: describe(name).mathml for name in names}


def numbers(values: Mapping[str, float]) -> dict[str, str]:
    """Numbers in text by name."""
    return {name: number(value) for name, value in values.items()}


def numbers_mathml(values: Mapping[str, float]) -> dict[str, str]:
    """Numbers in MathML by name."""
    return {name: f"<mn>{number(value)}</mn>" for name, value in values.items()}
