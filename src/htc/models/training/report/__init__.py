"""How good a model is: errors by kind of material, intervals, ranking, transfer, learning curve, failures.

Everything follows from the table of predictions that training leaves beside a model:
``summarise(read_predictions(folder))``.
"""

from __future__ import annotations

from htc.models.training.report.learning import learning_curve, tree_trainer
from htc.models.training.report.measures import Figure, headline
from htc.models.training.report.summary import summarise
from htc.models.training.report.table import PredictionTable, read_predictions

__all__ = [
    "Figure",
    "PredictionTable",
    "headline",
    "learning_curve",
    "read_predictions",
    "summarise",
    "tree_trainer",
]
