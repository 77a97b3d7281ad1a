"""Write the generated parts of the documentation, or check that they are up to date.

    python scripts/docs.py            write them
    python scripts/docs.py --check    exit 1 if a committed page differs from what the program says

Pages under docs/reference/ follow from the program itself: the command line from its help, the settings and
the API from their descriptions, the model from its card.
"""

from __future__ import annotations

import difflib
import json
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from htc.models import CouplingModel

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def cli_page() -> str:
    """The command line, from the same texts as ``--help``."""
    import typer

    from htc.cli import app

    root = typer.main.get_command(app)
    lines = ["# Command line", "", "Generated from `htc --help`; every command says the same there.", ""]
    context = root.make_context("htc", [], resilient_parsing=True)

    def describe(command: object, path: str, parent: object) -> None:
        ctx = command.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True)  # type: ignore[attr-defined]
        lines.extend([f"## `{path}`", "", (command.help or "").strip(), ""])  # type: ignore[attr-defined]
        rows = []
        for parameter in command.params:  # type: ignore[attr-defined]
            if parameter.name == "help" or getattr(parameter, "hidden", False):
                continue
            names = ", ".join(f"`{o}`" for o in [*parameter.opts, *parameter.secondary_opts])
            if parameter.param_type_name == "argument":
                names = f"`{parameter.metavar or parameter.name.upper()}`"
            default = parameter.get_default(ctx, call=False)
            shown = "" if default in (None, False, (), []) or callable(default) else f"`{_plain(default)}`"
            rows.append(f"| {names} | {(parameter.help or '').replace('|', '/')} | {shown} |")
        if rows:
            lines.extend(["| option | meaning | default |", "|---|---|---|", *rows, ""])
        for name, sub in sorted(getattr(command, "commands", {}).items()):
            describe(sub, f"{path} {name}", ctx)

    for name, command in sorted(root.commands.items()):  # type: ignore[attr-defined]
        describe(command, f"htc {name}", context)
    return "\n".join(lines).rstrip() + "\n"


def _plain(value: object) -> str:
    return str(getattr(value, "value", value))


def settings_page() -> str:
    """The settings, from their descriptions."""
    from htc.settings import Settings

    lines = [
        "# Settings",
        "",
        "Each setting is an environment variable, or a line of `config.toml` in `HTC_HOME` (another file: "
        "`HTC_CONFIG`) with the name in lower case and without `HTC_`. The environment wins.",
        "",
        "| variable | meaning | default |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = (
            "the user's data folder" if name == "home" else "" if field.default is None else field.default
        )
        lines.append(f"| `HTC_{name.upper()}` | {field.description} | {default} |")
    return "\n".join(lines) + "\n"


