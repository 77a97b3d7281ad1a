"""What all pages share: help, errors as pages, the lock, and what they may load."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from htc.store import Database
from htc.store.keys import create_key

PAGES = ("/spectrum", "/compare", "/runs", "/validate", "/help")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_fits_a_phone_and_loads_nothing_from_elsewhere(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None], path: str, scheme: str
) -> None:
    tab = open_tab(width=390, height=844, color_scheme=scheme, expected=("404",))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(f"{desk}{path}", wait_until="networkidle")
    assert [url for url in asked if not url.startswith((desk, "data:", "blob:"))] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(tab)


def test_what_is_not_there_is_a_page_in_a_browser_and_a_problem_for_a_program(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None]
) -> None:
    tab = open_tab(expected=("404",))
    for path in ("/nothing", "/runs/no-such-run"):
        answer = tab.goto(f"{desk}{path}")
        assert answer is not None
        assert answer.status == 404
        expect(tab.get_by_role("heading", name="There is nothing here")).to_be_visible()
        accessible(tab)
    problem = httpx.get(f"{desk}/nothing", headers={"Accept": "application/json"}, trust_env=False)
    assert (problem.status_code, problem.json()["code"]) == (404, "not-found")
    problem = httpx.get(f"{desk}/api/nothing", headers={"Accept": "text/html"}, trust_env=False)
    assert problem.headers["content-type"] == "application/problem+json"


def test_the_api_is_described_by_operation_and_field(
    desk: str, tab: Page, accessible: Callable[[Page], None]
) -> None:
    document = httpx.get(f"{desk}/openapi.json", trust_env=False).json()
    tab.goto(f"{desk}/docs")
    operations = [said for methods in document["paths"].values() for said in methods.values()]
    for said in operations:
        expect(tab.locator(f"section[id='{said['operationId']}']")).to_have_count(1)
    expect(tab.locator("#schema-PredictionAnswer")).to_contain_text("Critical temperature, K")
    # Every link within the page leads somewhere.
    broken = """[...document.querySelectorAll("main a[href^='#']")]
      .filter((link) => !document.getElementById(link.hash.slice(1))).map((link) => link.hash)"""
    assert tab.evaluate(broken) == []
    accessible(tab)


def test_help_explains_every_convention(desk: str, tab: Page) -> None:
    from htc.theory.eliashberg.conventions import CONVENTIONS

    tab.goto(f"{desk}/help#mu-star")
    for name in CONVENTIONS:
        expect(tab.locator("#mu-star tbody")).to_contain_text(name)


def test_a_key_opens_the_pages_and_is_kept_in_this_tab_alone(
    guarded: str, pages_database: Database, open_tab: Callable[..., Page], accessible: Callable[[Page], None]
) -> None:
    reading = create_key(pages_database, "reader", ["read"], created_by="tests").text
    running = create_key(pages_database, "runner", ["run"], created_by="tests").text
    tab = open_tab(expected=("401", "403", "404"))
    tab.goto(f"{guarded}/runs")
    accessible(tab)
    tab.get_by_label("Access key").fill("htc_00000000_nothing")
    tab.get_by_role("button", name="Open").click()
    expect(tab.locator("[data-problem]")).to_be_visible()

    tab.get_by_label("Access key").fill(reading)
    tab.get_by_role("button", name="Open").click()
    expect(tab.get_by_role("button", name="Sign out")).to_be_visible()
    tab.get_by_label("Formulas, one a line or with commas").fill("Nb")
    tab.get_by_role("button", name="Start screening").click()
    expect(tab.locator("#problem[role=alert]")).to_contain_text("has the scope read")
    assert reading not in tab.url
    # A sample needs the key, too; asking for numbers needs one that may predict.
    tab.goto(f"{guarded}/spectrum")
    tab.get_by_role("button", name="Al · alpha2F.dat").click()
    expect(tab.locator("#problem[role=alert]")).to_be_visible()

    tab.get_by_role("button", name="Sign out").click()
    tab.get_by_label("Access key").fill(running)
    tab.get_by_role("button", name="Open").click()
    tab.get_by_role("button", name="Al · alpha2F.dat").click()
    expect(tab.locator("#tc-rows")).to_contain_text("Allen-Dynes")
    assert tab.context.cookies() == []
    assert tab.evaluate("Object.keys(localStorage).length") == 0
