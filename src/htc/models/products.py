"""Matrix products whose rows do not depend on what else is multiplied with them.

A BLAS adds the terms of a product in another order for the last rows of a matrix than for the rows before,
and in yet another for a matrix of few rows: the last bits of a prediction would depend on which crystals
happened to be predicted together. Here every product has a shape that follows from one crystal alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["times_by_row", "times_by_run"]

Floats = TypeVar("Floats", bound=NDArray[np.floating[Any]])


def times_by_run(x: Floats, w: Floats, runs: Sequence[slice]) -> Floats:
    """``x @ w``, one product a run of rows.

    Args:
        x: shape ``(n, k)``.
        w: shape ``(k, m)``.
        runs: of rows, which together are all rows of ``x`` in order.
    """
    out = np.empty((len(x), w.shape[1]), dtype=x.dtype)
    for run in runs:
        np.matmul(x[run], w, out=out[run])
    return out  # type: ignore[return-value]  # of the same kind as x


def times_by_row(x: Floats, w: Floats) -> Floats:
    """``x @ w``, one product a row; shapes ``(n, k)`` and ``(k, m)``."""
    return np.matmul(x[:, None, :], w)[:, 0]  # type: ignore[no-any-return]  # of the same kind as x
