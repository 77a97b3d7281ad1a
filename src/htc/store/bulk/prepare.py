"""From a piece of a source to rows that can be sent: types, ids, elements, and what every row must carry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from htc.errors import InputError
from htc.store.bulk.casting import NOT_A, cast, unfit_json, unfit_text
from htc.store.bulk.elements import elements_of
from htc.store.bulk.identity import content_ids, new_ids
from htc.store.bulk.pgcopy import ARROW_TYPES, Kind
from htc.store.bulk.sources import Piece, Refused
from htc.store.bulk.target import Target

__all__ = ["Chunk", "Preparation"]

_EXCUSED: Final = "legacy_defects excuses the row from rules: leave it empty"
_TEXTS: Final = frozenset({"text", "json", "jsonb", "text[]", "varchar[]"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one transaction, every column in the type its table wants."""

    columns: dict[str, pa.Array]
    given: frozenset[str]
    """Columns that are the source's own words, or follow from them."""
    raw: pa.RecordBatch
    """The same rows as they came."""
    numbers: np.ndarray[Any, np.dtype[np.int64]]
    filled: dict[str, pa.Array] = field(default_factory=dict)
    """Given columns that some rows left open, for this load to fill in -> whether the row did."""

    def __len__(self) -> int:
        """Rows."""
        return len(self.numbers)

    def take(self, rows: np.ndarray[Any, Any]) -> Chunk:
        """Some of the rows, by position or mask."""
        positions = pa.array(np.flatnonzero(rows) if rows.dtype == bool else rows)
        return replace(
            self,
            columns={name: column.take(positions) for name, column in self.columns.items()},
            raw=self.raw.take(positions),
            numbers=self.numbers[positions.to_numpy()],
            filled={name: mask.take(positions) for name, mask in self.filled.items()},
        )

    def refused(self, positions: Iterable[int], reasons: Iterable[tuple[str, ...]]) -> list[Refused]:
        """Rows for the rejects file."""
        at = list(positions)
        rows = _as_bytes(self.raw.take(pa.array(at, pa.int64()))).to_pylist()
        return [
            Refused(int(self.numbers[i]), why, {k: v for k, v in row.items() if v is not None})
            for i, why, row in zip(at, reasons, rows, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How the pieces of one load become chunks."""

    target: Target
    created_by: str
    run: str | None
    ignore_unknown: bool
    started: datetime
    verbatim: bool = False
    """Rows of a database, written by it: nothing is filled in, and defects it had excused stay excused."""

    @classmethod
    def of(
        cls,
        target: Target,
        created_by: str,
        run: str | None,
        ignore_unknown: bool,
        *,
        verbatim: bool = False,
    ) -> Preparation:
        """With the present moment for rows that do not say when they were made."""
        return cls(target, created_by, run, ignore_unknown, datetime.now(UTC), verbatim)

    def chunk(self, piece: Piece) -> tuple[Chunk, list[Refused]]:
        """The rows of a piece whose values fit their columns, and the others.

        Raises:
            InputError: unknown columns, or columns whose type fits no value.
        """
        names = self._known(piece.batch.schema.names)
        columns: dict[str, pa.Array] = {}
        wrong: dict[str, np.ndarray[Any, Any]] = {}
        for name in names:
            column = piece.batch.column(name)
            kind = self.target.kinds[name]
            try:
                columns[name], unfit = cast(column, kind)
            except InputError as error:
                raise InputError(error.what, where=f"column {name}", hint=error.hint) from error
            if unfit is not None and unfit.any():
                wrong[f"{name} {NOT_A[kind]}"] = unfit
            limit = self.target.limits.get(name)
            if limit is not None:
                long = np.asarray(pc.fill_null(pc.greater(_length(columns[name]), limit), False))
                if long.any():
                    wrong[f"{name} is longer than {limit} characters"] = long
        if "legacy_defects" in columns and not self.verbatim:
            excused = np.asarray(
                pc.fill_null(pc.greater(pc.list_value_length(columns["legacy_defects"]), 0), False)
            )
            if excused.any():
                wrong[_EXCUSED] = excused
        chunk = Chunk(columns, frozenset(names), piece.batch, piece.numbers)
        chunk, refused = _without(chunk, wrong)
        return self._completed(chunk), piece.refused + refused

    def _known(self, names: list[str]) -> list[str]:
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise InputError(f"column {doubled[0]!r} is there twice")
        unknown = [n for n in names if n not in self.target.kinds]
        if unknown and not self.ignore_unknown:
            raise InputError(
                f"{self.target.name} has no column {', '.join(map(repr, unknown))}",
                hint=f"rename them or have them ignored; there are: {', '.join(self.target.writable)}",
            )
        known = [n for n in names if n in self.target.kinds and n not in self.target.generated]
        if not known and names:
            raise InputError(f"none of the columns is one of {self.target.name}")
        return known

    def _completed(self, chunk: Chunk) -> Chunk:
        """Fill in what a row may leave open: who, when, under which run, its id, its elements."""
        n = len(chunk)
        columns = dict(chunk.columns)
        given = set(chunk.given)
        filled: dict[str, pa.Array] = {}
        content = dict(columns)
        # A NULL where the table has a default and wants a value means the default, as a missing column does.
        for name in self.target.defaults & columns.keys():
            if columns[name].null_count and not self.verbatim:
                default = pa.scalar(_default(self.target, name), columns[name].type)
                filled[name] = columns[name].is_null()
                columns[name] = _filled(columns[name], default)
        for name, value in (
            ("created_at", self.started),
            ("created_by", self.created_by),
            ("experiment_id", self.run),
            ("parent_batch_id", self.run),
        ):
            if name in self.target.kinds and self.target.name != "runs":
                present = columns.get(name)
                if present is not None and self.verbatim:
                    continue
                if present is not None and present.null_count:
                    filled[name] = present.is_null()  # also where this load has no run to fill in
                if value is None:
                    continue
                scalar = pa.scalar(value, ARROW_TYPES[self.target.kinds[name]])
                if present is None:
                    columns[name] = _repeated(scalar, n)
                elif present.null_count:
                    columns[name] = _filled(present, scalar)
        if self.target.name == "htc_predictions":
            self._identify(columns, content)
            if not (self.verbatim and "elements" in columns):
                columns["elements"] = _elements(columns, n)
            if {"composition", "reduced_formula"} & given:
                given.add("elements")
        elif self.target.key == "id" and "id" not in columns and "input_hash" in columns:
            columns["id"] = new_ids(n)
        return replace(chunk, columns=columns, given=frozenset(given), filled=filled)

    def _identify(self, columns: dict[str, pa.Array], content: dict[str, pa.Array]) -> None:
        n = len(next(iter(columns.values())))
        ids = columns.get("id", pa.nulls(n, pa.string()))
        if ids.null_count == 0:
            return
        hashes = columns.get("input_hash", pa.nulls(n, pa.string()))
        without = pc.and_(pc.is_null(ids), pc.is_null(hashes))
        if pc.any(without).as_py():
            rows = {name: column.filter(without) for name, column in content.items() if name != "id"}
            ids = pc.replace_with_mask(ids, without, content_ids(rows, self.target.kinds))
        if ids.null_count:
            still = pc.is_null(ids)
            ids = pc.replace_with_mask(ids, still, new_ids(pc.sum(still).as_py()))
        columns["id"] = ids

    def scrutinised(self, chunk: Chunk) -> tuple[Chunk, list[Refused]]:
        """Without the rows whose texts PostgreSQL cannot hold, which would stop all the others."""
        wrong: dict[str, np.ndarray[Any, Any]] = {}
        for name in chunk.given & chunk.columns.keys():
            kind, column = self.target.kinds[name], chunk.columns[name]
            if kind not in _TEXTS:
                continue
            unfit = unfit_text(column)
            if unfit is not None and unfit.any():
                wrong[f"{name} {NOT_A['text']}"] = unfit
            elif kind in {"json", "jsonb"}:
                unfit = unfit_json(column, kind)
                if unfit is not None:
                    wrong[f"{name} {NOT_A[kind]}"] = unfit
        return _without(chunk, wrong)


def _without(chunk: Chunk, wrong: dict[str, np.ndarray[Any, Any]]) -> tuple[Chunk, list[Refused]]:
    if not wrong:
        return chunk, []
    bad = np.logical_or.reduce(list(wrong.values()))
    positions = np.flatnonzero(bad)
    reasons = [tuple(reason for reason, rows in wrong.items() if rows[i]) for i in positions]
    return chunk.take(~bad), chunk.refused(positions.tolist(), reasons)


def _as_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Texts as bytes: what is not UTF-8 must be written down too."""
    arrays = [c.cast(pa.binary()) if pa.types.is_string(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _length(column: pa.Array) -> pa.Array:
    try:
        return pc.utf8_length(column)
    except pa.ArrowInvalid:  # not UTF-8: found out later
        return pc.binary_length(column.cast(pa.binary()))


def _default(target: Target, name: str) -> Any:
    kind: Kind = target.kinds[name]
    if kind in {"text[]", "varchar[]"}:
        return []
    return {"jsonb": "{}", "json": "{}", "bool": True, "timestamptz": datetime.now(UTC), "text": "running"}[
        kind
    ]


def _filled(column: pa.Array, value: pa.Scalar) -> pa.Array:
    if pa.types.is_list(column.type):
        return pc.if_else(column.is_valid(), column, value)
    return pc.fill_null(column, value)


def _repeated(value: pa.Scalar, n: int) -> pa.Array:
    return pa.repeat(value, n)


def _elements(columns: dict[str, pa.Array], n: int) -> pa.Array:
    out = columns.get("elements", pa.nulls(n, pa.list_(pa.string())))
    for name in ("composition", "reduced_formula"):
        if out.null_count and name in columns:
            found = elements_of(columns[name])
            out = found if out.null_count == n else pc.if_else(out.is_valid(), out, found)
    return out
