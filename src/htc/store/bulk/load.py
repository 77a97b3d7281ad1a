"""Loading rows by the million: every row that can be stored is, and the rest is told with reasons."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import text

from htc.errors import DatabaseUnavailableError, InputError, NotFoundError, StorageError, StoreError
from htc.store.bulk import deferred
from htc.store.bulk.prepare import Preparation
from htc.store.bulk.rejects import Rejects
from htc.store.bulk.rules import Rules, read_rules
from htc.store.bulk.sources import Piece, Source, open_source
from htc.store.bulk.target import Target, target
from htc.store.bulk.writing import Conflict, Outcome, Writer
from htc.store.tables import runs

if TYPE_CHECKING:
    from psycopg import Connection

    from htc.store.database import Database

__all__ = ["LoadReport", "Progress", "load"]

Progress = Callable[[str, int, "int | None"], None]
"""Told ``(what, done, total)``; the total is None where it is not known."""

CHUNK_ROWS: Final = 50_000
ANALYZE_FROM: Final = 10_000
"""New rows after which the planner's statistics are renewed."""


@dataclass(slots=True)
class LoadReport:
    """What became of the rows of a source."""

    table: str
    rows: int = 0
    """Rows of the source, refused ones included."""
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    """Rows that were there already, or came twice, and were left as they are."""
    differing: int = 0
    """Those of ``unchanged`` that say something else than what is stored under their key."""
    rejected: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    """How many rows were refused for each reason; a row may have several."""
    rejects: Path | None = None
    """File with the refused rows, where there are any and a file was asked for."""
    created: dict[str, list[str]] = field(default_factory=dict)
    """Table -> ids of runs and models that were made because rows name them; at most the first thousand."""
    rebuilt: list[str] = field(default_factory=list)
    """Indexes and foreign keys that were built after the rows were in."""
    dry_run: bool = False
    """Nothing was kept."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **asdict(self),
            "reasons": dict(self.reasons.most_common()),
            "rejects": None if self.rejects is None else str(self.rejects),
        }


def load(
    database: Database,
    source: Source,
    *,
    table: str = "htc_predictions",
    run: str | None = None,
    created_by: str = "htc",
    on_conflict: Conflict = "skip",
    rejects: Path | None = None,
    chunk_rows: int = CHUNK_ROWS,
    workers: int = 2,
    defer_indexes: bool | None = None,
    create_missing: bool = True,
    ignore_unknown: bool = False,
    dry_run: bool = False,
    verbatim: bool = False,
    progress: Progress | None = None,
) -> LoadReport:
    """Store the rows of a source, each once, in transactions of ``chunk_rows``.

    A row that is there already is recognised by its ``id`` or its ``input_hash``; one that has neither gets
    an id from what it holds. So a load that was interrupted, whatever the way, is simply run again. Memory
    does not grow with the source.

    Commits of all chunks but the last do not wait for the disk. That is safe, because the server writes its
    log in one order: the last commit, which does wait, makes all earlier ones lasting, and only then is the
    report returned. A machine that dies before it loses the last chunks, never a part of one.

    Args:
        database: an open database at this program's revision.
        source: an Arrow table, batch, reader or iterable of batches, or the path of a .parquet, .arrow,
            .feather, .csv or .jsonl file (the last two also with .gz). Columns are those of the table; times
            without zone are UTC; booleans may be 'true' and 'false'.
        table: one of :data:`~htc.store.bulk.target.INTERCHANGE`.
        run: id of a run, for rows that name none.
        created_by: for rows that do not say who made them.
        on_conflict: ``"skip"`` leaves a stored row as it is, ``"update"`` gives it the source's values.
        rejects: JSON lines file for the rows that cannot be stored; None only counts them.
        chunk_rows: rows a transaction.
        workers: connections that write. Updates and tables other than predictions use one, to keep the order.
        defer_indexes: take the secondary indexes away before, and build them after. Possible only for an
            empty ``htc_predictions``; None does so when the source is large or of unknown size.
        create_missing: make rows of ``runs`` and ``models`` for ids that rows name and nobody knows.
        ignore_unknown: leave out columns the table does not have.
        dry_run: find out everything and keep nothing.
        verbatim: the rows are a database's own, as :func:`~htc.store.bulk.export_everything` writes them: an
            empty value stays empty, and ``legacy_defects`` excuses a row from the rules it names. Otherwise
            a row with ``legacy_defects`` is refused.
        progress: told about the rows done, then about the indexes.

    Raises:
        InputError: the source cannot be read, or has unknown columns. Chunks before the damage are stored.
        NotFoundError: there is no such run.
        StorageError: no room, also not for the rejects.
        StoreError: the database refused; chunks committed before are stored.
    """
    if on_conflict not in {"skip", "update"}:
        raise InputError(f"on_conflict is 'skip' or 'update', not {on_conflict!r}")
    if chunk_rows < 1 or workers < 1:
        raise InputError("chunk_rows and workers must be 1 or more")
    wanted = target(table)
    begun = time.monotonic()
    pieces, size = open_source(source, chunk_rows)
    if on_conflict == "update" or dry_run or table != "htc_predictions":
        workers = 1  # what comes later must win, and parents come first
    preparation = Preparation.of(wanted, created_by, run, ignore_unknown, verbatim=verbatim)
    report = LoadReport(table, dry_run=dry_run)
    with ExitStack() as stack:
        written = stack.enter_context(Rejects(rejects))
        rules = _look(database, wanted, run)
        alone = stack.enter_context(deferred.only_one(database)) if not dry_run else False
        if alone and _wants_deferral(table, size, defer_indexes):
            took = deferred.take_away(database, wanted, rules)
            if defer_indexes and not took:
                raise InputError(
                    "indexes cannot be built afterwards: the table holds rows, is in use, or is not yours",
                    where=table,
                    hint="leave this option out",
                )
        writer = Writer(
            database,
            preparation,
            rules,
            on_conflict=on_conflict,
            create_missing=create_missing,
            dry_run=dry_run,
            created_by=created_by,
        )
        try:
            _Pipeline(writer, preparation, written, report, workers, progress, size).run(pieces)
        except (InputError, StoreError) as error:
            # What was stored before a damaged place is to be read. A dead server, a full disk, Ctrl-C and a
            # kill leave the indexes to the next load.
            if alone and not isinstance(error, DatabaseUnavailableError | StorageError):
                with suppress(StoreError):
                    deferred.put_back(database, table, progress)
            raise
        report.rejected = written.count
        report.reasons = written.reasons
        report.rejects = written.path if written.count else None
        if alone:
            report.rebuilt = deferred.put_back(database, table, progress)
        if not dry_run:
            _finish(database, wanted, report)
    report.seconds = time.monotonic() - begun
    return report


def _look(database: Database, wanted: Target, run: str | None) -> Rules:
    with database.connect() as connection:
        if run is not None and connection.execute(runs.select().where(runs.c.id == run)).first() is None:
            raise NotFoundError(f"there is no run {run!r}")
        return read_rules(cast("Connection[Any]", connection.connection.driver_connection), wanted)


def _wants_deferral(table: str, size: int | None, asked: bool | None) -> bool:
    if table != "htc_predictions" or asked is False:
        return False
    return bool(asked) or size is None or size >= deferred.DEFER_FROM


class _Pipeline:
    """Chunks are read in one thread and written by some others, a few at a time."""

    def __init__(
        self,
        writer: Writer,
        preparation: Preparation,
        rejects: Rejects,
        report: LoadReport,
        workers: int,
        progress: Progress | None,
        size: int | None,
    ) -> None:
        self.writer = writer
        self.preparation = preparation
        self.rejects = rejects
        self.report = report
        self.workers = workers
        self.progress = progress
        self.size = size

    def run(self, pieces: Iterator[Piece]) -> None:
        with ThreadPoolExecutor(self.workers) as pool:
            going: set[Future[tuple[int, Outcome]]] = set()
            try:
                for piece in pieces:
                    # Two for each worker: one being written, one waiting. More would only fill memory.
                    while len(going) >= 2 * self.workers:
                        going = self._collect(going)
                    going.add(pool.submit(self._work, piece))
                while going:
                    going = self._collect(going)
            except BaseException:
                for future in going:
                    future.cancel()
                raise

    def _work(self, piece: Piece) -> tuple[int, Outcome]:
        with self.writer.database.errors():  # one translation for all that the driver raises
            chunk, refused = self.preparation.chunk(piece)
            outcome = self.writer.write(chunk)
        self.rejects.add([*refused, *outcome.refused])
        return piece.batch.num_rows + len(piece.refused), outcome

    def _collect(self, going: set[Future[tuple[int, Outcome]]]) -> set[Future[tuple[int, Outcome]]]:
        done, rest = wait(going, return_when=FIRST_COMPLETED)
        for future in done:
            rows, outcome = future.result()
            self.report.rows += rows
            self.report.inserted += outcome.inserted
            self.report.updated += outcome.updated
            self.report.unchanged += outcome.unchanged
            self.report.differing += outcome.differing
            for table, ids in outcome.created.items():
                kept = self.report.created.setdefault(table, [])
                kept += sorted(ids)[: 1000 - len(kept)]
        if self.progress is not None:
            self.progress("rows", self.report.rows, self.size)
        return rest


def _finish(database: Database, wanted: Target, report: LoadReport) -> None:
    """Statistics for the planner, the ranking by formula, and a commit that waits for the disk."""
    from htc.store.rankings import refresh_rankings

    changed = report.inserted + report.updated
    if not changed:
        return
    with database.begin() as connection:
        if changed >= ANALYZE_FROM:
            connection.execute(text(f"ANALYZE {wanted.name}"))
        # A record in the log whose commit waits until everything before it is on disk.
        connection.execute(text("SELECT pg_logical_emit_message(true, 'htc', 'end of a bulk load')"))
    if wanted.name == "bete_runs":
        refresh_rankings(database)
