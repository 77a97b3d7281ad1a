"""A pool bred from the looks at it, generation by generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from htc.discovery.breeding import Coordinates, Evolution, bred_by
from htc.discovery.elements import ELEMENT_COLUMNS, element_value
from htc.discovery.pool import FIELD
from htc.discovery.space import Rejected
from htc.store.optimisation import pool_rows

if TYPE_CHECKING:
    from htc.discovery.requests import Column
    from htc.jobs.search.looking import Looks
    from htc.jobs.search.request import SearchRequest
    from htc.store import Database
    from htc.store.optimisation import PoolRow

__all__ = ["breed"]

_TOGETHER: Final = 128
"""Candidates looked at together, and lost at most when the process dies."""


def breed(
    database: Database,
    run_id: str,
    request: SearchRequest,
    looks: Looks,
    *,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Breed the pool of a run up to its size, or as far as the space goes; how many it has.

    What was bred before an interruption is bred again, the same, from the looks that are kept, and none of
    them is made twice.

    Args:
        database: an open database.
        run_id: of the run.
        request: of the run.
        looks: at its space.
        told: after each part: how many were looked at, and how many there will be.

    Raises:
        ModelError: the model cannot be used.
        StoreError: the database refused; what was looked at stays.
    """
    kept = {row.number: row for row in pool_rows(database, run_id)}
    fitness = bred_by(request)
    if fitness is None or request.pool is None or len(kept) >= request.pool:
        return len(kept)

    def possible(number: int) -> bool:
        if number in kept:
            return True
        candidate, _, excluded = looks.what(number)
        return not isinstance(candidate, Rejected) and excluded is None

    evolution = Evolution(
        Coordinates(looks.space, len(looks.pressures)),
        len(fitness.objectives),
        request.pool,
        possible=possible,
        seed=request.seed,
    )
    seen = 0
    while seen < request.pool and (numbers := evolution.ask(request.pool - seen)):
        new = [number for number in numbers if number not in kept]
        for start in range(0, len(new), _TOGETHER):
            kept |= {row.number: row for row in looks.at(new[start : start + _TOGETHER])}
            told(min(seen + start + _TOGETHER, len(kept)), request.pool)
        gained, broken = fitness(_values([kept[number] for number in numbers], fitness.columns))
        evolution.tell(numbers, gained, broken)
        seen += len(numbers)
        told(seen, request.pool)
    return len(kept)


def _values(rows: Sequence[PoolRow], columns: Sequence[Column]) -> np.ndarray:
    """What the looks say, shape ``(n, len(columns))``; NaN where they say nothing."""
    out = np.full((len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
        prior: Mapping[str, float] | None = row.prior
        if prior is None:
            continue
        for k, column in enumerate(columns):
            if column in ELEMENT_COLUMNS:
                value = element_value(column, row.formula or "")
            else:
                value = prior.get(FIELD.get(column, column))
            out[i, k] = np.nan if value is None else value
    return out
