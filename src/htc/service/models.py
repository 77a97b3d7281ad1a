"""The models in use, and those that once spoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.errors import NotFoundError
from htc.models import load_model
from htc.store.records import Record, model_record, model_records

if TYPE_CHECKING:
    from htc.models import CouplingModel
    from htc.service.state import Service

__all__ = ["model_card", "model_list"]


def model_list(service: Service) -> Record:
    """A ``ModelList``.

    Raises:
        StoreError: the database does not answer.
    """
    stored = {record["id"]: record for record in model_records(service.database)}
    used = {
        part.model_id: _answer(part.model_id, part, stored.get(part.model_id)) for part in _parts(service)
    }
    others = [_answer(name, None, record) for name, record in stored.items() if name not in used]
    return {"models": [*used.values(), *others]}


def model_card(service: Service, model_id: str) -> Record:
    """A ``ModelCard``.

    Raises:
        NotFoundError: no model of this id ever spoke here.
        StoreError: the database does not answer.
    """
    part = next((part for part in _parts(service) if part.model_id == model_id), None)
    record = model_record(service.database, model_id)
    if part is None and record is None:
        raise NotFoundError(
            f"no model {model_id[:100]!r} ever spoke here", hint="GET /api/htc/models lists them"
        )
    card = dict(part.card) if part is not None else (record or {})["card"]
    return {
        **_answer(model_id, part, {"description": card.get("description"), **(record or {})}),
        "card": card,
    }


def _parts(service: Service) -> tuple[CouplingModel, ...]:
    return load_model(service.settings.model, service.settings.tier).parts


def _answer(model_id: str, part: CouplingModel | None, record: Record | None) -> Record:
    known = record or {}
    return {
        "id": model_id,
        "description": known.get("description") if part is None else part.card.get("description"),
        "model_tier": None if part is None else part.tier,
        "in_use": part is not None,
        "first_used_at": known.get("first_used_at"),
    }
