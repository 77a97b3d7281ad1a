"""Whether everything a prediction needs is there."""

from __future__ import annotations

from htc.errors import HTCError
from htc.models import load_model
from htc.service.schemas import Health
from htc.service.state import Service
from htc.store import schema
from htc.version import __version__

__all__ = ["health_of"]


def health_of(service: Service) -> Health:
    """Ask model and database; what does not answer is named in ``problems``."""
    problems: list[str] = []
    model_id = revision = None
    connected = False
    try:
        model_id = load_model(service.settings.model, service.settings.tier).model_id
    except HTCError as error:
        problems.append(str(error))
    try:
        with service.database.connect() as connection:
            revision = ", ".join(schema.standing(connection).revisions)
            connected = True
        if revision != schema.HEAD:
            problems.append(
                f"the database stands at {revision or 'no revision'}, this program needs {schema.HEAD}"
            )
    except HTCError as error:
        problems.append(str(error))
    ready = not problems
    return Health(
        status="ok" if ready else "unavailable",
        database="connected" if connected else "disconnected",
        dependencies=ready,
        version=__version__,
        model=model_id,
        database_revision=revision or None,
        features={"predict": ready},
        problems=problems,
    )
