"""Put the headline figures of a validation into docs/accuracy.md.

    htc validate --report FOLDER
    python scripts/validation.py FOLDER/report.json

The table goes between the marks in the page and in the template that `scripts/accuracy.py` makes it from.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import fields
from pathlib import Path

from htc.validation.report import SuiteReport
from htc.validation.report.markdown import headline_table

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "docs" / "accuracy.md", ROOT / "scripts" / "accuracy_template.md")
MARKS = re.compile(r"(<!-- validation -->\n).*?(\n<!-- end -->)", re.DOTALL)


def reports_of(path: Path) -> list[SuiteReport]:
    """The suites of a report, without their pairs."""
    names = {field.name for field in fields(SuiteReport)} - {"points", "failures"}
    suites = json.loads(path.read_text("utf-8"))["suites"]
    return [SuiteReport(**{name: one[name] for name in names}, points=()) for one in suites]


def main() -> None:
    """Fill the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", type=Path, help="report.json of `htc validate --report`")
    found = reports_of(parser.parse_args().report)
    models = sorted({str(one.conditions["model_id"]) for one in found if one.conditions.get("model_id")})
    lines = [
        f"Model of the suites that have one: `{'`, `'.join(models)}`." if models else "No suite has a model.",
        "",
        *headline_table(found),
    ]
    text = "\n".join(lines)
    for page in PAGES:
        old = page.read_text("utf-8")
        if not MARKS.search(old):
            sys.exit(f"{page}: no marks to put the table between")
        page.write_text(MARKS.sub(lambda m: f"{m[1]}{text}{m[2]}", old), "utf-8")


if __name__ == "__main__":
    main()
