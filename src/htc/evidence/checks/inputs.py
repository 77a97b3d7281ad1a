"""The spectrum and the crystal of a pack."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.errors import HTCError, InputError, SpectrumError
from htc.evidence.checks.check import Check, alike, compare, differs, is_number, leaves, ok, same
from htc.evidence.moments import pieces_of, read_table
from htc.evidence.reading import OpenedPack, read_json
from htc.materials.checks import DEFAULT_MAX_SITES

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.spectra import Spectrum

__all__ = ["check_spectrum", "check_structure", "spectrum_in", "structure_in"]

_CSV: Final = "spectrum/alpha2f.csv"
_DAT: Final = "spectrum/alpha2f.dat"
_JSON: Final = "spectrum/alpha2f.json"
_EXACT: Final = 1e-9
_ADDED: Final = 1e-9
"""Relative: sums of some thousand terms, in another order."""
_FORMED: Final = 1e-6
"""Relative: how exactly a surrogate gives back the moments it was formed from."""
_CIF_DIGITS: Final = 1e-5
"""Relative: lengths in a CIF have eight digits."""
Record = Mapping[str, Any]


def spectrum_in(pack: OpenedPack) -> Spectrum | None:
    """The spectrum of a pack, from the table that is added up; None where there is none.

    Raises:
        InputError: it is there and no spectrum.
    """
    if _CSV not in pack.files:
        return None
    from htc.spectra import Spectrum

    table = read_table(_decoded(pack.files[_CSV], _CSV), _CSV)
    about = read_json(pack.files[_JSON], _JSON) if _JSON in pack.files else {}
    about = about if isinstance(about, dict) else {}
    label, provenance = about.get("label"), about.get("provenance")
    try:
        return Spectrum(
            table["omega_mev"],
            table["alpha2f"],
            label if isinstance(label, str) else "",
            provenance if isinstance(provenance, dict) else {},
        )
    except SpectrumError as error:
        raise error.located(_CSV) from error


def check_spectrum(record: Record, pack: OpenedPack, spectrum: Spectrum) -> Iterator[Check]:
    """Columns and sums of the table, the other files of the spectrum, and its moments."""
    table = read_table(_decoded(pack.files[_CSV], _CSV), _CSV)
    pieces = pieces_of(spectrum)
    for name, again in (
        ("lambda_piece", pieces.lambda_piece),
        ("log_piece", pieces.log_piece),
        ("second_piece_mev2", pieces.second_piece),
        ("cumulative_lambda", np.cumsum(pieces.lambda_piece)),
    ):
        scale = float(np.abs(again).max()) or 1.0
        off = np.flatnonzero(~(np.abs(table[name] - again) <= _ADDED * scale))
        if off.size:
            row = int(off[0])
            yield Check(
                group="spectrum",
                what=f"column {name}, row {row + 1}",
                status="differs",
                where=_CSV,
                stated=float(table[name][row]),
                again=float(again[row]),
                tolerance=_ADDED * scale,
                note=f"{off.size} of {len(again)} rows differ",
            )
        else:
            yield ok("spectrum", f"column {name}", _CSV)
    yield from _two_columns(pack, spectrum)
    yield from _about(record, pack, spectrum)
    measured = record.get("spectrum_origin") == "measured"
    for name, value in (
        ("lambda_ep", spectrum.lambda_ep),
        ("omega_log", spectrum.omega_log_k),
        ("omega_2", spectrum.omega_2_k),
    ):
        stated = record.get(name)
        if is_number(stated) and record.get("spectrum_origin") is not None:
            unit = "" if name == "lambda_ep" else " (K)"
            yield compare(
                "spectrum",
                f"{name}{unit} from the spectrum",
                stated,
                value,
                relative=_EXACT if measured else _FORMED,
                where="prediction.json",
            )


def _two_columns(pack: OpenedPack, spectrum: Spectrum) -> Iterator[Check]:
    if _DAT not in pack.files:
        return
    try:
        text = _decoded(pack.files[_DAT], _DAT)
        if not any(line and not line.startswith("#") for line in text.splitlines()):
            raise SpectrumError("there are no numbers in it")
        columns = np.loadtxt(io.StringIO(text), ndmin=2, dtype=np.float64)
    except (ValueError, OverflowError, InputError) as error:
        yield differs("spectrum", "two columns", _DAT, f"cannot be read: {error}")
        return
    equal = columns.shape == (spectrum.omega_mev.size, 2) and bool(
        (columns == np.column_stack([spectrum.omega_mev, spectrum.alpha2f])).all()
    )
    yield (ok if equal else differs)("spectrum", f"the same numbers as in {_CSV}", _DAT)


def _about(record: Record, pack: OpenedPack, spectrum: Spectrum) -> Iterator[Check]:
    if _JSON not in pack.files:
        return
    try:
        about = read_json(pack.files[_JSON], _JSON)
    except InputError as error:
        yield differs("spectrum", "can be read", _JSON, error.what)
        return
    if not isinstance(about, dict):
        yield differs("spectrum", "is an object", _JSON)
        return
    yield same("spectrum", "origin", about.get("origin"), record.get("spectrum_origin"), where=_JSON)
    yield same("spectrum", "points", about.get("points"), int(spectrum.omega_mev.size), where=_JSON)
    for name in ("lambda_ep", "omega_log_k", "omega_2_k"):
        again = getattr(spectrum, name)
        yield compare(
            "spectrum",
            name,
            about.get(name),
            again if np.isfinite(again) else None,
            relative=_ADDED,
            where=_JSON,
        )


def structure_in(pack: OpenedPack) -> tuple[Mapping[str, Any] | None, Structure | None]:
    """The stored document of the crystal and, where it is one, the crystal.

    Raises:
        InputError: the file is there and cannot be read.
    """
    where = "input/structure.json"
    if where not in pack.files:
        return None, None
    document = read_json(pack.files[where], where)
    if not isinstance(document, dict):
        raise InputError("is no structure", where=where)
    from htc.materials.reading import as_structure

    try:
        return document, as_structure(document, source=where, max_sites=DEFAULT_MAX_SITES)
    except HTCError:
        return document, None


def check_structure(
    record: Record, pack: OpenedPack, document: Mapping[str, Any], structure: Structure | None
) -> Iterator[Check]:
    """That the CIF is the same crystal, and that it is the one of the record."""
    where = "input/structure.json"
    if structure is None:
        yield differs("structure", "is a crystal", where, "nothing that can be read as one")
        return
    from htc.materials.formulas import parse_formula
    from htc.materials.reading import parse_structure

    yield from _says_itself(document, structure)
    try:
        formula = parse_formula(str(record.get("composition"))).reduced_formula
    except HTCError as error:
        yield differs("structure", "composition of the record", "prediction.json", str(error))
    else:
        yield same(
            "structure", "reduced formula", formula, structure.composition.reduced_formula, where=where
        )
    info = record.get("structure_info")
    if isinstance(info, dict) and "n_sites" in info:
        yield same("structure", "sites in the cell", info["n_sites"], len(structure), where=where)
    lattice = info.get("lattice") if isinstance(info, dict) else None
    if isinstance(lattice, dict) and is_number(lattice.get("volume")):
        volume = float(structure.lattice.volume)
        yield compare(
            "structure", "volume (Å³)", lattice["volume"], volume, relative=_CIF_DIGITS, where=where
        )
    cif = "input/structure.cif"
    if cif not in pack.files:
        yield differs("structure", "is there", cif, "the crystal is not there as CIF")
        return
    try:
        other = parse_structure(pack.files[cif], "cif", source=cif, max_sites=DEFAULT_MAX_SITES).structure
    except HTCError as error:
        yield differs("structure", "can be read", cif, str(error))
        return
    yield same(
        "structure",
        "formula of the cell",
        other.composition.formula,
        structure.composition.formula,
        where=cif,
    )
    for what, mine, theirs in zip(
        ("a (Å)", "b (Å)", "c (Å)", "alpha (°)", "beta (°)", "gamma (°)"),
        structure.lattice.parameters,
        other.lattice.parameters,
        strict=True,
    ):
        yield compare("structure", what, theirs, mine, relative=_CIF_DIGITS, where=cif)
    if len(other) == len(structure):
        away = _furthest(structure, other)
        yield compare(
            "structure", "furthest of its sites from theirs (Å)", away, 0.0, absolute=1e-3, where=cif
        )


def _says_itself(document: Mapping[str, Any], structure: Structure) -> Iterator[Check]:
    """That what the document says twice, as lengths and as vectors, is the same both times."""
    where = "input/structure.json"
    again = structure.as_dict()
    stated = {"lattice": document.get("lattice"), "sites": document.get("sites")}
    wrong = [
        path
        for path, a, b in leaves(stated, {name: again[name] for name in stated})
        # Versions of pymatgen write more or less beside the crystal itself.
        if a is not None and is_number(b) and not alike(a, b, _CIF_DIGITS)
    ]
    if wrong:
        yield differs("structure", "lengths, angles and positions", where, ", ".join(wrong[:5]))
    else:
        yield ok("structure", "lengths, angles and positions", where)


def _furthest(structure: Structure, other: Structure) -> float:
    """Largest distance of a site to the nearest of its element there, Å; infinity where two take the same."""
    distance = structure.lattice.get_all_distances(structure.frac_coords, other.frac_coords)
    alike = np.array([[a.species == b.species for b in other] for a in structure])
    distance = np.where(alike, distance, np.inf)
    taken = distance.argmin(axis=1)
    if len(set(taken.tolist())) != len(structure):
        return float("inf")
    return float(distance.min(axis=1).max())


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpectrumError("is no text", where=where) from error
