"""Answers from a CSV or JSON-lines file, as `htc optimize ask` prepares it and people fill it in."""

from __future__ import annotations

import csv
import difflib
import io
import json
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from htc.discovery.elements import ELEMENT_COLUMNS
from htc.discovery.requests import Column
from htc.errors import InputError
from htc.store.optimisation import Answer

__all__ = ["ANSWER_COLUMNS", "read_answers"]

_TC: Final = ("tc", "tc_k", "tc_measured")
_MEASURED: Final = tuple(c for c in typing.get_args(Column) if c not in ELEMENT_COLUMNS)
_PASSED_OVER: Final = frozenset(
    {
        "label",
        "formula",
        "pressure_gpa",
        "batch",
        "file",
        "note",
        "predicted_tc_k",
        "predicted_low_k",
        "predicted_high_k",
    }
)
ANSWER_COLUMNS: Final = ("candidate", "tc_k", "error")
_MAX_BYTES: Final = 50_000_000


def read_answers(path: Path) -> tuple[list[Answer], int]:
    """Answers of a file, and how many of its rows are still without one.

    A row has ``candidate`` and ``tc_k`` (or ``tc``), or ``error`` where it failed; further columns of a
    prediction as wished (``lambda_ep``, ``hull_distance_eV``...). A row with neither is not yet judged.

    Args:
        path: ``.csv`` with a header, or ``.jsonl`` with an object a line.

    Raises:
        InputError: it cannot be read, an unknown column, or a value that is no number.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError("a file of answers is at most 50 MB", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("not a text in UTF-8", where=str(path)) from error
    answers: list[Answer] = []
    open_rows = 0
    rows = _of_lines(text, path) if path.suffix.lower() in {".jsonl", ".ndjson"} else _of_table(text, path)
    for where, row in rows:
        answer = _answer(row, where)
        if answer is None:
            open_rows += 1
        else:
            answers.append(answer)
    return answers, open_rows


def _of_table(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            if None in row:
                raise InputError("more values than columns", where=f"{path}, line {reader.line_num}")
            yield f"{path}, line {reader.line_num}", row
    except csv.Error as error:
        raise InputError(f"not a readable table: {error}", where=f"{path}, line {reader.line_num}") from error


def _of_lines(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"not JSON: {error}", where=where) from error
        if not isinstance(row, dict):
            raise InputError("not an object", where=where)
        yield where, row


def _answer(row: Mapping[str, Any], where: str) -> Answer | None:
    given = {str(key).strip(): value for key, value in row.items()}
    given = {k: v.strip() if isinstance(v, str) else v for k, v in given.items()}
    given = {k: v for k, v in given.items() if v not in {None, ""}}
    number = _number_of(given.pop("candidate", None), where)
    reason = given.pop("error", None)
    measured: dict[str, float] = {}
    for key, value in given.items():
        if key in _PASSED_OVER:
            continue
        column = "tc_predicted" if key in _TC else key
        if column not in _MEASURED:
            known = [*ANSWER_COLUMNS, *_MEASURED]
            near = difflib.get_close_matches(key, known, 1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise InputError(f"there is no column {key!r}", where=where, hint=hint)
        if column in measured:
            raise InputError(f"two values of {column}", where=where)
        try:
            measured[column] = float(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"{key} is no number: {str(value)[:50]!r}", where=where) from error
    if reason is not None:
        if measured:
            raise InputError("a value and an error exclude each other", where=where)
        return Answer(number=number, measured=None, error=str(reason)[:1000])
    return Answer(number=number, measured=measured) if measured else None


def _number_of(value: Any, where: str) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < 0:
        raise InputError(
            "a row without the number of its candidate" if value is None else f"no candidate is {value!r}",
            where=where,
            hint="the column `candidate` has the numbers that `htc optimize ask` gave",
        )
    return number
