"""What stands behind a stored prediction: its electron-phonon run, its batch, the card of its model."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.errors import NotFoundError
from htc.store.predictions import StoredPrediction, get
from htc.store.tables import bete_runs, htc_predictions, models, runs, structures

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["find_prediction", "ids_of_run", "model_card"]

_PAGE: Final = 500
_UNKNOWN: Final = "unknown: a run stored by an earlier version"


def find_prediction(database: Database, id_or_prefix: str) -> StoredPrediction:
    """A prediction by its id, the beginning of it, or the id of the ``bete_runs`` row that belongs to it.

    A row of ``bete_runs`` that an earlier version stored without a prediction comes back as one, with what it
    holds.

    Raises:
        NotFoundError: there is neither.
        InputError: several begin so, or the beginning is too short.
        StoreError: the database does not answer.
    """
    try:
        return get(database, id_or_prefix)
    except NotFoundError:
        run_id = _as_uuid(id_or_prefix)
        found = None if run_id is None else _of_bete_run(database, run_id)
        if found is None:
            raise
        return found


def ids_of_run(database: Database, run_id: str) -> Iterator[str]:
    """Ids of all predictions that a run made, in the order of their ids.

    Raises:
        NotFoundError: there is no such run.
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        if connection.execute(sa.select(runs.c.id).where(runs.c.id == run_id)).first() is None:
            raise NotFoundError("there is no run of this id", where=run_id, hint="`htc top --run` takes one")
    last = ""
    while True:
        with database.connect() as connection:
            page = list(
                connection.execute(
                    sa.select(htc_predictions.c.id)
                    .where(
                        htc_predictions.c.experiment_id == run_id,
                        htc_predictions.c.deleted_at.is_(None),
                        htc_predictions.c.id > last,
                    )
                    .order_by(htc_predictions.c.id)
                    .limit(_PAGE)
                ).scalars()
            )
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]


def model_card(database: Database, model_id: str) -> dict[str, Any] | None:
    """The card of a model that spoke here; None where it is unknown or its card was not at hand.

    Raises:
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        card = connection.execute(sa.select(models.c.card).where(models.c.id == model_id)).scalar()
    return dict(card) if card else None


def _as_uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        return None


def _of_bete_run(database: Database, run_id: str) -> StoredPrediction | None:
    b, p = bete_runs.c, htc_predictions.c
    with database.connect() as connection:
        prediction_id = connection.execute(
            sa.select(p.id).where(p.bete_run_id == run_id).order_by(p.created_at, p.id).limit(1)
        ).scalar()
        row = connection.execute(
            sa.select(bete_runs, structures.c.structure)
            .select_from(bete_runs.outerjoin(structures, structures.c.hash == b.structure_hash))
            .where(b.id == run_id)
        ).first()
    if prediction_id is not None:
        return get(database, prediction_id)
    return None if row is None else _alone(row)


def _alone(row: sa.Row[Any]) -> StoredPrediction:
    from htc.errors import FormulaError
    from htc.materials.families import recognise
    from htc.materials.formulas import parse_formula
    from htc.prediction.record import Prediction
    from htc.spectra import Spectrum

    formula = row.structure_formula or "unknown"
    family = "unknown"
    elements: tuple[str, ...] = ()
    try:
        composition = parse_formula(formula)
        family = recognise(composition).name
        elements = tuple(sorted(e.symbol for e in composition.elements))
    except FormulaError:
        pass  # any text stood here before
    spectrum = None
    if row.alpha2f_omega is not None and row.alpha2f_alpha2f is not None:
        spectrum = Spectrum(row.alpha2f_omega, row.alpha2f_alpha2f)
    structure = row.structure if row.structure is not None else row.structure_json
    prediction = Prediction(
        source=formula,
        composition=formula,
        reduced_formula=formula,
        family=family,
        applicable=True,
        tc_predicted=row.tc_kelvin,
        lambda_ep=row.lambda_ep,
        omega_log=row.omega_log,
        mu_star=row.mu_star,
        prediction_method=_UNKNOWN,
        structure=structure if isinstance(structure, dict) else None,
        spectrum=spectrum,
        spectrum_origin=row.spectrum_origin,
        input_hash=row.input_hash or "",
    )
    return StoredPrediction(
        id=str(row.id),
        prediction=prediction,
        created_at=None if row.created_at is None else row.created_at.astimezone(UTC),
        created_by=row.created_by,
        run_id=row.parent_batch_id,
        bete_run_id=str(row.id),
        pressure_uncertainty_gpa=None,
        structure_info=None,
        elements=elements,
        deleted_at=None if row.deleted_at is None else row.deleted_at.astimezone(UTC),
        legacy_defects=tuple(row.legacy_defects),
    )
