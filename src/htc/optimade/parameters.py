"""The query parameters of a list of entries and of one entry."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from htc.optimade.filters import read_filter
from htc.optimade.properties import PREFIX, EntryType
from htc.optimade.refusals import BadRequestError, NotServedError, PageTooLargeError, VersionError
from htc.store.optimade import Sort
from htc.store.optimade.expressions import Expression

__all__ = [
    "DEFAULT_PAGE",
    "MAX_OFFSET",
    "MAX_PAGE",
    "PLACES",
    "Asked",
    "check_version_hint",
    "read_parameters",
]

DEFAULT_PAGE: Final = 20
MAX_PAGE: Final = 500
MAX_OFFSET: Final = 10_000
"""Rows that can be passed over by number; links to the next page go on from any depth."""
MAX_SORTS: Final = 8

PLACES: Final = ("page_cursor", "page_above", "page_offset", "page_number")
"""Parameters that say where a page begins."""

_OF_ONE: Final = frozenset({"response_format", "email_address", "response_fields", "include", "api_hint"})
_OF_LISTS: Final = _OF_ONE | {"filter", "sort", "page_limit", "page_below", *PLACES}
_NAME: Final = re.compile(r"[a-z_][a-z_0-9]*")
_PROVIDER: Final = re.compile(r"_([a-z0-9]+)_")
_HINT: Final = re.compile(r"v(\d{1,6})(\.(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    fields: tuple[str, ...]
    """Attributes to show."""
    empty: tuple[str, ...]
    """Attributes to show as null."""
    text: str = ""
    """The filter as it was written."""
    wish: Expression | None = None
    sort: tuple[Sort, ...] = ()
    limit: int = DEFAULT_PAGE
    offset: int = 0
    cursor: str | None = None
    above: str | None = None
    warnings: tuple[str, ...] = ()


def read_parameters(given: Sequence[tuple[str, str]], kind: EntryType, *, single: bool = False) -> Asked:
    """Read the parameters of a request.

    Args:
        given: names and values as they stand in the URL.
        kind: of the entries.
        single: of one entry rather than a list.

    Raises:
        OptimadeError: whatever is wrong with them.
    """
    values, warnings = _known(given, _OF_ONE if single else _OF_LISTS)
    if values.get("response_format", "json") != "json":
        raise BadRequestError("the only format is json", parameter="response_format")
    _check_include(values)
    fields, empty, more = _fields(values.get("response_fields", ""), kind)
    warnings += more
    if single:
        return Asked(fields, empty, warnings=tuple(warnings))
    text = values.get("filter", "")
    understood = read_filter(text, kind.vocabulary)
    sort, more = _sorts(values.get("sort", ""), kind)
    limit = _number(values, "page_limit", DEFAULT_PAGE, least=1)
    if limit > MAX_PAGE:
        raise PageTooLargeError(f"at most {MAX_PAGE} entries are given on a page", parameter="page_limit")
    offset, cursor, above = _place(values, limit, sort)
    return Asked(
        fields, empty, text, understood.wish, sort, limit, offset, cursor, above,
        (*warnings, *understood.warnings, *more),
    )  # fmt: skip


def check_version_hint(hint: str | None, version: str) -> None:
    """Refuse the hint of a request at the unversioned base URL that asks for another major version.

    Raises:
        VersionError: of another major version.
        BadRequestError: it is no hint.
    """
    if hint is None:
        return
    match = _HINT.fullmatch(hint)
    if match is None:
        raise BadRequestError("a hint looks like v1 or v1.2", parameter="api_hint")
    if match[1] != version.split(".")[0]:
        raise VersionError(f"version {hint} is not served", parameter="api_hint", hint=f"this is {version}")


def _known(given: Sequence[tuple[str, str]], allowed: frozenset[str]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    warnings: list[str] = []
    for name, value in given:
        if name in values:
            raise BadRequestError("the parameter is given twice", parameter=name[:60])
        if name in allowed:
            values[name] = value
            continue
        provider = _PROVIDER.match(name)
        if provider and provider[1] != PREFIX:
            warnings.append(f"The parameter {name[:60]} of another provider was not used.")
            continue
        near = difflib.get_close_matches(name, sorted(allowed), 1)
        raise BadRequestError(
            "there is no such parameter here",
            parameter=name[:60],
            hint=f"did you mean {near[0]}?" if near else ", ".join(sorted(allowed)),
        )
    return values, warnings


def _check_include(values: Mapping[str, str]) -> None:
    for path in filter(None, values.get("include", "").split(",")):
        if path != "references":  # the default of the standard; no entry here has one
            raise BadRequestError(f"{path[:60]!r} cannot be included", parameter="include")


def _fields(text: str, kind: EntryType) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    if not text:
        return kind.attributes, (), []
    fields: list[str] = []
    empty: list[str] = []
    warnings: list[str] = []
    for name in dict.fromkeys(text.split(",")):
        if name in {"id", "type"}:
            continue
        provider = _PROVIDER.match(name)
        if name in kind.attributes:
            fields.append(name)
        elif name in kind.empty:
            empty.append(name)
        elif provider and _NAME.fullmatch(name):
            warnings.append(f"No entry here has the property {name[:60]}.")
            empty.append(name)
        else:
            near = difflib.get_close_matches(name, kind.attributes, 1)
            raise BadRequestError(
                f"there is no property {name[:60]!r}",
                parameter="response_fields",
                hint=f"did you mean {near[0]}?" if near else f"/info/{kind.name} lists them",
            )
    return tuple(fields), tuple(empty), warnings


def _sorts(text: str, kind: EntryType) -> tuple[tuple[Sort, ...], list[str]]:
    sorts: list[Sort] = []
    warnings: list[str] = []
    for part in filter(None, text.split(",")):
        name = part.removeprefix("-")
        column = kind.kind.columns.get(name)
        provider = _PROVIDER.match(name)
        if column is None and provider and provider[1] != PREFIX:
            warnings.append(f"No entry here has the property {name[:60]}: it was not sorted by.")
            continue
        if column is None or not column.sortable:
            raise BadRequestError(
                f"entries cannot be sorted by {name[:60]!r}",
                parameter="sort",
                hint=f"/info/{kind.name} says which properties are sortable",
            )
        if any(name == sort.name for sort in sorts):
            raise BadRequestError(f"{name} is named twice", parameter="sort")
        sorts.append(Sort(name, part.startswith("-")))
    if len(sorts) > MAX_SORTS:
        raise BadRequestError(f"at most {MAX_SORTS} properties can be sorted by", parameter="sort")
    return tuple(sorts), warnings


def _place(
    values: Mapping[str, str], limit: int, sort: tuple[Sort, ...]
) -> tuple[int, str | None, str | None]:
    if "page_below" in values:
        raise NotServedError(
            "pages can only be walked forwards", parameter="page_below", hint="use page_cursor"
        )
    given = [name for name in PLACES if name in values]
    if len(given) > 1:
        raise BadRequestError(f"{' and '.join(given)} exclude each other", parameter=given[1])
    above = values.get("page_above")
    if above is not None and sort:
        raise BadRequestError(
            "page_above goes on after an id, which needs the order of ids", parameter="page_above",
            hint="leave out sort, or follow links.next",
        )  # fmt: skip
    if above is not None and "\0" in above:
        raise BadRequestError("no id holds a character of value 0", parameter="page_above")
    offset = _number(values, "page_offset", 0, least=0)
    name = "page_offset"
    if "page_number" in values:
        name = "page_number"
        offset = (_number(values, name, 1, least=1) - 1) * limit
    if offset > MAX_OFFSET:
        raise BadRequestError(
            f"at most {MAX_OFFSET} entries can be passed over", parameter=name,
            hint="links.next goes on from any depth",
        )  # fmt: skip
    return offset, values.get("page_cursor"), above


def _number(values: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = values.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text, re.ASCII) or int(text) < least:
        raise BadRequestError(f"{text[:20]!r} is not an integer of {least} or more", parameter=name)
    return int(text)
