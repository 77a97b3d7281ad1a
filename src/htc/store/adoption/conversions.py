"""How a column of an earlier deployment takes the type of revision 003, and which values cannot.

The earlier tables were made by SQLAlchemy from models that changed: TEXT for VARCHAR, JSONB for JSON,
times with and without a zone, JSON lists for arrays. A conversion is only done where every value survives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["JSON_TEST", "TEXT_BOOLEANS", "Conversion", "conversion"]

TEXT_BOOLEANS: Final = frozenset({"phonon_stable", "thermo_stable", "extrapolation_warning"})
"""Columns of htc_predictions that hold 'true' and 'false' at 003."""

JSON_TEST: Final = """
CREATE OR REPLACE FUNCTION pg_temp.htc_is_json(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN value::json IS NOT NULL;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END
$$
"""
"""PostgreSQL 15 has no IS JSON."""

_TEXTS: Final = frozenset({"character varying", "text", "character", "citext"})
_INTEGERS: Final = frozenset({"smallint", "integer", "bigint"})
_FLOATS: Final = frozenset({"real", "double precision"})
_TRUE: Final = "('true', 't', 'yes', '1')"
_FALSE: Final = "('false', 'f', 'no', '0')"
_UUID: Final = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_NUMBER: Final = r"(null|NaN|-?Infinity|-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?)"
_LIST: Final = rf"^\s*\[\s*({_NUMBER}(\s*,\s*{_NUMBER})*)?\s*\]\s*$"


@dataclass(frozen=True, slots=True)
class Conversion:
    """SQL expressions of one column; ``{q}`` stands for its quoted name."""

    using: str
    before: str
    """A value as text, as it is now."""
    after: str
    """The same value as text, once converted."""
    unfit: str | None = None
    """Holds for the values that cannot be converted."""
    why: str = ""
    """What is wrong with those."""
    may_stay: bool = False
    """With unfit values the column keeps its type: later revisions live with it."""


def conversion(column: str, have: str, want: str) -> Conversion | None:
    """The way from type ``have`` to type ``want``, or None where there is none.

    Args:
        column: its name; a few columns allow more than others.
        have: the type there is, as ``format_type`` prints it.
        want: the type at 003.
    """
    source, target = _bare(have), _bare(want)
    if target in _TEXTS:
        return _to_text(column, source, want)
    if source == target:
        return Conversion(f"{{q}}::{want}", "{q}::text", "{q}::text")
    match target:
        case "double precision":
            return _to_float(source)
        case "integer":
            return _to_integer(source)
        case "boolean":
            return _to_boolean(source)
        case "uuid":
            return _to_uuid(column, source)
        case "json":
            return _to_json(source)
        case "timestamp without time zone":
            return _to_timestamp(source)
        case "double precision[]":
            return _to_floats(source)
    return None


def _to_text(column: str, source: str, want: str) -> Conversion | None:
    if source not in _TEXTS and source != "uuid":
        if not (column in TEXT_BOOLEANS and source in {"boolean", *_INTEGERS}):
            return None
        return Conversion(f"{{q}}::text::{want}", "{q}::text", "{q}::text")
    limit = re.search(r"\((\d+)\)", want)
    return Conversion(
        f"{{q}}::text::{want}",
        "{q}::text",
        "{q}::text",
        unfit=f"char_length({{q}}::text) > {limit[1]}" if limit else None,
        why=f"are longer than {limit[1]} characters" if limit else "",
        may_stay=source in _TEXTS,
    )


def _to_float(source: str) -> Conversion | None:
    cast = "{q}::double precision"
    as_text = "({q}::double precision)::text"
    if source == "numeric":
        same = "{q}::double precision::text::numeric"
        return Conversion(
            cast, as_text, "{q}::text", f"{same} IS DISTINCT FROM {{q}}", "have more digits than fit"
        )
    if source in {*_INTEGERS, *_FLOATS}:
        unfit = f"{cast}::bigint <> {{q}}" if source == "bigint" else None
        return Conversion(cast, as_text, "{q}::text", unfit, "have more digits than fit")
    return None


def _to_integer(source: str) -> Conversion | None:
    if source in {"smallint", "bigint", "numeric", *_FLOATS}:
        outside = "NOT ({q} BETWEEN -2147483648 AND 2147483647)"
        whole = "" if source in _INTEGERS else " OR {q} <> trunc({q})"
        return Conversion(
            "{q}::integer",
            "({q}::integer)::text",
            "{q}::text",
            outside + whole,
            "are no whole numbers of 32 bits",
        )
    return None


def _to_boolean(source: str) -> Conversion | None:
    if source in _INTEGERS:
        return Conversion(
            "{q} <> 0", "({q} <> 0)::text", "{q}::text", "{q} NOT IN (0, 1)", "are neither 0 nor 1"
        )
    if source in _TEXTS:
        plain = "lower(btrim({q}::text))"
        value = f"CASE WHEN {plain} IN {_TRUE} THEN true WHEN {plain} IN {_FALSE} THEN false END"
        unfit = f"{plain} NOT IN {_TRUE} AND {plain} NOT IN {_FALSE}"
        return Conversion(value, f"({value})::text", "{q}::text", unfit, "are neither true nor false")
    return None


def _to_uuid(column: str, source: str) -> Conversion | None:
    if source not in _TEXTS:
        return None
    return Conversion(
        "{q}::text::uuid",
        "lower({q}::text)",
        "{q}::text",
        f"{{q}}::text !~ '{_UUID}'",
        "are no UUIDs",
        # Revision 004 makes a text of it again, because runs are not only known by UUIDs.
        may_stay=column == "parent_batch_id",
    )


def _to_json(source: str) -> Conversion | None:
    if source == "jsonb":
        return Conversion("{q}::json", "{q}::text", "{q}::text")
    if source in _TEXTS:
        return Conversion(
            "{q}::text::json", "{q}::text", "{q}::text", "NOT pg_temp.htc_is_json({q}::text)", "are no JSON"
        )
    return None


def _to_timestamp(source: str) -> Conversion | None:
    if source == "timestamp with time zone":
        value = "{q} AT TIME ZONE 'UTC'"
        return Conversion(value, f"({value})::text", "{q}::text")
    if source == "date":
        return Conversion("{q}::timestamp", "({q}::timestamp)::text", "{q}::text")
    return None


def _to_floats(source: str) -> Conversion | None:
    if source in {"real[]", "numeric[]", "integer[]", "bigint[]"}:
        return Conversion("{q}::double precision[]", "({q}::double precision[])::text", "{q}::text")
    if source in {"json", "jsonb", *_TEXTS}:
        list_ = "translate({q}::text, '[]', '{}')::double precision[]"
        value = f"CASE WHEN btrim({{q}}::text) <> 'null' THEN {list_} END"
        unfit = f"btrim({{q}}::text) <> 'null' AND {{q}}::text !~ '{_LIST}'"
        return Conversion(value, f"({value})::text", "{q}::text", unfit, "are no lists of numbers")
    return None


def _bare(type_: str) -> str:
    without_collation = type_.partition(" COLLATE ")[0]
    return re.sub(r"\(.*?\)", "", without_collation).replace("  ", " ").strip()
