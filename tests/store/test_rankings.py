"""The ranking: complete by pages, served by its index, honest about its age."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from htc.errors import InputError, NotFoundError, SchemaError
from htc.store import (
    Database,
    Filters,
    Formula,
    Freshness,
    freshness,
    refresh_rankings,
    save,
    top,
    top_formulas,
)

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

Make = Callable[..., "Prediction"]


def fill(database: Database, make: Make, temperatures: list[float], start: int = 0) -> list[str]:
    """Store one prediction a temperature."""
    rows = [
        make(i, tc_predicted=tc, tc_lower_95ci=0.0, tc_upper_95ci=tc + 1, reduced_formula=f"X{i % 3}")
        for i, tc in enumerate(temperatures, start)
    ]
    return [s.id for s in save(database, rows)]


def formulas_of(database: Database) -> tuple[list[Formula], Freshness]:
    page = top_formulas(database, 100)
    return list(page.rows), page.freshness


def test_pages_cover_everything_once_in_order(database: Database, make_prediction: Make) -> None:
    ids = fill(database, make_prediction, [float(i % 7) for i in range(50)])
    save(
        database,
        [make_prediction(99, applicable=False, reason="cuprate", tc_predicted=None, tc_lower_95ci=None,
                         tc_upper_95ci=None)],
    )  # fmt: skip
    seen, cursor = [], None
    while True:
        page = top(database, 8, after=cursor)
        seen += list(page.rows)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(row.id for row in seen) == sorted(ids)
    assert [(-row.tc_predicted, row.id) for row in seen] == sorted((-r.tc_predicted, r.id) for r in seen)


def test_least_tc_and_limits(database: Database, make_prediction: Make) -> None:
    fill(database, make_prediction, [1.0, 5.0, 9.0])
    assert [row.tc_predicted for row in top(database, 10, Filters(min_tc_predicted=5.0)).rows] == [9.0, 5.0]
    assert top(database, 3).next_cursor is None
    assert top(database, 2).next_cursor is not None
    for n in (0, 10_001):
        with pytest.raises(InputError):
            top(database, n)
    with pytest.raises(InputError):
        Filters(min_tc_predicted=float("nan"))
    with pytest.raises(NotFoundError, match="go on after"):
        top(database, 1, after="nothing")


def test_pages_are_served_by_the_index(database: Database, noted: Any) -> None:
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO htc_predictions (id, composition, reduced_formula, tc_predicted,"
                " extrapolation_warning, created_by)"
                " SELECT gen_random_uuid()::varchar, 'Nb', 'Nb', random() * 100, false, 'x'"
                " FROM generate_series(1, 20000)"
            )
        )
        connection.execute(text("ANALYZE htc_predictions"))
    with noted() as asked:
        first = top(database, 100)
        top(database, 100, Filters(min_tc_predicted=50.0), first.next_cursor)
    assert len(asked) == 2
    with database.connect() as connection:
        for statement, parameters in asked:
            plan = "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
            assert "Index Scan using ix_htc_predictions_ranking" in plan, plan
            assert "Sort" not in plan


def test_the_ranking_by_formula_knows_its_age(database: Database, make_prediction: Make) -> None:
    fill(database, make_prediction, [2.0, 4.0, 0.5, 6.0])
    formulas, fresh = formulas_of(database)
    assert list(formulas) == []
    assert fresh.newer_rows == 4
    fresh = refresh_rankings(database)
    assert fresh.newer_rows == 0
    assert fresh.refreshed_at is not None
    formulas, fresh_again = formulas_of(database)
    assert fresh_again == fresh
    assert [(f.structure_formula, f.avg_tc, f.prediction_count) for f in formulas] == [
        ("X0", 4.0, 2),
        ("X1", 4.0, 1),
    ]
    fill(database, make_prediction, [3.0], start=10)
    assert freshness(database).newer_rows == 1
    assert [f.structure_formula for f in top_formulas(database, 1, min_avg_tc=4.0).rows] == ["X0"]


def test_a_row_being_written_during_a_refresh_counts_as_newer(
    database: Database, make_prediction: Make
) -> None:
    with database.begin() as writer:
        writer.execute(
            text(
                "INSERT INTO bete_runs (id, tc_kelvin, structure_formula, input_hash, created_by)"
                " VALUES (gen_random_uuid(), 9.2, 'Nb', 'h', 'x')"
            )
        )
        assert refresh_rankings(database).newer_rows == 0  # not visible to anyone yet
    assert freshness(database).newer_rows == 1
    assert refresh_rankings(database).newer_rows == 0


def test_refreshes_at_once_all_succeed(database: Database, make_prediction: Make) -> None:
    fill(database, make_prediction, [2.0, 3.0])

    def refresh(_: int) -> int:
        with Database.connect_to(database.engine.url) as own:
            return refresh_rankings(own).newer_rows

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(refresh, range(4))) == [0, 0, 0, 0]


def test_readers_are_not_blocked_by_a_refresh(database: Database, make_prediction: Make) -> None:
    fill(database, make_prediction, [2.0, 3.0])
    refresh_rankings(database)
    with database.begin() as connection:
        connection.execute(text("REFRESH MATERIALIZED VIEW CONCURRENTLY top_superconductors"))
        assert len(top_formulas(database).rows) == 2  # while the other transaction holds its locks


def test_a_view_never_filled_is_filled(database: Database, make_prediction: Make) -> None:
    fill(database, make_prediction, [2.0])
    with database.begin() as connection:
        connection.execute(text("REFRESH MATERIALIZED VIEW top_superconductors WITH NO DATA"))
        connection.execute(text("DELETE FROM ranking_refreshes"))
    formulas, fresh = formulas_of(database)
    assert (list(formulas), fresh.refreshed_at, fresh.newer_rows) == ([], None, 1)
    refresh_rankings(database)
    assert len(top_formulas(database).rows) == 1


def test_a_missing_view_is_said(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("DROP MATERIALIZED VIEW top_superconductors"))
    with pytest.raises(SchemaError, match="top_superconductors is missing"):
        refresh_rankings(database)
