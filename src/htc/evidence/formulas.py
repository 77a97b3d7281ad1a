"""The closed formulas as lines of arithmetic, a step a line; `htc.theory.empirical` has them as functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["AFTER_EXPONENTIAL", "EXPONENTIAL", "XI", "Line"]


@dataclass(frozen=True, slots=True)
class Line:
    """One step: a quantity and the arithmetic that gives it."""

    symbol: str
    """Key of `htc.evidence.quantities`."""
    expression: str


EXPONENTIAL: Final = (
    Line("numerator", "1.04*(1 + lambda_ep)"),
    Line("attraction", "lambda_ep - mu_star*(1 + 0.62*lambda_ep)"),
    Line("exponent", "-numerator/attraction"),
    Line("tc_exponential", "omega_log/1.2*exp(exponent)"),
)
"""The exponential that all formulas share."""

_F1: Final = (
    Line("L1", "2.46*(1 + 3.8*mu_star)"),
    Line("f1", "(1 + (lambda_ep/L1)**1.5)**(1/3)"),
)
_RATIO: Final = Line("r", "omega_2/omega_log")

AFTER_EXPONENTIAL: Final[Mapping[str, tuple[Line, ...]]] = MappingProxyType(
    {
        "exponential": (Line("tc", "tc_exponential"),),
        "allen_dynes_f1": (*_F1, Line("tc", "f1*tc_exponential")),
        "allen_dynes": (
            *_F1,
            _RATIO,
            Line("L2", "1.82*(1 + 6.3*mu_star)*r"),
            Line("f2", "1 + (r - 1)*lambda_ep**2/(lambda_ep**2 + L2**2)"),
            Line("tc", "f1*f2*tc_exponential"),
        ),
        "xie_2022": (
            _RATIO,
            Line("f_omega", "1.92*(lambda_ep + 1/r - mu_star**(1/3))/(sqrt(lambda_ep)*exp(1/r)) - 0.08"),
            Line("f_mu", "6.86*exp(-lambda_ep/mu_star)/(1/lambda_ep - mu_star - 1/r) + 1"),
            Line("tc", "f_omega*f_mu*tc_exponential"),
        ),
    }
)
"""What each formula does with the exponential; the last line is its Tc. Keys as in ``FORMULAS``."""

XI: Final = Line("xi_parameter", "lambda_ep/(1 + lambda_ep)")
