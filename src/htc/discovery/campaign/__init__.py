"""A campaign as its author writes it: a TOML file, read into a checked :class:`Campaign`.

:mod:`htc.discovery.campaign.tables` is the whole of it, a module a table is beside it. Nothing here makes a
candidate; that is :mod:`htc.discovery.space`.
"""

from htc.discovery.campaign.candidates import (
    FilesSource,
    FormulasSource,
    MaterialsProjectQuery,
    OptimadeQuery,
    Source,
    StoreSource,
    SubstitutionSource,
)
from htc.discovery.campaign.optimize import OptimizeTable
from htc.discovery.campaign.plausibility import Plausibility
from htc.discovery.campaign.reading import load_campaign, parse_campaign
from htc.discovery.campaign.stages import (
    EliashbergStage,
    HullStage,
    Keep,
    PhononsStage,
    PredictStage,
    RelaxStage,
    Stage,
)
from htc.discovery.campaign.tables import Campaign, Duplicates, Volume

__all__ = [
    "Campaign",
    "Duplicates",
    "EliashbergStage",
    "FilesSource",
    "FormulasSource",
    "HullStage",
    "Keep",
    "MaterialsProjectQuery",
    "OptimadeQuery",
    "OptimizeTable",
    "PhononsStage",
    "Plausibility",
    "PredictStage",
    "RelaxStage",
    "Source",
    "Stage",
    "StoreSource",
    "SubstitutionSource",
    "Volume",
    "load_campaign",
    "parse_campaign",
]
