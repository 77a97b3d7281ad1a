"""Columns of any Arrow type brought to what a table's column holds; values that do not fit are pointed at.

A cast never fails as a whole: it gives the column and the rows whose value does not fit, which become NULL.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from htc.errors import InputError
from htc.store.bulk.pgcopy import ARROW_TYPES, Kind

__all__ = ["Unfit", "as_string", "cast", "unfit_json", "unfit_text"]

Unfit = np.ndarray[Any, np.dtype[np.bool_]]
"""Which rows have a value that does not fit, shape (n,)."""

NOT_A: Final[dict[Kind, str]] = {
    "float8": "is not a number",
    "int4": "is not a whole number of 32 bits",
    "int8": "is not a whole number of 64 bits",
    "bool": "is neither true nor false",
    "timestamptz": "is not a time",
    "uuid": "is not a UUID",
    "text": "is not valid text",
    "json": "is not valid JSON",
    "jsonb": "is not valid JSON",
    "text[]": "is not a list of texts",
    "varchar[]": "is not a list of texts",
    "float8[]": "is not a list of numbers",
}
"""What to say of a value that does not fit."""

_TRUE: Final = pa.array(["true", "t", "yes", "1"])
_FALSE: Final = pa.array(["false", "f", "no", "0"])
_UUID: Final = "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"
_ZONED: Final = r"(Z|[+-]\d\d(:?\d\d)?)$"
_NUMBER: Final = r"(?i)^[+-]?(\d+\.?\d*(e[+-]?\d+)?|\.\d+(e[+-]?\d+)?|inf|infinity|nan)$"
_WHOLE: Final = r"^[+-]?\d{1,19}(\.0*)?$"
_EARLIEST_US: Final = -210_866_803_200_000_000
"""4714 BC, before which PostgreSQL has no time; it has none of Arrow's later than the year 294276 either."""
_LATEST_US: Final = 9_223_371_331_199_999_999 - 946_684_800_000_000

Cast = tuple[pa.Array, Unfit | None]


