"""What the requests of one process share: settings, model, database."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from htc.errors import StoreError
from htc.models import load_model
from htc.prediction import Predictor
from htc.prediction.sources import known_sources, with_store
from htc.service.metrics import Metrics
from htc.settings import Settings
from htc.store import Database, RankingRefresher, StoredStructures

if TYPE_CHECKING:
    from htc.service.predictions import PredictionDesk

__all__ = ["Service", "ServiceState"]


_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Service:
    """Settings, database, ranking and metrics of a running service."""

    settings: Settings
    database: Database
    rankings: RankingRefresher
    metrics: Metrics
    desk: PredictionDesk = field(init=False)
    """Answers questions for predictions."""

    def __post_init__(self) -> None:
        """Open the desk."""
        from htc.service.predictions import PredictionDesk

        self.desk = PredictionDesk(self)

    def recover(self) -> None:
        """Start the embedded database again if it died, so that the next request finds it."""
        try:
            self.database.recover()
        except StoreError as error:
            _log.warning("the database cannot be started again: %s", error)

    def predictor(self) -> Predictor:
        """A predictor over the shared model, which is loaded once per process.

        Raises:
            ModelError: the model cannot be loaded.
        """
        return Predictor(
            load_model(self.settings.model, self.settings.tier),
            with_store(known_sources(self.settings), StoredStructures(self.database)),
        )


# Asynchronous although nothing is awaited: a plain function would be called in a thread, for every request.
async def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


ServiceState = Annotated[Service, Depends(_service)]
