"""The elements of many formulas at once, as the database's own function ``htc_elements`` finds them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from htc.materials.formulas import ELEMENTS

__all__ = ["elements_of"]

_SYMBOLS: Final = (*ELEMENTS, "D", "T")
_LETTERS: Final = 27
_CODES: Final = np.array([(ord(s[0]) - 65) * _LETTERS + (ord(s[1]) - 96 if s[1:] else 0) for s in _SYMBOLS])
"""A symbol as a number; numbers sort as symbols do."""
_N_CODES: Final = 26 * _LETTERS
_INDEX: Final = np.full(_N_CODES + 1, -1, np.int32)
_INDEX[_CODES] = np.arange(len(_SYMBOLS))
_NAMES: Final = pa.array(_SYMBOLS)


def elements_of(formulas: pa.Array) -> pa.Array:
    """Distinct symbols of each formula in alphabetical order; NULL where one is no element or there is none.

    Args:
        formulas: of type string, shape (n,).

    Returns:
        ``list<string>`` of shape (n,).
    """
    n = len(formulas)
    _, offsets, data = formulas.buffers()
    if data is None or n == 0:
        return pa.nulls(n, pa.list_(pa.string()))
    bounds = np.frombuffer(offsets, np.int32)[formulas.offset : formulas.offset + n + 1].astype(np.int64)
    text = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    bounds = bounds - bounds[0]
    upper = (text >= 65) & (text <= 90)
    starts = np.flatnonzero(upper)
    row = np.searchsorted(bounds, starts, side="right") - 1
    after = _letters_after(text, bounds, row, starts)
    # Three letters make no symbol: such a token gets a number that none has.
    code = (text[starts].astype(np.int64) - 65) * _LETTERS + after[0]
    index = _INDEX[np.where(after[1] > 0, _N_CODES, code)]
    whole = np.bincount(row, minlength=n) > 0
    whole[row[index < 0]] = False
    if formulas.null_count:
        whole &= np.asarray(formulas.is_valid())
    kept = whole[row]
    pairs = np.sort(row[kept] * _N_CODES + code[kept])
    pairs = pairs[np.concatenate([np.ones(min(len(pairs), 1), bool), pairs[1:] != pairs[:-1]])]
    counts = np.bincount(pairs // _N_CODES, minlength=n)
    list_offsets = np.zeros(n + 1, np.int32)
    np.cumsum(counts, out=list_offsets[1:])
    names = _NAMES.take(pa.array(_INDEX[pairs % _N_CODES]))
    return pa.ListArray.from_arrays(pa.array(list_offsets), names, mask=pa.array(~whole))


def _letters_after(
    text: np.ndarray[Any, Any],
    bounds: np.ndarray[Any, Any],
    row: np.ndarray[Any, Any],
    at: np.ndarray[Any, Any],
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The two small letters behind positions, as 1 to 26, 0 where there is none."""
    padded = np.concatenate([text, np.zeros(2, np.uint8)])
    end = bounds[row + 1]
    out = []
    going = np.ones(len(at), bool)
    for step in (1, 2):
        letter = padded[at + step].astype(np.int64) - 96
        going = going & (letter >= 1) & (letter <= 26) & (at + step < end)
        out.append(np.where(going, letter, 0))
    return out[0], out[1]
