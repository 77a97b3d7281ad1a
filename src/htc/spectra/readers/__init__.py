"""Spectra from files: a reader for every code's format, found by content.

`read_spectra` is the way in. To add a format, write a module with a `FileFormat` and put it into `FORMATS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from htc.errors import HTCError, InputError, SpectrumError
from htc.spectra.checks import clip_effect, is_noise
from htc.spectra.energy import mev_per, parse_unit
from htc.spectra.readers import abinit, elk, epw, gitgreg, isome, qe_lambda, qe_matdyn, table
from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import MAX_FILE_BYTES, SourceFile, is_folder
from htc.spectra.spectrum import NegativeWeight, Spectrum

__all__ = ["FORMATS", "MAX_FILE_BYTES", "FileFormat", "find_spectra", "is_folder", "read_spectra"]

FORMATS: Final[tuple[FileFormat, ...]] = (
    qe_lambda.FORMAT,
    isome.FORMAT,
    qe_matdyn.FORMAT,
    epw.FORMAT,
    epw.ISO_FORMAT,
    gitgreg.FORMAT,
    abinit.FORMAT,
    elk.FORMAT,
    table.FORMAT,
)
"""All formats, in the order they are tried; the plain table takes what is left."""

_RELATED: Final[tuple[tuple[re.Pattern[str], str, str], ...]] = (
    (
        re.compile(r"^\s*# degauss\s+lambda\s+int alpha2F"),
        "is lambda.x's summary (lambda.dat)",
        "give alpha2F.dat beside it",
    ),
    (re.compile(r"^\s*lambda = .*<log w>="), "is the output of lambda.x", "give alpha2F.dat beside it"),
    (re.compile(r"Electron-phonon coupling constant, lambda\s*$"), "is matdyn.x's summary", "give a2F.dosN"),
    (
        re.compile(r"Gaussian Broadening:.*ngauss"),
        "holds ph.x's linewidths at one q point",
        "give alpha2F.dat",
    ),
    (re.compile(r"phdos\["), "is EPW's phonon density of states", "give prefix.a2f"),
    (re.compile(r"znorm\(w\)"), "is EPW's gap function", "give prefix.a2f"),
    (
        re.compile(r"Electron-phonon coupling constant, .* :"),
        "is Elk's MCMILLAN.OUT",
        "give ALPHA2F.OUT beside it",
    ),
    (re.compile(r"Frequency\[cm\^-1\] DOS"), "is matdyn.x's phonon density of states", "give a2F.dosN"),
)
"""Files often given in place of the spectrum: (a line of theirs, what they are, what to give)."""

_MAX_FOLDER_FILES: Final[int] = 10_000


def read_spectra(
    path: str | PathLike[str], *, unit: str | None = None, negative: NegativeWeight = "keep"
) -> list[Spectrum]:
    """Read all spectra of a file, or of every file in a folder that `find_spectra` recognises.

    The format is found from the content. Every smearing is a spectrum of its own with its own label. Points
    at w <= 0 are dropped and noted. A column that holds NaN is refused: if other columns of the file are
    sound they are returned, each naming the refused ones in ``provenance["refused_columns"]``; if none is
    sound the file is refused. A folder with a refused file is refused: to have the rest, read the files that
    `find_spectra` gives one by one.

    Args:
        path: file or folder.
        unit: energy unit of the frequencies (meV, eV, THz, cm-1, Ry, Ha, K) of a table that states none. A
            file that states another unit is refused, not converted.
        negative: what to do with alpha2F < 0: ``keep`` the file's numbers (`check` then reports them),
            ``clip`` to zero, or ``refuse`` the spectrum. Weight that moves lambda by less than 0.01 % is
            noise and never refused.

    Returns:
        The spectra in the order of the file. ``provenance`` holds source, format, unit, smearing,
        smearing_unit, reported (moments printed by the code), dropped_points, and what else the file says.

    Raises:
        SpectrumError: no spectrum can be had from it, with what is wrong and what to do.
    """
    if negative not in get_args(NegativeWeight):
        raise InputError(
            f"{negative!r} is not a way to treat negative weight",
            where="negative",
            hint="there are: " + ", ".join(get_args(NegativeWeight)),
        )
    canonical = None if unit is None else parse_unit(unit)
    path = Path(path).expanduser()
    if is_folder(path):
        return [s for file in find_spectra(path) for s in _read_file(file, canonical, negative)]
    return _read_file(path, canonical, negative)


def find_spectra(folder: str | PathLike[str]) -> list[Path]:
    """The files below a folder whose content says that they are alpha2F, sorted by path.

    Tables without a header that says so are left out, for nothing tells them from other tables: name them
    one by one. Files that cannot be read are left out too.

    Raises:
        SpectrumError: there is none, the folder cannot be read, or it holds more than 10 000 files.
    """
    folder = Path(folder).expanduser()
    try:
        candidates = sorted(_files(folder), key=_natural)
    except OSError as error:
        raise SpectrumError(f"cannot be read: {error.strerror}", where=str(folder)) from error
    found = [path for path in candidates if _recognised(path)]
    if not found:
        raise SpectrumError(
            "no file in this folder says that it is alpha2F",
            where=str(folder),
            hint="name the file itself; a plain table needs its unit stated",
        )
    return found


def _files(folder: Path) -> Iterator[Path]:
    count = 0
    for path in folder.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        count += 1
        if count > _MAX_FOLDER_FILES:
            raise SpectrumError(
                f"holds more than {_MAX_FOLDER_FILES} files", where=str(folder), hint="name a smaller folder"
            )
        yield path


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts a2F.dos2 before a2F.dos10."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", str(path)) if p]


def _recognised(path: Path) -> bool:
    try:
        file = SourceFile(path)
    except SpectrumError:
        return False
    if file.is_netcdf:
        return abinit.holds_alpha2f(file)
    form = _detect(file)
    return form is not None and (form is not table.FORMAT or table.names_alpha2f(file))


def _detect(file: SourceFile) -> FileFormat | None:
    return next((form for form in FORMATS if form.detects(file)), None)


def _read_file(path: Path, unit: str | None, negative: NegativeWeight) -> list[Spectrum]:
    file = SourceFile(path)
    if not file.is_netcdf:
        file.refuse_binary()
        for pattern, what, instead in _RELATED:
            if any(pattern.search(line) for line in file.first_lines[:8]):
                raise file.error(f"{what}, not a spectrum", hint=instead)
    form = _detect(file)
    if form is None:
        raise file.error("holds no text")
    if form.unit is not None and unit is not None and unit != form.unit:
        raise file.error(
            f"{form.title} is in {form.unit}, the caller says {unit}",
            hint="leave the unit away: it is for tables that state none",
        )
    try:
        parsed = form.parse(file, unit)
    except HTCError:
        raise
    except Exception as error:  # damaged files fail in ways that nobody has seen
        raise file.error(
            f"looks like {form.title}, but cannot be read as such: {error}",
            hint="the file may be truncated or damaged",
        ) from error
    return _assemble(file, form, parsed, negative)


def _assemble(file: SourceFile, form: FileFormat, parsed: Parsed, negative: NegativeWeight) -> list[Spectrum]:
    if not np.isfinite(parsed.omega).all():
        raise file.error("some frequencies are NaN or infinite")
    above = parsed.omega > 0.0
    common: dict[str, Any] = {
        "source": str(file.path),
        "format": form.name,
        "unit": parsed.unit,
        "negative": negative,
        "dropped_points": int((~above).sum()),
        **parsed.notes,
    }
    if parsed.findings:
        common["run_findings"] = list(parsed.findings)
    broken = {c.label: _nonfinite(c) for c in parsed.columns if not np.isfinite(c.alpha2f).all()}
    sound = [column for column in parsed.columns if np.isfinite(column.alpha2f).all()]
    if not sound:
        raise _all_broken(file, parsed, broken)
    if broken:
        common["refused_columns"] = broken
    with np.errstate(over="ignore"):
        omega_mev = parsed.omega[above] * mev_per(parsed.unit)
    if not np.isfinite(omega_mev).all():
        raise file.error("some frequencies are too large to be any", hint="is the unit right?")
    spectra = []
    for column in sound:
        provenance = {**common, "reported": dict(column.reported)}
        if column.smearing is not None:
            provenance |= {"smearing": column.smearing, "smearing_unit": parsed.smearing_unit}
        if not above.all():
            provenance["dropped_weight"] = _dropped_share(parsed.omega, column.alpha2f)
        try:
            spectrum = Spectrum(omega_mev, column.alpha2f[above], column.label, provenance)
        except SpectrumError as error:
            raise error.located(str(file.path)) from None
        spectra.append(_treat_negative(file, spectrum, negative))
    return spectra


def _nonfinite(column: Column) -> str:
    bad = int((~np.isfinite(column.alpha2f)).sum())
    return f"{bad} of {column.alpha2f.size} values are NaN or infinite"


def _all_broken(file: SourceFile, parsed: Parsed, broken: dict[str, str]) -> SpectrumError:
    first = next(iter(broken.values()))
    what = (
        f"alpha2F is broken: {first}"
        if len(broken) == 1
        else f"alpha2F is broken in all {len(broken)} columns, "
        f"{next(iter(broken))} to {list(broken)[-1]}: {first}"
    )
    if parsed.findings:
        what += "; the run behind it: " + "; ".join(parsed.findings)
    return file.error(what, hint=parsed.advice or "the run that wrote it failed; look there first")


def _dropped_share(omega: np.ndarray[Any, Any], alpha2f: np.ndarray[Any, Any]) -> float:
    """Weight int |alpha2F| dw at w <= 0 over the whole."""
    total = float(np.trapezoid(np.abs(alpha2f), omega))
    below = omega <= 0.0
    return float(np.trapezoid(np.abs(alpha2f[below]), omega[below])) / total if total > 0.0 else 0.0


def _treat_negative(file: SourceFile, spectrum: Spectrum, negative: NegativeWeight) -> Spectrum:
    if negative == "keep" or not (spectrum.alpha2f < 0.0).any():
        return spectrum
    if negative == "clip":
        return spectrum.clipped()
    before, after = clip_effect(spectrum)
    if is_noise(before, after):
        return spectrum
    raise file.error(
        f"{spectrum.label}: alpha2F is negative in {int((spectrum.alpha2f < 0.0).sum())} points; clipping "
        f"them to zero would move lambda from {before:.4f} to {after:.4f}",
        hint="accept the file's numbers (--negative keep) or clip them (--negative clip)",
    )
