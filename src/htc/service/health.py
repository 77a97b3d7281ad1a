"""Whether everything a prediction needs is there."""

from __future__ import annotations

import sqlalchemy as sa

from htc.errors import HTCError
from htc.models import load_model
from htc.service.schemas import Health
from htc.service.state import Service
from htc.version import __version__

__all__ = ["health_of"]


def health_of(service: Service) -> Health:
    """Ask model and database; what does not answer is named in ``problems``."""
    problems: list[str] = []
    model_id = revision = None
    try:
        model_id = load_model(service.settings.model).model_id
    except HTCError as error:
        problems.append(str(error))
    try:
        with service.database.connect() as connection:
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    except HTCError as error:
        problems.append(str(error))
    ready = model_id is not None and revision is not None
    return Health(
        status="ok" if ready else "unavailable",
        database="connected" if revision is not None else "disconnected",
        dependencies=ready,
        version=__version__,
        model=model_id,
        database_revision=revision,
        features={"predict": ready},
        problems=problems,
    )
