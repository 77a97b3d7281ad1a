"""Predictions against measurements, run from the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect


@pytest.mark.slow
def test_a_validation_is_run_and_shown(
    desk: str,
    worker: None,
    open_tab: Callable[..., Page],
    accessible: Callable[[Page], None],
    picture: Callable[..., None],
) -> None:
    tab = open_tab(expected=("404",))
    tab.goto(f"{desk}/validate")
    expect(tab.locator("#suites")).to_contain_text("needs the laboratory's data")
    tab.get_by_role("button", name="Run it").click()
    expect(tab.locator("#plot-parity svg[role=group]")).to_be_visible(timeout=300_000)
    assert tab.locator("#plot-parity .point").count() > 40
    expect(tab.locator("#refused")).to_contain_text("YBa2Cu3O7")
    expect(tab.locator("#metrics")).to_contain_text("Inside the 95 % interval")
    expect(tab.locator("#change-said")).to_contain_text("There was no run")
    expect(tab.locator("#parts")).to_contain_text("A15")
    assert tab.locator("#points a[href^='https://doi.org/10.']").count() > 40
    accessible(tab)
    picture(tab, "validation")
    tab.get_by_text("Linear").click()
    tab.get_by_label("View").select_option("laboratory")
    expect(tab.locator("#plot-parity")).to_contain_text("expected in the laboratory")

    tab.get_by_text("Formulas", exact=True).first.click()
    expect(tab.locator("#about")).to_contain_text("not been run here yet")
    tab.get_by_role("button", name="Run it").click()
    expect(tab.locator("#parts")).to_contain_text("formula: exponential", timeout=300_000)
    tab.get_by_label("View").select_option("measured")
    expect(tab.locator("#plot-parity .plot-legend li")).to_have_count(4)
    expect(tab.locator("#points")).to_contain_text("mgb2_epw")
    expect(tab.locator("#suites")).to_contain_text("Closed formulas")
    accessible(tab)
    tab.get_by_role("button", name="Run it again").click()
    expect(tab.locator("#change-said")).to_contain_text("none got worse", timeout=300_000)
