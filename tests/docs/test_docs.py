"""What the documentation says is what the program does."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

from htc.cli import app
from htc.cli.exit_codes import ExitCode
from htc.settings import Settings
from htc.spectra.readers import FORMATS
from htc.theory import METHODS
from htc.theory.eliashberg.conventions import CONVENTIONS
from htc.version import __version__

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SCHEMAS = sorted((ROOT / "docs" / "schemas").glob("*.json"))
GENERATED = ("cli.md", "settings.md", "model.md", "campaign.md", "campaign.schema.json", "openapi.json")

CLI: Any = typer.main.get_command(app)

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# Assignments may precede a command.
_COMMAND = re.compile(r"^(?:[A-Z_]+=\S+\s+)*htc((?: [^`]*)?)$")


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def schema_of(command: str) -> Any:
    return json.loads((ROOT / "docs" / "schemas" / f"{command}.schema.json").read_text("utf-8"))


def prose_of(text: str) -> str:
    return _FENCE.sub("", text)


def anchors_of(path: Path) -> set[str]:
    """Anchors of the headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.replace("\\", "")).strip().lower().replace(" ", "-") for h in headings}


def leaves(command: Any = CLI, path: str = "htc") -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from leaves(child, f"{path} {name}")


def quoted_commands(text: str) -> Iterator[str]:
    """Arguments of every `htc` that a reader may type: from blocks of commands and from inline code."""
    lines: list[str] = []
    for language, body in _FENCE.findall(text):
        if language == "console":
            lines += [line[2:] for line in body.splitlines() if line.startswith("$ ")]
        elif language in {"text", "bash", "sh"}:
            lines += body.splitlines()
    lines += re.findall(r"`([^`\n]+)`", prose_of(text))
    for line in lines:
        for part in shell_parts(line.strip()):
            found = _COMMAND.search(part)
            if found:
                yield found.group(1).strip()


def shell_parts(line: str) -> Iterator[str]:
    """A line cut at the operators of the shell that stand outside quotes."""
    start, quote = 0, ""
    for i, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "|;&()<>":
            yield line[start:i].strip()
            start = i + 1
    yield line[start:].strip()


def complaint(arguments: str) -> str | None:
    """What is wrong with the arguments of `htc`: an unknown command or option."""
    command, words = CLI, shlex.split(arguments)
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        default = getattr(command, "default_command", None)
        if words[0] not in command.commands and default is None:
            return f"there is no command {words[0]!r}"
        command = command.commands[words.pop(0) if words[0] in command.commands else default]
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
    for word in words:
        if word == "--":
            break
        if word.startswith("-") and word.partition("=")[0] not in known:
            return f"there is no option {word}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose_of(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_quoted_commands_exist(page: Path) -> None:
    wrong = {c: said for c in quoted_commands(page.read_text("utf-8")) if (said := complaint(c))}
    assert wrong == {}


def test_the_check_of_quoted_commands_sees_what_is_wrong() -> None:
    text = "Use `htc tpo -n 3`.\n\n```console\n$ HTC_HOME=x htc top --best | head\nhtc nothing\n```\n"
    assert list(quoted_commands(text)) == ["top --best", "tpo -n 3"]
    assert complaint("tpo -n 3") == "there is no command 'tpo'"
    assert complaint("top --best") == "there is no option --best"
    assert complaint("db psql -- -c 'select 1'") is None


@pytest.mark.parametrize(("path", "command"), list(leaves()), ids=[path for path, _ in leaves()])
def test_every_command_is_described_with_an_example_of_itself(path: str, command: Any) -> None:
    assert command.help
    examples = re.findall(r"Example: `([^`]+)`", command.help)
    assert examples
    assert any(path in example for example in examples)
    assert [p.name for p in command.params if p.name != "help" and not getattr(p, "help", None)] == []


def test_every_group_is_described() -> None:
    groups = [command for command in CLI.commands.values() if hasattr(command, "commands")]
    assert groups
    assert all(group.help for group in groups)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_current(generator: ModuleType, name: str) -> None:
    assert set(generator.PAGES) == set(GENERATED)
    committed = (ROOT / "docs" / "reference" / name).read_text("utf-8")
    assert committed == generator.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("path", SCHEMAS, ids=page_id)
def test_schemas_are_valid_and_every_field_is_described(path: Path) -> None:
    schema = json.loads(path.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    entry = schema["items"]
    page = (ROOT / "docs" / "reference" / "json.md").read_text("utf-8")
    assert set(entry["required"]) <= set(entry["properties"])
    assert [name for name in entry["properties"] if f"`{name}`" not in page] == []


def test_tc_schema_knows_the_formats_methods_conventions_and_flags() -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / "tc.schema.json").read_text("utf-8"))["items"][
        "properties"
    ]
    page = (ROOT / "docs" / "reference" / "json.md").read_text("utf-8")
    assert set(schema["format"]["enum"]) == {form.name for form in FORMATS}
    assert set(schema["tc_k"]["properties"]) == set(METHODS)
    assert set(schema["convention"]["enum"]) == set(CONVENTIONS)
    codes = re.search(r"\(([^)]+)\)", schema["flags"]["items"]["pattern"])
    assert codes is not None
    assert [code for code in codes.group(1).split("|") if f"`{code}`" not in page] == []


