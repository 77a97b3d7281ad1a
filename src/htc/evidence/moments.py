"""The spectrum as a table whose columns add up to its moments, as a spreadsheet does it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from htc.errors import SpectrumError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from htc.spectra import Spectrum

__all__ = ["COLUMNS", "Pieces", "pieces_of", "read_table", "write_table"]

COLUMNS: Final = (
    "omega_mev",
    "alpha2f",
    "lambda_piece",
    "log_piece",
    "second_piece_mev2",
    "cumulative_lambda",
)
"""omega_mev: phonon energy, meV. alpha2f: dimensionless. lambda_piece, log_piece, second_piece_mev2: what the
interval that ends in this row adds to 2 int a/w dw, 2 int a ln(w)/w dw (w in meV) and 2 int a w dw (meV^2),
by the trapezoid rule; zero in the first row. cumulative_lambda: sum of lambda_piece down to this row."""

MAX_ROWS: Final = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Contributions of the intervals of a grid, each of shape ``(n,)`` with a zero in front."""

    lambda_piece: NDArray[np.float64]
    log_piece: NDArray[np.float64]
    second_piece: NDArray[np.float64]
    """meV^2."""

    @property
    def sums(self) -> tuple[float, float, float]:
        """The three sums; dimensionless, dimensionless, meV^2."""
        return (
            float(self.lambda_piece.sum()),
            float(self.log_piece.sum()),
            float(self.second_piece.sum()),
        )


def pieces_of(spectrum: Spectrum) -> Pieces:
    """Contributions of each interval of the grid to the moments of a spectrum."""
    omega, alpha2f = spectrum.omega_mev, spectrum.alpha2f
    step = np.diff(omega)

    def trapezoids(integrand: NDArray[np.float64]) -> NDArray[np.float64]:
        # The factor 2 of the moments and the 1/2 of the trapezoid cancel.
        return np.concatenate(([0.0], (integrand[1:] + integrand[:-1]) * step))

    return Pieces(
        trapezoids(alpha2f / omega),
        trapezoids(alpha2f / omega * np.log(omega)),
        trapezoids(alpha2f * omega),
    )


def write_table(spectrum: Spectrum) -> str:
    """The spectrum as CSV with the columns `COLUMNS`; numbers come back exactly."""
    pieces = pieces_of(spectrum)
    columns = (
        spectrum.omega_mev,
        spectrum.alpha2f,
        pieces.lambda_piece,
        pieces.log_piece,
        pieces.second_piece,
        np.cumsum(pieces.lambda_piece),
    )
    lines = [",".join(COLUMNS)]
    lines += [",".join(map(repr, row)) for row in zip(*(c.tolist() for c in columns), strict=True)]
    return "\n".join(lines) + "\n"


def read_table(text: str, where: str) -> dict[str, NDArray[np.float64]]:
    """Read what `write_table` wrote.

    Returns:
        Columns by name, each of shape ``(n,)``.

    Raises:
        SpectrumError: another header, too many rows, or something that is no number.
    """
    header, _, rest = text.partition("\n")
    if tuple(name.strip() for name in header.split(",")) != COLUMNS:
        raise SpectrumError("the header is not the one of a pack", where=where, hint=",".join(COLUMNS))
    if not rest.strip():
        raise SpectrumError("the table has no rows", where=where)
    rows = rest.count("\n")
    if rows > MAX_ROWS:
        raise SpectrumError(f"{rows} rows, more than the {MAX_ROWS} that are read", where=where)
    try:
        table = np.loadtxt(io.StringIO(rest), delimiter=",", ndmin=2, dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise SpectrumError(f"the table cannot be read: {error}", where=where) from error
    if table.shape[1:] != (len(COLUMNS),) or len(table) < 2:
        raise SpectrumError(f"the table has the shape {table.shape}", where=where)
    return dict(zip(COLUMNS, table.T, strict=True))
