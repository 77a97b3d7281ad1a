"""Arithmetic that a person can redo: small expressions, evaluated in the digits that are printed.

An expression is a line of Python's arithmetic over named quantities, ``omega_log/1.2*exp(exponent)``. It is
parsed into a tree that knows numbers, names, ``+ - * / **`` and the functions of `FUNCTIONS`, and nothing
else: evaluating a stranger's expression can give a wrong number, never do anything. The same tree is printed
as text and as MathML, so that what is read is what was computed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any, Final, TypeGuard

from htc.errors import InputError

__all__ = ["DIGITS", "FUNCTIONS", "Expression", "in_digits", "is_number", "number"]

DIGITS: Final = 7
"""Significant digits of every printed number: a pocket calculator shows eight."""

_LONGEST: Final = 400
_DEEPEST: Final = 60

FUNCTIONS: Final[Mapping[str, Callable[..., float]]] = {
    "exp": math.exp,
    "ln": math.log,
    "sqrt": math.sqrt,
    "min": min,
    "max": max,
}
"""What an expression may call."""

_OPERATORS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: math.pow(a, b),
}
_SIGNS: Final = {ast.Add: "+", ast.Sub: "−", ast.Mult: "×", ast.Div: "/", ast.Pow: "^"}
_BINDS: Final = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.Pow: 4}
_NEGATION: Final = 3
_ATOM: Final = 9


def in_digits(value: float, digits: int = DIGITS) -> float:
    """The number as it is printed, to ``digits`` significant digits."""
    return float(f"{value:.{digits - 1}e}")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value, of a stranger's JSON, is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: float) -> str:
    """A number of at most `DIGITS` digits, without digits that say nothing."""
    text = f"{value:.{DIGITS}g}"
    if "e" not in text:
        return text
    mantissa, power = text.split("e")
    return f"{mantissa}e{int(power)}"


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; made by :meth:`parse`."""

    source: str
    tree: ast.expr
    names: tuple[str, ...]
    """Quantities it is about, in order of appearance."""

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(source: str) -> Expression:
        """Read an expression.

        Raises:
            InputError: it is too long, no arithmetic, or has something in it that arithmetic does not have.
        """
        if len(source) > _LONGEST:
            raise InputError(f"an expression of {len(source)} characters is not read", where="expression")
        try:
            tree = ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError("this is no arithmetic", where=source[:80]) from error
        names = dict.fromkeys(_names(tree, source, 0))
        return Expression(source, tree, tuple(names))

    def value(self, quantities: Mapping[str, float]) -> float:
        """Evaluate with the numbers given.

        Raises:
            InputError: a quantity is missing, or the arithmetic has no finite real result.
        """
        try:
            found = _value(self.tree, quantities)
        except KeyError as error:
            raise InputError(f"the quantity {error.args[0]!r} is not given", where=self.source) from error
        except (ArithmeticError, ValueError) as error:
            raise InputError(f"the arithmetic fails: {error}", where=self.source) from error
        if not math.isfinite(found):
            raise InputError("the arithmetic has no finite result", where=self.source)
        return found

    def text(self, words: Mapping[str, str]) -> str:
        """One line of text, with ``words`` (symbols or numbers) in the place of the names."""
        return _text(self.tree, words)[0]

    def mathml(self, words: Mapping[str, str]) -> str:
        """The inside of a ``<math>`` element; ``words`` are MathML already."""
        return _mathml(self.tree, words)[0]


