"""The queue: leases, progress, takeover, cancelling, giving up. Nothing is done twice and nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from htc.errors import ConflictError, InputError, NotFoundError, StoreError
from htc.store import Database, save, start_run
from htc.store.jobs import (
    MAX_ATTEMPTS,
    Item,
    JobSignals,
    Lease,
    cancel,
    claim,
    enqueue,
    fail,
    finish,
    give_back,
    heartbeat,
    items_of,
    job_counts,
    list_progress,
    newest_finished,
    objective_rows,
    record,
    retry_later,
    run_summary,
)

REQUEST = {"candidates": {"formulas": ["MgB2", "Nb3Sn"]}}


def queued(database: Database, **options: Any) -> str:
    job, is_new = enqueue(database, "screen", REQUEST, created_by="me", **options)
    assert is_new
    return job.run_id


def taken(database: Database, owner: str = "a", seconds: float = 30.0) -> Lease:
    lease = claim(database, owner, seconds=seconds)
    assert lease is not None
    return lease


def lapse(database: Database, run_id: str) -> None:
    """As if the holder had not been heard of for long."""
    with database.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE run_id = :r"), {"r": run_id}
        )


def items(*positions: int, **fields: Any) -> list[Item]:
    return [Item(position=p, label=f"item {p}", **fields) for p in positions]


def test_a_job_goes_its_way(database: Database) -> None:
    run_id = queued(database, label="first try", total=2)
    waiting = run_summary(database, run_id)
    assert (waiting.state, waiting.done, waiting.total, waiting.is_job) == ("queued", 0, 2, True)
    lease = taken(database)
    assert (lease.run_id, lease.job.attempts, dict(lease.job.request)) == (run_id, 1, REQUEST)
    assert claim(database, "b") is None
    assert record(database, lease, items(0), message="one of two") == "held"
    midway = run_summary(database, run_id)
    assert (midway.state, midway.done, midway.message) == ("running", 1, "one of two")
    assert [row.label for row in items_of(database, run_id).rows] == ["item 0"]
    assert record(database, lease, items(1, error={"code": "invalid-input", "what": "no"})) == "held"
    assert finish(database, lease, result={"best": 1})
    over = run_summary(database, run_id)
    assert (over.state, over.done, over.failed, over.result) == ("finished", 2, 1, {"best": 1})
    assert over.finished_at is not None
    with database.connect() as connection:
        assert connection.execute(text("SELECT status FROM runs")).scalar_one() == "finished"
    assert job_counts(database)["finished"] == 1
    assert newest_finished(database, "screen").run_id == run_id  # type: ignore[union-attr]  # there is one
    assert newest_finished(database, "validate", suite="reference") is None


def test_the_same_key_is_the_same_job(database: Database) -> None:
    first, _ = enqueue(database, "screen", REQUEST, created_by="me", key="k")
    again, is_new = enqueue(database, "screen", REQUEST, created_by="me", key="k")
    assert (again.run_id, is_new) == (first.run_id, False)
    other, is_new = enqueue(database, "screen", REQUEST, created_by="you", key="k")
    assert is_new
    assert other.run_id != first.run_id
    with pytest.raises(ConflictError, match="another request"):
        enqueue(database, "screen", {"candidates": {}}, created_by="me", key="k")
    with pytest.raises(ConflictError):
        enqueue(database, "optimize", REQUEST, created_by="me", key="k")


def test_a_lost_lease_writes_nothing(database: Database) -> None:
    run_id = queued(database)
    dead = taken(database, "dead")
    assert record(database, dead, items(0), trying={"positions": [1, 2], "label": "item 1"}) == "held"
    assert claim(database, "b") is None
    lapse(database, run_id)
    alive = taken(database, "alive")
    assert alive.job.done == 1
    assert alive.job.trying == {"positions": [1, 2], "label": "item 1", "deaths": 1}
    assert record(database, dead, items(1)) == "lost"
    assert heartbeat(database, dead) == "lost"
    assert not finish(database, dead)
    assert not fail(database, dead, {"code": "x", "what": "y"})
    assert not give_back(database, dead)
    assert record(database, alive, items(1)) == "held"
    assert finish(database, alive)
    assert [row.position for row in items_of(database, run_id).rows] == [0, 1]


def test_a_holder_that_was_late_goes_on_if_nobody_took_over(database: Database) -> None:
    run_id = queued(database)
    lease = taken(database)
    lapse(database, run_id)
    assert heartbeat(database, lease) == "held"
    assert claim(database, "b") is None


def test_an_item_is_never_written_twice(database: Database) -> None:
    run_id = queued(database)
    lease = taken(database)
    record(database, lease, items(0))
    with pytest.raises(StoreError):
        record(database, lease, items(1, 0))
    summary = run_summary(database, run_id)
    assert summary.done == len(items_of(database, run_id).rows) == 1


def test_a_job_given_back_is_no_failed_attempt(database: Database) -> None:
    run_id = queued(database)
    for _ in range(MAX_ATTEMPTS + 3):
        assert give_back(database, taken(database))
    assert run_summary(database, run_id).attempts == 0


def test_who_gives_back_stands_behind_who_waits(database: Database) -> None:
    first, second = queued(database), queued(database)
    lease = taken(database)
    assert lease.run_id == first
    give_back(database, lease)
    assert taken(database).run_id == second


def test_a_job_that_never_gets_on_is_given_up_with_the_reason(database: Database) -> None:
    run_id = queued(database)
    for _ in range(MAX_ATTEMPTS):
        lease = taken(database)
        record(database, lease, trying={"positions": [0], "label": "MgB2"})
        lapse(database, run_id)
    assert claim(database, "b") is None
    summary = run_summary(database, run_id)
    assert summary.state == "failed"
    assert summary.error is not None
    assert summary.error["what"] == f"taken up {MAX_ATTEMPTS} times without getting on"
    assert summary.error["where"] == "MgB2"


def test_progress_makes_up_for_attempts(database: Database) -> None:
    run_id = queued(database)
    for position in range(MAX_ATTEMPTS + 3):
        record(database, taken(database), items(position))
        lapse(database, run_id)
    assert taken(database).job.done == MAX_ATTEMPTS + 3


def test_a_retry_waits_and_keeps_its_reason(database: Database) -> None:
    run_id = queued(database)
    trouble = {"code": "store", "what": "no room", "where": None, "hint": None}
    assert retry_later(database, taken(database), trouble, 3600.0)
    assert claim(database, "b") is None
    assert run_summary(database, run_id).error == trouble
    for _ in range(MAX_ATTEMPTS - 1):
        with database.begin() as connection:
            connection.execute(text("UPDATE jobs SET not_before = now() - interval '1 s'"))
        retry_later(database, taken(database), trouble, 0.0)
    assert claim(database, "b") is None
    error = run_summary(database, run_id).error
    assert error is not None
    assert error["what"].startswith("no room (the last of")


def test_cancelling(database: Database) -> None:
    waiting, running, over = (queued(database) for _ in range(3))
    assert cancel(database, waiting).state == "cancelled"
    lease = taken(database)
    assert lease.run_id == running
    assert cancel(database, running).cancel_requested
    assert heartbeat(database, lease) == "cancel"
    assert record(database, lease, items(0)) == "cancel"
    assert finish(database, lease, end="cancelled")
    last = taken(database)
    assert finish(database, last)
    assert cancel(database, over).state == "finished"
    assert [run_summary(database, r).state for r in (waiting, running, over)] == [
        "cancelled",
        "cancelled",
        "finished",
    ]
    with pytest.raises(NotFoundError):
        cancel(database, "nothing")


def test_a_job_whose_holder_died_is_cancelled_at_once(database: Database) -> None:
    run_id = queued(database)
    taken(database)
    lapse(database, run_id)
    assert cancel(database, run_id).state == "cancelled"


def test_a_dead_holder_of_a_job_called_off(database: Database) -> None:
    run_id = queued(database)
    taken(database)
    cancel(database, run_id)
    lapse(database, run_id)
    assert claim(database, "b") is None
    assert run_summary(database, run_id).state == "cancelled"


def test_many_takers_get_every_job_once(database: Database) -> None:
    wanted = {queued(database) for _ in range(12)}
    got: list[str] = []

    def take(owner: str) -> None:
        while (lease := claim(database, owner)) is not None:
            got.append(lease.run_id)

    threads = [threading.Thread(target=take, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 12
    assert set(got) == wanted


def test_word_of_a_new_job(database: Database) -> None:
    signals = JobSignals(database)
    assert not signals.wait(0.01)
    queued(database)
    assert signals.wait(5.0)
    signals.close()


def test_pages(database: Database, make_prediction: Callable[..., Any]) -> None:
    runs = [queued(database, label=str(n)) for n in range(5)]
    seen: list[str] = []
    after = None
    while True:
        page = list_progress(database, 2, kind="screen", after=after)
        seen += [row.run_id for row in page.rows]
        after = page.next_cursor
        if after is None:
            break
    assert seen == runs[::-1]
    assert list_progress(database, state="running").rows == ()
    lease = taken(database)
    saved = save(database, [make_prediction(n, tc_predicted=5.0 + n, tc_lower_95ci=1.0) for n in range(3)])
    record(
        database,
        lease,
        [Item(position=n, label=f"x{n}", prediction_id=s.id) for n, s in enumerate(saved)]
        + items(3, error={"code": "x", "what": "y"}),
    )
    page_of_items = items_of(database, lease.run_id, 3)
    assert page_of_items.next_cursor == "2"
    assert [row.position for row in items_of(database, lease.run_id, 3, after=2).rows] == [3]
    assert [row.position for row in items_of(database, lease.run_id, state="failed").rows] == [3]
    first = page_of_items.rows[0].prediction
    assert first is not None
    assert first["tc_predicted"] == 5.0
    assert objective_rows(database, lease.run_id, ["tc_predicted", "hull_distance_eV"])[1][2:] == (
        "x1",
        (6.0, None),
    )
    with pytest.raises(InputError, match="cannot be an objective"):
        objective_rows(database, lease.run_id, ["id"])


def test_a_run_without_a_job_shows_its_predictions(
    database: Database, make_prediction: Callable[..., Any]
) -> None:
    run_id = start_run(database, "batch", created_by="me")
    save(database, [make_prediction(n, tc_predicted=20.0 + n) for n in range(5)], run=run_id)
    summary = run_summary(database, run_id)
    assert (summary.is_job, summary.done, summary.state) == (False, 5, "running")
    page = items_of(database, run_id, 3)
    assert [(row.position, row.prediction["tc_predicted"]) for row in page.rows] == [  # type: ignore[index]  # all have one
        (0, 24.0),
        (1, 23.0),
        (2, 22.0),
    ]
    assert page.next_cursor == "2"
    assert len(items_of(database, run_id, 3, after=2).rows) == 2
    assert len(objective_rows(database, run_id, ["tc_predicted"])) == 5
    with pytest.raises(NotFoundError):
        run_summary(database, "nothing")
