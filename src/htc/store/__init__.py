"""PostgreSQL: predictions written once, ranked, and kept safe; embedded by default.

>>> with Database.open() as database:                                     # doctest: +SKIP
...     run = start_run(database, "batch", created_by="me")
...     saved = save(database, predictions, run=run, created_by="me")
...     refresh_rankings(database)
...     best = top(database, 10).rows
"""

from htc.store.database import Database
from htc.store.deletion import bring_back, set_aside
from htc.store.filters import Filters
from htc.store.listing import (
    RunPage,
    StoredCrystal,
    StoredRun,
    StructurePage,
    find_structures,
    list_runs,
)
from htc.store.predictions import Saved, StoredPrediction, get, save, save_each
from htc.store.rankings import Formula, FormulaPage, Page, Ranked, top, top_formulas
from htc.store.refreshing import Freshness, RankingRefresher, freshness, refresh_rankings
from htc.store.runs import finish_run, start_campaign, start_run
from htc.store.structures import StoredStructures

__all__ = [
    "Database",
    "Filters",
    "Formula",
    "FormulaPage",
    "Freshness",
    "Page",
    "Ranked",
    "RankingRefresher",
    "RunPage",
    "Saved",
    "StoredCrystal",
    "StoredPrediction",
    "StoredRun",
    "StoredStructures",
    "StructurePage",
    "bring_back",
    "find_structures",
    "finish_run",
    "freshness",
    "get",
    "list_runs",
    "refresh_rankings",
    "save",
    "save_each",
    "set_aside",
    "start_campaign",
    "start_run",
    "top",
    "top_formulas",
]
