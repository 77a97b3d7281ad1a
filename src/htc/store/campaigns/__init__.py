"""Campaigns as they are kept: their stages, the chunks that are done, what came of each candidate.

A chunk is written down in one transaction with what came of its candidates and with the proof that the run is
still the writer's. So a chunk is done or it is not, whoever dies when.

>>> stage = open_stage(database, lease, 0, "predict", spec, entries=250_000)              # doctest: +SKIP
>>> write_chunk(database, lease, stage.id, done, rows)                                    # doctest: +SKIP
>>> for row in fulfilling(database, stage.id, rule): ...                                  # doctest: +SKIP
"""

from htc.store.campaigns.chunks import DoneChunk, Row, done_ranges, write_chunk, write_promotions
from htc.store.campaigns.fates import Fate, fates_of
from htc.store.campaigns.frozen import read_frozen, supplement_of, write_frozen
from htc.store.campaigns.pruning import Pruned, Superfluous, prune, pruned_of, superfluous
from htc.store.campaigns.ranking import (
    Fulfilling,
    Ranked,
    Rule,
    fulfilling,
    passed_positions,
    rows_at,
    write_selection,
)
from htc.store.campaigns.reading import TC_STEP_K, measured_costs, measured_spectra, tc_counts
from htc.store.campaigns.stages import StoredStage, close_stage, open_stage, stages_of, write_final_items

__all__ = [
    "TC_STEP_K",
    "DoneChunk",
    "Fate",
    "Fulfilling",
    "Pruned",
    "Ranked",
    "Row",
    "Rule",
    "StoredStage",
    "Superfluous",
    "close_stage",
    "done_ranges",
    "fates_of",
    "fulfilling",
    "measured_costs",
    "measured_spectra",
    "open_stage",
    "passed_positions",
    "prune",
    "pruned_of",
    "read_frozen",
    "rows_at",
    "stages_of",
    "superfluous",
    "supplement_of",
    "tc_counts",
    "write_chunk",
    "write_final_items",
    "write_frozen",
    "write_promotions",
    "write_selection",
]
