"""Requests and answers of the API, a file a subject; names are those of the database columns."""

from htc.service.schemas.health import Health
from htc.service.schemas.predictions import PredictionAnswer, PredictRequest

__all__ = ["Health", "PredictRequest", "PredictionAnswer"]
