"""The filter language: from a text to a tree of comparisons that the columns of an entry can answer."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from htc.errors import FormulaError
from htc.optimade.refusals import BadRequestError, NotServedError
from htc.store.optimade import LISTS, Column, Kind
from htc.store.optimade import expressions as ex

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

__all__ = ["MAX_COMPARISONS", "MAX_LENGTH", "Filter", "Vocabulary", "read_filter"]

MAX_LENGTH: Final = 8_000
MAX_COMPARISONS: Final = 200
MAX_DEPTH: Final = 40
MAX_DIGITS: Final = 40

_PARAMETER: Final = "filter"
_PROVIDER: Final = re.compile(r"_([a-z0-9]+)_")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_KIND_WORDS: Final[Mapping[Kind, str]] = {
    "string": "a text in double quotes",
    "timestamp": 'a time such as "2024-06-01T12:00:00Z"',
    "integer": "a number",
    "float": "a number",
    "boolean": "TRUE or FALSE",
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the filters of one kind of entry may speak of."""

    columns: Mapping[str, Column]
    """Properties that can be filtered by."""
    shown_only: frozenset[str] = frozenset()
    """Properties that entries have and that no filter can ask for."""
    unknown: frozenset[str] = frozenset()
    """Properties of the standard that no entry here has."""
    prefix: str = "htc"
    """Properties of our own begin with this between underscores."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood."""

    wish: ex.Expression | None
    """None: every entry."""
    warnings: tuple[str, ...] = ()
    """What the reader should know although there is an answer, one sentence each."""


def read_filter(text: str, vocabulary: Vocabulary) -> Filter:
    """Read a filter of OPTIMADE 1.2.

    Args:
        text: the filter; empty for none.
        vocabulary: of the kind of entry.

    Raises:
        BadRequestError: it cannot be read, names an unknown property, or compares what cannot be compared.
        NotServedError: it asks for an optional feature that is not there.
    """
    from lark.exceptions import UnexpectedInput, UnexpectedToken

    if len(text) > MAX_LENGTH:
        raise BadRequestError(
            f"the filter has {len(text)} characters, at most {MAX_LENGTH} are read", parameter=_PARAMETER
        )
    if "\0" in text:
        raise BadRequestError("the filter holds a character of value 0", parameter=_PARAMETER)
    if not text.strip():
        return Filter(None)
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        ends = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        at = error.pos_in_stream
        place = "at its end" if ends or at is None else f"at character {at + 1}"
        shown = text[-40:] if ends or at is None else text[max(0, at - 20) : at + 20]
        raise BadRequestError(
            f"the filter cannot be read {place}, near {shown!r}",
            parameter=_PARAMETER,
            hint='filters look like: elements HAS "Nb" AND _htc_tc_kelvin > 10',
        ) from error
    if len(tree.children) != 1:
        raise BadRequestError(
            "two expressions stand beside each other: AND or OR is missing", parameter=_PARAMETER
        )
    reader = _Reader(text, vocabulary)
    return Filter(
        reader.expression(cast("Tree[Token]", tree.children[0]), 0), tuple(dict.fromkeys(reader.warnings))
    )


@lru_cache(maxsize=1)
def _parser() -> Lark:
    """The grammar of the specification, as the `optimade` package carries it.

    Its own parser reads by Earley's method, in up to cubic time; the grammar allows LALR, which is linear.
    Positions are kept because the tree alone does not tell TRUE from FALSE.
    """
    from lark import Lark
    from optimade.filterparser.lark_parser import (  # type: ignore[import-untyped]  # no types published
        AVAILABLE_PARSERS,
    )

    grammar = AVAILABLE_PARSERS[(1, 2, 0)]["default"].read_text()
    return Lark(grammar, parser="lalr", maybe_placeholders=False, propagate_positions=True)


