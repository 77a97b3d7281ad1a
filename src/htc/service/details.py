"""Stored records with what follows from them: running lambda, CIF, the best prediction of a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from fastapi import Response

from htc.errors import NotFoundError
from htc.store.records import (
    Record,
    bete_run_record,
    prediction_record,
    structure_record,
)

if TYPE_CHECKING:
    from htc.service.access import Caller
    from htc.service.state import Service

__all__ = [
    "bete_run",
    "created_by",
    "prediction_detail",
    "spectrum_of",
    "structure_detail",
    "structure_file",
    "structure_text",
]

_TYPES: Final = {"cif": "chemical/x-cif", "poscar": "text/plain; charset=utf-8"}


def created_by(service: Service, caller: Caller) -> str:
    """Whose name a row gets: that of the access key, or of the settings where none is needed."""
    return service.settings.created_by if caller.key is None else caller.key.name


def prediction_detail(service: Service, prediction_id: str) -> Record:
    """A ``PredictionDetail``.

    Raises:
        NotFoundError: none has this id.
        InputError: several begin so.
        StoreError: the database does not answer.
    """
    record = prediction_record(service.database, prediction_id)
    provenance = record["provenance"]
    label = provenance.get("spectrum", {}).get("label") if isinstance(provenance, dict) else None
    record["spectrum"] = _pop_spectrum(record, label)
    return record


def bete_run(service: Service, run_id: str) -> Record:
    """A ``BeteRun``.

    Raises:
        NotFoundError: none has this id.
        StoreError: the database does not answer.
    """
    record = bete_run_record(service.database, run_id)
    record["spectrum"] = _pop_spectrum(record, None)
    return record


def structure_detail(service: Service, structure_hash: str) -> Record:
    """A ``StructureAnswer``.

    Raises:
        NotFoundError: none has this hash.
        StoreError: the database does not answer.
    """
    record = structure_record(service.database, structure_hash)
    record["cif"] = structure_text(record["structure"], "cif")
    return record


def structure_text(document: dict[str, Any], fmt: str) -> str | None:
    """A stored crystal as CIF or POSCAR; None where the document of an earlier version is none."""
    from pymatgen.core.structure import Structure
    from pymatgen.io.cif import CifWriter
    from pymatgen.io.vasp.inputs import Poscar

    try:
        structure = Structure.from_dict(document)
        return str(CifWriter(structure)) if fmt == "cif" else Poscar(structure).get_str()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError):
        # Whatever an earlier version called a structure.
        return None


def structure_file(record: Record, fmt: str) -> Response:
    """A ``StructureAnswer`` as a file, ``cif`` or ``poscar``.

    Raises:
        NotFoundError: the document of an earlier version is no crystal.
    """
    text = record["cif"] if fmt == "cif" else structure_text(record["structure"], fmt)
    if text is None:
        raise NotFoundError("the stored document is no crystal", hint="ask for it as JSON")
    name = f"{record['reduced_formula']}.{fmt}" if fmt == "cif" else f"POSCAR_{record['reduced_formula']}"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return Response(
        text,
        headers={
            "Content-Type": _TYPES[fmt],
            "Content-Disposition": f'attachment; filename="{safe}"',
        },
    )


def spectrum_of(omega_mev: Any, alpha2f: Any, label: str | None) -> Record:
    """A ``SpectrumData`` of two arrays of one length, meV and dimensionless."""
    omega, values = np.asarray(omega_mev, dtype=float), np.asarray(alpha2f, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        integrand = values / omega
    pieces = (integrand[1:] + integrand[:-1]) * np.diff(omega)
    return {
        "label": label or None,
        "omega_mev": omega,
        "alpha2f": values,
        "cumulative_lambda": np.concatenate(([0.0], np.cumsum(pieces))),
    }


def _pop_spectrum(record: Record, label: str | None) -> Record | None:
    omega, values = record.pop("alpha2f_omega"), record.pop("alpha2f_alpha2f")
    if omega is None or values is None or len(omega) != len(values):
        return None
    return spectrum_of(omega, values, label)
