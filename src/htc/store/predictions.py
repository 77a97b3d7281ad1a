"""Writing predictions, each once, and reading them back whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.errors import InputError, NotFoundError, StoreError
from htc.store.models import note_models
from htc.store.structures import store_structures
from htc.store.tables import bete_runs, htc_predictions, structures

if TYPE_CHECKING:
    from htc.prediction.record import Prediction
    from htc.store.database import Database

__all__ = ["Saved", "StoredPrediction", "get", "get_many", "save", "save_each", "write_predictions"]

CHUNK: Final = 100
"""Predictions a transaction: what a kill can cost at most."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """Where one prediction went."""

    id: str
    is_new: bool
    """False: the same input under the same model and settings was stored before, under this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrediction:
    """Everything stored about one prediction."""

    id: str
    prediction: Prediction
    created_at: datetime | None
    """In UTC; None only in rows of an earlier version."""
    created_by: str | None
    run_id: str | None
    """The run it belongs to."""
    bete_run_id: str | None
    pressure_uncertainty_gpa: float | None
    structure_info: Mapping[str, Any] | None
    elements: tuple[str, ...] = ()
    """Symbols in alphabetical order; empty where an earlier version's formula cannot be read."""
    deleted_at: datetime | None = None
    """When it was set aside, in UTC; None: it counts."""
    legacy_defects: tuple[str, ...] = field(default=())
    """Rules of today that a row of an earlier version breaks."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: the prediction's own fields and those of the row."""
        p = self.prediction
        spectrum = p.spectrum and {
            "label": p.spectrum.label,
            "omega_mev": p.spectrum.omega_mev.tolist(),
            "alpha2f": p.spectrum.alpha2f.tolist(),
        }
        return {
            "id": self.id,
            **p.as_dict(),
            "pressure_uncertainty_gpa": self.pressure_uncertainty_gpa,
            "experiment_id": self.run_id,
            "bete_run_id": self.bete_run_id,
            "created_by": self.created_by,
            "created_at": self.created_at.isoformat() if self.created_at else None,
            "structure_info": self.structure_info,
            "structure": p.structure,
            "spectrum": spectrum,
            "provenance": p.provenance,
            "elements": list(self.elements),
            "deleted_at": self.deleted_at.isoformat() if self.deleted_at else None,
            "legacy_defects": list(self.legacy_defects),
        }


def save(
    database: Database,
    predictions: Iterable[Prediction],
    *,
    run: str | None = None,
    created_by: str = "htc",
) -> list[Saved]:
    """Store predictions in the order given; see :func:`save_each`."""
    return list(save_each(database, predictions, run=run, created_by=created_by))


def save_each(
    database: Database,
    predictions: Iterable[Prediction],
    *,
    run: str | None = None,
    created_by: str = "htc",
) -> Iterator[Saved]:
    """Store predictions as they come, committing every hundred, and yield where each went.

    A prediction with a structure or a spectrum writes ``bete_runs`` and ``htc_predictions`` in one
    transaction; a refusal writes its reason. Equal ``input_hash`` means equal prediction: it is recognised,
    also when another process stores it at the same moment.

    Args:
        database: an open database.
        predictions: any iterable; it is consumed lazily.
        run: id from :func:`htc.store.start_run`, or None for single predictions.
        created_by: written into each new row.

    Raises:
        InputError: a prediction without input_hash, or with values JSON cannot hold.
        StoreError: the database refused; everything yielded before is stored. When it refuses one row of
            a chunk for what it says, the others of the chunk are stored before this is raised.
    """
    source = iter(predictions)
    while chunk := list(islice(source, CHUNK)):
        yield from _save_chunk(database, chunk, run, created_by)


def get(database: Database, id_or_prefix: str) -> StoredPrediction:
    """Read one prediction.

    Args:
        database: an open database.
        id_or_prefix: an id, or as many of its first characters (four or more) as make it unique.

    Raises:
        NotFoundError: none begins so.
        InputError: several do, or the prefix is too short.
    """
    wanted = id_or_prefix.strip().lower()
    with database.connect() as connection:
        rows = connection.execute(_whole_rows().where(htc_predictions.c.id == id_or_prefix.strip())).all()
        if not rows and len(wanted) >= 4:
            begins = htc_predictions.c.id.startswith(wanted, autoescape=True)
            rows = connection.execute(
                _whole_rows().where(begins).order_by(htc_predictions.c.id).limit(6)
            ).all()
    if not rows:
        if 0 < len(wanted) < 4:
            raise InputError(
                f"{id_or_prefix!r} is too short to name a prediction", hint="give four characters or more"
            )
        raise NotFoundError(
            f"no prediction has an id beginning with {id_or_prefix!r}", hint="`htc top` lists ids"
        )
    if len(rows) > 1:
        shown = ", ".join(row.id for row in rows[:5])
        raise InputError(
            f"several predictions begin with {id_or_prefix!r}", hint=f"give more characters: {shown}, ..."
        )
    return _stored(rows[0])


