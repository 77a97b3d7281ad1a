"""Runs by workers that are stopped, killed and raced: nothing is done twice and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from htc.errors import InputError
from htc.jobs import Worker
from htc.jobs.fronts import run_front
from htc.settings import Settings
from htc.store import Database, top
from htc.store.embedded import EmbeddedServer
from htc.store.jobs import Item, RunSummary, cancel, claim, items_of, record, run_summary

from .conftest import lapse, wait_for

Ask = Callable[..., str]

METALS = ["V", "Nb", "Ta", "Ti", "Zr", "Hf", "Mo", "W", "Cr", "Sc"]
OTHERS = ["Al", "Ga", "Si", "Ge", "Sn", "In", "Pb", "Sb", "As", "P", "Pt", "Au"]
MANY = {"substitutions": [{"prototype": "Nb3Sn", "replace": {"Nb": METALS, "Sn": OTHERS}}]}
"""120 crystals."""


def all_items(database: Database, run_id: str) -> list[Any]:
    return list(items_of(database, run_id, 10_000).rows)


def assert_whole(database: Database, run_id: str, total: int) -> None:
    """Every item is there once, and so is every prediction."""
    items = all_items(database, run_id)
    assert [item.position for item in items] == list(range(total))
    ids = [item.prediction_id for item in items if item.state == "done"]
    assert len(set(ids)) == len(ids)
    summary = run_summary(database, run_id)
    assert (summary.state, summary.done, summary.total) == ("finished", total, total)
    assert summary.failed == total - len(ids)
    with database.connect() as connection:
        stored = connection.execute(
            text("SELECT count(*), count(DISTINCT input_hash) FROM htc_predictions WHERE experiment_id = :r"),
            {"r": run_id},
        ).one()
    assert stored[0] == stored[1] == len(ids)


@pytest.fixture(autouse=True)
def _no_laboratory_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing where there are no such data can only be seen without them."""
    monkeypatch.delenv("HTC_DATA", raising=False)


def test_a_screening(ask: Ask, worker: Worker, database: Database) -> None:
    candidates = {
        "formulas": ["MgB2", "this is none", "YBa2Cu3O7"],
        "structures": [{"text": "rubbish", "label": "bad file"}],
        "substitutions": [{"prototype": "Nb3Sn", "replace": {"Sn": ["Ge", "Ne"]}}],
    }
    run_id = ask("screen", candidates=candidates, pressures_gpa=[0.0, 20.0], label="mixed")
    assert worker.work_once()
    assert not worker.work_once()
    items = all_items(database, run_id)
    assert [item.position for item in items] == list(range(12))
    by_label = {(i.label, (i.prediction or {}).get("pressure_required_gpa")): i for i in items}
    assert by_label["MgB2", 20.0].prediction["tc_predicted"] is not None
    cuprate = by_label["YBa2Cu3O7", 0.0]
    assert (cuprate.state, cuprate.prediction["tc_predicted"]) == ("done", None)
    assert cuprate.prediction["reason"]
    reasons = {i.label: i.error["what"] for i in items if i.error}
    assert set(reasons) == {"this is none", "bad file", "Nb3Sn: Sn to Ne"}
    assert "no volume of Ne" in reasons["Nb3Sn: Sn to Ne"]
    summary = run_summary(database, run_id)
    assert (summary.state, summary.done, summary.failed, summary.total) == ("finished", 12, 6, 12)
    assert summary.result is not None
    assert summary.result["pareto"]["unused"] == ["hull_distance_eV"]
    best = {point["label"] for point in summary.result["pareto"]["points"]}
    assert best <= {"MgB2", "Nb3Sn: Sn to Ge"}
    assert len(run_front(database, run_id).points) == len(best)
    assert {row.id for row in top(database, 10).rows} <= {i.prediction_id for i in items}


def test_what_an_earlier_run_stored_is_linked(ask: Ask, worker: Worker, database: Database) -> None:
    first = ask("screen", candidates={"formulas": ["MgB2", "NbN"]})
    second = ask("screen", candidates={"formulas": ["NbN", "MgB2", "MgB2"]})
    worker.work_once()
    worker.work_once()
    before = {item.label: item.prediction_id for item in all_items(database, first)}
    after = [(item.label, item.prediction_id) for item in all_items(database, second)]
    assert after == [("NbN", before["NbN"]), ("MgB2", before["MgB2"]), ("MgB2", before["MgB2"])]
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM htc_predictions")).scalar_one() == 2


def test_a_worker_killed_in_the_middle(
    ask: Ask, start_worker: Callable[..., subprocess.Popen[bytes]], worker: Worker, database: Database
) -> None:
    run_id = ask("screen", candidates=MANY)
    killed = start_worker()
    wait_for(database, run_id, lambda run: run.done >= 5)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    midway = run_summary(database, run_id)
    assert 5 <= midway.done < 120
    assert midway.state == "running"
    assert not worker.work_once()  # its lease holds still
    lapse(database, run_id)
    assert worker.work_once()
    assert_whole(database, run_id, 120)


