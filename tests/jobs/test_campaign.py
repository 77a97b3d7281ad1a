"""Campaigns from submission to the ranked list: the same rows whoever works on them, and whoever dies."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from htc.discovery.campaign import Campaign
from htc.discovery.funnel.tasks import ChunkFailure, ChunkResult, ChunkTask
from htc.discovery.stages import run_chunk
from htc.errors import ConflictError, HTCError, InputError
from htc.jobs import Worker
from htc.jobs.campaign import CampaignRequest, submit_campaign
from htc.jobs.campaign.coordinator import Coordinator
from htc.jobs.campaign.fates import told, unreadable
from htc.jobs.campaign.owners import is_known_dead, owner_name
from htc.jobs.campaign.pruning import prune_run, superfluous_rows
from htc.jobs.campaign.report import write_report
from htc.jobs.campaign.spaces import space_of, within_limits
from htc.jobs.campaign.top import top_rows
from htc.jobs.task import Task
from htc.settings import Settings
from htc.store import Database, RankingRefresher
from htc.store.campaigns import pruned_of, stages_of
from htc.store.jobs import cancel, finish, items_of, run_summary
from htc.store.jobs.holding import take_over

METALS = ["V", "Nb", "Ta", "Ti", "Zr", "Hf", "Mo", "W", "Cr", "Sc"]
OTHERS = ["Al", "Ga", "Si", "Ge", "Sn", "In", "Pb", "Sb", "As", "P", "Pt", "Au"]


def a_campaign(**changes: Any) -> Campaign:
    """120 crystals of A15 through two stages of the fast tier."""
    return Campaign.model_validate(
        {
            "name": "A15",
            "candidates": [
                {"kind": "substitution", "prototypes": ["A15"], "slots": {"Cr": METALS, "Si": OTHERS}}
            ],
            "stages": [
                {"kind": "predict", "tier": "fast", "keep": {"min_tc_upper_95ci": 1.0, "best": 20}},
                {"kind": "predict", "tier": "fast", "budget": 10, "keep": {"best": 6, "by": "tc_lower_95ci"}},
            ],
            **changes,
        }
    )


class Here:
    """An executor without processes: the last task handed out first, some of it deadly."""

    def __init__(self, deadly: frozenset[int] = frozenset(), most_tasks: int | None = None) -> None:
        self.workers = 2
        self.done = 0
        self._tasks: list[ChunkTask] = []
        self._deadly = deadly
        self._most = most_tasks

    def submit(self, task: ChunkTask) -> None:
        self._tasks.append(task)

    def finished(self, timeout_s: float) -> list[tuple[ChunkTask, ChunkResult | ChunkFailure]]:
        if self._most is not None and self.done >= self._most:
            raise KeyboardInterrupt
        if not self._tasks:
            return []
        task = self._tasks.pop()
        self.done += 1
        if self._deadly.intersection(task.candidates.numbers):
            return [(task, ChunkFailure(HTCError("killed"), worker_died=True))]
        return [(task, run_chunk(task))]

    def close(self) -> None:
        self._tasks.clear()


def do(database: Database, lease: Any, campaign: Campaign, executor: Here) -> dict[str, Any]:
    rankings = RankingRefresher(database, interval_s=1e9)
    with Task(database, Settings(), lease, rankings, threading.Event()) as task:
        result = Coordinator(task, campaign, space_of(campaign, database, lease.run_id), executor).run()
    finish(database, lease, result=result)
    rankings.close()
    return result


def begin(database: Database, campaign: Campaign) -> Any:
    _, lease = submit_campaign(
        database, Settings(), CampaignRequest(campaign=campaign), created_by="me", owner=owner_name()
    )
    assert lease is not None
    return lease


def rows_of(database: Database, run_id: str) -> list[tuple[Any, ...]]:
    """Every row of every stage, with the prediction it is linked to; ids and times left out."""
    query = """
        SELECT s.stage, s.state, s.passed, s.duplicates, c.position, c.pressure_gpa, c.state, c.label,
            c.formula, c.tc_predicted, c.tc_lower_95ci, c.tc_upper_95ci, c.tc_uncertainty, c.tc_experiment,
            c.lambda_ep, c.omega_log, c.confidence_level, c.family, c.extrapolation_warning, c.more::text,
            c.error::text, c.rank, c.duplicate_of, p.input_hash, p.tc_predicted, i.position
        FROM campaign_stages s JOIN campaign_candidates c ON c.stage_id = s.id
            LEFT JOIN htc_predictions p ON p.id = c.prediction_id
            LEFT JOIN run_items i ON i.run_id = s.run_id AND i.prediction_id = c.prediction_id
        WHERE s.run_id = :r ORDER BY s.stage, c.position
    """
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), {"r": run_id})]


def test_who_passes_follows_from_the_rows(database_in_settings: Database, tmp_path: Path) -> None:
    database = database_in_settings
    campaign = a_campaign(pressures_gpa=[0.0, 5.0])
    job, lease = submit_campaign(
        database, Settings(), CampaignRequest(campaign=campaign, workers=1), created_by="me"
    )
    assert lease is None
    worker = Worker(Settings(), database)
    assert worker.work_once()
    worker.close()
    summary = run_summary(database, job.run_id)
    assert (summary.state, summary.error) == ("finished", None)
    first, second = stages_of(database, job.run_id)
    assert first.entries == 240
    assert first.judged == 240
    assert (first.passed, second.entries, second.passed) == (10, 10, 6)
    assert summary.done == summary.total == 250
    names = ("stage", "rank", "tc", "upper", "lower", "position", "state", "twin")
    with database.connect() as connection:
        rows = [
            dict(zip(names, row, strict=True))
            for row in connection.execute(
                text(
                    "SELECT s.stage, rank, tc_predicted, tc_upper_95ci, tc_lower_95ci, position, c.state, "
                    "duplicate_of FROM campaign_candidates c JOIN campaign_stages s ON s.id = c.stage_id "
                    "WHERE s.run_id = :r"
                ),
                {"r": job.run_id},
            )
        ]
    chosen = [r for r in rows if r["stage"] == 0 and r["state"] == "done" and r["upper"] >= 1.0]
    chosen.sort(key=lambda r: (-r["tc"], r["position"]))
    assert [r["rank"] for r in chosen[:10]] == list(range(10))
    assert all(r["rank"] is None for r in chosen[10:])
    entered = [r for r in rows if r["stage"] == 1]
    assert {r["position"] for r in entered} == {r["position"] for r in chosen[:10]}
    entered.sort(key=lambda r: (-r["lower"], r["position"]))
    assert [r["rank"] for r in entered] == [*range(6), *[None] * 4]
    items = items_of(database, job.run_id, 100).rows
    assert [i.values["candidate"] for i in items] == [r["position"] for r in entered[:6]]
    with database.connect() as connection:
        stored = connection.execute(
            text("SELECT count(*), count(DISTINCT input_hash) FROM htc_predictions WHERE experiment_id = :r"),
            {"r": job.run_id},
        ).one()
    assert tuple(stored) == (10, 10)
    best = top_rows(database, Settings(), job.run_id, 6)
    assert [row.rank for row in best] == [1, 2, 3, 4, 5, 6]
    by_formula = {row.formula: row for row in best}
    for formula in {"Nb3Sn", "Nb3Ge", "Nb3Al"} & set(by_formula):
        assert by_formula[formula].known[0].tc_measured_k is not None
    files = write_report(database, Settings(), job.run_id, tmp_path / "report")
    assert {"report.md", "candidates.csv", "funnel.png"} <= {file.name for file in files}
    assert (tmp_path / "report" / "candidates.csv").read_text().count("\n") == 7
    with pytest.raises(ConflictError, match="finished"):
        take_over(database, job.run_id, "me", is_dead=is_known_dead)


def test_order_deaths_and_takeovers_change_nothing_but_the_deadly(database_in_settings: Database) -> None:
    database = database_in_settings
    campaign = a_campaign(
        candidates=[
            # The same crystals once more under other numbers: duplicates.
            {"kind": "substitution", "prototypes": ["A15"], "slots": {"Cr": METALS[:5], "Si": OTHERS}},
            {"kind": "substitution", "prototypes": ["A15"], "slots": {"Cr": METALS[:2], "Si": OTHERS}},
        ]
    )
    lease = begin(database, campaign)
    do(database, lease, campaign, Here())
    plain = rows_of(database, lease.run_id)
    first, _ = stages_of(database, lease.run_id)
    assert first.duplicates
    assert {r[22] for r in plain if r[6] == "duplicate"} <= {r[4] for r in plain if r[21] is not None}

    # The worst of the passing ones, so that somebody else takes its place.
    deadly = min((r for r in plain if r[0] == 0 and r[6] == "done" and r[21] is None), key=lambda r: r[9])[4]
    other = begin(database, campaign)
    for most in (1, 2, 3, 4):
        with pytest.raises(KeyboardInterrupt):
            do(database, other, campaign, Here(frozenset({deadly}), most_tasks=most))
        with pytest.raises(ConflictError, match="at work"):
            take_over(database, other.run_id, owner_name(), is_dead=lambda _: False)
        other = take_over(database, other.run_id, owner_name(), is_dead=lambda _: True)
    do(database, other, campaign, Here(frozenset({deadly})))
    killed = rows_of(database, other.run_id)
    alive = [r for r in killed if r[4] != deadly]
    assert alive == [r for r in plain if r[4] != deadly]
    (row,) = (r for r in killed if r[4] == deadly)
    assert row[6] == "failed"
    assert "2 processes that worked on it alone died" in json.loads(row[20])["what"]
    (lost,) = told(database, other.run_id, 10, state="failed")
    assert (lost.label, lost.outcome) == (row[7], "failed")
    assert "2 processes that worked on it alone died" in lost.says


def test_what_became_of_one_candidate(database_in_settings: Database, tmp_path: Path) -> None:
    database = database_in_settings
    (tmp_path / "empty").mkdir()
    campaign = a_campaign(
        candidates=[
            {
                "kind": "substitution",
                "prototypes": ["A15"],
                "slots": {"Cr": ["Nb", "Ta"], "Si": ["Sn", "Ge"]},
            },
            {"kind": "formulas", "formulas": ["Nb3Sn", "Ta3Sn"]},
            {"kind": "files", "paths": ["empty"]},
        ],
        stages=[
            {"kind": "predict", "tier": "fast", "keep": {"min_tc_predicted": 0.0, "best": 3}},
            {"kind": "predict", "tier": "fast", "keep": {"min_tc_predicted": 300.0}},
        ],
    )
    _, lease = submit_campaign(
        database,
        Settings(),
        CampaignRequest(campaign=campaign),
        created_by="me",
        base=tmp_path,
        owner=owner_name(),
    )
    assert lease is not None
    do(database, lease, campaign, Here())
    # The formula stands for the crystal of the library, which is the one made from the prototype.
    niobium = told(database, lease.run_id, 100, formula="Nb3Sn")
    assert sorted(one.outcome for one in niobium) == ["did not pass", "duplicate", "passed"]
    (fell,) = (one for one in niobium if one.outcome == "did not pass")
    assert (fell.stage, "at least 300 was asked for" in fell.says) == (2, True)
    stages = stages_of(database, lease.run_id)
    assert (stages[0].passed, stages[1].passed) == (3, 0)
    others = [one for one in told(database, lease.run_id, 100) if one.says.startswith("not among the best 3")]
    assert others
    (none,) = unreadable(database, lease.run_id, 10)
    assert "holds no structure files" in none.says
    write_report(database, Settings(), lease.run_id, tmp_path / "report")
    assert "holds no structure files" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.skipif(find_spec("sevenn") is None, reason="the extra [mlip] is not installed")
def test_what_no_stage_predicted_is_listed_with_the_values_it_has(
    database_in_settings: Database, tmp_path: Path
) -> None:
    database = database_in_settings
    campaign = a_campaign(
        candidates=[
            {"kind": "substitution", "prototypes": ["library:NbN"], "slots": {"Nb": ["Nb"], "N": ["C"]}}
        ],
        stages=[{"kind": "relax", "potential": "sevennet-0"}],
    )
    lease = begin(database, campaign)
    do(database, lease, campaign, Here())
    (row,) = top_rows(database, Settings(), lease.run_id)
    assert (row.formula, row.tc_predicted, row.prediction_id) == ("NbC", None, None)
    assert abs(row.more["volume_change"]) < 0.1
    assert any(known.tc_measured_k is not None for known in row.known)
    write_report(database, Settings(), lease.run_id, tmp_path)
    assert (tmp_path / "candidates.csv").read_text().count("\n") == 2


def test_a_worker_that_always_dies_ends_the_run_not_the_candidates(database_in_settings: Database) -> None:
    lease = begin(database_in_settings, a_campaign())
    with pytest.raises(HTCError, match="killed"):
        do(database_in_settings, lease, a_campaign(), Here(frozenset(range(120))))
    assert sum(s.failed for s in stages_of(database_in_settings, lease.run_id)) < 15


def test_a_run_that_was_called_off_goes_on_where_it_stood(database_in_settings: Database) -> None:
    database = database_in_settings
    campaign = a_campaign()
    lease = begin(database, campaign)
    with pytest.raises(KeyboardInterrupt):
        do(database, lease, campaign, Here(most_tasks=2))
    cancel(database, lease.run_id)
    judged = stages_of(database, lease.run_id)[0].judged
    assert judged
    lease = take_over(database, lease.run_id, owner_name(), is_dead=lambda _: True)
    do(database, lease, campaign, Here())
    assert run_summary(database, lease.run_id).state == "finished"
    assert stages_of(database, lease.run_id)[0].judged == 120


def test_what_was_pruned_is_missed_by_nobody(
    database_in_settings: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = database_in_settings
    campaign = a_campaign()
    lease = begin(database, campaign)
    with pytest.raises(ConflictError, match="not finished"):
        prune_run(database, lease.run_id, by="me")
    do(database, lease, campaign, Here())
    run_id = lease.run_id

    def told(name: str) -> tuple[Any, ...]:
        files = write_report(database, Settings(), run_id, tmp_path / name)
        contents = {file.name: file.read_bytes() for file in files}
        report = [line for line in contents.pop("report.md").decode().splitlines() if line]
        return stages_of(database, run_id), top_rows(database, Settings(), run_id, 9), contents, report

    before, rows = told("before"), rows_of(database, run_id)
    losers = [r for r in rows if r[0] == 0 and r[6] == "done" and r[21] is None]
    kept = sorted(losers, key=lambda r: (-r[9], r[4]))[:7]
    wanted = [r for r in rows if r[21] is not None or r in kept or r[0] == 1]
    assert superfluous_rows(database, run_id, 7).by_stage == {0: len(rows) - len(wanted), 1: 0}
    assert rows_of(database, run_id) == rows

    # Killed between two transactions, it goes on with the next call.
    monkeypatch.setattr("htc.store.campaigns.pruning._BATCH", 20)

    def die(gone: int, of: int) -> None:
        if gone > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune_run(database, run_id, 7, by="me", told=die)
    assert len(wanted) < len(rows_of(database, run_id)) < len(rows)
    prune_run(database, run_id, 7, by="me")
    assert rows_of(database, run_id) == wanted
    with pytest.raises(ConflictError, match="only the best 7"):
        prune_run(database, run_id, 8, by="me")
    prune_run(database, run_id, by="you")
    assert rows_of(database, run_id) == [r for r in rows if r[21] is not None]
    pruned = pruned_of(database, run_id)
    assert pruned is not None
    assert (pruned.rows, pruned.keep_best, pruned.by) == (len(rows) - 10 - 6, 0, "you")
    assert superfluous_rows(database, run_id).rows == 0

    after = told("after")
    assert after[:3] == before[:3]
    (more,) = [line for line in after[3] if line not in before[3]]
    assert f"{pruned.rows} rows of candidates that did not pass were dropped" in more


def test_what_a_campaign_may_ask_of_a_service(database_in_settings: Database) -> None:
    for source, reason in (
        ({"kind": "files", "paths": ["/etc"]}, "files are read by"),
        (
            {"kind": "optimade", "url": "http://10.0.0.1", "filter": "nelements=2"},
            "not the one of the settings",
        ),
        (
            {"kind": "substitution", "prototypes": ["file:/etc/hosts"], "slots": {"H": ["Li"]}},
            "files are read by",
        ),
    ):
        request = CampaignRequest(campaign=a_campaign(candidates=[source]))
        with pytest.raises(InputError, match=reason):
            submit_campaign(database_in_settings, Settings(), request, created_by="me")
    budget = a_campaign(stages=[{"kind": "predict", "budget": 10}], pressures_gpa=[0.0, 1.0])
    assert within_limits(budget, 7).limit == 5


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a15.toml"
    path.write_text(
        f"""
        name = "killed"
        seed = 3
        [[candidates]]
        kind = "substitution"
        prototypes = ["A15"]
        slots = {{ Cr = {METALS}, Si = {OTHERS} }}
        [[candidates]]
        kind = "substitution"
        prototypes = ["library:NbN"]
        slots = {{ Nb = {METALS}, N = {[*OTHERS, "C", "N", "O", "B", "S", "Se"]} }}
        [[stages]]
        kind = "predict"
        tier = "fast"
        keep = {{ best = 40 }}
        [[stages]]
        kind = "predict"
        tier = "fast"
        keep = {{ best = 15, by = "tc_lower_95ci" }}
        """
    )
    return path


@pytest.fixture
def screen(database_in_settings: Database) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``screen(FILE)`` -> `htc screen` in a process of its own, ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, database: Database | None = None) -> subprocess.Popen[str]:
        url = (database or database_in_settings).engine.url.render_as_string(hide_password=False)
        process = subprocess.Popen(
            [sys.executable, "-m", "htc", "screen", *arguments, "-n", "0"],
            env=os.environ | {"OMP_NUM_THREADS": "1", "HTC_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run_of(process: subprocess.Popen[str]) -> str:
    """Its run, from the line that it begins with."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if line.startswith("run "):
            return line.split()[1]
        said.append(line)
    raise AssertionError(f"it never began: {said}")


