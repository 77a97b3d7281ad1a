"""Tests of a database that has the right schema and may still be unwell."""

from __future__ import annotations

from typing import Final

from htc.store.doctor.activity import (
    check_idle_transactions,
    check_locks,
    check_long_transactions,
    check_prepared_transactions,
)
from htc.store.doctor.examination import DatabaseCheck
from htc.store.doctor.freshness import check_freshness
from htc.store.doctor.headroom import check_connections, check_disk, check_sequences, check_slots
from htc.store.doctor.index_use import check_foreign_keys, check_scans, check_unused_indexes
from htc.store.doctor.upkeep import check_bloat, check_checksums, check_statistics, check_transaction_ids

__all__ = ["HEALTH_CHECKS"]

HEALTH_CHECKS: Final[tuple[DatabaseCheck, ...]] = (
    check_freshness,
    check_locks,
    check_idle_transactions,
    check_long_transactions,
    check_prepared_transactions,
    check_bloat,
    check_statistics,
    check_transaction_ids,
    check_checksums,
    check_unused_indexes,
    check_scans,
    check_foreign_keys,
    check_sequences,
    check_connections,
    check_disk,
    check_slots,
)
"""Each reads statistics and catalogues only: none takes longer because tables are large."""
