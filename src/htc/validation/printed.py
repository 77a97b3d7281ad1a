"""Numbers as they are printed: the value, and how far its last digit leaves it open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from htc.errors import InputError

__all__ = ["Printed"]


@dataclass(frozen=True, slots=True)
class Printed:
    """A number with the digits it was printed with."""

    text: str

    def __post_init__(self) -> None:
        """Check that it is one.

        Raises:
            InputError: it is no number.
        """
        try:
            float(self.text)
        except (TypeError, ValueError):
            raise InputError(f"{self.text!r} is not a number in quotes") from None

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    @property
    def half_digit(self) -> float:
        """Half a unit in its last place; a whole number ends with its last digit, zeros included."""
        mantissa, _, exponent = self.text.lower().partition("e")
        decimals = len(mantissa.partition(".")[2])
        return float(0.5 * 10.0 ** (int(exponent or 0) - decimals))

    @classmethod
    def of(cls, given: Any) -> Printed | None:
        """From a table's cell; None for an empty one.

        Raises:
            InputError: it is no number in quotes.
        """
        return None if given is None else cls(given)
