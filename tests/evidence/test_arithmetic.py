"""What is printed is what was computed, and nothing but arithmetic is done."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.errors import InputError
from htc.evidence.arithmetic import DIGITS, Expression, in_digits, number
from htc.evidence.formulas import AFTER_EXPONENTIAL, EXPONENTIAL, XI

LINES = [*EXPONENTIAL, XI, *(line for lines in AFTER_EXPONENTIAL.values() for line in lines)]


def as_read(text: str) -> float:
    """What a person computes who reads the text, with everything spelt as in Python."""
    for sign, spelt in (("−", "-"), ("×", "*"), ("^", "**"), ("ln(", "log(")):
        text = text.replace(sign, spelt)
    return float(eval(text, {"__builtins__": {}}, vars(math) | {"min": min, "max": max}))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.expression[:30])
@given(data=st.data())
def test_the_printed_line_is_the_arithmetic(line: Any, data: st.DataObject) -> None:
    expression = Expression.parse(line.expression)
    values = {
        name: in_digits(data.draw(st.floats(0.05, 3.0 if name != "omega_log" else 3000.0), label=name))
        for name in expression.names
    }
    if "exponent" in values:
        values["exponent"] = -values["exponent"]
    text = expression.text({name: number(value) for name, value in values.items()})
    try:
        expected = expression.value(values)
    except InputError:
        return
    assert as_read(text) == pytest.approx(expected, rel=1e-12)


def test_mathml_of_every_line_is_well_formed() -> None:
    from xml.etree import ElementTree

    for line in LINES:
        ElementTree.fromstring(f"<math>{Expression.parse(line.expression).mathml({})}</math>")


def trees() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["a", "b", "2", "0.5"])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]}){t[1]}({t[2]})")
        return pair | inner.map(lambda s: f"-({s})") | inner.map(lambda s: f"exp({s})")

    return st.recursive(leaves, grow, max_leaves=8)


@given(source=trees(), a=st.floats(0.1, 3.0), b=st.floats(0.1, 3.0))
def test_parentheses_are_there_where_they_matter(source: str, a: float, b: float) -> None:
    values = {"a": in_digits(a), "b": in_digits(b)}
    expression = Expression.parse(source)
    try:
        expected = expression.value(values)
    except InputError:
        return
    text = expression.text({name: number(value) for name, value in values.items()})
    assert as_read(text) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def hostile() -> Iterator[str]:
    yield from ("__import__('os')", "a.b", "a[0]", "lambda: 1", "1 if a else 2", "[x for x in a]", "f'{a}'")
    yield from (
        "'a'",
        "True",
        "1j",
        "a @ b",
        "a // b",
        "a % b",
        "not a",
        "~a",
        "a < b",
        "open(a)",
        "exp(x=1)",
    )
    yield from (
        "",
        "a +",
        "(" * 300,
        "-" * 300 + "a",
        "1" * 500,
        "a\0b",
        "print(a)",
        "(a, b)",
        "a := 1",
        "*a",
    )


@pytest.mark.parametrize("source", list(hostile()), ids=range(len(list(hostile()))))
def test_anything_but_arithmetic_is_refused(source: str) -> None:
    with pytest.raises(InputError):
        Expression.parse(source)


@pytest.mark.parametrize("source", ["9**9**9", "1/(a - a)", "exp(1000)", "ln(0 - a)", "a**0.5*b", "max()"])
def test_arithmetic_without_a_number_at_its_end_says_so(source: str) -> None:
    with pytest.raises(InputError):
        Expression.parse(source).value({"a": 1.0} if "b" in source else {"a": 1.0, "b": 2.0})


@given(value=st.floats(1e-300, 1e300))
def test_numbers_are_printed_with_the_digits_they_have(value: float) -> None:
    assert float(number(in_digits(value))) == in_digits(value)
    assert in_digits(value) == pytest.approx(value, rel=0.6 * 10.0 ** (1 - DIGITS))
