"""Storing a stream of results while it runs, failures passing through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htc.prediction import Failure, Prediction
    from htc.store import Database

__all__ = ["StoredBatch"]

CHUNK = 100


class StoredBatch:
    """A run in the database and what was stored under it."""

    def __init__(self, database: Database, created_by: str, settings: dict[str, Any]) -> None:
        """Prepare; the run is opened with the first prediction, so that failures alone leave no trace."""
        self.database = database
        self.created_by = created_by
        self.settings = settings
        self.n_new = 0
        self._run: str | None = None

    def store(
        self, results: Iterable[Prediction | Failure]
    ) -> Iterator[tuple[Prediction | Failure, str | None]]:
        """Store every prediction, chunk by chunk, and yield each result with its id, in order."""
        chunk: list[Prediction | Failure] = []
        for result in results:
            chunk.append(result)
            if len(chunk) == CHUNK:
                yield from self._save(chunk)
                chunk = []
        yield from self._save(chunk)

    def _save(self, chunk: list[Prediction | Failure]) -> list[tuple[Prediction | Failure, str | None]]:
        from htc.prediction import Prediction
        from htc.store import save, start_run

        predictions = [r for r in chunk if isinstance(r, Prediction)]
        if predictions and self._run is None:
            self._run = start_run(self.database, "batch", created_by=self.created_by, settings=self.settings)
        saved = iter(save(self.database, predictions, run=self._run, created_by=self.created_by))
        out: list[tuple[Prediction | Failure, str | None]] = []
        for result in chunk:
            if isinstance(result, Prediction):
                where = next(saved)
                self.n_new += where.is_new
                out.append((result, where.id))
            else:
                out.append((result, None))
        return out

    def finish(self) -> None:
        """Close the run and bring the ranking by formula up to date."""
        from htc.store import finish_run, freshness, refresh_rankings

        if self._run is None:
            return
        finish_run(self.database, self._run)
        # Also when nothing was new: the run that stored the rows may have been killed before this line.
        if freshness(self.database).newer_rows:
            refresh_rankings(self.database)
