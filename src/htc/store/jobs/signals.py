"""Word that there is a new job, so that nobody has to ask the database all the time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from htc.store.faults import store_errors

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

    from htc.store.database import Database

__all__ = ["CHANNEL", "JobSignals"]

CHANNEL: Final = "htc_jobs"


class JobSignals:
    """Listens for new jobs. A pooler between may swallow the word, so that one must look from time to time.

    Args:
        database: an open database; one of its connections is kept.
    """

    def __init__(self, database: Database) -> None:
        """Connect when first asked."""
        self._database = database
        self._connection: PoolProxiedConnection | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for a new job, at most so long; whether one came.

        Raises:
            StoreError: the connection was lost; the next call makes another.
        """
        began = time.monotonic()
        try:
            with store_errors(self._database.where):
                driver = self._listening()
                for _ in driver.notifies(timeout=seconds, stop_after=1):
                    return True
        except BaseException:
            self.close()
            raise
        # A driver that answers at once must not turn the wait into a busy loop.
        time.sleep(max(0.0, min(seconds - (time.monotonic() - began), seconds)))
        return False

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not back into the pool: it still listens.
            connection.invalidate()

    def _listening(self) -> Any:
        if self._connection is None:
            self._connection = self._database.engine.raw_connection()
            driver: Any = self._connection.driver_connection
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
        return self._connection.driver_connection
