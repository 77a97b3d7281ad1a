"""Materials side by side; the address says which."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect


def test_materials_stand_side_by_side_and_the_address_holds_them(
    desk: str, tab: Page, accessible: Callable[[Page], None], picture: Callable[..., None]
) -> None:
    tab.goto(f"{desk}/compare?with=Nb3Sn&with=NbC")
    expect(tab.locator("#facts thead th")).to_have_count(3)
    tab.get_by_label("Formula, or id of a prediction").fill("TaC")
    tab.keyboard.press("Enter")
    expect(tab.locator("#facts thead th")).to_have_count(4)
    assert tab.url.endswith("/compare?with=Nb3Sn&with=NbC&with=TaC")
    said = tab.locator("#intervals svg[role=img]").get_attribute("aria-label") or ""
    assert "Nb3Sn: " in said
    assert "measured 18.1 K" in said
    form = tab.get_by_role("button", name="Form them from the predicted moments")
    expect(tab.locator("#spectra-said")).not_to_be_empty()
    if form.is_visible():  # not where another test, or another day, formed them already
        form.click()
    expect(tab.locator("#plot-spectra .plot-legend li")).to_have_count(3)
    expect(tab.locator("#spectra-said")).to_contain_text("not calculated")
    accessible(tab)
    picture(tab, "compare")

    tab.get_by_role("button", name="Take NbC out").click()
    expect(tab.locator("#facts thead th")).to_have_count(3)
    tab.go_back()
    expect(tab.locator("#facts thead th")).to_have_count(4)
    every = tab.locator("#facts tbody tr").count()
    tab.get_by_label("Only what differs").check()
    assert 0 < tab.locator("#facts tbody tr").count() < every


def test_unlike_conditions_are_marked(desk: str, tab: Page) -> None:
    tab.goto(f"{desk}/compare?with=H3S&with=Nb&with=YBa2Cu3O7")
    expect(tab.locator("#unlike")).to_contain_text("before the numbers are compared")
    pressure = tab.locator("#facts tr.unlike").filter(has=tab.get_by_role("rowheader", name="Pressure"))
    expect(pressure).to_contain_text("155")
    expect(tab.locator("#facts")).to_contain_text("Mott")


def test_a_prediction_is_compared_by_its_id_and_what_is_not_there_is_said(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None]
) -> None:
    row = httpx.get(f"{desk}/api/htc/rankings?n=1", trust_env=False).json()["rows"][0]
    tab = open_tab(expected=("404", "422"))
    tab.goto(f"{desk}/compare?with={row['id']}&with=Nb&with=Xx9")
    expect(tab.locator("#facts thead th")).to_have_count(3)
    expect(tab.locator("#problem [role=alert]")).to_be_visible()
    accessible(tab)
    tab.get_by_role("button", name="Leave Xx9 out").click()
    expect(tab.locator("#problem [role=alert]")).to_have_count(0)


def test_without_anything_it_suggests_something(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None]
) -> None:
    tab = open_tab(width=390, height=844, color_scheme="dark")
    tab.goto(f"{desk}/compare")
    tab.locator("#suggested").click()
    expect(tab.locator("#facts thead th")).to_have_count(4)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(tab)
