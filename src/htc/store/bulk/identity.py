"""Ids for many rows at once.

A row that says nothing about its identity gets it from what it holds, so that the same file loaded again is
recognised. A row with an ``input_hash`` is recognised by that, and its id only has to sort by time.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from htc.store.bulk.pgcopy import ARROW_TYPES, Kind, encoded_rows

__all__ = ["content_ids", "new_ids"]

CONTENT: Final = (
    "composition", "reduced_formula", "structure_info", "tc_predicted", "tc_lower_95ci", "tc_upper_95ci",
    "tc_uncertainty", "pressure_required_gpa", "pressure_uncertainty_gpa", "lambda_ep", "omega_log",
    "mu_star", "xi_parameter", "phonon_stable", "thermo_stable", "hull_distance_eV", "imaginary_modes_count",
    "prediction_method", "confidence_level", "extrapolation_warning", "experiment_id", "created_by",
    "created_at", "source", "family", "applicable", "reason", "omega_2", "lambda_ep_uncertainty",
    "omega_log_uncertainty", "extrapolation_reasons", "structure_origin", "model_id", "provenance",
)  # fmt: skip
"""What makes up a prediction's content. Not to be changed: by another list old files' rows get other ids."""

LATER: Final = (
    "omega_2_uncertainty", "tc_experiment", "tc_experiment_lower_95ci", "tc_experiment_upper_95ci",
    "model_tier", "phonon_verdict", "lowest_frequency_thz", "hull_competitors", "stability_potential",
)  # fmt: skip
"""Columns of revision 006: part of the content of those rows that have a value in one of them."""

Ids = np.ndarray[Any, np.dtype[np.uint8]]


def new_ids(n: int) -> pa.Array:
    """UUIDs of version 7 (RFC 9562) in ascending order: milliseconds now, then a counter and random bits."""
    ids = np.frombuffer(secrets.token_bytes(16 * n), np.uint8).reshape(n, 16).copy()
    ids[:, :6] = _milliseconds(np.full(n, time.time_ns() // 1_000_000))
    # Rows of one call keep their order: a counter takes the place of the first random bits.
    count = np.arange(n, dtype=np.uint32)
    ids[:, 6] = 0x70 | (count >> 26 & 0x0F)
    ids[:, 7] = count >> 18 & 0xFF
    ids[:, 8] = 0x80 | (count >> 12 & 0x3F)
    ids[:, 9] = count >> 4 & 0xFF
    ids[:, 10] = (count & 0x0F) << 4 | (ids[:, 10] & 0x0F)
    return _as_text(ids)


def content_ids(columns: Mapping[str, pa.Array], kinds: Mapping[str, Kind]) -> pa.Array:
    """UUIDs of version 8 (RFC 9562) from the content of rows of ``htc_predictions``.

    The SHA-256 of a row's values gives 122 bits. Where the row says when it was made, that moment in
    milliseconds takes the place of the first 48, so that an index over ids of one run grows at its end.
    """
    n = len(next(iter(columns.values())))

    def given(names: Sequence[str]) -> dict[str, pa.Array]:
        return {
            name: columns[name] if name in columns else pa.nulls(n, ARROW_TYPES[kinds[name]])
            for name in names
        }

    every, later = given(CONTENT), given(LATER)
    hashes = [hashlib.sha256(row) for row in _rows(every, kinds)]
    if any(column.null_count < n for column in later.values()):
        filled = np.any([np.asarray(column.is_valid()) for column in later.values()], axis=0)
        for digest, row, is_filled in zip(hashes, _rows(later, kinds), filled.tolist(), strict=True):
            if is_filled:
                digest.update(row)
    digests = b"".join(digest.digest()[:16] for digest in hashes)
    ids = np.frombuffer(digests, np.uint8).reshape(n, 16).copy()
    made = every["created_at"]
    if made.null_count < n:
        known = np.asarray(made.is_valid())
        milliseconds = np.asarray(made.cast(pa.int64()).fill_null(0)) // 1000
        ids[known, :6] = _milliseconds(milliseconds)[known]
    ids[:, 6] = 0x80 | (ids[:, 6] & 0x0F)
    ids[:, 8] = 0x80 | (ids[:, 8] & 0x3F)
    return _as_text(ids)


def _rows(columns: Mapping[str, pa.Array], kinds: Mapping[str, Kind]) -> Iterator[memoryview]:
    body, offsets = encoded_rows(columns, kinds)
    return (body[start:end] for start, end in pairwise(offsets.tolist()))


def _milliseconds(values: np.ndarray[Any, Any]) -> Ids:
    return np.ascontiguousarray(values.astype(">i8")).view(np.uint8).reshape(-1, 8)[:, 2:]


_DIGITS: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_PLACES: Final = np.array([i for i in range(36) if i not in {8, 13, 18, 23}])


def _as_text(ids: Ids) -> pa.Array:
    n = len(ids)
    text = np.full((n, 36), ord("-"), np.uint8)
    text[:, _PLACES[::2]] = _DIGITS[ids >> 4]
    text[:, _PLACES[1::2]] = _DIGITS[ids & 0x0F]
    offsets = np.arange(n + 1, dtype=np.int32) * 36
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(text)])
