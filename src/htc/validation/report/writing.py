"""A report's three files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htc.errors import StorageError
from htc.validation.report.markdown import HEAD, figures, headline_of, markdown
from htc.validation.report.numbers import number
from htc.validation.report.parity import parity_plot
from htc.validation.report.record import SuiteReport, as_json

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["html", "write_report"]


def write_report(reports: Sequence[SuiteReport], folder: Path) -> list[Path]:
    """Write ``report.html``, ``report.md`` and ``report.json``.

    Args:
        reports: of the suites, in their order.
        folder: made where it is not there.

    Returns:
        What was written.

    Raises:
        StorageError: the folder cannot be written to.
    """
    texts = {
        "report.html": html(reports),
        "report.md": markdown(reports),
        "report.json": json.dumps(as_json(reports), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(f"the report cannot be written: {error.strerror}", where=str(folder)) from error
    return [folder / name for name in texts]


def html(reports: Sequence[SuiteReport]) -> str:
    """One page with its figures in it; it asks nothing of a network and runs no script."""
    shown = [{"report": one, "views": [_shown(one, view) for view in one.views]} for one in reports]
    return _template().render(
        suites=shown, head=HEAD, figures=figures, headline_of=headline_of, number=number
    )


def _shown(one: SuiteReport, view: Mapping[str, Any]) -> dict[str, Any]:
    own = [p for p in one.points if p.view == view["name"]]
    return {
        "view": view,
        "plot": parity_plot(view, own),
        "points": sorted(own, key=lambda p: -abs(p.predicted - p.known)),
        "parts": [(name, figures(m)) for name, m in view["parts"].items()],
    }


def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("htc.validation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
