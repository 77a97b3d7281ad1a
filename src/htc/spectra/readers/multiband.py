"""Tables of alpha2F_ij in ebmb's layout: a frequency, then the elements for i: for j.

ebmb (doi:10.5281/zenodo.13341224) reads eV and no header. Its manual numbers the columns after the frequency
1,1 then 2,1; its program takes the second of them as the pull of band 2 on band 1, the alpha2F_12 of
``Delta_1 = sum_j lambda_1j Delta_j``, and so does this reader.
"""

from __future__ import annotations

from math import isqrt
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np

from htc.errors import InputError, SpectrumError
from htc.spectra.energy import UNIT_NAMES, mev_per, parse_unit, units_in_header
from htc.spectra.multiband import MultibandSpectrum
from htc.spectra.readers.source import NumericBlock, SourceFile

__all__ = ["read_multiband"]

PHONONS_EV: Final[tuple[float, float]] = (0.004, 0.7)
"""The highest phonon of a crystal lies between these; a headerless table beyond them is not in eV."""


def read_multiband(
    path: str | PathLike[str], unit: str | None = None, bands: int | None = None
) -> MultibandSpectrum:
    """Read alpha2F_ij of several bands from one table.

    The table has a frequency and b*b values in a line, in the order 11, 12, ... 1b, 21, ... bb, alpha2F_ij
    being the pull of band j on band i. Points at w <= 0 are dropped and noted.

    Args:
        path: the file.
        unit: energy unit of the frequencies (meV, eV, THz, cm-1, Ry, Ha, K). None: that of the file's header;
            a table of several bands without a header is ebmb's, in eV.
        bands: number of bands; None: from the number of columns.

    Returns:
        The spectrum; a file with two columns gives one of a single band. ``provenance`` holds source, format,
        unit, unit_stated_by and dropped_points.

    Raises:
        SpectrumError: the file is not such a table, or its unit is not known.
        InputError: ``bands`` is not a number of bands.
    """
    if bands is not None and (isinstance(bands, bool) or not isinstance(bands, int) or bands < 1):
        raise InputError(f"the number of bands must be a whole number >= 1, not {bands!r}", where="bands")
    canonical = None if unit is None else parse_unit(unit)
    file = SourceFile(Path(path).expanduser())
    block = file.numeric_block()
    if block.footer:
        raise file.error(
            f"text after the table: {block.footer[0].strip()[:60]!r}",
            hint="keep the frequency and the columns alpha2F_ij only",
        )
    count = _bands(file, block, bands)
    unit_name, origin = _unit(file, block, canonical, count)
    omega = block.table[:, 0]
    if not np.isfinite(omega).all():
        raise file.error("some frequencies are NaN or infinite")
    above = omega > 0.0
    values = block.table[above, 1:]
    bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if bad.size:
        i, j = divmod(int(bad[0]), count)
        broken = int((~np.isfinite(values[:, bad[0]])).sum())
        raise file.error(
            f"alpha2F_{i + 1}{j + 1} is broken: {broken} of {values.shape[0]} values are NaN or infinite",
            hint="the run that wrote it failed; look there first",
        )
    provenance: dict[str, Any] = {
        "source": str(file.path),
        "format": "multiband table",
        "unit": unit_name,
        "unit_stated_by": origin,
        "dropped_points": int((~above).sum()),
    }
    alpha2f = np.moveaxis(values.reshape(-1, count, count), 0, -1)
    try:
        return MultibandSpectrum(
            omega[above] * mev_per(unit_name), alpha2f, f"{count} band{'s' * (count > 1)}", provenance
        )
    except SpectrumError as error:
        if error.where is not None:
            raise file.error(f"{error.where}: {error.what}", hint=error.hint) from None
        raise error.located(str(file.path)) from None


def _bands(file: SourceFile, block: NumericBlock, bands: int | None) -> int:
    columns = block.table.shape[1]
    found = isqrt(columns - 1)
    if bands is not None and columns != 1 + bands * bands:
        raise file.error(
            f"{columns} columns, but {bands} band{'s' * (bands > 1)} have {1 + bands * bands}: "
            "the frequency and every alpha2F_ij"
        )
    if found * found != columns - 1:
        raise file.error(
            f"{columns} columns are not a frequency and the alpha2F_ij of a number of bands",
            hint="one band has 2 columns, two bands 5, three 10; fill up ebmb's diag layout with zeros",
        )
    return found


def _unit(file: SourceFile, block: NumericBlock, unit: str | None, bands: int) -> tuple[str, str]:
    stated = units_in_header("\n".join(block.header))
    if len(stated) > 1 and unit not in stated:
        raise file.error(
            f"the header names several units: {', '.join(sorted(stated))}",
            hint="say which of them the frequencies are in, e.g. --unit meV",
        )
    if len(stated) == 1 and unit is not None and unit not in stated:
        raise file.error(
            f"the header says {min(stated)}, the caller {unit}", hint="leave the unit to the header"
        )
    if unit is not None:
        return unit, "header" if stated else "caller"
    if stated:
        return min(stated), "header"
    hint = "give it, e.g. --unit meV; known: " + ", ".join(UNIT_NAMES)
    if bands == 1 or block.header:
        raise file.error("nothing states the unit of its frequencies", hint=hint)
    positive = block.table[(block.table[:, 1:] > 0.0).any(axis=1), 0]
    highest = float(positive.max()) if positive.size else float("nan")
    if not PHONONS_EV[0] <= highest <= PHONONS_EV[1]:
        raise file.error(
            "a table of several bands without a header should be ebmb's, in eV, but its highest frequency "
            f"with alpha2F > 0 is {highest:g}",
            hint=hint,
        )
    return "eV", "ebmb's layout"
