"""Optimisations over a campaign's space: by the model, and by somebody who is asked and tells."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from htc.discovery.campaign import parse_campaign
from htc.discovery.elements import element_value
from htc.errors import ConflictError, InputError, NotFoundError
from htc.jobs import Worker
from htc.jobs.search import (
    Answer,
    SearchRequest,
    ask,
    fill,
    finish,
    read_answers,
    search_request,
    search_state,
    start,
    submit_search,
    tell,
)
from htc.jobs.search.report import front_and_history, write_report
from htc.settings import get_settings
from htc.store import Database
from htc.store.jobs import run_summary
from htc.store.optimisation import pool_end, pool_rows

CAMPAIGN = """
name = "A15"
[[candidates]]
kind = "substitution"
prototypes = ["Nb3Sn"]
[candidates.slots]
Nb = ["V", "Nb", "Ta"]
Sn = ["Al", "Ge", "Si", "Sn", "Pb", "Be"]
[optimize]
without = ["Pb"]
batch_size = 3
budget = 9
[[optimize.objectives]]
column = "tc_predicted"
[[optimize.objectives]]
column = "element_cost"
[[optimize.constraints]]
column = "dust_hazard"
max = 3.0
"""


def request(evaluator: str = "outside") -> SearchRequest:
    return search_request(parse_campaign(CAMPAIGN), evaluator, prior_tier="fast")  # type: ignore[arg-type]  # one of two


def begun(database: Database) -> str:
    run_id = start(database, get_settings(), request(), created_by="me")
    fill(database, get_settings(), run_id, request())
    return run_id


def test_asked_and_told_until_the_budget_is_spent(database_in_settings: Database, tmp_path: Path) -> None:
    database = database_in_settings
    run_id = begun(database)
    pool = search_state(database, run_id)["pool"]
    # Three with lead, three with beryllium, whose dust is limited most.
    assert (pool["free"], pool["left_out"]) == (12, 6)
    first = ask(database, run_id, 3)
    assert {row.state for row in first} == {"asked"}
    assert {row.number for row in search_state(database, run_id)["waiting"]} == {r.number for r in first}

    good, bad, late = first
    answers = [Answer(number=good.number, measured={"tc_predicted": 17.0, "lambda_ep": 1.5})]
    answers.append(Answer(number=bad.number, measured=None, error="imaginary modes"))
    told = tell(database, run_id, answers, told_by="lab")
    assert (told.new, told.unasked) == ([good.number, bad.number], [])
    assert tell(database, run_id, answers, told_by="lab").same == [good.number, bad.number]
    other = [Answer(number=good.number, measured={"tc_predicted": 16.0}), answers[1]]
    with pytest.raises(ConflictError, match="something else was told"):
        tell(database, run_id, other, told_by="lab")
    assert tell(database, run_id, other, told_by="lab", replace=True).replaced == [good.number]

    chosen = {row.number for row in first}
    free = next(n for n in range(18) if n not in chosen and _is_free(database, run_id, n))
    told = tell(database, run_id, [Answer(number=free, measured={"tc_predicted": 3.0})], told_by="lab")
    assert told.unasked == [free]
    # All or nothing.
    answers = [
        Answer(number=late.number, measured={"tc_predicted": 9.0}),
        Answer(number=99, measured={"tc_predicted": 9.0}),
    ]
    with pytest.raises(NotFoundError, match="99"):
        tell(database, run_id, answers, told_by="lab")
    assert [row.number for row in search_state(database, run_id)["waiting"]] == [late.number]

    run = run_summary(database, run_id)
    assert (run.done, run.failed, run.state) == (3, 1, "running")
    front, growth = front_and_history(database, run_id)
    assert 16.0 in {point["values"]["tc_predicted"] for point in front["points"]}
    assert growth[-1]["judged"] == 3
    names = {path.name for path in write_report(database, run_id, tmp_path / "report")}
    assert names == {"judged.csv", "front.csv", "hypervolume.csv", "hypervolume.png", "front.png"}
    finish(database, run_id)
    with pytest.raises(ConflictError, match="finished"):
        ask(database, run_id, 1)


def _is_free(database: Database, run_id: str, number: int) -> bool:
    from htc.store.optimisation import pool_rows

    return any(row.number == number for row in pool_rows(database, run_id, ("free",)))


def test_two_who_ask_at_once_get_different_candidates(database_in_settings: Database) -> None:
    run_id = begun(database_in_settings)
    got: list[int] = []

    def one() -> None:
        got.extend(row.number for row in ask(database_in_settings, run_id, 3))

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == 9


def test_equal_answers_lead_to_equal_questions_and_a_look_goes_on(
    database_in_settings: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, settings = database_in_settings, get_settings()
    monkeypatch.setattr("htc.jobs.search.looking._LOOK", 5)
    runs = [start(database, settings, request(), created_by="me") for _ in range(2)]

    def stop(done: int, _: int) -> None:
        if done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(database, settings, runs[0], request(), told=stop)
    assert pool_end(database, runs[0]) == 10
    asked = []
    for run_id in runs:
        fill(database, settings, run_id, request())
        rows = ask(database, run_id, 4)
        answers = [Answer(number=r.number, measured={"tc_predicted": 5.0 + r.number}) for r in rows]
        tell(database, run_id, answers, told_by="lab")
        asked.append([r.number for r in [*rows, *ask(database, run_id, 4)]])
    assert asked[0] == asked[1]


def test_the_model_judges_a_budget(database_in_settings: Database) -> None:
    settings = get_settings()
    job = submit_search(database_in_settings, settings, request("model"), created_by="me")
    worker = Worker(settings, database_in_settings)
    assert worker.work_once(job.run_id)
    worker.close()
    run = run_summary(database_in_settings, job.run_id)
    assert (run.state, run.done, run.total) == ("finished", 9, 9)
    assert run.result is not None
    volumes = [one["hypervolume"] for one in run.result["history"]]
    assert volumes == sorted(volumes)
    assert len(volumes) == 3
    assert {o["column"] for o in run.result["pareto"]["objectives"]} == {"tc_predicted", "element_cost"}
    with pytest.raises(InputError, match="does not ask and tell"):
        ask(database_in_settings, job.run_id, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("candidate,tc\n1,5\n2,\n3,,\n", "more values"),
        ("candidate,lamda_ep\n1,5\n", "no column 'lamda_ep'"),
        ("candidate,tc\n1,high\n", "no number"),
        ("tc\n1\n", "without the number"),
        ("candidate,tc,error\n1,5,broken\n", "exclude each other"),
    ],
)
def test_a_file_that_cannot_be_answers_says_where(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        read_answers(file)
    assert "line" in str(caught.value.where)


def test_rows_without_an_answer_are_left_for_later(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("candidate,label,tc_k,error\n4,a,5.5,\n5,b,,\n6,c,,no phase\n", encoding="utf-8")
    answers, open_rows = read_answers(file)
    assert open_rows == 1
    assert [(a.number, a.measured, a.error) for a in answers] == [
        (4, {"tc_predicted": 5.5}, None),
        (6, None, "no phase"),
    ]


def test_a_pool_that_is_bred_goes_on_after_a_kill_as_if_nothing_had_been(
    database_in_settings: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, settings = database_in_settings, get_settings()
    monkeypatch.setattr("htc.jobs.search.breeding._TOGETHER", 10)
    larger = CAMPAIGN.replace('["V", "Nb", "Ta"]', '"transition_metals"').replace(
        '["Al", "Ge", "Si", "Sn", "Pb", "Be"]', '"metals metalloids"'
    )
    larger = larger.replace("[optimize]", "[optimize]\npool = 60")
    wanted = search_request(parse_campaign(larger), "outside", prior_tier="fast")
    runs = [start(database, settings, wanted, created_by="me") for _ in range(2)]

    def stop(done: int, _: int) -> None:
        if done >= 34:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(database, settings, runs[0], wanted, told=stop)
    assert 24 < len(pool_rows(database, runs[0])) < 60
    pools = []
    for run_id in runs:
        assert fill(database, settings, run_id, wanted) == 60
        pools.append(pool_rows(database, run_id))
    assert pools[0] == pools[1]
    assert len(pools[0]) == 60
    # Nothing that the elements or a constraint exclude was looked at; what is chosen is of the pool.
    assert not any("Pb" in (row.formula or "") for row in pools[0])
    assert max(element_value("dust_hazard", row.formula or "") or 0.0 for row in pools[0]) <= 3.0
    chosen = ask(database, runs[0], 3)
    assert [row.number for row in chosen] == [row.number for row in ask(database, runs[1], 3)]