def _names(node: ast.expr, source: str, depth: int) -> Iterator[str]:
    """Names in order; raises for anything that is no arithmetic."""
    if depth > _DEEPEST:
        raise InputError("this expression is too deep", where=source[:80])
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return
        case ast.Name(id=name):
            yield name
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            yield from _names(left, source, depth + 1)
            yield from _names(right, source, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield from _names(operand, source, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS and args:
            for arg in args:
                yield from _names(arg, source, depth + 1)
        case _:
            raise InputError("this is no arithmetic", where=source[:80])


def _value(node: ast.expr, quantities: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return quantities[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, quantities), _value(right, quantities))
        case ast.UnaryOp(operand=operand):
            return -_value(operand, quantities)
        case ast.Call(func=ast.Name(id=name), args=args):
            try:
                return FUNCTIONS[name](*(_value(arg, quantities) for arg in args))
            except TypeError as error:
                raise ValueError(f"{name} does not take {len(args)} numbers") from error
    raise ValueError("this is no arithmetic")


def _in(part: tuple[str, int], least: int) -> str:
    """A part in parentheses where it binds less than ``least``."""
    text, binds = part
    return text if binds >= least else f"({text})"


def _text(node: ast.expr, words: Mapping[str, str]) -> tuple[str, int]:
    """Text, and how strongly it binds."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return number(value), _ATOM
        case ast.Name(id=name):
            word = words.get(name, name)
            return word, _NEGATION if word.startswith(("-", "−")) else _ATOM
        case ast.UnaryOp(operand=operand):
            return f"−{_in(_text(operand, words), _NEGATION + 1)}", _NEGATION
        case ast.Call(func=ast.Name(id=name), args=args):
            return f"{name}({', '.join(_text(arg, words)[0] for arg in args)})", _ATOM
        case ast.BinOp(left=left, op=op, right=right):
            binds = _BINDS[type(op)]
            # A right-hand side of equal strength keeps its parentheses: a - (b - c), a / (b c).
            first, second = _in(_text(left, words), binds), _in(_text(right, words), binds + 1)
            if isinstance(op, ast.Pow):
                first = _in(_text(left, words), binds + 1)
            gap = "" if isinstance(op, ast.Div | ast.Pow) else " "
            return f"{first}{gap}{_SIGNS[type(op)]}{gap}{second}", binds
    raise InputError("this is no arithmetic", where="expression")


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _fenced(part: tuple[str, int], least: int) -> str:
    text, binds = part
    return text if binds >= least else _row("<mo>(</mo>", text, "<mo>)</mo>")


def _mathml(node: ast.expr, words: Mapping[str, str]) -> tuple[str, int]:
    match node:
        case ast.Constant(value=int() | float() as value):
            return f"<mn>{number(value)}</mn>", _ATOM
        case ast.Name(id=name):
            word = words.get(name, f"<mi>{escape(name)}</mi>")
            return word, _NEGATION if word.startswith(("<mn>-", "<mn>−")) else _ATOM
        case ast.UnaryOp(operand=operand):
            inner = _fenced(_mathml(operand, words), _NEGATION)
            return _row("<mo>−</mo>", inner), _NEGATION
        case ast.Call(func=ast.Name(id="sqrt"), args=[arg]):
            return f"<msqrt>{_mathml(arg, words)[0]}</msqrt>", _ATOM
        case ast.Call(func=ast.Name(id=name), args=args):
            inner = "<mo>,</mo>".join(_mathml(arg, words)[0] for arg in args)
            return _row(f"<mi>{name}</mi>", "<mo>&#x2061;</mo><mo>(</mo>", inner, "<mo>)</mo>"), _ATOM
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"<mfrac>{_row(_mathml(left, words)[0])}{_row(_mathml(right, words)[0])}</mfrac>", 2
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base = _fenced(_mathml(left, words), _ATOM)
            return f"<msup>{_row(base)}{_row(_mathml(right, words)[0])}</msup>", _ATOM - 1
        case ast.BinOp(left=left, op=op, right=right):
            binds = _BINDS[type(op)]
            sign = f"<mo>{_SIGNS[type(op)]}</mo>"
            first = _fenced(_mathml(left, words), binds)
            return _row(first, sign, _fenced(_mathml(right, words), binds + 1)), binds
    raise InputError("this is no arithmetic", where="expression")
