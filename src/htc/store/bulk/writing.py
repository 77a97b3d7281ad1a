"""One chunk into its table, in a transaction of its own.

Straight where nothing stands against it, else by way of a staging table that has no rules, where every row is
judged.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Connection, sql

from htc.store.bulk.pgcopy import HEADER, TRAILER, Kind, encode
from htc.store.bulk.prepare import Chunk, Preparation
from htc.store.bulk.rules import Rules, broken
from htc.store.bulk.sources import Refused
from htc.store.bulk.target import Target
from htc.version import __version__

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["Conflict", "Outcome", "Writer"]

Conflict = Literal["skip", "update"]

STAGE: Final = "htc_bulk_stage"
SAMPLE: Final = 16
"""Keys asked for to know whether a chunk's rows are there already."""
RETRIES: Final = 5
"""Times a chunk is tried again after a deadlock."""
_BLOCK: Final = 1 << 20
_ROWS_FAULT: Final = ("21", "22", "23", "42804", "54", "P0")
"""Classes of SQLSTATE that a row's content can bring about."""
_NOTED: Final = {"runs", "models"}
"""Tables in which a missing parent can be noted by its id alone."""


@dataclass(slots=True)
class Outcome:
    """What became of a chunk's rows."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    differing: int = 0
    refused: list[Refused] = field(default_factory=list)
    created: dict[str, set[str]] = field(default_factory=dict)
    """Table -> ids that were made for rows that name them."""

    def add(self, other: Outcome) -> None:
        """Count both together."""
        self.inserted += other.inserted
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.differing += other.differing
        self.refused += other.refused
        for table, ids in other.created.items():
            self.created.setdefault(table, set()).update(ids)


class _DryRun(Exception):  # noqa: N818 - no error: the way out of a transaction that is not to be kept
    pass


class Writer:
    """Writes chunks of one load; its methods may be called by several threads."""

    def __init__(
        self,
        database: Database,
        preparation: Preparation,
        rules: Rules,
        *,
        on_conflict: Conflict,
        create_missing: bool,
        dry_run: bool,
        created_by: str,
    ) -> None:
        """Nothing is written yet."""
        self.database = database
        self.preparation = preparation
        self.target: Target = preparation.target
        self.rules = rules
        self.on_conflict = on_conflict
        self.create_missing = create_missing
        self.dry_run = dry_run
        self.created_by = created_by
        self._known: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        # A chunk that was refused was written in vain and leaves dead rows: its successors may be like it.
        self._straight = on_conflict == "skip" and not dry_run and not self.target.generated

    def write(self, chunk: Chunk) -> Outcome:
        """Store the rows of a chunk that can be stored.

        Raises:
            StoreError: no connection, no room, no privilege; the chunk is then not stored at all.
        """
        if len(chunk) == 0:
            return Outcome()
        for attempt in range(RETRIES):
            try:
                return self._write(chunk)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if attempt == RETRIES - 1:
                    raise
        raise AssertionError  # the loop returns or raises

    def _write(self, chunk: Chunk) -> Outcome:
        outcome = Outcome()
        if not self.dry_run:
            with self._transaction() as connection:
                outcome.created = self._create_parents(connection, chunk)
        if self._straight and self._copied(chunk):
            outcome.inserted = len(chunk)
            return outcome
        clean, refused = self.preparation.scrutinised(chunk)
        outcome.refused += refused
        judged = self._judged(clean)
        self._straight = (
            self.on_conflict == "skip"
            and not self.dry_run
            and not self.target.generated
            and (judged.inserted == len(chunk))
        )
        outcome.add(judged)
        return outcome

    @contextmanager
    def _transaction(self) -> Iterator[Connection[Any]]:
        """A transaction whose commit does not wait for the disk; the load's last one does, see ``load``."""
        with self.database.engine.begin() as connection:  # with the driver's own errors
            own = cast("Connection[Any]", connection.connection.driver_connection)
            own.execute("SET LOCAL synchronous_commit = off")
            yield own

    def _copied(self, chunk: Chunk) -> bool:
        """Copy straight into the table; False when rows are there already or a rule refuses one."""
        with self._transaction() as connection:
            if self._sample_is_there(connection, chunk) or not self._parents_there(connection, chunk):
                return False
            encoded = encode(chunk.columns, self.target.kinds)
            connection.execute("SAVEPOINT straight")
            try:
                if self.rules.may_skip_triggers:
                    connection.execute("SET LOCAL session_replication_role = replica")
                _copy(connection, sql.Identifier(self.target.name), encoded.columns, encoded.body)
            except psycopg.Error as error:
                if not _is_a_rows_fault(error):
                    raise
                connection.execute("ROLLBACK TO SAVEPOINT straight")
                return False
        return True

    def _sample_is_there(self, connection: Connection[Any], chunk: Chunk) -> bool:
        for key in self.target.keys:
            column = chunk.columns.get(key)
            if column is None:
                continue
            step = max(len(column) // SAMPLE, 1)
            sample = _texts(column.take(pa.array(range(0, len(column), step))))
            query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} = ANY (%s::{}))").format(
                sql.Identifier(self.target.name),
                sql.Identifier(key),
                _array_of(self.target.kinds[key]),
            )
            if sample and _one(connection, query, [sample]):
                return True
        return False

    def _parents_there(self, connection: Connection[Any], chunk: Chunk) -> bool:
        """What the foreign keys' triggers would find for each row, asked once for each value.

        Where the triggers are skipped the parents are locked, as they would do. Asked in any case: a load
        that was killed may have left the table without its foreign keys.
        """
        lock = sql.SQL(" FOR KEY SHARE" if self.rules.may_skip_triggers else "")
        for column, table, key in self.rules.foreign:
            values = _distinct(chunk.columns.get(column))
            if not values:
                continue
            query = sql.SQL(
                "SELECT count(*) FROM (SELECT FROM {} WHERE {} = ANY (%s::{}){}) AS there"
            ).format(sql.Identifier(table), sql.Identifier(key), _array_of(self.target.kinds[column]), lock)
            if _one(connection, query, [values]) < len(values):
                return False
        return True

    def _judged(self, chunk: Chunk) -> Outcome:
        """Every row by itself; where PostgreSQL stops at one, halves are tried until it stands alone."""
        if len(chunk) == 0:
            return Outcome()
        try:
            return self._staged(chunk)
        except psycopg.Error as error:
            if not _is_a_rows_fault(error):
                raise
            if len(chunk) == 1:
                message = str(error).splitlines()[0]
                return Outcome(refused=chunk.refused([0], [(f"PostgreSQL refuses it: {message}",)]))
        half = len(chunk) // 2
        outcome = Outcome()
        positions = pa.array(range(len(chunk))).to_numpy()
        for part in (positions[:half], positions[half:]):
            outcome.add(self._judged(chunk.take(part)))
        return outcome

    def _staged(self, chunk: Chunk) -> Outcome:
        outcome = Outcome()
        try:
            with self._transaction() as connection:
                if self.dry_run:
                    outcome.created = self._create_parents(connection, chunk)
                self._fill_stage(connection, chunk)
                reasons = dict(connection.execute(broken(self.rules, self.target, _STAGE)).fetchall())
                if self.on_conflict == "update":
                    reasons |= self._two_rows_meant(connection)
                if reasons:
                    connection.execute(
                        sql.SQL("DELETE FROM {} WHERE htc_row = ANY (%s)").format(_STAGE), [list(reasons)]
                    )
                    positions = sorted(reasons)
                    outcome.refused = chunk.refused(positions, [tuple(reasons[i]) for i in positions])
                valid = len(chunk) - len(reasons)
                if self.on_conflict == "update":
                    outcome.updated = self._update(connection, chunk)
                outcome.inserted = self._insert(connection, chunk)
                outcome.unchanged = valid - outcome.inserted - outcome.updated
                if outcome.unchanged and self.on_conflict == "skip":
                    outcome.differing = self._count_differing(connection, chunk)
                if self.dry_run:
                    raise _DryRun  # noqa: TRY301 - it is the transaction that has to see it
        except _DryRun:
            pass
        return outcome

    def _fill_stage(self, connection: Connection[Any], chunk: Chunk) -> None:
        table = sql.Identifier(self.target.name)
        connection.execute(
            sql.SQL("CREATE TEMP TABLE {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DROP").format(_STAGE, table)
        )
        changes: list[sql.Composable] = [
            sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(sql.Identifier(name))
            for name in self.target.kinds
        ]
        changes.append(sql.SQL("ADD COLUMN htc_row bigint"))
        filled = {_FILLED + name: mask for name, mask in chunk.filled.items()}
        changes += [sql.SQL("ADD COLUMN {} boolean").format(sql.Identifier(name)) for name in filled]
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(_STAGE, sql.SQL(", ").join(changes)))
        rows = pa.array(range(len(chunk)), pa.int64())
        kinds: dict[str, Kind] = {**self.target.kinds, "htc_row": "int8"}
        kinds |= dict.fromkeys(filled, "bool")
        encoded = encode({**chunk.columns, **filled, "htc_row": rows}, kinds)
        _copy(connection, _STAGE, encoded.columns, encoded.body)
        if self.target.name == "structures":
            connection.execute(sql.SQL("UPDATE {} SET hash = htc_document_hash(structure)").format(_STAGE))
        connection.execute(sql.SQL("ANALYZE {}").format(_STAGE))

    def _insert(self, connection: Connection[Any], chunk: Chunk) -> int:
        names = sql.SQL(", ").join(map(sql.Identifier, chunk.columns))
        query = sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY htc_row ON CONFLICT DO NOTHING"
        ).format(sql.Identifier(self.target.name), names, names, _STAGE)
        return connection.execute(query).rowcount

    def _update(self, connection: Connection[Any], chunk: Chunk) -> int:
        """Change the rows that are there and say something else; a later row of the source wins."""
        done = 0
        for key in self._matching_keys(chunk):
            ident = sql.Identifier(key)
            connection.execute(
                sql.SQL(
                    "DELETE FROM {stage} AS s USING {stage} AS later"
                    " WHERE later.{key} = s.{key} AND later.htc_row > s.htc_row"
                ).format(stage=_STAGE, key=ident)
            )
        for key in self._matching_keys(chunk):
            names = [n for n in chunk.columns if n in chunk.given and n not in self.target.keys]
            if key != self.target.key:
                names = [n for n in names if n != self.target.key]
            if not names:
                continue
            query = sql.SQL(
                "UPDATE {table} AS t SET {set} FROM {stage} AS s WHERE t.{key} = s.{key} AND {differs}"
            ).format(
                table=sql.Identifier(self.target.name),
                set=sql.SQL(", ").join(
                    sql.SQL("{} = {}").format(sql.Identifier(n), _said(chunk, n)) for n in names
                ),
                stage=_STAGE,
                key=sql.Identifier(key),
                differs=self._differs(chunk, names),
            )
            done += connection.execute(query).rowcount
        return done

    def _two_rows_meant(self, connection: Connection[Any]) -> dict[int, list[str]]:
        """Rows whose id is one stored row's and whose other key is another's."""
        out: dict[int, list[str]] = {}
        own = sql.Identifier(self.target.key)
        for key in self.target.keys[1:]:
            query = sql.SQL(
                "SELECT s.htc_row FROM {stage} AS s JOIN {table} AS a ON a.{own} = s.{own}"
                " JOIN {table} AS b ON b.{key} = s.{key} WHERE a.{own} <> b.{own}"
            ).format(stage=_STAGE, table=sql.Identifier(self.target.name), own=own, key=sql.Identifier(key))
            for (row,) in connection.execute(query):
                out[row] = [f"{self.target.key} and {key} belong to two different rows"]
        return out

    def _count_differing(self, connection: Connection[Any], chunk: Chunk) -> int:
        names = [n for n in chunk.columns if n in chunk.given and n not in self.target.keys]
        if not names:
            return 0
        counts = [
            sql.SQL(
                "SELECT s.htc_row FROM {stage} AS s JOIN {table} AS t ON t.{key} = s.{key} WHERE {differs}"
            ).format(
                stage=_STAGE,
                table=sql.Identifier(self.target.name),
                key=sql.Identifier(key),
                differs=self._differs(chunk, names),
            )
            for key in self._matching_keys(chunk)
        ]
        query = sql.SQL("SELECT count(*) FROM ({}) AS differing").format(sql.SQL(" UNION ").join(counts))
        return int(_one(connection, query, []))

    def _matching_keys(self, chunk: Chunk) -> list[str]:
        """Keys by which rows of the source may be recognised."""
        return [k for k in self.target.keys if k in chunk.columns or k in self.target.generated]

    def _differs(self, chunk: Chunk, names: Sequence[str]) -> sql.Composed:
        def row(values: Sequence[sql.Composable]) -> sql.Composed:
            parts = [
                sql.SQL("({})::text" if self.target.kinds[n] == "json" else "{}").format(value)
                for n, value in zip(names, values, strict=True)
            ]
            return sql.SQL("ROW({})").format(sql.SQL(", ").join(parts))

        stored = [sql.SQL("t.{}").format(sql.Identifier(n)) for n in names]
        return sql.SQL("{} IS DISTINCT FROM {}").format(row(stored), row([_said(chunk, n) for n in names]))

    def _create_parents(self, connection: Connection[Any], chunk: Chunk) -> dict[str, set[str]]:
        """Note runs and models that rows name and nobody knows."""
        made: dict[str, set[str]] = {}
        if not self.create_missing or self.target.name in _NOTED:
            return made
        for column, table, _ in self.rules.foreign:
            if table not in _NOTED:
                continue
            with self._lock:
                known = self._known.setdefault(table, set())
                wanted = sorted({v for v in _distinct(chunk.columns.get(column)) if v} - known)
            if not wanted:
                continue
            if table == "runs":
                query = (
                    "INSERT INTO runs (id, kind, label, created_by, status, finished_at, program_version)"
                    " SELECT id, 'import', 'known from imported rows only', %s, 'finished', now(), %s"
                    " FROM unnest(%s::varchar[]) AS id ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING id"
                )
                rows = connection.execute(query, [self.created_by, __version__, wanted])
            else:
                rows = connection.execute(
                    "INSERT INTO models (id) SELECT id FROM unnest(%s::varchar[]) AS id ORDER BY id"
                    " ON CONFLICT (id) DO NOTHING RETURNING id",
                    [wanted],
                )
            new = {row[0] for row in rows}
            if new:
                made.setdefault(table, set()).update(new)
            with self._lock:
                if not self.dry_run and len(known) < 1_000_000:
                    known.update(wanted)
        return made


