"""Steps worked by hand: each from the printed numbers before it, with a bound of what rounding does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from htc.errors import InputError
from htc.evidence.arithmetic import DIGITS, Expression, in_digits
from htc.evidence.formulas import Line

__all__ = ["Handwork", "Step", "half_unit"]

_SAFETY: Final = 2.0
"""Rounding errors are followed to first order; this covers the rest."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the worksheet."""

    symbol: str
    """Key of `htc.evidence.quantities`."""
    expression: str
    values: Mapping[str, float]
    """The quantities in the expression, as printed."""
    value: float
    """The result, as printed."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "symbol": self.symbol,
            "expression": self.expression,
            "values": dict(self.values),
            "value": self.value,
        }


def half_unit(value: float) -> float:
    """Half a unit in the last printed digit of a number."""
    return abs(value) * 0.5 * 10.0 ** (1 - DIGITS)


@dataclass(slots=True)
class Handwork:
    """Quantities known so far, as printed, and how far each may be from its exact value."""

    known: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def give(self, symbol: str, value: float) -> None:
        """A number to start from."""
        self.known[symbol] = in_digits(value)
        self.errors[symbol] = half_unit(value)

    def work(self, line: Line) -> float:
        """Do one step.

        Returns:
            Its result, as printed.

        Raises:
            InputError: a quantity is missing, or the arithmetic has no finite result.
        """
        expression = Expression.parse(line.expression)
        missing = [name for name in expression.names if name not in self.known]
        if missing:
            raise InputError(f"the quantity {missing[0]!r} is not given", where=line.expression)
        values = {name: self.known[name] for name in expression.names}
        value = in_digits(expression.value(values))
        self.known[line.symbol] = value
        self.errors[line.symbol] = half_unit(value) + sum(
            self._moved(expression, values, name) for name in values
        )
        self.steps.append(Step(line.symbol, line.expression, values, value))
        return value

    def work_all(self, lines: Iterable[Line]) -> None:
        """Do several steps; errors as for `work`."""
        for line in lines:
            self.work(line)

    def tolerance(self, symbol: str) -> float:
        """How far a result may be from the exact one, in its unit."""
        return _SAFETY * self.errors[symbol]

    def branch(self) -> Handwork:
        """The same knowledge, without the steps that led to it."""
        return Handwork(dict(self.known), dict(self.errors))

    def _moved(self, expression: Expression, values: Mapping[str, float], name: str) -> float:
        """What the error of one quantity does to the result."""
        found = []
        for sign in (-1.0, 1.0):
            try:
                found.append(expression.value({**values, name: values[name] + sign * self.errors[name]}))
            except InputError:
                continue  # a hair outside what the expression is defined for
        here = expression.value(values)
        return max((abs(value - here) for value in found), default=0.0)
