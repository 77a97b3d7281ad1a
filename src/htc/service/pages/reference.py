"""The OpenAPI document as a page: what can be asked, with which fields, and what is answered.

The document is the one that programs get at ``/openapi.json``; the page needs no network and no script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Answer", "Group", "Operation", "Row", "Schema", "Word", "groups", "schemas"]

Document = Mapping[str, Any]
_REF: Final = "#/components/schemas/"
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a type: a text, or the name of a schema to link to."""

    text: str
    is_schema: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter or a field."""

    name: str
    place: str
    """``path``, ``query``, ``header`` or, of a field, ``""``."""
    kind: tuple[Word, ...]
    needed: bool
    description: str
    default: str | None
    """As JSON; None where there is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What may come back."""

    status: str
    description: str
    media_types: tuple[str, ...]
    kind: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    title: str
    description: str
    scope: str | None
    """Scope that an access key needs; None: anybody may."""
    parameters: tuple[Row, ...]
    body: tuple[Word, ...]
    """Schema of the body; empty without one."""
    example: str | None
    """A body that works, as JSON."""
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that belong together."""

    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of a request or an answer."""

    name: str
    description: str
    rows: tuple[Row, ...]


def groups(document: Document) -> tuple[Group, ...]:
    """All operations by their first tag, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                said = methods[method]
                tag = next(iter(said.get("tags", ())), "other")
                found.setdefault(tag, []).append(_operation(document, path, method, said))
    return tuple(Group(name, tuple(operations)) for name, operations in found.items())


def schemas(document: Document) -> tuple[Schema, ...]:
    """All schemas with fields, by name."""
    return tuple(
        Schema(name, said.get("description", ""), _fields(said))
        for name, said in sorted(document.get("components", {}).get("schemas", {}).items())
        if "properties" in said
    )


def _operation(document: Document, path: str, method: str, said: Document) -> Operation:
    scopes = [scope for one in said.get("security", ()) for listed in one.values() for scope in listed]
    content = said.get("requestBody", {}).get("content", {})
    schema: Document = next((one.get("schema", {}) for one in content.values()), {})
    title = said.get("summary", "")
    text = said.get("description", "")
    return Operation(
        id=said.get("operationId", f"{method} {path}"),
        method=method.upper(),
        path=path,
        title=text.split("\n\n")[0].replace("\n", " ") or title,
        description="\n\n".join(text.split("\n\n")[1:]),
        scope=scopes[0] if scopes else None,
        parameters=tuple(_parameter(one) for one in said.get("parameters", ())),
        body=_kind(schema),
        example=_example(document, schema),
        answers=tuple(_answer(status, one) for status, one in said.get("responses", {}).items()),
    )


def _parameter(said: Document) -> Row:
    schema = said.get("schema", {})
    return Row(
        said["name"],
        said["in"],
        _kind(schema),
        bool(said.get("required")),
        said.get("description", schema.get("description", "")),
        _default(schema),
    )


def _fields(said: Document) -> tuple[Row, ...]:
    needed = set(said.get("required", ()))
    return tuple(
        Row(name, "", _kind(one), name in needed, one.get("description", ""), _default(one))
        for name, one in said["properties"].items()
    )


def _answer(status: str, said: Document) -> Answer:
    content = said.get("content", {})
    schema: Document = next((one.get("schema", {}) for one in content.values()), {})
    return Answer(status, said.get("description", ""), tuple(content), _kind(schema))


def _default(schema: Document) -> str | None:
    value = schema.get("default")
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _example(document: Document, schema: Document) -> str | None:
    name = schema.get("$ref", "").removeprefix(_REF)
    whole = document.get("components", {}).get("schemas", {}).get(name, schema)
    given = next(iter(whole.get("examples", ())), whole.get("example"))
    return None if given is None else json.dumps(given, ensure_ascii=False)


def _kind(schema: Document) -> tuple[Word, ...]:
    """The type in words; what it points to can be followed."""
    if "$ref" in schema:
        return (Word(schema["$ref"].removeprefix(_REF), is_schema=True),)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return _joined([_kind(one) for one in schema[name]], " or ")
    if "enum" in schema:
        return (Word(" | ".join(json.dumps(value) for value in schema["enum"])),)
    if "const" in schema:
        return (Word(json.dumps(schema["const"])),)
    if schema.get("type") == "array":
        return (Word("list of "), *_kind(schema.get("items", {})))
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and values:
        return (Word("names to "), *_kind(values))
    if "type" not in schema:
        return ()
    limits = [
        f"{sign} {schema[name]:g}"
        for name, sign in (
            ("exclusiveMinimum", ">"),
            ("minimum", "≥"),
            ("exclusiveMaximum", "<"),
            ("maximum", "≤"),
        )
        if name in schema
    ]
    kind = schema.get("format", schema["type"])
    return (Word(f"{kind} {', '.join(limits)}".strip()),)


def _joined(kinds: list[tuple[Word, ...]], between: str) -> tuple[Word, ...]:
    out: list[Word] = []
    for kind in kinds:
        if out and kind:
            out.append(Word(between))
        out.extend(kind)
    return tuple(out)
