"""From a stored prediction to a zip: the same prediction and the same program give the same bytes."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from htc.evidence.crate import CRATE_FILE, crate_metadata
from htc.evidence.environment import environment
from htc.evidence.figure import draw, figure_title
from htc.evidence.moments import write_table
from htc.evidence.record import as_json, record_of, record_schema
from htc.evidence.rendering import render_preview, render_readme, worksheet_html, worksheet_markdown
from htc.evidence.worksheet import worksheet_of
from htc.store.naming import without_folders

if TYPE_CHECKING:
    from htc.evidence.sources import Sources
    from htc.spectra import Spectrum

__all__ = [
    "MANIFEST",
    "PREVIEW",
    "WHAT",
    "Ingredients",
    "Pack",
    "build_pack",
    "describe_files",
    "files_of",
    "manifest_of",
    "pack_name",
    "zip_bytes",
]

MANIFEST: Final = "manifest-sha256.txt"
PREVIEW: Final = "ro-crate-preview.html"

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The first moment a zip knows."""

WHAT: Final[Mapping[str, str]] = {
    "README.md": "what this is and how to check it",
    "prediction.json": "the record of the prediction, as stored",
    "prediction.schema.json": "what each field of the record means, with its unit",
    "worksheet.html": "how Tc follows from its numbers, step by step, to read and to print",
    "worksheet.md": "the same as plain text",
    "worksheet.json": "the same for programs: every step with its numbers",
    "input/structure.json": "the crystal, as the model saw it (pymatgen)",
    "input/structure.cif": "the same crystal as CIF",
    "spectrum/alpha2f.csv": "alpha2F, meV, with what each interval adds to the moments",
    "spectrum/alpha2f.dat": "alpha2F in two columns, meV, for `htc tc` and `htc eliashberg`",
    "spectrum/alpha2f.json": "where the spectrum is from, and its moments",
    "figures/alpha2f.svg": "alpha2F and the coupling that builds up",
    "model/card.json": "the card of the model that spoke: data, accuracy, limits, hash of the weights",
    "model/experiment.json": "its lines from predicted to measured Tc",
    "environment.json": "versions of everything that made this pack",
    PREVIEW: "these files as links",
    CRATE_FILE: "the same for programs (RO-Crate)",
    MANIFEST: "SHA-256 of every file but this one",
}
"""Every file that a pack may hold."""


@dataclass(frozen=True, slots=True)
class Pack:
    """An evidence pack."""

    name: str
    """File name for it."""
    files: Mapping[str, bytes]
    """Contents by path."""

    def to_zip(self) -> bytes:
        """The pack as a zip archive."""
        return zip_bytes(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What every file of a pack follows from."""

    record: Mapping[str, Any]
    """Fields of ``prediction.json``."""
    structure: Mapping[str, Any] | None
    """The crystal as of pymatgen's ``Structure.as_dict()``."""
    spectrum: Spectrum | None
    card: Mapping[str, Any] | None
    experiment: Mapping[str, Any] | None
    environment: Mapping[str, Any]
    licence: str | None


def build_pack(sources: Sources) -> Pack:
    """Everything behind one prediction.

    Args:
        sources: from :func:`htc.evidence.gather`.

    Raises:
        HTCError: the stored record cannot be used; the message says what of it.
    """
    prediction = sources.stored.prediction
    record = record_of(sources.stored)
    spectrum = prediction.spectrum
    files = files_of(
        Ingredients(
            record=record,
            structure=prediction.structure,
            spectrum=spectrum and replace(spectrum, provenance=without_folders(dict(spectrum.provenance))),
            card=sources.card,
            experiment=sources.experiment,
            environment=environment(sources.database_revision),
            licence=sources.licence,
        )
    )
    return Pack(pack_name(record), files)


def pack_name(record: Mapping[str, Any]) -> str:
    """File name for the pack of a record."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", str(record["reduced_formula"])).strip("-") or "material"
    return f"evidence-{name[:40]}-{str(record['id'])[:8]}.zip"


def files_of(given: Ingredients) -> dict[str, bytes]:
    """All files of a pack by path. Errors as for `build_pack`."""
    record, spectrum = given.record, given.spectrum
    worksheet = worksheet_of(record, spectrum, given.experiment)
    files: dict[str, bytes] = {
        "prediction.json": as_json(record),
        "prediction.schema.json": as_json(record_schema()),
        "worksheet.json": as_json(worksheet.as_dict()),
        "worksheet.md": worksheet_markdown(record, worksheet).encode(),
        "environment.json": as_json(given.environment),
    }
    figure = None
    if spectrum is not None:
        files |= _spectrum_files(spectrum, record)
        figure = files["figures/alpha2f.svg"].decode()
    files["worksheet.html"] = worksheet_html(record, worksheet, figure).encode()
    if given.structure is not None:
        files |= _structure_files(given.structure)
    if given.card is not None:
        files["model/card.json"] = as_json(given.card)
    if given.experiment is not None:
        files["model/experiment.json"] = as_json(given.experiment)
    described = describe_files(files)
    files["README.md"] = render_readme(record, worksheet, described, given.licence).encode()
    files[PREVIEW] = render_preview(record, {k: v for k, v in described.items() if k != PREVIEW}).encode()
    listed = {path: content for path, content in files.items() if path != PREVIEW}
    files[CRATE_FILE] = crate_metadata(record, worksheet, listed, WHAT, given.environment, given.licence)
    files[MANIFEST] = manifest_of(files)
    return files


def describe_files(files: Mapping[str, bytes]) -> dict[str, str]:
    """What the files of a pack are, those that follow from the others included."""
    there = set(files) | {"README.md", PREVIEW, CRATE_FILE, MANIFEST}
    return {path: what for path, what in WHAT.items() if path in there}


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The manifest, as ``sha256sum -c`` reads it."""
    rows = [
        f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files) if path != MANIFEST
    ]
    return "".join(rows).encode()


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip archive whose bytes follow from the contents alone; the metadata of the crate comes first."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files, key=lambda p: (p != CRATE_FILE, p)):
            entry = zipfile.ZipInfo(path, date_time=_EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[path])
    return out.getvalue()


def _spectrum_files(spectrum: Spectrum, record: Mapping[str, Any]) -> dict[str, bytes]:
    from htc.spectra.writing import spectrum_text

    about = {
        "label": spectrum.label,
        "origin": record.get("spectrum_origin"),
        "points": int(spectrum.omega_mev.size),
        "omega_unit": "meV",
        "lambda_ep": spectrum.lambda_ep,
        "omega_log_k": spectrum.omega_log_k,
        "omega_2_k": spectrum.omega_2_k,
        "provenance": dict(spectrum.provenance),
    }
    return {
        "spectrum/alpha2f.csv": write_table(spectrum).encode(),
        "spectrum/alpha2f.dat": spectrum_text(spectrum, title=str(record["reduced_formula"])).encode(),
        "spectrum/alpha2f.json": as_json(about),
        "figures/alpha2f.svg": draw(spectrum, figure_title(record)).encode(),
    }


def _structure_files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """The crystal as JSON and, where the stored document is one, as CIF."""
    files = {"input/structure.json": as_json(dict(document))}
    from pymatgen.core.structure import Structure

    # Whatever an earlier version called a structure is kept as it is, as JSON.
    with suppress(KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError):
        files["input/structure.cif"] = Structure.from_dict(dict(document)).to(fmt="cif").encode()
    return files
