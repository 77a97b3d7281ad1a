"""Spectra from the files and folders named on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from htc.errors import HTCError

if TYPE_CHECKING:
    from htc.spectra import Spectrum

__all__ = ["Negative", "read_sources"]


class Negative(StrEnum):
    """The ways to treat alpha2F < 0."""

    KEEP = "keep"
    CLIP = "clip"
    REFUSE = "refuse"


def read_sources(
    paths: Iterable[Path], unit: str | None, negative: Negative, errors: list[HTCError]
) -> Iterator[tuple[str, Spectrum]]:
    """Read every spectrum of files and folders; a bad file is reported, noted in ``errors``, and passed over.

    Raises:
        InputError: the unit is unknown.
    """
    from htc.cli.app import report
    from htc.spectra import find_spectra, read_spectra
    from htc.spectra.energy import parse_unit
    from htc.spectra.readers import is_folder

    if unit is not None:
        unit = parse_unit(unit)
    for path in paths:
        try:
            files = find_spectra(path) if is_folder(path) else [path]
        except HTCError as error:
            report(error)
            errors.append(error)
            continue
        for file in files:
            try:
                read = read_spectra(file, unit=unit, negative=negative.value)
            except HTCError as error:
                report(error)
                errors.append(error)
            else:
                yield from ((str(file), spectrum) for spectrum in read)
