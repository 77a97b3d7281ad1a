"""Runs are started, followed and cancelled on the page."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from htc.examples import examples


@pytest.fixture
def crystal(tmp_path: Path) -> Path:
    """A file with a crystal, as people have them."""
    with examples() as bundled:
        nb3sn = next(example.path for example in bundled if example.path.name == "Nb3Sn.cif")
        copy = tmp_path / "my crystal.cif"
        copy.write_bytes(nb3sn.read_bytes())
    return copy


def test_a_screening_is_started_followed_and_its_results_saved(
    desk: str, worker: None, tab: Page, crystal: Path, tmp_path: Path,
    accessible: Callable[[Page], None], picture: Callable[..., None],
) -> None:  # fmt: skip
    tab.goto(f"{desk}/runs")
    tab.get_by_label("Formulas, one a line or with commas").fill(
        "NbC, TaC\n# not this: XyZ\nMgB2\nYBa2Cu3O7\nQq7"
    )
    expect(tab.locator("#formula-count")).to_have_text("5 formulas.")
    tab.set_input_files("#files", [str(crystal)])
    expect(tab.locator("#file-list li")).to_contain_text("my crystal.cif")
    tab.get_by_text("Make candidates by putting other elements").click()
    tab.get_by_label("One prototype a line").fill("Nb3Sn: Sn = Ge, Ga")
    tab.get_by_label("Name of the run").fill("A15 and carbides")
    tab.get_by_label("Pressures GPa").fill("0, 10")
    accessible(tab)
    picture(tab, "runs")
    tab.get_by_role("button", name="Start screening").click()
    tab.wait_for_url("**/runs/*-*")

    expect(tab.get_by_role("heading", name="A15 and carbides")).to_be_visible()
    expect(tab.locator("#state")).to_have_text("finished", timeout=300_000)
    # Five formulas, one file and two variants, at two pressures.
    expect(tab.locator("#count")).to_contain_text("16 of 16")
    expect(tab.locator("#rows tr").first).to_be_visible()
    assert tab.locator("#rows tr").count() == 12
    # What has no number is there with its reason: outside the theory, and no formula at all.
    expect(tab.locator("#failed")).to_contain_text("YBa2Cu3O7")
    expect(tab.locator("#failed")).to_contain_text("Qq7")
    expect(tab.locator("#plot-pressure svg[role=group]")).to_be_visible()
    assert tab.locator("#rows tr.chosen").count() >= 1
    accessible(tab)
    picture(tab, "run")

    with tab.expect_download() as coming:
        tab.get_by_role("button", name="Save as CSV").click()
    saved = tmp_path / "run.csv"
    coming.value.save_as(saved)
    rows = list(csv.DictReader(saved.read_text("utf-8").splitlines()))
    assert len(rows) == 16
    assert {row["reduced_formula"] for row in rows} >= {"Nb3Sn", "NbC", "TaC", "MgB2"}

    # From a point of the plot to its material, by keyboard.
    plot = tab.locator("#plot-pressure svg[role=group]")
    plot.focus()
    plot.press("ArrowRight")
    expect(tab.locator("#plot-pressure .readout")).to_contain_text(" K (")
    plot.press("Enter")
    tab.wait_for_url("**/materials/*")


def test_an_optimisation_keeps_to_its_budget_and_is_followed_without_a_stream(
    desk: str, worker: None, open_tab: Callable[..., Page]
) -> None:
    tab = open_tab(expected=("ERR_FAILED",))
    # As where something between closes streams: then the page asks every few seconds.
    tab.route("**/events", lambda route: route.abort())
    tab.goto(f"{desk}/runs")
    tab.get_by_text("Optimise: find the best within a budget").click()
    tab.get_by_label("Formulas, one a line or with commas").fill("Nb V Ta NbC NbN TiN ZrN V3Si")
    tab.get_by_label("Candidates to predict at most").fill("4")
    tab.get_by_role("button", name="Start optimising").click()
    tab.wait_for_url("**/runs/*-*")
    expect(tab.locator("#state")).to_have_text("finished", timeout=300_000)
    expect(tab.locator("#count")).to_contain_text("4 of 4")
    expect(tab.locator("#pareto-said")).to_contain_text("high Tc, low pressure")


def test_a_waiting_run_is_listed_and_cancelled(desk: str, open_tab: Callable[..., Page]) -> None:
    # Long enough that it is not over before it is called off.
    asked = {"candidates": {"formulas": ["Nb"] * 3000}, "label": "to be cancelled"}
    run = httpx.post(f"{desk}/api/htc/screen", json=asked, timeout=60, trust_env=False).json()
    tab = open_tab(width=390, height=844, color_scheme="dark")
    tab.goto(f"{desk}/runs")
    tab.get_by_role("link", name="to be cancelled").click()
    tab.get_by_role("button", name="Cancel the run").click()
    expect(tab.locator("#state")).to_have_text("cancelled", timeout=300_000)
    expect(tab.get_by_role("button", name="Cancel the run")).to_be_hidden()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert httpx.get(f"{desk}/api/htc/runs/{run['run_id']}", trust_env=False).json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("Formulas, one a line or with commas", "", "Give at least one"),
        ("Pressures GPa", "high", "numbers in GPa"),
        ("One prototype a line", "Nb3Sn Sn Ge", "is not understood"),
    ],
)
def test_what_cannot_be_started_is_said(desk: str, tab: Page, field: str, text: str, said: str) -> None:
    tab.goto(f"{desk}/runs")
    tab.get_by_text("Make candidates by putting other elements").click()
    if field != "Formulas, one a line or with commas":
        tab.get_by_label("Formulas, one a line or with commas").fill("Nb")
    tab.get_by_label(field).fill(text)
    tab.get_by_role("button", name="Start screening").click()
    expect(tab.locator("#problem[role=alert]")).to_contain_text(said)
