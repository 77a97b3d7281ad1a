"""Requests and answers of the API, a file a subject; names are those of the database columns."""

from htc.service.schemas.batches import MAX_BATCH_ITEMS, BatchItem, BatchLine, BatchRequest
from htc.service.schemas.bete import BetePrediction, BetePredictRequest, BeteRun
from htc.service.schemas.examples import ExampleInfo, ExampleList
from htc.service.schemas.health import Health
from htc.service.schemas.materials import MaterialAnswer, MaterialCrystal, MaterialSpectrum, ReferenceValue
from htc.service.schemas.models import ModelAnswer, ModelCard, ModelList
from htc.service.schemas.predictions import (
    MaterialRequest,
    PredictionAnswer,
    PredictionDetail,
    PredictRequest,
    SpectrumData,
)
from htc.service.schemas.problems import Problem
from htc.service.schemas.rankings import (
    FormulaQuery,
    FormulaRanking,
    FormulaRow,
    RankedRow,
    Ranking,
    RankingQuery,
)
from htc.service.schemas.spectra import (
    EliashbergAnswer,
    FormulaTc,
    GapAnswer,
    MuStarScan,
    PlateauAnswer,
    SpectrumAnswer,
    SpectrumFlag,
    SpectrumOptions,
    SpectrumRequest,
    SpectrumSummary,
)
from htc.service.schemas.structures import StructureAnswer

__all__ = [
    "MAX_BATCH_ITEMS",
    "BatchItem",
    "BatchLine",
    "BatchRequest",
    "BetePredictRequest",
    "BetePrediction",
    "BeteRun",
    "EliashbergAnswer",
    "ExampleInfo",
    "ExampleList",
    "FormulaQuery",
    "FormulaRanking",
    "FormulaRow",
    "FormulaTc",
    "GapAnswer",
    "Health",
    "MaterialAnswer",
    "MaterialCrystal",
    "MaterialRequest",
    "MaterialSpectrum",
    "ModelAnswer",
    "ModelCard",
    "ModelList",
    "MuStarScan",
    "PlateauAnswer",
    "PredictRequest",
    "PredictionAnswer",
    "PredictionDetail",
    "Problem",
    "RankedRow",
    "Ranking",
    "RankingQuery",
    "ReferenceValue",
    "SpectrumAnswer",
    "SpectrumData",
    "SpectrumFlag",
    "SpectrumOptions",
    "SpectrumRequest",
    "SpectrumSummary",
    "StructureAnswer",
]