_STAGE: Final = sql.Identifier(STAGE)
_FILLED: Final = "htc_filled_"
"""Beginning of the stage's columns that tell which values are not the source's."""


def _said(chunk: Chunk, name: str) -> sql.Composed:
    """What a staged row says of a stored one: where it left the value open, what is stored."""
    if name not in chunk.filled:
        return sql.SQL("s.{}").format(sql.Identifier(name))
    return sql.SQL("CASE WHEN s.{filled} THEN t.{n} ELSE s.{n} END").format(
        filled=sql.Identifier(_FILLED + name), n=sql.Identifier(name)
    )


def _copy(
    connection: Connection[Any], table: sql.Identifier, columns: Sequence[str], body: memoryview
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(statement) as copy:
        copy.write(HEADER)
        for start in range(0, len(body), _BLOCK):
            copy.write(body[start : start + _BLOCK])
        copy.write(TRAILER)


def _is_a_rows_fault(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_ROWS_FAULT)


def _distinct(column: pa.Array | None) -> list[str]:
    return [] if column is None else _texts(pc.unique(column))


def _one(
    connection: Connection[Any], query: sql.Composed, parameters: Sequence[Any] | Mapping[str, Any]
) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def _array_of(kind: Kind) -> sql.SQL:
    return sql.SQL("uuid[]" if kind == "uuid" else "varchar[]")


def _texts(column: pa.Array) -> list[str]:
    """What of a column's texts can be a parameter of a statement; the rest is found out row by row."""
    blobs = (blob for blob in column.cast(pa.binary()).to_pylist() if blob is not None and b"\0" not in blob)
    texts = (blob.decode(errors="replace") for blob in blobs)
    return [text for text in texts if "\ufffd" not in text]
