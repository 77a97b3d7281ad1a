"""Spectra into files that every reader of two columns understands."""

from __future__ import annotations

from pathlib import Path

from htc.errors import StorageError
from htc.spectra.spectrum import Spectrum

__all__ = ["spectrum_text", "write_spectrum"]


def write_spectrum(spectrum: Spectrum, path: Path, *, title: str = "") -> None:
    """Write a two-column table, meV and alpha2F, that `read_spectra` reads back exactly.

    The header says whether the spectrum is a surrogate, and its moments.

    Args:
        spectrum: what to write.
        path: file to write; an old one is replaced.
        title: what it belongs to, one line for the header.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        path.write_text(spectrum_text(spectrum, title=title), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose another file"
        ) from error


def spectrum_text(spectrum: Spectrum, *, title: str = "") -> str:
    """What `write_spectrum` writes."""
    if spectrum.is_surrogate:
        about = ["surrogate alpha2F: formed from lambda and moments, neither calculated nor measured"]
        about += [f"form: {form}" for form in (spectrum.provenance.get("form"),) if form]
    else:
        about = [f"alpha2F {spectrum.label}".rstrip()]
    lines = [
        *([" ".join(title.split())] if title else []),
        *about,
        f"lambda {spectrum.lambda_ep:.6g}, omega_log {spectrum.omega_log_k:.6g} K, "
        f"omega_2 {spectrum.omega_2_k:.6g} K",
        "omega (meV)    alpha2F",
    ]
    rows = [
        f"{omega!r} {value!r}"
        for omega, value in zip(spectrum.omega_mev.tolist(), spectrum.alpha2f.tolist(), strict=True)
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n".join(rows) + "\n"
