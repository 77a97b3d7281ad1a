"""Closed formulas for Tc from the moments of alpha2F.

Every function takes scalars or arrays that broadcast together, temperatures in kelvin, and returns Tc in
kelvin with the broadcast shape. Tc is 0 where a formula has no solution; `status` says why.

| name | formula |
|---|---|
| ``exponential`` | the McMillan exponential with the Allen-Dynes prefactor omega_log/1.2 |
| ``allen_dynes_f1`` | times the strong-coupling factor f1, for use when omega_2 is unknown |
| ``allen_dynes`` | times f1 and the shape factor f2 |
| ``xie_2022`` | times the factors f_omega and f_mu |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError

__all__ = [
    "FORMULAS",
    "Formula",
    "Status",
    "allen_dynes",
    "allen_dynes_f1",
    "exponential",
    "get_formula",
    "status",
    "xie_2022",
]

FloatArray = NDArray[np.float64]


_LARGEST: Final = 1e9
"""No argument has a meaning above this; far below it no power of one overflows."""


class Status(IntEnum):
    """Why an element of a result is what it is."""

    OK = 0
    NO_COUPLING = 1
    REPULSION = 2
    FACTOR = 3
    NEGLIGIBLE = 4

    @property
    def reason(self) -> str | None:
        """The status in a sentence; None where Tc is not zero."""
        return _REASONS[self]


_REASONS: Final[Mapping[Status, str | None]] = {
    Status.OK: None,
    Status.NO_COUPLING: "lambda is zero: nothing pairs the electrons",
    Status.REPULSION: "lambda <= mu*(1 + 0.62 lambda): the Coulomb repulsion outweighs the coupling",
    Status.FACTOR: "a correction factor is not positive: outside the range the formula was fitted in",
    Status.NEGLIGIBLE: "Tc is below the smallest representable temperature",
}


def _checked(name: str, value: ArrayLike, *, positive: bool) -> FloatArray:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a number or an array of numbers", where=name) from error
    sound = ((array > 0.0) if positive else (array >= 0.0)) & (array <= _LARGEST)
    if not sound.all():
        bad = ~sound
        bound = "> 0" if positive else ">= 0"
        raise InputError(
            f"{name} must be finite, {bound} and at most {_LARGEST:g}; {int(bad.sum())} of {array.size} "
            f"values are not, the first is {float(array[bad].flat[0])!r}",
            where=name,
        )
    return array


def _inputs(
    lambda_ep: ArrayLike, omega_log_k: ArrayLike, mu_star: ArrayLike, omega_2_k: ArrayLike | None = None
) -> tuple[FloatArray, ...]:
    arrays = [
        _checked("lambda_ep", lambda_ep, positive=False),
        _checked("omega_log_k", omega_log_k, positive=True),
        _checked("mu_star", mu_star, positive=False),
    ]
    if omega_2_k is not None:
        arrays.append(_checked("omega_2_k", omega_2_k, positive=True))
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InputError(f"shapes {shapes} do not broadcast together") from error


def _exponential(lam: FloatArray, omega_log: FloatArray, mu: FloatArray) -> FloatArray:
    attraction = lam - mu * (1.0 + 0.62 * lam)
    solvable = attraction > 0.0
    with np.errstate(over="ignore"):  # an attraction next to nothing: the exponent is minus infinity, Tc is 0
        exponent = -1.04 * (1.0 + lam) / np.where(solvable, attraction, 1.0)
    return np.where(solvable, omega_log / 1.2 * np.exp(np.where(solvable, exponent, 0.0)), 0.0)


def _f1(lam: FloatArray, mu: FloatArray) -> FloatArray:
    return np.cbrt(1.0 + (lam / (2.46 * (1.0 + 3.8 * mu))) ** 1.5)


def _f2(lam: FloatArray, mu: FloatArray, ratio: FloatArray) -> FloatArray:
    return 1.0 + (ratio - 1.0) * lam**2 / (lam**2 + (1.82 * (1.0 + 6.3 * mu) * ratio) ** 2)


def _xie_factor(lam: FloatArray, mu: FloatArray, ratio: FloatArray) -> FloatArray:
    """f_omega f_mu, NaN where either is not positive or not defined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        f_omega = 1.92 * (lam + 1.0 / ratio - np.cbrt(mu)) / (np.sqrt(lam) * np.exp(1.0 / ratio)) - 0.08
        # exp(-lambda/mu*) -> 0 as mu* -> 0, where the quotient itself is not defined.
        damping = np.where(mu > 0.0, np.exp(-lam / np.where(mu > 0.0, mu, 1.0)), 0.0)
        pole = 6.86 * damping / (1.0 / lam - mu - 1.0 / ratio)
        f_mu = np.where(damping > 0.0, pole, 0.0) + 1.0
        usable = np.isfinite(f_omega) & np.isfinite(f_mu) & (f_omega > 0.0) & (f_mu > 0.0)
        return np.where(usable, f_omega * f_mu, np.nan)