def model_page() -> str:
    """The models in the package, from their cards."""
    from htc.models import TIERS, load_model

    lines = [
        "# Model cards",
        "",
        "The tiers of the model, the most exact first. `htc model info --tier TIER` prints the card "
        "of the model in use. What they mean: [how far to trust the numbers](../explanation/trust.md).",
        "",
    ]
    for tier in reversed(TIERS):
        lines += [f"## The {tier} tier", "", *_card_lines(load_model(tier=tier)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _figure(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if isinstance(value, float) else "-"


def _card_lines(model: CouplingModel) -> list[str]:
    card = model.card
    lines = [f"`{model.model_id}`: {card['description']}", ""]
    for data in card["training_data"]:
        lines += [
            f"Trained on {data['rows']} materials, {data['source']}, {data['licence']}; {data['held_out']}.",
            "",
        ]
    lines += [f"Method: {card['method']['model']}. {card['method']['formula']}.", ""]
    for kind, sets in card["metrics"].items():
        lines += [f"### From {kind}", "", "| | held-out fold | cross-validation |", "|---|---|---|"]
        for key, value in sets["held_out_fold"].items():
            other = sets["cross_validation"].get(key)
            if isinstance(value, dict):
                inner = other if isinstance(other, dict) else {}
                lines += [
                    f"| {key}: {k} | {_figure(v)} | {_figure(inner.get(k))} |" for k, v in value.items()
                ]
            else:
                lines.append(f"| {key} | {_figure(value)} | {_figure(other)} |")
        lines += [""]
    lines += ["### Calibration on the held-out fold", "", "| | coverage of the 95 % interval |", "|---|---|"]
    calibration = card["calibration"]
    for kind, by_mu in calibration["held_out_fold_by_mu_star"].items():
        lines += [f"| from {kind}, mu* {mu} | {value:.3f} |" for mu, value in by_mu.items()]
    lines += ["", "| | share | MAE of ln lambda | Tc MAE (K) | coverage |", "|---|---|---|---|---|"]
    for kind, levels in calibration["held_out_fold_by_confidence"].items():
        lines += [
            f"| from {kind}, confidence {level} | {s['share']:.2f} | {s['ln_lambda_mae']:.3f} | "
            f"{s['tc_mae_k']:.3f} | {s['coverage_95']:.3f} |"
            for level, s in levels.items()
        ]
    for title, key in (("Intended use", "intended_use"), ("Limits", "limits")):
        lines += ["", f"### {title}", "", *(f"- {line}" for line in card[key])]
    return [
        *lines,
        "",
        "### Reproduce",
        "",
        f"`{card['reproduce']}`",
        "",
        f"SHA-256 of the weights: `{card['weights']['sha256']}`",
    ]


def openapi() -> str:
    """The API's OpenAPI document."""
    from htc.service import create_app

    return json.dumps(create_app().openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def campaign_page() -> str:
    """Every key of a campaign's file, a table after the other."""
    from pydantic import BaseModel

    from htc.discovery.campaign import Campaign
    from htc.discovery.campaign.pools import GROUPS

    lines = [
        "# Campaign files",
        "",
        "Every key of the TOML file of a campaign; [how to write one](../howto/campaigns.md).",
        "The same as a JSON schema: [campaign.schema.json](campaign.schema.json).",
        "",
    ]
    schema = Campaign.model_json_schema()
    definitions = {"Campaign": schema, **schema["$defs"]}

    def describe(name: str, title: str) -> None:
        table = definitions[name]
        lines.extend([f"## {title}", "", " ".join(table.get("description", "").split()), ""])
        lines.extend(["| key | meaning | default |", "|---|---|---|"])
        for key, field in table["properties"].items():
            default = field.get("default")
            shown = (
                "" if default in (None, {}, []) or isinstance(default, dict | list) else f"`{_toml(default)}`"
            )
            if key in table.get("required", ()):
                shown = f"`{field['const']}`" if "const" in field else "required"
            meaning = field.get("description", "Which kind of table it is.").replace("|", "/")
            lines.append(f"| `{key}` | {meaning} | {shown} |")
        lines.append("")

    def named(prefix: str) -> list[tuple[str, str]]:
        found = []
        for name, table in schema["$defs"].items():
            kind = table.get("properties", {}).get("kind", {}).get("const")
            where = next(
                (
                    place
                    for place, model in Campaign.model_fields.items()
                    if kind and name in _models_of(model.annotation, BaseModel)
                ),
                None,
            )
            if where == prefix:
                found.append((name, f'[[{where}]] kind = "{kind}"'))
        return found

    describe("Campaign", "The file")
    for name, title in named("candidates"):
        describe(name, title)
    for rule in ("charge", "size", "contact", "electrons"):
        describe(f"{rule.capitalize()}Rule", f"[plausibility.{rule}]")
    describe("Volume", "[volume]")
    describe("Duplicates", "[duplicates]")
    for name, title in named("stages"):
        describe(name, title)
    describe("Keep", "[stages.keep]")
    describe("OptimizeTable", "[optimize]")
    lines += ["## Groups of elements", "", "| name | elements |", "|---|---|"]
    order = {symbol: z for z, symbol in enumerate(_elements())}
    for name, members in GROUPS.items():
        shown = "hydrogen to uranium" if name == "all" else " ".join(sorted(members, key=order.__getitem__))
        lines.append(f"| `{name}` | {shown} |")
    return "\n".join(lines) + "\n"


def _elements() -> tuple[str, ...]:
    from htc.materials.formulas import ELEMENTS

    return ELEMENTS


def _models_of(annotation: object, base: type) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, base):
        return [annotation.__name__]
    return [name for part in typing.get_args(annotation) for name in _models_of(part, base)]


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def campaign_schema() -> str:
    """JSON schema of a campaign."""
    from htc.discovery.campaign import Campaign

    return json.dumps(Campaign.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


PAGES = {
    "cli.md": cli_page,
    "settings.md": settings_page,
    "model.md": model_page,
    "campaign.md": campaign_page,
    "campaign.schema.json": campaign_schema,
    "openapi.json": openapi,
}


def main() -> int:
    """Write or check all pages."""
    check = sys.argv[1:] == ["--check"]
    stale = 0
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        old = path.read_text("utf-8") if path.exists() else ""
        if old == text:
            continue
        if check:
            stale += 1
            diff = difflib.unified_diff(
                old.splitlines(), text.splitlines(), f"{name} (committed)", f"{name} (now)", lineterm="", n=1
            )
            sys.stdout.write("\n".join(list(diff)[:40]) + "\n")
        else:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"written: {path}\n")
    if stale:
        sys.stdout.write(f"{stale} generated pages are out of date: run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
