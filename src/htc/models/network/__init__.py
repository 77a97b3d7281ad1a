"""A small graph network over the kinds of site of a crystal; evaluated with numpy, trained with torch."""

from __future__ import annotations

from htc.models.network.batch import GraphBatch, Inputs, collate
from htc.models.network.evaluate import TARGETS, Network, NetworkShape

__all__ = ["TARGETS", "GraphBatch", "Inputs", "Network", "NetworkShape", "collate"]
