"""Which models ever spoke: their ids and cards, for rows whose weights are long replaced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.errors import HTCError
from htc.store.tables import models

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["model_is_known", "note_models"]


def note_models(connection: sa.Connection, model_ids: Iterable[str]) -> None:
    """Make sure that ``models`` has a row for each id; the card too where the model is at hand.

    Raises:
        StoreError: the database refused.
    """
    wanted = sorted(set(model_ids))
    if not wanted:
        return
    known = set(connection.execute(sa.select(models.c.id).where(models.c.id.in_(wanted))).scalars())
    new = [model_id for model_id in wanted if model_id not in known]
    if new:
        card = _card_at_hand()
        rows = [{"id": model_id, "card": card.get(model_id, {})} for model_id in new]
        connection.execute(insert(models).on_conflict_do_nothing(index_elements=["id"]), rows)


def model_is_known(database: Database, model_id: str) -> bool:
    """Whether a model of this id ever spoke here.

    Raises:
        StoreError: the database refused.
    """
    with database.connect() as connection:
        return connection.execute(sa.select(models.c.id).where(models.c.id == model_id)).first() is not None


def _card_at_hand() -> dict[str, dict[str, Any]]:
    from htc.models import load_model
    from htc.settings import get_settings

    try:
        settings = get_settings()
        model = load_model(settings.model, settings.tier)
    except HTCError:
        # The row is about another model; that this one cannot be read is no matter here.
        return {}
    return {part.model_id: dict(part.card) for part in model.parts}