def cast(column: pa.Array, kind: Kind) -> Cast:
    """A column in the type of :data:`~htc.store.bulk.pgcopy.ARROW_TYPES`, and the rows that do not fit.

    Raises:
        InputError: no value of the column's type can ever fit, such as times for a number.
    """
    wanted = ARROW_TYPES[kind]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), wanted), None
    if column.type == wanted and kind not in {"uuid", "timestamptz"}:
        return column, None
    if _is_text(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        text, unfit = as_string(column)
        out, more = _FROM_TEXT[kind](text)
        return out, _either(unfit, more)
    try:
        return _FROM_VALUES[kind](column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InputError(f"a column of type {column.type} does not fit: {error}") from error


def as_string(column: pa.Array) -> Cast:
    """Text or bytes of any width as ``string``; rows that are not UTF-8 do not fit."""
    if column.type == pa.string():
        return column, None
    if pa.types.is_large_string(column.type) or str(column.type) == "string_view":
        return column.cast(pa.string()), None
    try:
        return column.cast(pa.string()), None
    except pa.ArrowInvalid:
        values = [None if v is None else _decoded(v) for v in column.to_pylist()]
        unfit = np.array([given.is_valid and v is None for given, v in zip(column, values, strict=True)])
        return pa.array(values, pa.string()), unfit


def unfit_text(column: pa.Array) -> Unfit | None:
    """Rows whose text PostgreSQL cannot hold: with a NUL character, or not UTF-8."""
    bad: Unfit | None = None
    if pa.types.is_list(column.type):
        items = column.flatten()
        found = unfit_text(items) if pa.types.is_string(items.type) else None
        if found is None:
            return None
        rows = np.repeat(np.arange(len(column)), np.asarray(pc.fill_null(pc.list_value_length(column), 0)))
        bad = np.zeros(len(column), bool)
        bad[rows[found]] = True
        return bad
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        blobs = column.cast(pa.binary()).to_pylist()
        bad = np.array([blob is not None and _decoded(blob) is None for blob in blobs])
    _, _, data = column.buffers()
    if data is not None and not np.frombuffer(data, np.uint8).all():
        bad = _either(bad, _mask(pc.match_substring(column.cast(pa.binary()), "\0")))
    return bad


def unfit_json(column: pa.Array, kind: Kind) -> Unfit | None:
    """Rows that are not JSON as PostgreSQL wants it; JSONB wants more than JSON."""
    encoded = column.dictionary_encode()
    wrong = [
        i for i, text in enumerate(encoded.dictionary.to_pylist()) if not _is_json(text, kind == "jsonb")
    ]
    if not wrong:
        return None
    return _mask(pc.is_in(encoded.indices, pa.array(wrong, encoded.indices.type)))


def _is_json(text: str | None, binary: bool) -> bool:
    if text is None:
        return True
    try:
        json.loads(text, parse_constant=_refuse, parse_int=_short, parse_float=_short)
    except (ValueError, RecursionError):
        return False
    # JSONB unescapes its texts, and no text holds NUL or half a surrogate pair.
    if binary and "\\u" in text:
        plain = json.dumps(json.loads(text), ensure_ascii=False)
        if "\\u0000" in plain:
            return False
        try:
            plain.encode()
        except UnicodeEncodeError:
            return False
    return True


def _refuse(word: str) -> float:
    raise ValueError(word)


def _short(number: str) -> float:
    # Longer ones than any measurement has may not fit NUMERIC.
    if len(number) > 1000 or ("e" in number.lower() and abs(int(number.lower().split("e")[1])) > 10_000):
        raise ValueError(number)
    return 0.0


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or str(type_) == "string_view")


def _decoded(blob: bytes) -> str | None:
    try:
        return blob.decode()
    except UnicodeDecodeError:
        return None


def _mask(flags: Any) -> Unfit | None:
    out = np.asarray(pc.fill_null(flags, False))
    return out if out.any() else None


def _either(first: Unfit | None, second: Unfit | None) -> Unfit | None:
    if first is None or second is None:
        return second if first is None else first
    return first | second


def _trimmed(text: pa.Array) -> pa.Array:
    """Without blanks; nothing but blanks is NULL, for types that have no empty value."""
    trimmed = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _matching(text: pa.Array, pattern: str) -> tuple[pa.Array, Unfit | None]:
    fits = pc.match_substring_regex(text, pattern)
    unfit = _mask(pc.invert(fits))
    return (text if unfit is None else pc.if_else(fits, text, None)), unfit


def _text_to_float(text: pa.Array) -> Cast:
    trimmed = _trimmed(text)
    try:
        return trimmed.cast(pa.float64()), None
    except pa.ArrowInvalid:
        matching, unfit = _matching(trimmed, _NUMBER)
        # Python's own reading, because Arrow has no infinity for 1e999.
        return pa.array([None if v is None else float(v) for v in matching.to_pylist()], pa.float64()), unfit


def _text_to_int(kind: Kind) -> Callable[[pa.Array], Cast]:
    def convert(text: pa.Array) -> Cast:
        trimmed = _trimmed(text)
        try:
            return trimmed.cast(ARROW_TYPES[kind]), None
        except pa.ArrowInvalid:
            matching, unfit = _matching(trimmed, _WHOLE)
            plain = pc.replace_substring_regex(matching, r"^\+|\.0*$", "")
            numbers = [None if v is None else int(v) for v in plain.to_pylist()]
            out, more = _in_range(numbers, kind)
            return out, _either(unfit, more)

    return convert


def _in_range(numbers: list[int | None], kind: Kind) -> Cast:
    bound = 1 << (31 if kind == "int4" else 63)
    unfit = np.array([v is not None and not -bound <= v < bound for v in numbers], bool)
    fitting = [None if bad else v for v, bad in zip(numbers, unfit, strict=True)]
    return pa.array(fitting, ARROW_TYPES[kind]), unfit if unfit.any() else None


def _text_to_bool(text: pa.Array) -> Cast:
    lower = pc.utf8_lower(_trimmed(text))
    true, false = pc.is_in(lower, _TRUE), pc.is_in(lower, _FALSE)
    unfit = _mask(pc.invert(pc.or_(pc.or_(true, false), pc.is_null(lower))))
    return pc.if_else(pc.or_(true, false), true, None), unfit


def _text_to_time(text: pa.Array) -> Cast:
    trimmed = _trimmed(text)
    zoned = pc.fill_null(pc.match_substring_regex(trimmed, _ZONED), False)
    # The hyphens of a date look like an offset of hours.
    zoned = pc.and_(zoned, pc.greater(pc.fill_null(pc.utf8_length(trimmed), 0), 10))
    wanted = ARROW_TYPES["timestamptz"]
    try:
        with_zone = pc.if_else(zoned, trimmed, None).cast(wanted)
        without = pc.if_else(zoned, None, trimmed).cast(pa.timestamp("us")).cast(wanted)
        return _of_postgres(pc.coalesce(with_zone, without))
    except pa.ArrowInvalid:
        known: dict[str | None, datetime | None] = {None: None}
        values = trimmed.to_pylist()
        for value in values:
            if value not in known:
                known[value] = _moment(value)
        unfit = np.array([v is not None and known[v] is None for v in values])
        out, more = _of_postgres(pa.array([known[v] for v in values], wanted))
        return out, _either(unfit, more)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _of_postgres(moments: pa.Array) -> Cast:
    least_most = pc.min_max(moments.cast(pa.int64()))
    least, most = least_most["min"].as_py(), least_most["max"].as_py()
    if least is None or (least >= _EARLIEST_US and most <= _LATEST_US):
        return moments, None
    us = moments.cast(pa.int64())
    fits = pc.and_(pc.greater_equal(us, _EARLIEST_US), pc.less_equal(us, _LATEST_US))
    return pc.if_else(fits, moments, None), _mask(pc.invert(fits))


def _text_to_uuid(text: pa.Array) -> Cast:
    return _matching(_trimmed(text), _UUID)


def _text_to_list(kind: Kind) -> Callable[[pa.Array], Cast]:
    wanted = ARROW_TYPES[kind]
    items: type | tuple[type, ...] = (int, float) if kind == "float8[]" else str

    def convert(text: pa.Array) -> Cast:
        encoded = _trimmed(text).dictionary_encode()
        parsed = [_list_of(entry, items) for entry in encoded.dictionary.to_pylist()]
        wrong = [i for i, value in enumerate(parsed) if value is None]
        out = pa.array(parsed, wanted).take(encoded.indices)
        if not wrong:
            return out, None
        return out, _mask(pc.is_in(encoded.indices, pa.array(wrong, encoded.indices.type)))

    return convert


def _list_of(text: str, items: type | tuple[type, ...]) -> list[Any] | None:
    """A JSON array, or PostgreSQL's own text of an array of one dimension."""
    if text.startswith("{") and text.endswith("}"):
        return _of_braces(text[1:-1], items)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    if items is not str:
        found = [_as_number(v) for v in found]
    return (
        found if all(v is None or (isinstance(v, items) and not isinstance(v, bool)) for v in found) else None
    )


def _as_number(value: Any) -> Any:
    words = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}
    return words.get(value, value) if isinstance(value, str) else value


