"""The database's clock beside this machine's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["Clock", "clock_of"]


@dataclass(frozen=True, slots=True)
class Clock:
    """One look at both clocks, s since 1970."""

    before: float
    """This machine's, as the question left."""
    database: float
    after: float
    """This machine's, as the answer came."""


def clock_of(database: Database) -> Clock:
    """Ask the database for the time.

    Raises:
        StoreError: it does not answer.
    """
    with database.connect() as connection:
        connection.execute(text("SELECT 1"))  # whatever it costs to connect is not in the answer's time
        before = time.time()
        at = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one()
        return Clock(before, float(at), time.time())
