"""The model that judges, with the crystals it may look formulas up in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.discovery import Evaluator
from htc.jobs.stability import assessment_for
from htc.models import load_model
from htc.prediction import Predictor
from htc.prediction.sources import known_sources, with_store
from htc.store import StoredStructures

if TYPE_CHECKING:
    from collections.abc import Callable

    from htc.discovery.requests import StabilityWish
    from htc.prediction.record import ModelTier
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["evaluator_for"]


def evaluator_for(
    settings: Settings,
    database: Database,
    *,
    tier: ModelTier | None,
    mu_star: float | None,
    stability: StabilityWish = "none",
    pulse: Callable[[], None] = lambda: None,
) -> Evaluator:
    """What judges the candidates of a run.

    Args:
        settings: of this process.
        database: crystals that people stored are known to formulas, too.
        tier: of the model; None takes that of the settings.
        mu_star: Coulomb pseudopotential; None takes that of the settings.
        stability: whether a potential is asked as well.
        pulse: called between candidates.

    Raises:
        ModelError, MissingExtraError: the model or the potential cannot be used.
    """
    predictor = Predictor(
        load_model(settings.model, tier or settings.tier),
        with_store(known_sources(settings), StoredStructures(database)),
    )
    return Evaluator(
        predictor,
        mu_star=settings.mu_star if mu_star is None else mu_star,
        assess=assessment_for(stability, settings, database),
        pulse=pulse,
    )
