"""Compositions as SQL: the formulas of OPTIMADE from the one that is stored.

A structure's ``reduced_formula`` is pymatgen's: elements by electronegativity, a last group perhaps in
parentheses, a few never halved (``Li2O2``, ``O2``). OPTIMADE wants elements in alphabetical order and the
smallest integers. What cannot be read so, such as the fractions of a disordered crystal, is unknown.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

__all__ = ["ANONYMOUS", "RATIOS", "READABLE", "REDUCED", "narrow_anonymous", "narrow_reduced"]

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


def narrow_reduced(formula: str) -> sa.ColumnElement[bool]:
    """A condition with an index that every structure of an OPTIMADE reduced formula fulfils."""
    stored = _stored_formula(formula)
    column = sa.literal_column(_F, sa.Text)
    return sa.false() if stored is None else column == sa.bindparam(None, stored, sa.Text)


def narrow_anonymous(formula: str) -> sa.ColumnElement[bool]:
    """Likewise for an anonymous formula; structures of an earlier version may not have it stored yet."""
    stored = _stored_formula(formula, anonymous=True)
    column = sa.literal_column("s.anonymous_formula", sa.Text)
    if stored is None:
        return sa.false()
    return sa.or_(column == sa.bindparam(None, stored, sa.Text), column.is_(None))


def _stored_formula(formula: str, *, anonymous: bool = False) -> str | None:
    """The formula as pymatgen writes it; None where the text is no formula of OPTIMADE at all."""
    import re

    from htc.materials.formulas import ELEMENTS, settle_electronegativity

    if not re.fullmatch(rf"({_PART})+", formula):
        return None
    parts = re.findall(r"([A-Z][a-z]?)([0-9]*)", formula)
    amounts = {symbol: int(n or 1) for symbol, n in parts}
    if len(amounts) != len(parts):
        return None
    if anonymous:
        # pymatgen counts upwards: A is the rarest element.
        rising = enumerate(sorted(amounts.values()))
        return "".join(f"{chr(65 + i)}{'' if n == 1 else n}" for i, n in rising)
    if not amounts.keys() <= set(ELEMENTS):
        return None
    from pymatgen.core.composition import Composition

    settle_electronegativity(amounts)
    return Composition(amounts).reduced_formula