def exponential(lambda_ep: ArrayLike, omega_log_k: ArrayLike, mu_star: ArrayLike) -> FloatArray:
    """Tc by the exponential commonly called McMillan's, with Allen and Dynes' prefactor.

    ``Tc = omega_log/1.2 exp[-1.04 (1 + lambda) / (lambda - mu* (1 + 0.62 lambda))]``

    Args:
        lambda_ep: coupling constant, >= 0.
        omega_log_k: logarithmic average frequency, K, > 0.
        mu_star: Coulomb pseudopotential, >= 0.

    Returns:
        Tc in K, 0 where the denominator is not positive. A numpy scalar if all arguments are scalars.

    Raises:
        InputError: a value is not finite or out of bounds, or the shapes do not broadcast.

    References:
        McMillan, doi:10.1103/PhysRev.167.331; Allen and Dynes, doi:10.1103/PhysRevB.12.905.
    """
    lam, omega_log, mu = _inputs(lambda_ep, omega_log_k, mu_star)
    return _exponential(lam, omega_log, mu)[()]


def allen_dynes_f1(lambda_ep: ArrayLike, omega_log_k: ArrayLike, mu_star: ArrayLike) -> FloatArray:
    """Tc by the exponential times Allen and Dynes' f1, for use when omega_2 is unknown.

    ``f1 = [1 + (lambda/L1)^(3/2)]^(1/3)``, ``L1 = 2.46 (1 + 3.8 mu*)``. Equal to `allen_dynes` with
    omega_2 = omega_log. Arguments, result and errors as for `exponential`.

    References:
        Allen and Dynes, doi:10.1103/PhysRevB.12.905.
    """
    lam, omega_log, mu = _inputs(lambda_ep, omega_log_k, mu_star)
    return (_f1(lam, mu) * _exponential(lam, omega_log, mu))[()]


def allen_dynes(
    lambda_ep: ArrayLike, omega_log_k: ArrayLike, omega_2_k: ArrayLike, mu_star: ArrayLike
) -> FloatArray:
    """Tc by the full Allen-Dynes formula, ``f1 f2`` times the exponential.

    ``f2 = 1 + (r - 1) lambda^2 / (lambda^2 + L2^2)`` with ``r = omega_2/omega_log`` and
    ``L2 = 1.82 (1 + 6.3 mu*) r``; f1 as in `allen_dynes_f1`.

    Args:
        lambda_ep: coupling constant, >= 0.
        omega_log_k: logarithmic average frequency, K, > 0.
        omega_2_k: root of the second moment, K, > 0.
        mu_star: Coulomb pseudopotential, >= 0.

    Returns:
        Tc in K, 0 where the exponent's denominator is not positive.

    Raises:
        InputError: a value is not finite or out of bounds, or the shapes do not broadcast.

    References:
        Allen and Dynes, doi:10.1103/PhysRevB.12.905.
    """
    lam, omega_log, mu, omega_2 = _inputs(lambda_ep, omega_log_k, mu_star, omega_2_k)
    return (_f1(lam, mu) * _f2(lam, mu, omega_2 / omega_log) * _exponential(lam, omega_log, mu))[()]


