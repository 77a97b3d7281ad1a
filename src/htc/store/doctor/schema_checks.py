"""The tests that know the schema, in the order in which the doctor runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from htc.store.doctor.drift import DRIFT_CHECKS
from htc.store.doctor.examination import DatabaseCheck
from htc.store.doctor.finding import Finding
from htc.store.doctor.health import HEALTH_CHECKS
from htc.store.doctor.migration_files import check_migration_files
from htc.store.doctor.migration_statements import check_migration_statements
from htc.store.doctor.stamp import check_orphans, check_stamp

__all__ = ["MIGRATION_FILE_CHECKS", "SCHEMA_CHECKS"]

MIGRATION_FILE_CHECKS: Final[tuple[Callable[[], list[Finding]], ...]] = (
    check_migration_files,
    check_migration_statements,
)
"""Tests of the migration files; they need no database."""

SCHEMA_CHECKS: Final[tuple[DatabaseCheck, ...]] = (check_stamp, check_orphans, *DRIFT_CHECKS, *HEALTH_CHECKS)
"""Tests of an open database."""