@pytest.mark.parametrize(("kills", "workers"), [(2, "1"), pytest.param(10, "2", marks=pytest.mark.slow)])
def test_killed_at_random_it_ends_with_the_rows_of_an_undisturbed_run(
    kills: int,
    workers: str,
    file: Path,
    screen: Callable[..., Any],
    embedded_server: Any,
    database_in_settings: Database,
    request: pytest.FixtureRequest,
) -> None:
    if kills > 2 and "slow" not in request.config.option.markexpr:
        pytest.skip("takes minutes; asked for with -m slow")
    database = database_in_settings
    rolls = random.Random(20 + kills)
    with embedded_server.migrated() as undisturbed:
        calm = screen(str(file), "--workers", "1", database=undisturbed)
        calm_id = run_of(calm)
        stirred = screen(str(file), "--workers", workers)
        run_id = run_of(stirred)
        for kill in range(kills):
            time.sleep(rolls.uniform(0.0, 3.0))
            if stirred.poll() is not None:
                break
            if kill == 0:
                # Asked to stop, it says how to go on.
                stirred.send_signal(signal.SIGINT)
                _, said = stirred.communicate(timeout=60)
                assert stirred.returncode == 130 or "run" in said
                assert stirred.returncode != 130 or f"htc screen --resume {run_id}" in said
            elif kill % 2:
                stirred.kill()  # its workers end with it
                stirred.wait()
            else:
                os.killpg(stirred.pid, signal.SIGKILL)
                stirred.wait()
            # Known to be dead on this host, its lease need not run out.
            stirred = screen("--resume", run_id)
            run_of(stirred)
        assert stirred.wait(timeout=300) == 0
        assert calm.wait(timeout=300) == 0
        assert run_summary(database, run_id).state == "finished"
        rows = rows_of(database, run_id)
        assert len(rows) > 200
        assert rows == rows_of(undisturbed, calm_id)
        counts = [
            [(s.judged, s.passed, s.rejections) for s in stages_of(d, r)]
            for d, r in ((database, run_id), (undisturbed, calm_id))
        ]
        assert counts[0] == counts[1]
    summary = run_summary(database, run_id)
    assert summary.done == summary.total


def test_where_nothing_can_be_read_the_command_fails_and_says_why(
    screen: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "broken.cif").write_text("no crystal")
    file = tmp_path / "broken.toml"
    file.write_text(
        'name = "broken"\n[[candidates]]\nkind = "files"\npaths = ["broken.cif"]\n'
        '[[stages]]\nkind = "predict"\ntier = "fast"\n'
    )
    process = screen(str(file))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "broken.cif: unreadable" in said