def xie_2022(
    lambda_ep: ArrayLike, omega_log_k: ArrayLike, omega_2_k: ArrayLike, mu_star: ArrayLike
) -> FloatArray:
    """Tc by the formula Xie et al. found by symbolic regression, ``f_omega f_mu`` times the exponential.

    ``f_omega = 1.92 (lambda + 1/r - mu*^(1/3)) / (sqrt(lambda) exp(1/r)) - 0.08`` and
    ``f_mu = 6.86 exp(-lambda/mu*) / (1/lambda - mu* - 1/r) + 1`` with ``r = omega_2/omega_log``.
    f_mu has a pole of width 6.86 exp(-lambda/mu*) at 1/lambda = mu* + 1/r: negligible at usual mu*, but not
    for mu* of the order of lambda. Arguments and errors as for `allen_dynes`; Tc is also 0 where a factor is
    not positive.

    References:
        Xie et al., npj Comput. Mater. 8, 14 (2022), doi:10.1038/s41524-021-00666-7.
    """
    lam, omega_log, mu, omega_2 = _inputs(lambda_ep, omega_log_k, mu_star, omega_2_k)
    factor = _xie_factor(lam, mu, omega_2 / omega_log)
    return (np.where(np.isnan(factor), 0.0, factor) * _exponential(lam, omega_log, mu))[()]


@dataclass(frozen=True, slots=True)
class Formula:
    """A closed formula as an entry of `FORMULAS`."""

    name: str
    title: str
    doi: str
    needs_omega_2: bool
    function: Callable[..., FloatArray]
    """The function of this module; takes omega_2_k as its third argument if ``needs_omega_2``."""

    def __call__(
        self,
        lambda_ep: ArrayLike,
        omega_log_k: ArrayLike,
        mu_star: ArrayLike,
        *,
        omega_2_k: ArrayLike | None = None,
    ) -> FloatArray:
        """Tc in K; the same call for every formula. ``omega_2_k`` is ignored where it is not needed.

        Raises:
            InputError: omega_2 is needed and missing, or a value cannot be used.
        """
        if not self.needs_omega_2:
            return self.function(lambda_ep, omega_log_k, mu_star)
        if omega_2_k is None:
            raise InputError(
                f"the formula {self.name!r} needs omega_2",
                where="omega_2_k",
                hint="use 'allen_dynes_f1' or 'exponential' where omega_2 is unknown",
            )
        return self.function(lambda_ep, omega_log_k, omega_2_k, mu_star)


_ALLEN_DYNES_DOI = "10.1103/PhysRevB.12.905"

FORMULAS: Final[Mapping[str, Formula]] = MappingProxyType(
    {
        formula.name: formula
        for formula in (
            Formula("exponential", "McMillan/Allen-Dynes exponential", _ALLEN_DYNES_DOI, False, exponential),
            Formula("allen_dynes", "Allen-Dynes, f1 and f2", _ALLEN_DYNES_DOI, True, allen_dynes),
            Formula(
                "allen_dynes_f1", "Allen-Dynes exponential with f1", _ALLEN_DYNES_DOI, False, allen_dynes_f1
            ),
            Formula("xie_2022", "Xie et al. 2022", "10.1038/s41524-021-00666-7", True, xie_2022),
        )
    }
)
"""The closed formulas by name."""


def get_formula(name: str) -> Formula:
    """The formula of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    try:
        return FORMULAS[name]
    except KeyError:
        raise InputError(
            f"no formula is called {name!r}", where="formula", hint="there are: " + ", ".join(FORMULAS)
        ) from None


def status(
    formula: str,
    lambda_ep: ArrayLike,
    omega_log_k: ArrayLike,
    mu_star: ArrayLike,
    *,
    omega_2_k: ArrayLike | None = None,
) -> NDArray[np.int8]:
    """`Status` of each element of what the formula of that name gives, as integers of the broadcast shape.

    ``Status(int(code)).reason`` puts one of them in words. Errors as for calling the formula.
    """
    tc = np.asarray(get_formula(formula)(lambda_ep, omega_log_k, mu_star, omega_2_k=omega_2_k))
    needs_omega_2 = FORMULAS[formula].needs_omega_2
    lam, omega_log, mu, *rest = _inputs(lambda_ep, omega_log_k, mu_star, omega_2_k if needs_omega_2 else None)
    code = np.where(tc > 0.0, Status.OK, Status.NEGLIGIBLE).astype(np.int8)
    if formula == "xie_2022":
        code[np.isnan(_xie_factor(lam, mu, rest[0] / omega_log))] = Status.FACTOR
    code[lam - mu * (1.0 + 0.62 * lam) <= 0.0] = Status.REPULSION
    code[lam == 0.0] = Status.NO_COUPLING
    return code
