"""``htc runs`` and ``htc worker``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from htc.cli.exit_codes import ExitCode
from htc.discovery import ScreenRequest
from htc.jobs import submit
from htc.settings import get_settings
from htc.store import Database


@pytest.fixture
def run_id(database_in_settings: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HTC_TIER", "fast")
    get_settings.cache_clear()
    request = ScreenRequest.model_validate(
        {"candidates": {"formulas": ["MgB2", "bad", "NbN"]}, "label": "mine"}
    )
    return submit(database_in_settings, request, created_by="me")[0].run_id


def test_the_way_of_a_run(run: Callable[..., Any], run_id: str) -> None:
    listed = run("runs", "list")
    assert (listed.code, "queued" in listed.out, "0 of 3" in listed.out) == (0, True, True)
    assert run("worker", "--once").code == 0
    told = json.loads(run("runs", "show", run_id[:8], "--json").out)
    assert told["run"]["state"] == "finished"
    assert [item["label"] for item in told["items"]] == ["MgB2", "bad", "NbN"]
    shown = run("runs", "show", run_id[:8])
    assert "finished, 3 of 3 (1 failed)" in shown.out
    assert "not beaten (tc_predicted max, pressure_required_gpa min):" in shown.out
    failed = run("runs", "show", run_id, "--failed")
    assert "bad: failed:" in failed.out
    assert "MgB2: Tc" not in failed.out.partition("items:")[2]
    assert json.loads(run("runs", "list", "--state", "queued", "--json").out)["rows"] == []
    assert "it is finished" in run("runs", "cancel", run_id).out


def test_cancelling(run: Callable[..., Any], run_id: str) -> None:
    assert json.loads(run("runs", "cancel", run_id[:8], "--json").out)["state"] == "cancelled"
    assert run("runs", "list", "--kind", "optimize").err == "there are no such runs"


def test_what_is_refused(run: Callable[..., Any], run_id: str) -> None:
    assert run("runs", "show", "nothing").code == ExitCode.NOT_FOUND
    assert "no run has an id that begins with 'nothing'" in run("runs", "cancel", "nothing").err
    assert "no state is called 'x'" in run("runs", "list", "--state", "x").err
