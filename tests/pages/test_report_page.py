"""The evidence of a prediction: read, downloaded, verified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from htc.evidence import verify_pack


@pytest.fixture
def nb3sn(desk: str) -> str:
    """Id of a prediction of Nb3Sn."""
    with httpx.Client(base_url=desk, timeout=60, trust_env=False) as client:
        return str(client.get("/api/htc/materials/Nb3Sn").json()["predictions"][0]["id"])


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
def test_the_steps_are_readable_for_everybody(
    desk: str,
    nb3sn: str,
    scheme: str,
    width: int,
    open_tab: Callable[..., Page],
    accessible: Callable[[Page], None],
    picture: Callable[..., None],
) -> None:
    page = open_tab(color_scheme=scheme, width=width)
    page.goto(f"{desk}/report/{nb3sn}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nb3Sn")
    expect(page.locator("#evidence-allen_dynes")).to_be_visible()
    expect(page.locator(".evidence-outcome", has_text="tc_predicted")).to_be_visible()
    assert page.locator("math").count() > 20
    # Nothing is wider than the window; tables of steps scroll within themselves.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    accessible(page)
    picture(page, f"report-{scheme}", full_page=False)


def test_the_downloaded_pack_verifies(desk: str, nb3sn: str, tab: Page, tmp_path: Path) -> None:
    tab.goto(f"{desk}/report/{nb3sn}")
    with tab.expect_download() as found:
        tab.get_by_role("link", name="Download the evidence pack").click()
    file = tmp_path / found.value.suggested_filename
    found.value.save_as(file)
    assert file.name.startswith("evidence-Nb3Sn-")
    assert verify_pack(file).holds


def test_paper_shows_the_steps_and_not_the_buttons(desk: str, nb3sn: str, tab: Page) -> None:
    tab.goto(f"{desk}/report/{nb3sn}")
    tab.emulate_media(media="print")
    expect(tab.get_by_role("link", name="Download the evidence pack")).to_be_hidden()
    expect(tab.locator("#evidence-exponential")).to_be_visible()


def test_a_prediction_that_is_not_there(desk: str, open_tab: Callable[..., Page]) -> None:
    page = open_tab(expected=("404",))
    page.goto(f"{desk}/report/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