def _of_braces(inner: str, items: type | tuple[type, ...]) -> list[Any] | None:
    out: list[str | None] = []
    at = 0
    while at < len(inner):
        if inner[at] == '"':
            word, at = [], at + 1
            while at < len(inner) and inner[at] != '"':
                at += inner[at] == "\\"
                word.append(inner[at : at + 1])
                at += 1
            out.append("".join(word))
            at += 1
        else:
            end = inner.find(",", at)
            end = len(inner) if end < 0 else end
            plain = inner[at:end]
            if not plain or set(plain) & set('{}"'):
                return None
            out.append(None if plain.upper() == "NULL" else plain)
            at = end
        if at < len(inner):
            if inner[at] != "," or at + 1 == len(inner):
                return None
            at += 1
    if items is str:
        return out
    try:
        return [None if v is None else float(v) for v in out]
    except ValueError:
        return None


def _values_to_float(column: pa.Array) -> Cast:
    if pa.types.is_boolean(column.type) or pa.types.is_temporal(column.type):
        raise pa.ArrowTypeError("not numbers")
    return column.cast(pa.float64(), safe=False), None


def _values_to_int(kind: Kind) -> Callable[[pa.Array], Cast]:
    def convert(column: pa.Array) -> Cast:
        if pa.types.is_boolean(column.type) or pa.types.is_temporal(column.type):
            raise pa.ArrowTypeError("not whole numbers")
        try:
            return column.cast(ARROW_TYPES[kind]), None
        except pa.ArrowInvalid:
            values = column.to_pylist()
            whole = np.array(
                [v is not None and v == v and abs(v) != float("inf") and v == int(v) for v in values]
            )
            unfit = np.array([v is not None for v in values]) & ~whole
            numbers = [int(v) if ok else None for v, ok in zip(values, whole, strict=True)]
            out, more = _in_range(numbers, kind)
            return out, _either(unfit if unfit.any() else None, more)

    return convert