def get_many(database: Database, ids: Sequence[str]) -> dict[str, StoredPrediction]:
    """Predictions by their whole ids; those that are not there are left out.

    Raises:
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        rows = connection.execute(_whole_rows().where(htc_predictions.c.id.in_(list(ids)))).all()
    return {row.id: _stored(row) for row in rows}


def _save_chunk(
    database: Database, chunk: Sequence[Prediction], run: str | None, created_by: str
) -> list[Saved]:
    try:
        with database.begin() as connection:
            return write_predictions(connection, chunk, run=run, created_by=created_by)
    except StoreError as error:
        if len(chunk) == 1:
            raise error.located(chunk[0].source) from error
        if type(error) is not StoreError:  # no connection, no room: trying row by row would only repeat it
            raise
    # A rule refused one of them. Keep the others, then say which.
    failed: StoreError | None = None
    saved: list[Saved] = []
    for prediction in chunk:
        try:
            saved += _save_chunk(database, [prediction], run, created_by)
        except StoreError as error:
            if type(error) is not StoreError:
                raise
            failed = failed or StoreError(error.what, where=prediction.source, hint=error.hint)
    if failed is not None:
        raise failed
    return saved


def write_predictions(
    connection: sa.Connection, chunk: Sequence[Prediction], *, run: str | None, created_by: str
) -> list[Saved]:
    """Store some predictions in the caller's transaction; arguments and errors as in :func:`save_each`."""
    for prediction in chunk:
        if not prediction.input_hash:
            raise InputError("a prediction without input_hash cannot be stored", where=prediction.source)
    # One order for all writers, so that two with the same inputs wait for each other and never deadlock.
    unique = {p.input_hash: p for p in sorted(chunk, key=lambda p: p.input_hash)}
    common = {"created_by": created_by}
    _bring_back(connection, list(unique))
    known = _ids_by_hash(connection, htc_predictions, list(unique))
    new = {h: p for h, p in unique.items() if h not in known}
    note_models(connection, {p.model_id for p in new.values() if p.model_id})
    crystals = store_structures(connection, {h: p for h, p in new.items() if p.structure is not None})
    with_run = [p for p in new.values() if _has_run(p)]
    bete_rows = [
        _bete_row(p, run) | common | {"structure_hash": crystals.get(p.input_hash)} for p in with_run
    ]
    bete_ids = _insert(connection, bete_runs, bete_rows)
    rows = [
        _prediction_row(p, run)
        | common
        | {
            "bete_run_id": bete_ids.get(p.input_hash, (None, False))[0],
            "structure_hash": crystals.get(p.input_hash),
        }
        for p in new.values()
    ]
    written = {**{h: (i, False) for h, i in known.items()}, **_insert(connection, htc_predictions, rows)}
    saved: list[Saved] = []
    seen: set[str] = set()
    for prediction in chunk:
        row_id, is_new = written[prediction.input_hash]
        saved.append(Saved(row_id, is_new and prediction.input_hash not in seen))
        seen.add(prediction.input_hash)
    return saved


def _bring_back(connection: sa.Connection, hashes: Sequence[str]) -> None:
    """Predictions that were set aside and are made again are wanted after all."""
    for table in (bete_runs, htc_predictions):
        aside = table.c.input_hash.in_(hashes) & table.c.deleted_at.is_not(None)
        if connection.execute(sa.select(sa.exists().where(aside))).scalar_one():
            connection.execute(sa.update(table).where(aside).values(deleted_at=None))


def _insert(connection: sa.Connection, table: sa.Table, rows: list[Row]) -> dict[str, tuple[str, bool]]:
    """Insert rows that are not there; hash -> (id of the row that is there now, whether it is ours)."""
    if not rows:
        return {}
    # The arbiter is named with its condition, or a partial unique index would not be found.
    where = table.c.input_hash.is_not(None) if table is htc_predictions else None
    statement = insert(table).on_conflict_do_nothing(index_elements=["input_hash"], index_where=where)
    # Without RETURNING the driver sends one short statement many times; with it, it would take a statement of
    # thousands of parameters to pieces, which costs more than all the rest.
    connection.execute(statement, rows)
    ours = {str(row["id"]) for row in rows}
    # The conflicting rows are committed by now: the insert has waited for their writers.
    found = _ids_by_hash(connection, table, [row["input_hash"] for row in rows])
    return {h: (i, i in ours) for h, i in found.items()}


def _ids_by_hash(connection: sa.Connection, table: sa.Table, hashes: Sequence[str]) -> dict[str, str]:
    if not hashes:
        return {}
    found = connection.execute(
        sa.select(table.c.input_hash, table.c.id).where(table.c.input_hash.in_(hashes))
    )
    return {row.input_hash: str(row.id) for row in found}


def _has_run(prediction: Prediction) -> bool:
    return prediction.applicable and (prediction.structure is not None or prediction.spectrum is not None)


def _bete_row(prediction: Prediction, run: str | None) -> Row:
    spectrum = prediction.spectrum
    return {
        "id": str(uuid.uuid4()),
        "tc_kelvin": prediction.tc_predicted,
        "structure_formula": prediction.reduced_formula,
        "alpha2f_omega": None if spectrum is None else spectrum.omega_mev.tolist(),
        "alpha2f_alpha2f": None if spectrum is None else spectrum.alpha2f.tolist(),
        "spectrum_origin": prediction.spectrum_origin,
        "lambda_ep": prediction.lambda_ep,
        "omega_log": prediction.omega_log,
        "mu_star": prediction.mu_star,
        "input_hash": prediction.input_hash,
        "run_type": "single" if run is None else "batch",
        "parent_batch_id": run,
    }


