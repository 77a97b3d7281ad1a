"""A crystal to its spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.service.details import bete_run
from htc.service.predictions import Question
from htc.service.schemas import MaterialRequest

if TYPE_CHECKING:
    from htc.service.schemas import BetePredictRequest
    from htc.service.state import Service
    from htc.store.records import Record

__all__ = ["predict"]


async def predict(service: Service, wish: BetePredictRequest, created_by: str) -> Record:
    """A ``BetePrediction``.

    Raises:
        HTCError: whatever is wrong with the crystal, the model or the database.
    """
    mu_star = service.settings.mu_star if wish.mu_star is None else wish.mu_star
    material = MaterialRequest(
        structure=wish.structure, structure_format=wish.structure_format, structure_id=wish.structure_id
    )
    record, _ = await service.desk.ask(
        Question(
            material,
            wish.pressure_gpa,
            mu_star,
            source=wish.structure_id or "structure",
            created_by=created_by,
            with_spectrum=True,
        )
    )
    run_id = record["bete_run_id"]
    run = None
    if run_id is not None:
        run = await service.desk.in_thread(lambda: bete_run(service, run_id))
    return {"prediction": record, "run": run}
