"""The worksheet and the README in words: Markdown and HTML from one and the same record and worksheet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from htc.evidence.arithmetic import DIGITS, Expression, number
from htc.evidence.quantities import describe, numbers, numbers_mathml, symbols, symbols_mathml

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from htc.evidence.handwork import Step
    from htc.evidence.worksheet import Worksheet

__all__ = [
    "render_preview",
    "render_readme",
    "templates",
    "worksheet_body",
    "worksheet_html",
    "worksheet_markdown",
]

Record = Mapping[str, Any]


@lru_cache(maxsize=1)
def templates() -> Environment:
    """The templates of this room; everything in HTML and SVG is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader("htc.evidence", "templates"),
        autoescape=select_autoescape(["html.j2", "svg.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": number,
        "line": _line,
        "significant": _significant,
        "symbol": lambda name: describe(name).text,
        "meaning": lambda name: describe(name).name,
        "unit": lambda name: describe(name).unit,
        "symbol_html": _symbol_html,
        "formula": _formula,
        "with_numbers": _with_numbers,
        "formula_mathml": _formula_mathml,
        "numbers_mathml": _numbers_mathml,
    }
    made.globals |= {"digits": DIGITS}
    return made


def worksheet_markdown(record: Record, worksheet: Worksheet) -> str:
    """The worksheet as Markdown."""
    return templates().get_template("worksheet.md.j2").render(record=record, worksheet=worksheet)


def worksheet_body(record: Record, worksheet: Worksheet, *, figure: str | None = None) -> Markup:
    """The worksheet as HTML to put into a page.

    Args:
        record: fields of ``prediction.json``.
        worksheet: its worksheet.
        figure: the figure of the spectrum, from `htc.evidence.figure.draw`.
    """
    from markupsafe import Markup

    template = templates().get_template("worksheet_body.html.j2")
    # Both are made by templates that escape every value they are given.
    drawn = None if figure is None else Markup(figure)  # noqa: S704
    return Markup(template.render(record=record, worksheet=worksheet, figure=drawn))  # noqa: S704


def worksheet_html(record: Record, worksheet: Worksheet, figure: str | None) -> str:
    """The worksheet as a page that needs nothing beside it."""
    body = worksheet_body(record, worksheet, figure=figure)
    return templates().get_template("worksheet.html.j2").render(record=record, body=body)


def render_readme(record: Record, worksheet: Worksheet, files: Mapping[str, str], licence: str | None) -> str:
    """``README.md``.

    Args:
        record: fields of ``prediction.json``.
        worksheet: its worksheet.
        files: what each file of the pack is, by its path.
        licence: under which the pack may be used, None where nobody said.
    """
    template = templates().get_template("README.md.j2")
    return template.render(record=record, worksheet=worksheet, files=files, licence=licence)


def render_preview(record: Record, files: Mapping[str, str]) -> str:
    """``ro-crate-preview.html``: the files of the pack, as links."""
    return templates().get_template("preview.html.j2").render(record=record, files=files)


def _line(text: object) -> str:
    """A stranger's text as one line that Markdown leaves alone."""
    words = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" else c for c in words)


def _significant(value: object, digits: int = 4) -> str:
    """A number for people; an em dash where there is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "—"
    return f"{value:.{digits}g}"


def _symbol_html(name: str) -> Markup:
    from markupsafe import Markup

    return Markup(describe(name).html)  # noqa: S704  # escaped where it is made


def _formula(step: Step) -> str:
    expression = Expression.parse(step.expression)
    return expression.text(symbols(expression.names))


def _with_numbers(step: Step) -> str:
    return Expression.parse(step.expression).text(numbers(step.values))


def _formula_mathml(step: Step) -> Markup:
    expression = Expression.parse(step.expression)
    return _math(expression.mathml(symbols_mathml(expression.names)))


def _numbers_mathml(step: Step) -> Markup:
    return _math(Expression.parse(step.expression).mathml(numbers_mathml(step.values)))


def _math(inside: str) -> Markup:
    from markupsafe import Markup

    # Numbers and our own symbols; names of a stranger's are escaped where they become MathML.
    return Markup(f'<math displaystyle="true">{inside}</math>')  # noqa: S704
