"""Tc of many spectra, on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from htc.errors import HTCError, InputError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import Convention, Edge, get_convention
from htc.theory.eliashberg.transition import Transition, transition

__all__ = ["transitions"]

CHUNK: Final[int] = 100
"""Spectra sent to a process at a time: some tens of milliseconds of work."""

WORTH_A_PROCESS: Final[int] = 500
"""Below this number a process started costs more than it saves."""


def transitions(
    spectra: Sequence[Spectrum],
    mu_star: ArrayLike = 0.10,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
    workers: int | None = None,
) -> Iterator[Transition | HTCError]:
    """Tc of each spectrum by the linearised Eliashberg equations, in their order.

    The numbers are those of `transition`, to the last digit: each spectrum is solved by itself.

    Args:
        spectra: alpha2F of each.
        mu_star: one for all, or one for each, shape ``(n,)``.
        convention: as for `transition`.
        cutoff_mev: as for `transition`.
        edge: as for `transition`.
        workers: processes to share the work; all cores for large batches, one for small ones, by default.

    Yields:
        A `Transition`, or in its place the error that spectrum raised: one bad spectrum stops no other.

    Raises:
        InputError: the convention is unknown, or mu_star has another shape.
    """
    row = get_convention(convention)
    each = np.asarray(mu_star, dtype=np.float64)
    if each.shape not in ((), (len(spectra),)):
        raise InputError(
            f"mu_star must be one number or {len(spectra)}, its shape is {each.shape}", where="mu_star"
        )
    values = np.broadcast_to(each, (len(spectra),)).tolist()
    if workers is None:
        workers = min(_cores(), max(1, len(spectra) // WORTH_A_PROCESS))
    if workers < 1:
        raise InputError(f"workers must be at least 1, not {workers}", where="workers")
    jobs = [
        (spectra[start : start + CHUNK], values[start : start + CHUNK], row, cutoff_mev, edge)
        for start in range(0, len(spectra), CHUNK)
    ]
    return _run(jobs, workers)


_Job = tuple[Sequence[Spectrum], list[float], Convention, float | None, Edge]


def _run(jobs: list[_Job], workers: int) -> Iterator[Transition | HTCError]:
    if workers == 1:
        for job in jobs:
            yield from _solve(job)
        return
    # Not fork: a process forked from one with threads may hang in their locks.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("forkserver" if os.name == "posix" else "spawn")
    ) as pool:
        for part in pool.map(_solve, jobs):
            yield from part


def _solve(job: _Job) -> list[Transition | HTCError]:
    spectra, values, convention, cutoff_mev, edge = job
    results: list[Transition | HTCError] = []
    for spectrum, mu_star in zip(spectra, values, strict=True):
        try:
            results.append(transition(spectrum, mu_star, convention, cutoff_mev=cutoff_mev, edge=edge))
        except HTCError as error:
            results.append(error)
    return results


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
