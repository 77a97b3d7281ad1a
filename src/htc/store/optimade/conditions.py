"""Filter trees as SQL conditions. Every value of a request is a bound parameter."""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from htc.store.optimade.columns import LISTS, Column, Kind
from htc.store.optimade.expressions import (
    Always,
    And,
    Compare,
    Constant,
    Expression,
    Has,
    Item,
    Known,
    Length,
    Match,
    Never,
    Not,
    Operator,
    Or,
    Reference,
)

__all__ = ["condition"]

Columns = Mapping[str, Column]
Condition = sa.ColumnElement[bool]

_COMPARISONS: Final[Mapping[Operator, Callable[[Any, Any], Any]]] = {
    "=": op.eq, "!=": op.ne, "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge,
}  # fmt: skip
_OPPOSITES: Final[Mapping[Operator, Operator]] = {
    "=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<",
}  # fmt: skip

_RATIO_TOLERANCE: Final = 1e-9
"""Two shares that differ by rounding alone are equal."""


def condition(columns: Columns, wish: Expression, *, negated: bool = False) -> Condition:
    """The SQL condition of a filter over the columns of a kind of entry.

    A negation moves inwards to the comparisons, each of which asks that its value be known: so neither
    ``a > 5`` nor ``NOT a > 5`` holds where a is unknown.
    """
    match wish:
        case Not(inner):
            return condition(columns, inner, negated=not negated)
        case And(parts) | Or(parts):
            inner_ones = [condition(columns, part, negated=negated) for part in parts]
            return sa.and_(*inner_ones) if isinstance(wish, And) != negated else sa.or_(*inner_ones)
        case Never():
            return sa.false()
        case Always():
            return sa.false() if negated else sa.true()
        case Known(name, known):
            return columns[name].is_known if known != negated else columns[name].is_unknown
        case Compare():
            return _compare(columns, wish, negated)
        case Match(name, where, part):
            column = columns[name]
            found = _matches(column.value, where, part)
            return sa.and_(column.is_known, sa.not_(found) if negated else found)
        case Length(name, operator, value):
            column = columns[name]
            length = (
                sa.literal_column(column.length, sa.BigInteger)
                if column.length
                else sa.func.cardinality(column.value)
            )
            chosen = _OPPOSITES[operator] if negated else operator
            return sa.and_(column.is_known, _COMPARISONS[chosen](length, _bound("integer", value)))
        case Has():
            return _has(columns, wish, negated)


def _matches(value: sa.ColumnElement[Any], where: str, part: str) -> Condition:
    if where == "contains":
        return value.contains(part, autoescape=True)
    return (
        value.startswith(part, autoescape=True)
        if where == "starts"
        else value.endswith(part, autoescape=True)
    )


def _compare(columns: Columns, wish: Compare, negated: bool) -> Condition:
    column = columns[wish.name]
    operator = _OPPOSITES[wish.operator] if negated else wish.operator
    if isinstance(wish.value, Reference):
        other = columns[wish.value.name]
        return sa.and_(
            column.is_known, other.is_known, _ordered(column.kind, operator, column.value, other.value)
        )
    if operator == "=" and column.equal is not None and isinstance(wish.value, str):
        return sa.and_(column.equal(wish.value), column.is_known)
    holds = _ordered(column.kind, operator, column.value, _bound(column.kind, wish.value))
    return sa.and_(column.is_known, holds)


def _ordered(kind: Kind, operator: Operator, left: Any, right: Any) -> Any:
    # Texts have one order, whatever the server's language; equality is left to the indexes.
    if kind == "string" and operator not in {"=", "!="}:
        left = left.collate("C")
    return _COMPARISONS[operator](left, right)


def _bound(kind: Kind, value: Constant) -> sa.ColumnElement[Any]:
    if isinstance(value, bool):
        return sa.true() if value else sa.false()
    if isinstance(value, str):
        return sa.bindparam(None, value, sa.Text)
    if isinstance(value, datetime):
        return sa.bindparam(None, value, sa.DateTime(timezone=True))
    # An integer beyond bigint, or a fraction beside an integer: exact as numeric, never out of range.
    if kind == "integer" and isinstance(value, int) and -(2**63) <= value < 2**63:
        return sa.cast(sa.bindparam(None, value, sa.BigInteger), sa.BigInteger)
    return sa.cast(sa.bindparam(None, float(value), sa.Double), sa.Double)


def _has(columns: Columns, wish: Has, negated: bool) -> Condition:
    lists = [columns[name] for name in wish.names]
    known = sa.and_(*(column.is_known for column in lists))
    whole = [_by_index(column, wish, place) for place, column in enumerate(lists)]
    if len(whole) == 1 and whole[0] is not None:
        holds = whole[0]
    else:
        # What each list must fulfil by itself is checked first: for that there may be an index.
        follows = [] if negated else [one for one in whole if one is not None]
        holds = sa.and_(*follows, _item_by_item(lists, wish))
    return sa.and_(known, sa.not_(holds) if negated else holds)


def _by_index(column: Column, wish: Has, place: int) -> Condition | None:
    """What a list must fulfil, by the operators on whole arrays; None where they do not say it."""
    if column.kind == "floats":
        return None
    parts = [item.parts[place] for item in wish.items]
    if any(operator != "=" for operator, _ in parts):
        return None
    item_type = pg.ARRAY(sa.Text if column.kind == "strings" else sa.Integer)
    wanted = sa.cast(sa.bindparam(None, [value for _, value in parts], item_type), item_type)
    sign = {"one": "@>", "all": "@>", "any": "&&", "only": "<@"}[wish.quantifier]
    return column.value.op(sign, return_type=sa.Boolean())(wanted)


def _item_by_item(lists: list[Column], wish: Has) -> Condition:
    names = [f"item_{n}" for n in range(len(lists))]
    walked = (
        sa.func.unnest(*(column.value for column in lists)).table_valued(*names).render_derived(name="items")
    )
    kinds = [LISTS[column.kind] for column in lists]

    def fulfils(item: Item) -> Condition:
        return sa.and_(
            *(
                _item(kind, operator, walked.c[name], value)
                for kind, name, (operator, value) in zip(kinds, names, item.parts, strict=True)
            )
        )

    each = [fulfils(item) for item in wish.items]
    if wish.quantifier == "only":
        return sa.not_(sa.exists().select_from(walked).where(sa.not_(sa.or_(*each))))
    found = [sa.exists().select_from(walked).where(one) for one in each]
    return sa.and_(*found) if wish.quantifier == "all" else sa.or_(*found)


def _item(kind: Kind, operator: Operator, value: Any, wanted: Constant) -> Condition:
    if kind == "float" and operator in {"=", "!="}:
        near = sa.func.abs(value - _bound(kind, wanted)) < sa.literal_column(f"{_RATIO_TOLERANCE}::float8")
        return near if operator == "=" else sa.not_(near)
    return sa.type_coerce(_ordered(kind, operator, value, _bound(kind, wanted)), sa.Boolean)
