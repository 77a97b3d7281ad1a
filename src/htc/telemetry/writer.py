"""A batch into ``test_telemetry``: history looked up and rows inserted by one statement."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from htc.store import Database
    from htc.telemetry.batch import Batch

__all__ = ["HISTORY", "write"]

HISTORY: Final = 20
"""Earlier executions of the same test that recent_failure_rate and avg_duration are taken over."""

# LATERAL with its LIMIT reads 20 entries of idx_test_telemetry_name_created for each test, however long
# the table. A batch sent twice is inserted once.
_INSERT: Final = sa.text(
    """
    INSERT INTO test_telemetry (
        id, test_name, test_file, duration_ms, passed, error_message, commit_sha, branch, changed_files,
        lines_added, lines_deleted, files_changed, complexity_delta, recent_failure_rate, avg_duration,
        days_since_last_change, created_at
    )
    SELECT
        new.id, new.test_name, new.test_file, new.duration_ms, new.passed, new.error_message,
        :commit_sha, :branch, CAST(:changed_files AS json), :lines_added, :lines_deleted, :files_changed,
        :complexity_delta, history.failure_rate, history.duration, new.days_since_last_change,
        to_timestamp(new.created_at)
    FROM json_to_recordset(CAST(:rows AS json)) AS new (
        id varchar, test_name varchar, test_file varchar, duration_ms double precision, passed boolean,
        error_message text, days_since_last_change double precision, created_at double precision
    )
    CROSS JOIN LATERAL (
        SELECT avg(CASE WHEN passed THEN 0.0 ELSE 1.0 END) AS failure_rate, avg(duration_ms) AS duration
        FROM (
            SELECT earlier.passed, earlier.duration_ms
            FROM test_telemetry AS earlier
            WHERE earlier.test_name = new.test_name
                AND earlier.created_at < to_timestamp(:began_at)
                AND earlier.passed IS NOT NULL
            ORDER BY earlier.created_at DESC
            LIMIT :history
        ) AS recent
    ) AS history
    ON CONFLICT (id) DO NOTHING
    """
)


def write(database: Database, batch: Batch, *, patience_s: float = 30.0) -> int:
    """Insert a batch; history features are those of the executions before its first.

    ``recent_failure_rate`` (0 to 1) and ``avg_duration`` (ms) are over the last 20 executions of the test,
    and NULL at its first.

    Args:
        database: an open database.
        batch: what to insert.
        patience_s: how long the statement may take, waiting for locks included.

    Returns:
        Rows inserted: fewer than given where some were there already.

    Raises:
        StoreError: the database refused; nothing is inserted.
    """
    if not batch.rows:
        return 0
    shared = batch.shared()
    changed = shared.pop("changed_files")
    with database.begin() as connection:
        connection.execute(
            sa.select(sa.func.set_config("statement_timeout", str(int(patience_s * 1e3)), True))
        )
        done = connection.execute(
            _INSERT,
            shared
            | {
                "changed_files": None if changed is None else json.dumps(changed),
                "rows": json.dumps([asdict(row) for row in batch.rows]),
                "began_at": min(row.created_at for row in batch.rows),
                "history": HISTORY,
            },
        )
        return int(done.rowcount)