def _values_to_bool(column: pa.Array) -> Cast:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise pa.ArrowTypeError("neither true nor false")
    fits = pc.is_in(column, pa.array([0, 1], column.type))
    unfit = _mask(pc.and_(pc.invert(fits), pc.is_valid(column)))
    return pc.if_else(fits, pc.equal(column, pa.scalar(1, column.type)), None), unfit


def _values_to_time(column: pa.Array) -> Cast:
    if not pa.types.is_date(column.type) and not pa.types.is_timestamp(column.type):
        raise pa.ArrowTypeError("not times")
    wanted = ARROW_TYPES["timestamptz"]
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    # Without a zone they are UTC; with another they are the same moments.
    try:
        return _of_postgres(
            column.cast(pa.timestamp("us", column.type.tz), safe=column.type.unit != "ns").cast(wanted)
        )
    except pa.ArrowInvalid:
        factor = {"s": 1_000_000, "ms": 1_000}[column.type.unit]
        values = [None if v is None else v * factor for v in column.cast(pa.int64()).to_pylist()]
        unfit = np.array([v is not None and not _EARLIEST_US <= v <= _LATEST_US for v in values])
        kept = [None if bad else v for v, bad in zip(values, unfit, strict=True)]
        return pa.array(kept, pa.int64()).cast(wanted), unfit


def _values_to_text(column: pa.Array) -> Cast:
    return column.cast(pa.string()), None


def _values_to_json(column: pa.Array) -> Cast:
    texts = [None if v is None else _dumped(v) for v in column.to_pylist()]
    unfit = np.array([t is None and v.is_valid for t, v in zip(texts, column, strict=True)], bool)
    return pa.array(texts, pa.string()), unfit if unfit.any() else None


def _dumped(value: Any) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return None


def _values_to_uuid(column: pa.Array) -> Cast:
    if pa.types.is_fixed_size_binary(column.type) and column.type.byte_width == 16:
        texts = [None if v is None else v.hex() for v in column.to_pylist()]
        return pa.array(texts, pa.string()), None
    raise pa.ArrowTypeError("not UUIDs")


def _values_to_list(kind: Kind) -> Callable[[pa.Array], Cast]:
    def convert(column: pa.Array) -> Cast:
        return column.cast(ARROW_TYPES[kind]), None

    return convert


def _as_is(text: pa.Array) -> Cast:
    return text, None


_FROM_TEXT: Final[dict[Kind, Callable[[pa.Array], Cast]]] = {
    "float8": _text_to_float,
    "int4": _text_to_int("int4"),
    "int8": _text_to_int("int8"),
    "bool": _text_to_bool,
    "timestamptz": _text_to_time,
    "uuid": _text_to_uuid,
    "text": _as_is,
    "json": _as_is,
    "jsonb": _as_is,
    "text[]": _text_to_list("text[]"),
    "varchar[]": _text_to_list("varchar[]"),
    "float8[]": _text_to_list("float8[]"),
}
_FROM_VALUES: Final[dict[Kind, Callable[[pa.Array], Cast]]] = {
    "float8": _values_to_float,
    "int4": _values_to_int("int4"),
    "int8": _values_to_int("int8"),
    "bool": _values_to_bool,
    "timestamptz": _values_to_time,
    "uuid": _values_to_uuid,
    "text": _values_to_text,
    "json": _values_to_json,
    "jsonb": _values_to_json,
    "text[]": _values_to_list("text[]"),
    "varchar[]": _values_to_list("varchar[]"),
    "float8[]": _values_to_list("float8[]"),
}
