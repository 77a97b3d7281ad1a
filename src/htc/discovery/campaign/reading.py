"""From the text of a campaign's file to a :class:`Campaign`, or to an error that says where to look."""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from htc.discovery.campaign.tables import Campaign
from htc.errors import InputError

__all__ = ["bundled_campaigns", "load_campaign", "parse_campaign", "validate_campaign"]

_MAX_BYTES: Final = 5_000_000


def load_campaign(path: str | Path) -> Campaign:
    """Read a campaign's file.

    Args:
        path: of the file; or, where there is none of that name, the name of one that comes with HTC: ``a15``.

    Raises:
        InputError: no such file, not TOML, or not a campaign; ``where`` has file, line and key.
    """
    path = Path(path)
    if not path.exists() and path.name in (own := bundled_campaigns()) and path.parent == Path():
        return parse_campaign(own[path.name].read_text(encoding="utf-8"), source=path.name)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError("a campaign's file is at most 5 MB", where=str(path))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            hint="a path, or one of those that come with HTC: " + ", ".join(bundled_campaigns()),
        ) from error
    except UnicodeDecodeError as error:
        raise InputError("not a text in UTF-8", where=str(path)) from error
    return parse_campaign(text, source=str(path))


def bundled_campaigns() -> dict[str, Path]:
    """The campaigns that come with HTC, by name."""
    folder = resources.files("htc").joinpath("examples", "campaigns")
    with resources.as_file(folder) as place:
        return {path.stem: path for path in sorted(place.glob("*.toml"))}


def parse_campaign(text: str, *, source: str = "campaign") -> Campaign:
    """Read a campaign from TOML.

    Args:
        text: the TOML.
        source: name for messages.

    Raises:
        InputError: not TOML, or not a campaign; ``where`` has file, line and key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML: {error}", where=source) from error
    return validate_campaign(document, source=source, text=text)


def validate_campaign(document: Mapping[str, Any], *, source: str = "campaign", text: str = "") -> Campaign:
    """A campaign from its keys and values.

    Args:
        document: as TOML or JSON has it.
        source: name for messages.
        text: TOML it comes from, to tell the line.

    Raises:
        InputError: not a campaign; ``where`` has the key.
    """
    try:
        return Campaign.model_validate(document)
    except ValidationError as error:
        raise _explained(error, document, source, text) from error


def _explained(error: ValidationError, document: Mapping[str, Any], source: str, text: str) -> InputError:
    found = error.errors(include_url=False)
    # A list that lost its only value to an error is too short because of that.
    found = [
        e
        for e in found
        if e["type"] != "too_short"
        or not any(other["loc"][: len(e["loc"])] == e["loc"] for other in found if other is not e)
    ]
    # A wrong key is the likelier cause where another one is missing.
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    path = _as_written(first["loc"], document)
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    # Checks across tables name the key themselves.
    named = re.match(r"([a-z_]+(?:\.[A-Za-z0-9_@]+)+|pressures_gpa): (.*)", message, re.DOTALL)
    if not path and named:
        path = [int(part) if part.isdigit() else part for part in named[1].split(".")]
        message = named[2]
    message, _, said = message.partition("\n")
    hint = said or None
    if first["type"] == "extra_forbidden":
        known = _known_keys(path[:-1], document)
        near = difflib.get_close_matches(str(path[-1]), known, 1, cutoff=0.5)
        message = f"there is no key {path[-1]!r} here"
        hint = f"did you mean {near[0]}?" if near else "there are: " + ", ".join(known)
    elif first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        kinds = str(first.get("ctx", {}).get("expected_tags", "")).replace("'", "")
        given = first.get("ctx", {}).get("tag")
        near = difflib.get_close_matches(str(given), kinds.split(", "), 1, cutoff=0.5)
        message = "the key 'kind' is missing" if given is None else f"there is no kind {given!r}"
        hint = f"did you mean {near[0]}?" if near else f"one of {kinds}" if kinds else None
        if not kinds:
            hint = "each table of candidates and of stages has its kind"
    elif first["type"] == "missing":
        message = f"the key {path[-1]!r} is missing"
    if len(found) > 1 and first["type"] != "extra_forbidden":
        others = [_shown(_as_written(e["loc"], document)) for e in found if e is not first]
        named_others = list(dict.fromkeys(other for other in others if other))
        if named_others:
            also = "wrong, too: " + ", ".join(named_others[:5]) + (", ..." if len(named_others) > 5 else "")
            hint = f"{hint}; {also}" if hint else also
    line = _line_of(path, text)
    place = f"{source}, line {line}" if line else source
    return InputError(message, where=f"{place}: {_shown(path)}" if path else place, hint=hint)


def _as_written(loc: Sequence[int | str], document: Any) -> list[int | str]:
    """The path as the document has it: pydantic puts kinds of tagged tables and ``[key]`` in between."""
    path: list[int | str] = []
    at: Any = document
    for part in loc:
        if isinstance(at, Mapping) and at.get("kind") == part and part not in at:
            continue
        if part == "[key]":
            continue
        path.append(part)
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            at = None
    return path


def _shown(path: Sequence[int | str]) -> str:
    """``candidates[2].slots.Nb``, counted from 1 as people do."""
    out = ""
    for part in path:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def _known_keys(path: Sequence[int | str], document: Mapping[str, Any]) -> list[str]:
    """Keys of the table at a path."""
    model: Any = Campaign
    at: Any = document
    for part in path:
        at = at[part]
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        options = _models_in(annotation)
        kind = at.get("kind") if isinstance(at, Mapping) else None
        model = options[0] if options else model
        table: Any = at
        if isinstance(at, list):
            following = path[list(path).index(part) + 1 :]
            table = at[int(following[0])] if following else {}
            kind = table.get("kind") if isinstance(table, Mapping) else None
        for option in options:
            field = option.model_fields.get("kind")
            if field is not None and kind in typing.get_args(field.annotation):
                model = option
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def _line_of(path: Sequence[int | str], text: str) -> int | None:
    """Line of a key in the TOML, from 1; of the table where the key cannot be found."""
    if not path:
        return None
    best: int | None = None
    depth = 0
    table: list[int | str] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.@\"' -]+?)\s*\]", line):
            names = [name.strip(" \"'") for name in header[2].split(".")]
            if header[1] == "[[":
                counts[header[2]] = counts.get(header[2], -1) + 1
            table = []
            for i, name in enumerate(names):
                table.append(name)
                key = ".".join(names[: i + 1])
                if key in counts:
                    table.append(counts[key])
            have = table
        elif key_line := re.match(r"\s*([\w.@\"'-]+)\s*=", line):
            have = [*table, *(part.strip("\"'") for part in key_line[1].split("."))]
        else:
            continue
        shared = 0
        for a, b in zip(have, path, strict=False):
            if a != b:
                break
            shared += 1
        if shared == len(have) and shared > depth:
            best, depth = number, shared
    return best
