"""The peer's program ``critical``, run as a process: ebmb, https://github.com/janberges/ebmb (GPL-3.0).

None of its code is here; it is built by whoever compares, see README.md.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htc.theory.eliashberg.kernel import frequencies_below
from htc.units import KB_MEV_PER_K, MEV_PER_EV

__all__ = ["Ebmb", "Problem"]

FloatArray = NDArray[np.float64]

TIMED_ERROR = 1e-9
"""Width of the last bracket over Tc when timed: as near as the two agree on dense grids."""
BEST_ERROR = 1e-10
"""The same when its Tc is compared with ours."""
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Problem:
    """A Tc to be found with mu* as given at the cutoff."""

    omega_mev: FloatArray
    """Shape ``(n,)``."""
    alpha2f: FloatArray
    """Shape ``(b, b, n)``."""
    mu_star: FloatArray
    """Shape ``(b, b)``."""
    cutoff_mev: float
    start_k: float
    """Where its search starts: our Tc to two digits, nearer than a user knows it."""

    @property
    def frequencies(self) -> int:
        """Matsubara frequencies below the cutoff."""
        return frequencies_below(self.cutoff_mev, KB_MEV_PER_K * self.start_k)

    @property
    def omega_2_mev(self) -> float:
        """The unit of its cutoff."""
        total = self.alpha2f.sum(axis=(0, 1))
        second = np.trapezoid(total * self.omega_mev, self.omega_mev)
        return float(np.sqrt(second / np.trapezoid(total / self.omega_mev, self.omega_mev)))


class Ebmb:
    """A folder with its programs.

    Times are wall times of a process less those of one that does nothing but start, read a file of the same
    size and bisect on a single Matsubara frequency: start and reading do not count.
    """

    def __init__(self, folder: Path) -> None:
        """Find ``critical``."""
        self.program = next(p for p in (folder / "critical", folder / "bin" / "critical") if p.exists())

    def critical_temperature(self, problem: Problem) -> float:
        """Tc as well as it can, K."""
        with tempfile.TemporaryDirectory() as folder:
            return self._run(problem, _write(Path(folder), problem), BEST_ERROR)[0]

    def seconds(self, problem: Problem, budget_s: float = 3.0) -> float:
        """Median time of the search for Tc."""
        with tempfile.TemporaryDirectory() as folder:
            file = _write(Path(folder), problem)
            idle = _one_frequency(problem)
            idle_file = _write(Path(folder), idle)
            self._run(idle, idle_file, TIMED_ERROR)
            times: list[float] = []
            while len(times) < 15 and (not times or sum(times) < budget_s):
                nothing = self._run(idle, idle_file, TIMED_ERROR)[1]
                times.append(self._run(problem, file, TIMED_ERROR)[1] - nothing)
            return statistics.median(times)

    def _run(self, problem: Problem, file: Path, error: float) -> tuple[float, float]:
        command = [
            str(self.program),
            f"a2F={file}",
            "muStar=" + ",".join(f"{value:.17g}" for value in problem.mu_star.flat),
            f"bands={len(problem.mu_star)}",
            "rescale=false",
            f"cutoff={problem.cutoff_mev / problem.omega_2_mev:.17g}",
            f"T={-problem.start_k:.17g}",
            f"error={error * problem.start_k:.3g}",
            "form=ES25.16",
        ]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_S,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return float(done.stdout), time.perf_counter() - start


def _one_frequency(problem: Problem) -> Problem:
    """lambda(2 pi T) = 1 for a lambda of two: one frequency, one band, as many numbers to read."""
    size = problem.omega_mev.size * problem.alpha2f[:, :, 0].size
    omega = np.linspace(0.01, 1.0, size) * problem.omega_mev[-1]
    shape = np.sin(np.pi * omega / omega[-1]) ** 2
    shape *= 1.0 / np.trapezoid(shape / omega, omega)
    width = float(np.trapezoid(shape * omega, omega)) ** 0.5
    start_k = width / (2.0 * np.pi * KB_MEV_PER_K)
    return Problem(omega, shape[None, None, :], np.zeros((1, 1)), 1e-3 * problem.omega_mev[-1], start_k)


def _write(folder: Path, problem: Problem) -> Path:
    """alpha2F in eV, a row for each frequency: all that band 1 feels, all that band 2 feels, ..."""
    file = folder / f"a2f_{len(list(folder.iterdir()))}.dat"
    columns = problem.alpha2f.reshape(-1, problem.omega_mev.size)
    np.savetxt(file, np.column_stack([problem.omega_mev / MEV_PER_EV, *columns]), fmt="%.16e")
    return file
