"""Refreshing the ranking by formula soon after changes, not after each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from htc.errors import StoreError
from htc.store import Database, RankingRefresher, freshness, refresh_rankings, refreshing, save, top_formulas
from htc.store.refreshing import refresh_if_due

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

Make = Callable[..., "Prediction"]


def refreshes(database: Database) -> int:
    with database.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM ranking_refreshes")).scalar_one())


def test_a_second_refresh_waits_for_the_interval(database: Database, make_prediction: Make) -> None:
    save(database, [make_prediction(1)])
    with database.begin() as connection:
        connection.execute(text("DELETE FROM ranking_refreshes"))
    assert refresh_if_due(database, 0.0) is None
    assert freshness(database).newer_rows == 0
    before = refreshes(database)
    wait = refresh_if_due(database, 1000.0)
    assert wait is not None
    assert 900.0 < wait <= 1000.0
    assert refreshes(database) == before


def test_a_view_that_takes_long_rests_ten_times_as_long(database: Database) -> None:
    refresh_rankings(database)
    with database.begin() as connection:
        connection.execute(text("UPDATE ranking_refreshes SET finished_at = started_at + interval '20 s'"))
    wait = refresh_if_due(database, 1.0)
    assert wait is not None
    assert 100.0 < wait <= 200.0
    with database.begin() as connection:
        connection.execute(text("UPDATE ranking_refreshes SET finished_at = started_at + interval '1 day'"))
    wait = refresh_if_due(database, 1.0)
    assert wait is not None
    assert wait <= 600.0


def test_one_that_meets_another_at_work_comes_back_later(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({refreshing.REFRESH_LOCK})"))
        assert refresh_if_due(database, 7.0) == 7.0


def test_many_changes_make_few_refreshes(database: Database, make_prediction: Make) -> None:
    before = refreshes(database)
    refresher = RankingRefresher(database, 1000.0)
    for n in range(20):
        save(database, [make_prediction(n)])
        refresher.note_new_row()
    refresher.close()
    assert freshness(database).newer_rows == 0
    assert refreshes(database) - before <= 2
    assert top_formulas(database).rows[0].prediction_count == 20
    refresher.note_new_row()  # too late: nothing happens
    refresher.close()


def test_one_that_fails_says_so_and_tries_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = threading.Semaphore(0)

    def fail(*_: object) -> None:
        tried.release()
        raise StoreError("no room")

    monkeypatch.setattr(refreshing, "refresh_if_due", fail)
    monkeypatch.setattr(refreshing, "RETRY_S", 0.01)
    with caplog.at_level(logging.WARNING):
        refresher = RankingRefresher(database, 0.01)
        refresher.note_new_row()
        assert tried.acquire(timeout=30)
        assert tried.acquire(timeout=30)
        refresher.close()
    assert "could not be refreshed: no room" in caplog.text


def test_formulas_by_pages(database: Database, make_prediction: Make) -> None:
    with database.begin() as connection:
        # As a row of an earlier version may be.
        connection.execute(text("ALTER TABLE bete_runs DROP CONSTRAINT ck_bete_runs_formula_given"))
        connection.execute(
            text(
                "INSERT INTO bete_runs (id, tc_kelvin, structure_formula, created_by, input_hash)"
                " SELECT gen_random_uuid(), 2 + i % 4, nullif('X' || i, 'X3'), 'x', i::text"
                " FROM generate_series(0, 30) AS i"
            )
        )
    refresh_rankings(database)
    seen, cursor = [], None
    while True:
        page = top_formulas(database, 4, 3.0, cursor)
        seen += [
            (-row.avg_tc, row.structure_formula is None, row.structure_formula or "") for row in page.rows
        ]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 23
    assert seen == sorted(seen)
