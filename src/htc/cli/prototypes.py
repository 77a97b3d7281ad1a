"""``htc prototypes``: structure types that a campaign may put elements into."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from htc.cli.console import out, print_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(prototypes)


def prototypes(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD]...", help="Only those with all of these in their names or formula."),
    ] = None,
    max_sites: Annotated[
        int | None,
        typer.Option("--max-sites", min=1, help="Only of the AFLOW library, cells of up to so many sites."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the prototypes of the AFLOW library and the crystals of the bundled one.

    A campaign names them in `prototypes`; the elements are those that its `slots` replace.

    Example: `htc prototypes Heusler`
    """
    rows = [
        row
        for row in _rows()
        if (max_sites is None or (row["sites"] is not None and row["sites"] <= max_sites))
        and all(
            word.casefold() in " ".join([*row["names"], row["formula"]]).casefold() for word in words or ()
        )
    ]
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("prototype", "other names", "compound", "elements", "sites"):
        table.add_column(name, justify="right" if name == "sites" else "left")
    for row in rows:
        elements = " ".join(f"{symbol}:{n:g}" for symbol, n in row["elements"].items())
        table.add_row(
            row["prototype"], ", ".join(row["names"][1:]), row["formula"], elements, str(row["sites"] or "")
        )
    out.print(table)


def _rows() -> list[dict[str, Any]]:
    from collections import Counter

    from htc.discovery.space import known_prototypes
    from htc.materials.formulas import formula_amounts
    from htc.materials.library import library_entries

    rows: list[dict[str, Any]] = []
    for one in known_prototypes():
        amounts = dict(sorted(Counter(one.crystal.symbols).items()))
        rows.append(
            {
                "prototype": one.label,
                "names": [*one.names],
                "formula": one.formula,
                "elements": amounts,
                "sites": len(one.crystal.symbols),
            }
        )
    # Building the cells of the library would take a minute: their number of sites is left open.
    rows += [
        {
            "prototype": f"library:{entry.name}",
            "names": [f"library:{entry.name}", entry.prototype],
            "formula": entry.formula,
            "elements": {s: round(n, 6) for s, n in sorted(formula_amounts(entry.formula).items())},
            "sites": None,
        }
        for entry in library_entries()
    ]
    return rows