def test_a_worker_told_to_stop_hands_its_run_back(
    ask: Ask, start_worker: Callable[..., subprocess.Popen[bytes]], worker: Worker, database: Database
) -> None:
    run_id = ask("screen", candidates=MANY)
    stopped = start_worker()
    wait_for(database, run_id, lambda run: run.done >= 4)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(60) == 0
    waiting = run_summary(database, run_id)
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    assert worker.work_once()
    assert_whole(database, run_id, 120)


def test_a_worker_ends_with_who_started_it(
    start_worker: Callable[..., subprocess.Popen[bytes]], ask: Ask
) -> None:
    del ask  # for its database
    one = start_worker("--with-parent")
    assert one.stdin is not None
    one.stdin.close()
    assert one.wait(120) == 0


def test_several_workers_at_once(ask: Ask, database: Database) -> None:
    replace = [METALS[:4], METALS[4:8], METALS[2:6]]
    runs = [
        ask("screen", candidates={"substitutions": [{"prototype": "NbN", "replace": {"Nb": some}}]})
        for some in replace
    ]
    workers = [Worker(Settings(), database) for _ in range(3)]

    def work(one: Worker) -> None:
        while one.work_once():
            pass

    threads = [threading.Thread(target=work, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in workers:
        one.close()
    for run_id in runs:
        assert [item.position for item in all_items(database, run_id)] == list(range(4))
        assert run_summary(database, run_id).state == "finished"
    with database.connect() as connection:
        count, distinct = connection.execute(
            text("SELECT count(*), count(DISTINCT input_hash) FROM htc_predictions")
        ).one()
    assert count == distinct == 8


def test_a_candidate_that_kills_its_process_is_left_out(ask: Ask, worker: Worker, database: Database) -> None:
    run_id = ask("screen", candidates={"formulas": ["MgB2", "NbN", "NbC"]})
    # Three processes died: one with all in hand, two with the second alone.
    for positions, deaths in (([0, 1, 2], 0), ([1], 0), ([1], 1)):
        lease = claim(database, f"dead {positions}")
        assert lease is not None
        if positions == [1] and lease.job.done == 0:
            from htc.store.jobs import Item

            record(database, lease, [Item(position=0, label="MgB2")])
        trying = {"positions": positions, "label": "NbN"} | ({"deaths": deaths} if deaths else {})
        record(database, lease, trying=trying)
        lapse(database, run_id)
    assert worker.work_once()
    items = all_items(database, run_id)
    assert [item.state for item in items] == ["done", "failed", "done"]
    assert items[1].error is not None
    assert "2 processes that worked on it alone died" in items[1].error["what"]
    assert run_summary(database, run_id).state == "finished"


def test_what_died_together_is_tried_one_by_one(ask: Ask, worker: Worker, database: Database) -> None:
    run_id = ask("screen", candidates={"formulas": ["MgB2", "NbN", "NbC"]})
    lease = claim(database, "dead")
    assert lease is not None
    record(database, lease, trying={"positions": [0, 1, 2], "label": "MgB2"})
    lapse(database, run_id)
    assert worker.work_once()
    assert_whole(database, run_id, 3)


def test_cancelled_while_it_runs(ask: Ask, database: Database) -> None:
    run_id = ask("screen", candidates=MANY)
    one = Worker(Settings(), database)
    thread = threading.Thread(target=one.work_once)
    thread.start()
    wait_for(database, run_id, lambda run: run.done >= 1)
    assert cancel(database, run_id).cancel_requested
    thread.join()
    one.close()
    summary = run_summary(database, run_id)
    assert summary.state == "cancelled"
    assert 1 <= summary.done < 120
    assert len(all_items(database, run_id)) == summary.done
    assert claim(database, "x") is None


def test_a_run_that_cannot_be_done_says_why(ask: Ask, worker: Worker, database: Database) -> None:
    run_id = ask("optimize", candidates={"formulas": ["YBa2Cu3O7", "nonsense"]})
    assert worker.work_once()
    summary = run_summary(database, run_id)
    assert summary.state == "failed"
    assert summary.error is not None
    assert summary.error["what"] == "none of the candidates has a Tc to begin with"


@pytest.fixture
def optimisation(ask: Ask) -> str:
    return ask(
        "optimize",
        candidates={
            "substitutions": [{"prototype": "Nb3Sn", "replace": {"Nb": METALS[:5], "Sn": OTHERS[:4]}}]
        },
        pressures_gpa=[0.0, 50.0],
        budget=12,
        batch_size=4,
        seed=3,
    )


def test_an_optimisation_goes_on_with_the_same_choices(
    ask: Ask, optimisation: str, worker: Worker, database: Database
) -> None:
    assert worker.work_once()
    whole = all_items(database, optimisation)
    assert len(whole) == 12
    assert [item.values["batch"] for item in whole] == [0] * 4 + [1] * 4 + [2] * 4
    assert len({item.values["candidate"] for item in whole}) == 12
    result = run_summary(database, optimisation).result
    assert result is not None
    assert [step["judged"] for step in result["history"]] == [4, 8, 12]
    volumes = [step["hypervolume"] for step in result["history"]]
    assert volumes == sorted(volumes)
    assert result["pareto"]["hypervolume"] == volumes[-1]
    # The same again, taken over in the middle of the second batch.
    request = dict(run_summary(database, optimisation).request or {})
    again = ask("optimize", **request)
    lease = claim(database, "dead")
    assert lease is not None
    from htc.store.jobs import Item

    record(
        database,
        lease,
        [
            Item(position=i.position, label=i.label, prediction_id=i.prediction_id, values=i.values)
            for i in whole[:6]
        ],
    )
    lapse(database, again)
    assert worker.work_once()
    repeated = all_items(database, again)
    assert [i.values["candidate"] for i in repeated] == [i.values["candidate"] for i in whole]


def test_a_validation(ask: Ask, worker: Worker, database: Database) -> None:
    run_id = ask("validate", suite="formulas")
    assert worker.work_once()
    summary = run_summary(database, run_id)
    assert summary.state == "finished"
    assert summary.result is not None
    assert {view["name"] for view in summary.result["views"]} == {"published", "eliashberg", "measured"}
    items = all_items(database, run_id)
    assert len(items) == summary.total
    assert items[0].values["doi"].startswith("10.")
    assert items[0].values["pairs"]


def test_a_validation_goes_on_where_it_stopped_with_the_same_figures(
    ask: Ask, worker: Worker, database: Database
) -> None:
    whole = ask("validate", suite="eliashberg")
    assert worker.work_once()
    begun = ask("validate", suite="eliashberg")
    lease = claim(database, "a process that dies", run_id=begun)
    assert lease is not None
    kept = [Item(position=i.position, label=i.label, values=i.values) for i in all_items(database, whole)[:5]]
    record(database, lease, kept)
    lapse(database, begun)
    assert worker.work_once()
    results = [run_summary(database, run_id).result or {} for run_id in (whole, begun)]
    assert results[0]["views"] == results[1]["views"]
    assert results[1]["comparison"]["regressions"] == []
    assert len(all_items(database, begun)) == len(all_items(database, whole))


def test_who_waits_for_a_run_and_goes_away_calls_it_off(ask: Ask, database: Database) -> None:
    from htc.jobs.foreground import carry_out

    def interrupted(_: RunSummary) -> None:
        raise KeyboardInterrupt

    run_id = ask("screen", candidates={"formulas": ["Nb"] * 200})
    with pytest.raises(KeyboardInterrupt):
        carry_out(database, Settings(), run_id, told=interrupted)
    assert run_summary(database, run_id).state == "cancelled"
    done = carry_out(database, Settings(), ask("validate", suite="eliashberg"))
    assert (done.state, done.done) == ("finished", done.total)


def test_a_validation_without_its_data_says_what_is_missing(
    ask: Ask, worker: Worker, database: Database
) -> None:
    run_id = ask("validate", suite="fold3")
    assert worker.work_once()
    summary = run_summary(database, run_id)
    assert summary.state == "failed"
    assert summary.error is not None
    assert "laboratory's data" in summary.error["what"]


def test_the_same_key_is_the_same_run(ask: Ask) -> None:
    wish = {"candidates": {"formulas": ["MgB2"]}}
    assert ask("screen", key="k", **wish) == ask("screen", key="k", **wish)
    assert ask("screen", **wish) != ask("screen", **wish)
    with pytest.raises(InputError, match="no crystal of the library"):
        ask("screen", candidates={"substitutions": [{"prototype": "X", "replace": {"Nb": ["V"]}}]})


def test_the_database_goes_away_and_comes_back(home: Path) -> None:
    from htc.discovery import ScreenRequest
    from htc.jobs import submit

    settings = Settings(home=home, tier="fast")
    with Database.open(settings) as database:
        job, _ = submit(database, ScreenRequest.model_validate({"candidates": MANY}), created_by="me")
        one = Worker(settings, database)
        thread = threading.Thread(target=one.run)
        thread.start()
        try:
            wait_for(database, job.run_id, lambda run: run.done >= 5)
            EmbeddedServer(home).stop(force=True)
            wait_for(database, job.run_id, lambda run: run.state == "finished")
        finally:
            one.stop()
            thread.join()
        assert_whole(database, job.run_id, 120)