def test_eliashberg_schema_knows_the_conventions_and_warnings() -> None:
    schema = schema_of("eliashberg")["items"]["properties"]
    page = (ROOT / "docs" / "reference" / "json.md").read_text("utf-8")
    assert set(schema["convention"]["enum"]) == set(CONVENTIONS)
    codes = re.search(r"\(([^)]+)\)", schema["warnings"]["items"]["pattern"])
    assert codes is not None
    assert [code for code in codes.group(1).split("|") if f"`{code}`" not in page] == []
    nested = [name for part in schema.values() for name in part.get("properties", {})]
    axis = schema_of("eliashberg")["$defs"]["axis"]["properties"]
    assert [name for name in (*nested, *axis) if f"`{name}`" not in page] == []


def test_the_page_about_mu_star_has_every_convention() -> None:
    page = (ROOT / "docs" / "explanation" / "mu-star.md").read_text("utf-8")
    assert [name for name in CONVENTIONS if not re.search(rf"^\| `{name}` \|", page, re.MULTILINE)] == []


MGB2_OF_EPW = ROOT / "tests" / "data" / "spectra" / "epw_mgb2" / "MgB2.a2f_iso"
GAP_PARTS = {"gap", "gap_zero_temperature_mev", "ratio_2delta_ktc"}
SUPERCONDUCTING_PARTS = {"thermodynamics", "isotope_coefficient", "response"}


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--tc-only", "--convention", "all"], set()),
        (["--temperatures", "5,20,50"], GAP_PARTS | SUPERCONDUCTING_PARTS),
        (["--temperatures", "5", "--real-axis"], GAP_PARTS | SUPERCONDUCTING_PARTS | {"real_axis"}),
        (["--mu-star", "1"], GAP_PARTS),
    ],
    ids=["tc-only", "gap", "real-axis", "normal"],
)
def test_eliashberg_answers_fit_their_schema(options: list[str], parts: set[str], tmp_path: Path) -> None:
    file = MGB2_OF_EPW
    if "--mu-star" in options:
        file = tmp_path / "weak.dat"
        file.write_text("# omega (meV)  alpha2F\n10 0.0\n20 0.1\n30 0.0\n", "utf-8")
    schema = schema_of("eliashberg")
    ran = CliRunner().invoke(app, ["eliashberg", str(file), *options, "--json"])
    assert ran.exit_code == ExitCode.OK
    entries = json.loads(ran.stdout)
    jsonschema.validate(entries, schema, jsonschema.Draft202012Validator)
    assert len(entries) == (len(CONVENTIONS) if "all" in options else 1)
    always = set(schema["items"]["required"])
    assert all(set(entry) - always == parts for entry in entries)


def test_several_bands_fit_the_schema_of_eliashberg(tmp_path: Path) -> None:
    file = tmp_path / "bands.dat"
    rows = [(w / 1000, w * (60 - w) / 900, w * (60 - w) / 9000) for w in range(1, 61)]
    file.write_text("".join(f"{w} {own} {other} {other} {own}\n" for w, own, other in rows), "utf-8")
    arguments = ["eliashberg", str(file), "--unit", "eV", "--mu-matrix", "0.1,0;0,0.1", "--json"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == ExitCode.OK, ran.stderr
    entries = json.loads(ran.stdout)
    jsonschema.validate(entries, schema_of("eliashberg"), jsonschema.Draft202012Validator)
    assert "bands" in entries[0]


def test_predictions_fit_their_schema() -> None:
    schema = schema_of("predict")
    inputs = ["MgB2", "YBa2Cu3O7", "Mg2B?", "Nb0.6Ti0.4"]
    ran = CliRunner().invoke(app, ["predict", *inputs, "--no-store", "--json"])
    assert ran.exit_code == ExitCode.PARTIAL
    entries = json.loads(ran.stdout)
    jsonschema.validate(entries, schema, jsonschema.Draft202012Validator)
    assert [e["source"] for e in entries] == inputs
    assert [e["applicable"] for e in entries] == [True, False, None, True]
    assert all(set(e) == set(schema["items"]["required"]) for e in entries)


@pytest.mark.parametrize(
    "change",
    [{"tc_predicted": None}, {"tc_predicted": -1.0}, {"reason": "both"}, {"error": "both"}, {"tc": 1.0}],
)
def test_the_schema_of_predictions_refuses_contradictions(change: dict[str, Any]) -> None:
    schema = schema_of("predict")
    entry = dict.fromkeys(schema["items"]["required"]) | {
        "source": "X", "reduced_formula": "X", "lambda_ep": 0.5,
        "tc_predicted": 1.0, "tc_lower_95ci": 0.5, "tc_upper_95ci": 2.0,
        "omega_log": 200.0, "mu_star": 0.1, "confidence_level": "low",
        "extrapolation_warning": False, "applicable": True,
    }  # fmt: skip
    jsonschema.validate([entry], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([entry | change], schema)


def test_every_setting_is_described_and_every_variable_named_is_a_setting() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"`HTC_{name.upper()}`" in page
    settings = {f"HTC_{name.upper()}" for name in Settings.model_fields} | {"HTC_CONFIG"}
    for path in PAGES:
        named = set(re.findall(r"\bHTC_[A-Z_]+\b", path.read_text("utf-8")))
        assert named <= settings, path


def test_exit_codes_are_in_the_table() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert table == {int(code) for code in ExitCode}


def test_the_citation_and_the_changelog_name_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(rf"^version: {re.escape(__version__)}$", citation, re.MULTILINE)
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
