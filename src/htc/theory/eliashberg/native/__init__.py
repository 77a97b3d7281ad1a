"""The inner loops of the search for Tc, compiled when HTC is installed on a machine with a C compiler.

Where there is none, numpy does the same work, to the same digits and some three times slower: `KERNEL` is
None, and nothing else changes. ``hatch_build.py`` compiles ``kernel.c``; a library of another version is
left alone.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["KERNEL", "Kernel", "library_name"]

FloatArray = NDArray[np.float64]

VERSION: Final[int] = 1
"""That of ``kernel.c``: raised with every change of what its functions take or give."""

_POINTER: Final = ctypes.c_void_p


def library_name() -> str:
    """File name of the compiled library on this platform."""
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    return f"_kernel{suffix}"


class Kernel:
    """The compiled functions.

    Args:
        library: the shared library.

    Raises:
        OSError: it cannot be loaded, or is of another version.
    """

    def __init__(self, library: Path) -> None:
        """Load the library and state what its functions take."""
        loaded = ctypes.CDLL(str(library))
        loaded.htc_version.restype = ctypes.c_long
        if loaded.htc_version() != VERSION:
            raise OSError(f"{library} is of another version")
        self._lambda = loaded.htc_lambda
        self._lambda.restype = None
        self._lambda.argtypes = [ctypes.c_long, _POINTER, ctypes.c_long, *[_POINTER] * 4]
        self._project = loaded.htc_project
        self._project.restype = ctypes.c_long
        self._project.argtypes = [
            ctypes.c_long,
            *[_POINTER] * 2,
            *[ctypes.c_double] * 2,
            ctypes.c_long,
            *[_POINTER] * 3,
        ]
        self._evaluate = loaded.htc_evaluate
        self._evaluate.restype = ctypes.c_long
        self._evaluate.argtypes = [
            *[ctypes.c_long] * 4,
            *[_POINTER] * 6,
            ctypes.c_long,
            *[_POINTER] * 2,
            *[ctypes.c_double] * 4,
            ctypes.c_long,
            *[_POINTER] * 3,
        ]

    def project(
        self, omega: FloatArray, weights: FloatArray, *, lowest: float, width: float, nodes: int
    ) -> tuple[FloatArray, FloatArray] | None:
        """Energies and weights of few oscillators for many, see ``coupling.py``; None where they are no
        fewer."""
        points, carried = np.ascontiguousarray(omega), np.ascontiguousarray(weights)
        work = np.empty((3, points.size))
        start, row = work.ctypes.data, 8 * points.size
        count = self._project(
            points.size,
            points.ctypes.data,
            carried.ctypes.data,
            lowest,
            width,
            nodes,
            start,
            start + row,
            start + 2 * row,
        )
        return (work[1, :count].copy(), work[2, :count].copy()) if count else None

    def sums(self, nu_mev: FloatArray, oscillators: tuple[int, int, int]) -> tuple[FloatArray, FloatArray]:
        """lambda and d lambda / d ln nu at imaginary frequencies, meV, shapes ``(n,)``.

        Args:
            nu_mev: frequencies, shape ``(n,)``.
            oscillators: `Coupling.addresses`.
        """
        nu = np.ascontiguousarray(nu_mev, dtype=np.float64)
        result = np.empty((2, nu.size))
        start = result.ctypes.data
        self._lambda(nu.size, nu.ctypes.data, *oscillators, start, start + 8 * nu.size)
        return result[0], result[1]

    def evaluate(
        self,
        grid: tuple[int, ...],
        oscillators: tuple[int, int, int],
        *,
        truncated: bool,
        spacing: float,
        mu: float,
        mu_by_ln_t: float,
        last: float,
        iterations: int,
        x: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """One inverse iteration of the linearised equations, see ``linearised.py``.

        Args:
            grid: `MatsubaraGrid.addresses`.
            oscillators: `Coupling.addresses`.
            truncated: whether the sum in Z ends with the phonons'.
            spacing: 2 pi k T, meV.
            mu: mu* in the sum.
            mu_by_ln_t: its derivative at held frequencies.
            last: number of frequencies in the Coulomb sum.
            iterations: of the inverse iteration.
            x: the vector so far, shape ``(p,)``; not changed.

        Returns:
            The right and the left vector; and value, slope, edge, pair sum and proof (1: no eigenvalue lies
            above, 0: one may, -1: not asked).

        Raises:
            numpy.linalg.LinAlgError: the matrix is singular.
            MemoryError: there is no room for it.
        """
        size, dense, end, *arrays = grid
        result = np.empty((2, size))
        result[0] = x
        out = np.empty(5)
        start = result.ctypes.data
        failed = self._evaluate(
            size,
            dense,
            truncated,
            end,
            *arrays,
            *oscillators,
            spacing,
            mu,
            mu_by_ln_t,
            last,
            iterations,
            start,
            start + 8 * size,
            out.ctypes.data,
        )
        if failed == 2:
            raise MemoryError
        if failed:
            raise np.linalg.LinAlgError("singular matrix")
        return result[0], result[1], out


def _load() -> Kernel | None:
    library = Path(__file__).with_name(library_name())
    try:
        return Kernel(library) if library.exists() else None
    except (OSError, AttributeError):
        return None


KERNEL: Kernel | None = _load()
"""The compiled functions; None where there are none."""
