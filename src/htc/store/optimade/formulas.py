"""Compositions as SQL: the formulas of OPTIMADE from the one that is stored.

A structure's ``reduced_formula`` is pymatgen's: elements by electronegativity, a last group perhaps in
parentheses, a few never halved (``Li2O2``, ``O2``). OPTIMADE wants elements in alphabetical order and the
smallest integers. What cannot be read so, such as the fractions of a disordered crystal, is unknown.
"""

from __future__ import annotations

import math
import re
import string
from typing import Final

import sqlalchemy as sa

__all__ = ["ANONYMOUS", "RATIOS", "READABLE", "REDUCED", "equal_anonymous", "equal_reduced"]

_PART: Final = "[A-Z][a-z]?([2-9]|[1-9][0-9]{1,5})?"
_F: Final = "s.reduced_formula"

READABLE: Final = (
    f"{_F} ~ '^({_PART})*(\\(({_PART})+\\)[1-9][0-9]{{0,3}})?$' AND {_F} <> '' AND s.nelements <= 26"
)
"""Condition: the amounts are integers."""

# Doubled by pymatgen because the halves are not what exists.
_DOUBLED: Final = (
    "'H2', 'N2', 'O2', 'F2', 'Cl2', 'H2O2', 'Li2O2', 'Na2O2', 'K2O2', 'Rb2O2', 'Cs2O2'"  # as pymatgen writes
)

_AMOUNTS: Final = f"""(
  SELECT el, sum(n)::bigint / (CASE WHEN {_F} IN ({_DOUBLED}) THEN 2 ELSE 1 END) AS n
  FROM (
    SELECT m[1] AS el, coalesce(nullif(m[2], ''), '1')::bigint AS n
    FROM regexp_matches(split_part({_F}, '(', 1), '([A-Z][a-z]?)([0-9]*)', 'g') AS m
    UNION ALL
    SELECT m[1], coalesce(nullif(m[2], ''), '1')::bigint * substring({_F} from '[)]([0-9]+)$')::bigint
    FROM regexp_matches(substring({_F} from '[(]([^)]*)[)]'), '([A-Z][a-z]?)([0-9]*)', 'g') AS m
  ) AS parts
  GROUP BY el
) AS amounts"""  # noqa: S608  # constants of this file
"""Rows (el, n) of the formula in lowest terms."""

_N: Final = "(CASE WHEN n = 1 THEN '' ELSE n::text END)"

REDUCED: Final = f"""(SELECT string_agg(el || {_N}, '' ORDER BY el COLLATE "C") FROM {_AMOUNTS})"""  # noqa: S608  # own text
"""``chemical_formula_reduced``, e.g. ``B2Mg``."""

ANONYMOUS: Final = f"""(
  SELECT string_agg(chr(64 + place::int) || {_N}, '' ORDER BY place)
  FROM (SELECT n, row_number() OVER (ORDER BY n DESC) AS place FROM {_AMOUNTS}) AS places)"""  # noqa: S608  # own text
"""``chemical_formula_anonymous``, e.g. ``A2B``."""

RATIOS: Final = f"""(
  SELECT array_agg(n::float8 / total ORDER BY el COLLATE "C")
  FROM (SELECT el, n, sum(n) OVER () AS total FROM {_AMOUNTS}) AS shares)"""  # noqa: S608  # own text
"""``elements_ratios``, in the order of ``elements``."""


def equal_reduced(formula: str) -> sa.ColumnElement[bool]:
    """``chemical_formula_reduced = formula``, by the index of what is stored."""
    stored = _stored_formula(formula)
    return sa.false() if stored is None else _is(_F, stored)


def equal_anonymous(formula: str) -> sa.ColumnElement[bool]:
    """Likewise; structures of an earlier version may not have their anonymous formula stored yet."""
    stored = _stored_formula(formula, anonymous=True)
    if stored is None:
        return sa.false()
    missing = sa.literal_column("s.anonymous_formula", sa.Text).is_(None)
    return sa.or_(_is("s.anonymous_formula", stored), sa.and_(missing, _is(ANONYMOUS, formula)))


def _is(column: str, value: str) -> sa.ColumnElement[bool]:
    return sa.literal_column(column, sa.Text) == sa.bindparam(None, value, sa.Text)


def _stored_formula(formula: str, *, anonymous: bool = False) -> str | None:
    """The formula as pymatgen writes it; None where the text is not one as OPTIMADE writes it."""
    from htc.materials.formulas import ELEMENTS, settle_electronegativity

    if not re.fullmatch(rf"({_PART})+", formula):
        return None
    parts = re.findall(r"([A-Z][a-z]?)([0-9]*)", formula)
    amounts = {symbol: int(n or 1) for symbol, n in parts}
    counts = list(amounts.values())
    if len(amounts) != len(parts) or math.gcd(*counts) != 1:
        return None
    if anonymous:
        letters = [chr(65 + i) for i in range(len(parts))]
        if (
            len(parts) > len(string.ascii_uppercase)
            or list(amounts) != letters
            or counts != sorted(counts)[::-1]
        ):
            return None
        # pymatgen counts upwards: A is the rarest element.
        return "".join(
            f"{letter}{'' if n == 1 else n}" for letter, n in zip(letters, counts[::-1], strict=True)
        )
    if list(amounts) != sorted(amounts) or not amounts.keys() <= set(ELEMENTS):
        return None
    from pymatgen.core.composition import Composition

    settle_electronegativity(amounts)
    return Composition(amounts).reduced_formula
