"""The tests that know the schema, in the order in which the doctor runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from htc.store.doctor.finding import Finding
from htc.store.doctor.migration_files import check_migration_files

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from htc.store.database import Database

__all__ = ["MIGRATION_FILE_CHECKS", "SCHEMA_CHECKS"]

MIGRATION_FILE_CHECKS: Final[tuple[Callable[[], list[Finding]], ...]] = (check_migration_files,)
"""Tests of the migration files; they need no database."""

SCHEMA_CHECKS: Final[tuple[Callable[[Connection, Database], list[Finding]], ...]] = ()
"""Tests of an open database."""
