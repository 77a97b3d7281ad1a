"""Published couplings and critical temperatures: what papers state, digit by digit, with where each was read.

The table is ``data/literature.toml``. A row states lambda, omega_log and mu* as printed, and the Tc that the
paper calculates from them, the measured one, or both.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from htc.errors import InputError
from htc.validation.printed import Printed

__all__ = ["CONFIRMED_BY", "Method", "Row", "Source", "literature"]

Method = Literal["exponential", "allen_dynes_f1", "allen_dynes", "eliashberg", "mcmillan_debye", "other"]
"""How a paper comes from its couplings to Tc; the first three are formulas of ``htc.theory.empirical``."""

CONFIRMED_BY: Final = {
    "text": "read in the text of the paper or of its preprint",
    "data": "read in the published data set",
    "output": "read in the output of the code that computed it",
    "secondary": "read in another work that quotes it",
    "none": "not confirmed: from memory, and not counted",
}
Confirmation = Literal["text", "data", "output", "secondary", "none"]

_DOI: Final = r"^10\.\d{4,9}/\S+$"


def _printed(value: Any) -> Any:
    if value is None or isinstance(value, Printed):
        return value
    if not isinstance(value, str):
        raise ValueError("a number in quotes, as it is printed")  # noqa: TRY004  # pydantic collects these
    try:
        return Printed(value)
    except InputError as error:
        raise ValueError(error.what) from None


Digits = Annotated[Printed, BeforeValidator(_printed)]


class Source(BaseModel):
    """A paper or a data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: str = Field(min_length=10)
    doi: str = Field(pattern=_DOI)
    confirmed_at: str | None = None
    """Where its numbers were read, e.g. an arXiv number; None where they were not."""


class Row(BaseModel):
    """What a source states of one material."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    material: str = Field(min_length=1)
    formula: str = Field(min_length=1)
    source: str
    lambda_ep: Digits
    omega_log_k: Digits
    omega_2_k: Digits | None = None
    mu_star: Digits | None = None
    """None where the source states none."""
    method: Method | None = None
    """How ``tc_calculated_k`` follows; None without one."""
    tc_calculated_k: Digits | None = None
    tc_measured_k: Digits | None = None
    measured_doi: str | None = Field(default=None, pattern=_DOI)
    """Of the measurement, where it is another work."""
    pressure_gpa: float = Field(default=0.0, ge=0.0, le=1000.0)
    kind: Literal["tunnelling", "first principles"] = "first principles"
    confirmed: Confirmation = "none"
    note: str | None = None

    @model_validator(mode="after")
    def _something_to_compare(self) -> Self:
        if self.tc_calculated_k is None and self.tc_measured_k is None:
            raise ValueError("neither a calculated nor a measured Tc")
        if (self.tc_calculated_k is None) != (self.method is None):
            raise ValueError("a calculated Tc and its method belong together")
        if self.mu_star is None:
            raise ValueError("no mu*: no formula gives a Tc without")
        plausible = (
            (self.lambda_ep, 0.0, 15.0),
            (self.omega_log_k, 5.0, 3000.0),
            (self.omega_2_k, 5.0, 4000.0),
            (self.mu_star, 0.0, 0.4),
            (self.tc_calculated_k, 0.0, 500.0),
            (self.tc_measured_k, 0.0, 300.0),
        )
        for number, low, high in plausible:
            if number is not None and not low <= number.value <= high:
                raise ValueError(f"{number.text} is not plausible")
        if self.omega_2_k is not None and self.omega_2_k.value < self.omega_log_k.value:
            raise ValueError("omega_2 is never below omega_log")
        return self

    @property
    def is_confirmed(self) -> bool:
        """Whether its numbers were read somewhere, so that it counts."""
        return self.confirmed != "none"


@lru_cache(maxsize=1)
def literature() -> tuple[tuple[Row, ...], dict[str, Source]]:
    """All rows of the table, and the sources they name.

    Raises:
        InputError: the table is damaged.
    """
    text = (resources.files("htc.validation.data") / "literature.toml").read_text("utf-8")
    table = tomllib.loads(text)
    try:
        sources = {name: Source.model_validate(one) for name, one in table["sources"].items()}
        rows = tuple(Row.model_validate(one) for one in table["row"])
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{'.'.join(map(str, first['loc']))}: {first['msg']} in {first['input']!r}"[:400],
            where="literature.toml",
        ) from error
    for row in rows:
        if row.source not in sources:
            raise InputError(f"no source is called {row.source!r}", where=f"literature.toml, {row.material}")
    return rows, sources