_SAME_NAME: Final = (
    "composition",
    "reduced_formula",
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "lambda_ep",
    "lambda_ep_uncertainty",
    "omega_log",
    "omega_log_uncertainty",
    "omega_2",
    "omega_2_uncertainty",
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
    "mu_star",
    "xi_parameter",
    "prediction_method",
    "confidence_level",
    "extrapolation_warning",
    "source",
    "family",
    "applicable",
    "reason",
    "structure_origin",
    "phonon_stable",
    "phonon_verdict",
    "imaginary_modes_count",
    "lowest_frequency_thz",
    "thermo_stable",
    "hull_competitors",
    "stability_potential",
    "model_tier",
    "model_id",
    "input_hash",
)
"""Fields of the record that are columns of the same name."""


def _prediction_row(prediction: Prediction, run: str | None) -> Row:
    provenance = dict(prediction.provenance)
    if prediction.spectrum is not None:
        provenance["spectrum"] = {
            "label": prediction.spectrum.label,
            "provenance": dict(prediction.spectrum.provenance),
        }
    return {
        "id": str(uuid.uuid4()),
        **{name: getattr(prediction, name) for name in _SAME_NAME},
        "hull_distance_eV": prediction.hull_distance_ev,
        "pressure_required_gpa": prediction.pressure_gpa,
        "extrapolation_reasons": list(prediction.extrapolation_reasons),
        "structure_info": _structure_info(prediction),
        "experiment_id": run,
        "provenance": provenance,
    }


def _structure_info(prediction: Prediction) -> Row | None:
    structure = prediction.structure
    if structure is None:
        return None
    lattice = structure.get("lattice", {})
    info: Row = {
        "n_sites": len(structure.get("sites", ())),
        "lattice": {
            k: lattice[k] for k in ("a", "b", "c", "alpha", "beta", "gamma", "volume") if k in lattice
        },
    }
    return info


def _whole_rows() -> sa.Select[Any]:
    p = htc_predictions
    return sa.select(
        p,
        structures.c.structure,
        bete_runs.c.structure_json,
        bete_runs.c.alpha2f_omega,
        bete_runs.c.alpha2f_alpha2f,
        bete_runs.c.spectrum_origin,
    ).select_from(
        p.outerjoin(bete_runs, p.c.bete_run_id == bete_runs.c.id).outerjoin(
            structures, p.c.structure_hash == structures.c.hash
        )
    )


def _stored(row: sa.Row[Any]) -> StoredPrediction:
    # Their packages bring the whole predictor along, which `htc top` and `htc db` do without.
    from htc.prediction.record import Prediction
    from htc.spectra import Spectrum

    # An earlier version took any JSON here; what is no object says nothing about a structure.
    info = row.structure_info if isinstance(row.structure_info, dict) else None
    provenance = dict(row.provenance)
    about_spectrum = provenance.pop("spectrum", {})
    spectrum = None
    if row.alpha2f_omega is not None:
        import numpy as np

        spectrum = Spectrum(
            omega_mev=np.array(row.alpha2f_omega, dtype=float),
            alpha2f=np.array(row.alpha2f_alpha2f, dtype=float),
            label=about_spectrum.get("label", ""),
            provenance=about_spectrum.get("provenance", {}),
        )
    same = {name: getattr(row, name) for name in _SAME_NAME if name != "xi_parameter"}
    # Rows of earlier versions leave these empty; the record wants words.
    for name in ("source", "family", "composition", "reduced_formula", "prediction_method"):
        same[name] = same[name] if same[name] is not None else "unknown"
    prediction = Prediction(
        **same
        | {"input_hash": row.input_hash or "", "extrapolation_warning": bool(row.extrapolation_warning)},
        extrapolation_reasons=tuple(row.extrapolation_reasons),
        pressure_gpa=row.pressure_required_gpa or 0.0,
        hull_distance_ev=row.hull_distance_eV,
        # The last two: documents of an earlier version that did not look like a crystal.
        structure=row.structure or row.structure_json or (info or {}).get("structure"),
        spectrum=spectrum,
        spectrum_origin=row.spectrum_origin,
        provenance=provenance,
    )
    return StoredPrediction(
        id=row.id,
        prediction=prediction,
        created_at=row.created_at.astimezone(UTC) if row.created_at else None,
        created_by=row.created_by,
        run_id=row.experiment_id,
        bete_run_id=row.bete_run_id,
        pressure_uncertainty_gpa=row.pressure_uncertainty_gpa,
        structure_info={k: v for k, v in info.items() if k != "structure"} if info else None,
        elements=tuple(row.elements or ()),
        deleted_at=row.deleted_at.astimezone(UTC) if row.deleted_at else None,
        legacy_defects=tuple(row.legacy_defects),
    )