@dataclass(slots=True)
class _Reader:
    text: str
    vocabulary: Vocabulary
    warnings: list[str] = field(default_factory=list)
    comparisons: int = 0

    def expression(self, tree: Tree[Token], depth: int) -> ex.Expression:
        """An expression, a clause of it, a phrase, or a comparison."""
        if depth > 4 * MAX_DEPTH:  # four rules a pair of parentheses
            raise self.wrong(f"parentheses are nested more than {MAX_DEPTH} deep")
        children = tree.children
        match str(tree.data):
            case "expression" | "expression_clause":
                parts = tuple(self.expression(cast("Tree[Token]", child), depth + 1) for child in children)
                if len(parts) == 1:
                    return parts[0]
                return ex.Or(parts) if tree.data == "expression" else ex.And(parts)
            case "expression_phrase":
                inner = self.expression(cast("Tree[Token]", children[-1]), depth + 1)
                return ex.Not(inner) if len(children) > 1 else inner
            case _:
                self.comparisons += 1
                if self.comparisons > MAX_COMPARISONS:
                    raise self.wrong(f"more than {MAX_COMPARISONS} comparisons are too many")
                return self.comparison(cast("Tree[Token]", children[0]))

    def comparison(self, tree: Tree[Token]) -> ex.Expression:
        children = cast("list[Tree[Token]]", tree.children)
        if tree.data == "constant_first_comparison":
            right = cast("Tree[Token]", children[2].children[0])
            if right.data != "property":
                raise NotServedError(
                    "two constants are compared; a property must be one of them", parameter=_PARAMETER
                )
            mirrored = ex.MIRRORED[cast("ex.Operator", str(children[1]))]
            return self.compare(self.name(right), mirrored, self.value(children[0]))
        name = self.name(children[0])
        rhs = children[1]
        match str(rhs.data):
            case "value_op_rhs":
                operator, value = rhs.children
                return self.compare(
                    name, cast("ex.Operator", str(operator)), self.value(cast("Tree[Token]", value))
                )
            case "known_op_rhs":
                known = str(rhs.children[1]) == "KNOWN"
                if self.column(name) is None:
                    return ex.Never() if known else ex.Always()
                return ex.Known(name, known)
            case "fuzzy_string_op_rhs":
                return self.match(
                    name, str(rhs.children[0]), self.value(cast("Tree[Token]", rhs.children[-1]))
                )
            case "length_op_rhs":
                return self.length(name, rhs)
            case "set_op_rhs":
                return self.has((name,), rhs.children)
            case _:
                addon = cast("Tree[Token]", rhs.children[0])
                names = (name, *(self.name(cast("Tree[Token]", part)) for part in addon.children))
                return self.has(names, rhs.children[1:])

    def compare(self, name: str, operator: ex.Operator, value: ex.Constant | ex.Reference) -> ex.Expression:
        column = self.column(name)
        if isinstance(value, ex.Reference):
            other = self.column(value.name)
            if column is None or other is None:
                return ex.Never()
            if _comparable(column.kind) != _comparable(other.kind) or column.kind in LISTS:
                raise self.wrong(f"{name} and {value.name} cannot be compared: they are of different kinds")
            return ex.Compare(name, operator, value)
        if column is None:
            return ex.Never()
        if column.kind in LISTS:
            raise self.wrong(
                f"{name} is a list", hint=f"ask for its items: {name} HAS ..., or {name} LENGTH ..."
            )
        if column.kind == "boolean" and operator not in {"=", "!="}:
            raise self.wrong(f"{name} is true or false; it has no order", hint="use = or !=")
        wanted = self.of_kind(name, column.kind, value)
        self.advise(name, operator, wanted)
        return ex.Compare(name, operator, wanted)

    def match(self, name: str, operator: str, value: ex.Constant | ex.Reference) -> ex.Expression:
        column = self.column(name)
        if isinstance(value, ex.Reference):
            raise NotServedError("parts of texts are compared with constants only", parameter=_PARAMETER)
        if not isinstance(value, str):
            raise self.wrong(f"{operator} needs a text in double quotes")
        if column is None:
            return ex.Never()
        if column.kind != "string":
            raise self.wrong(f"{name} is no text, so {operator} does not apply")
        where: Mapping[str, ex.Match] = {
            "CONTAINS": ex.Match(name, "contains", value),
            "STARTS": ex.Match(name, "starts", value),
            "ENDS": ex.Match(name, "ends", value),
        }
        return where[operator]

    def length(self, name: str, rhs: Tree[Token]) -> ex.Expression:
        column = self.column(name)
        operator = cast("ex.Operator", str(rhs.children[1])) if len(rhs.children) == 3 else "="
        (digits,) = cast("Tree[Token]", rhs.children[-1]).children
        value = self.number(str(digits))
        if column is None:
            return ex.Never()
        if column.kind not in LISTS:
            raise self.wrong(f"{name} is no list, so LENGTH does not apply")
        return ex.Length(name, operator, int(value))

    def has(self, names: tuple[str, ...], children: list[Token | Tree[Token]]) -> ex.Expression:
        columns = [self.column(name) for name in names]
        quantifier: ex.Quantifier = "one"
        rest = children[1:]
        if not _is_tree(rest[0]) and str(rest[0]) in {"ALL", "ANY", "ONLY"}:
            quantifier = cast("ex.Quantifier", str(rest[0]).lower())
            rest = rest[1:]
        if any(column is None for column in columns):
            return ex.Never()
        known = [column for column in columns if column is not None]
        for name, column in zip(names, known, strict=True):
            if column.kind not in LISTS:
                raise self.wrong(f"{name} is no list, so HAS does not apply", hint=f"use {name} = ...")
        return ex.Has(names, quantifier, tuple(self.items(names, known, rest)))

    def items(
        self, names: tuple[str, ...], columns: list[Column], children: list[Token | Tree[Token]]
    ) -> list[ex.Item]:
        """The items of HAS: one value, a list of them, or tuples for lists walked together."""
        if _is(children[0], "value_list"):
            children = cast("Tree[Token]", children[0]).children
        if _is(children[0], "value_zip_list"):
            groups = [
                cast("Tree[Token]", zipped).children for zipped in cast("Tree[Token]", children[0]).children
            ]
        elif _is(children[0], "value_zip"):
            groups = [cast("Tree[Token]", children[0]).children]
        else:
            groups = []
            start = 0
            for i, child in enumerate(children):
                if _is_tree(child):
                    groups.append(children[start : i + 1])
                    start = i + 1
        return [self.item(names, columns, group) for group in groups]

    def item(
        self, names: tuple[str, ...], columns: list[Column], group: list[Token | Tree[Token]]
    ) -> ex.Item:
        parts: list[tuple[ex.Operator, ex.Constant]] = []
        operator: ex.Operator = "="
        for child in group:
            if not _is_tree(child):
                operator = cast("ex.Operator", str(child))
                continue
            if len(parts) == len(names):
                raise self.wrong(f"more values than the {len(names)} lists they are for")
            value = self.value(cast("Tree[Token]", child))
            if isinstance(value, ex.Reference):
                raise NotServedError("items of lists are compared with constants only", parameter=_PARAMETER)
            name, column = names[len(parts)], columns[len(parts)]
            wanted = self.of_kind(name, LISTS[column.kind], value)
            if column.kind == "integers" and not isinstance(wanted, int):
                raise self.wrong(f"the items of {name} are integers")
            parts.append((operator, wanted))
            operator = "="
        if len(parts) != len(names):
            raise self.wrong(f"fewer values than the {len(names)} lists they are for")
        return ex.Item(tuple(parts))

    def name(self, tree: Tree[Token]) -> str:
        """The name of a property; its place in the vocabulary is looked up by :meth:`column`."""
        name = ".".join(str(part) for part in tree.children)
        if len(tree.children) > 1 and self.column(str(tree.children[0])) is not None:
            raise NotServedError(f"{name}: parts of a property cannot be filtered by", parameter=_PARAMETER)
        return name

    def column(self, name: str) -> Column | None:
        """The column of a property; None where the property is unknown for every entry."""
        words = self.vocabulary
        if name in words.columns:
            return words.columns[name]
        if name in words.unknown:
            return None
        if name in words.shown_only:
            raise NotServedError(f"{name} is shown, but cannot be filtered by", parameter=_PARAMETER)
        first = name.partition(".")[0]
        if first in {"structures", "references", f"_{words.prefix}_predictions"}:
            raise NotServedError("relationships cannot be filtered by", parameter=_PARAMETER)
        provider = _PROVIDER.match(name)
        if provider and provider[1] != words.prefix:
            self.warnings.append(
                f"{name} is a property of another provider: it is unknown for every entry here."
            )
            return None
        near = difflib.get_close_matches(name, words.columns, 1)
        raise BadRequestError(
            f"there is no property {name[:60]!r}",
            parameter=_PARAMETER,
            hint=f"did you mean {near[0]}?" if near else "/info lists the properties of each kind of entry",
        )

    def value(self, tree: Tree[Token]) -> ex.Constant | ex.Reference:
        inner = cast("Tree[Token]", tree.children[0])
        if inner.data == "property":
            return ex.Reference(self.name(inner))
        if inner.data == "bool":
            start = inner.meta.start_pos
            return self.text[start : start + 4] == "TRUE"
        token = str(inner.children[0])
        if inner.data == "string":
            return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)
        return self.number(token)

    def number(self, token: str) -> int | float:
        if len(token) > MAX_DIGITS:
            raise self.wrong(f"{token[:20]}... has too many digits")
        try:
            return int(token)
        except ValueError:
            return float(token)

    def of_kind(self, name: str, kind: Kind, value: ex.Constant) -> ex.Constant:
        """The value as the property's kind has it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {
            "string": isinstance(value, str),
            "timestamp": isinstance(value, str),
            "integer": number,
            "float": number,
            "boolean": isinstance(value, bool),
        }[kind]
        if fits and kind == "timestamp":
            return self.moment(name, str(value))
        if not fits:
            raise self.wrong(
                f"{name} is compared with {_KIND_WORDS[kind]}", hint=f"not with {str(value)[:40]!r}"
            )
        return value

    def moment(self, name: str, text: str) -> datetime:
        try:
            if not _RFC3339.fullmatch(text):
                raise ValueError(text)  # noqa: TRY301  # one reason for both
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.wrong(f"{name} is compared with {_KIND_WORDS['timestamp']}") from error

    def advise(self, name: str, operator: str, value: ex.Constant) -> None:
        """A formula that no entry can have, because OPTIMADE writes it in another way."""
        if name != "chemical_formula_reduced" or operator != "=" or not isinstance(value, str):
            return
        from htc.materials.sources import optimade_formula

        try:
            written = optimade_formula(value)
        except FormulaError:
            return
        if written is not None and written != value:
            self.warnings.append(
                f"OPTIMADE writes the reduced formula {value} as {written}; no entry has {value}."
            )

    def wrong(self, what: str, *, hint: str | None = None) -> BadRequestError:
        return BadRequestError(what, parameter=_PARAMETER, hint=hint)


def _comparable(kind: Kind) -> str:
    return "number" if kind in {"integer", "float"} else kind


def _is_tree(node: object) -> bool:
    return hasattr(node, "data")


def _is(node: object, rule: str) -> bool:
    return getattr(node, "data", None) == rule
