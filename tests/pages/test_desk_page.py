"""The ranking desk: a person filters, picks elements, predicts, compares, takes the rows away."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from htc.prediction.record import Prediction
from htc.store import Database, save

STRUCTURES = Path(__file__).parents[2] / "src" / "htc" / "examples" / "structures"

# Lets go of a file over the page as a person does with the mouse.
DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type: "text/plain" }));
  const sent = { dataTransfer: data, bubbles: true, cancelable: true };
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector("main").dispatchEvent(new DragEvent(kind, sent));
}"""


def names(page: Page) -> list[str]:
    return page.locator("[data-ranking] tbody th a").all_inner_texts()


def row(page: Page, formula: str) -> str:
    link = page.locator("[data-ranking] tbody tr", has=page.get_by_role("link", name=formula, exact=True))
    return link.first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_desk_in_both_colours(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None],
    picture: Callable[..., None], scheme: str,
) -> None:  # fmt: skip
    page = open_tab(color_scheme=scheme, width=1440)
    page.goto(desk)
    expect(page.get_by_role("heading", name="Ranking by predicted Tc")).to_be_visible()
    assert len(names(page)) > 20
    accessible(page)
    if scheme == "light":
        picture(page, "desk-light", full_page=False)


def test_the_desk_on_a_phone(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None], picture: Callable[..., None]
) -> None:
    page = open_tab(color_scheme="light", width=390, height=844)
    page.goto(desk)
    expect(page.locator("[data-filters] details")).not_to_have_attribute("open", "")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(page)
    picture(page, "desk-phone", full_page=False)
    page.locator("[data-filters] summary").click()
    expect(page.get_by_role("button", name="Niobium")).to_be_visible()
    accessible(page)


def test_filters_answer_as_one_types_and_the_address_remembers_them(desk: str, tab: Page) -> None:
    tab.goto(desk)
    everything = names(tab)
    tab.get_by_label("Search").fill("Nb")
    expect(tab.locator("[data-understood]")).to_have_text("Taken as with Nb.")
    assert all("Nb" in name for name in names(tab))
    expect(tab).to_have_url(re.compile(r"\?q=Nb$"))
    tab.get_by_role("combobox", name="Confidence").select_option("high")
    expect(tab).to_have_url(re.compile(r"q=Nb&min_confidence_level=high$"))
    expect(tab.locator("[data-ranking] .level:not(.high)")).to_have_count(0)

    tab.reload()
    expect(tab.get_by_label("Search")).to_have_value("Nb")
    expect(tab.get_by_role("button", name="Remove filter confidence ≥ high")).to_be_visible()
    tab.get_by_role("button", name="Remove filter confidence ≥ high").click()
    tab.get_by_role("button", name="Remove filter “Nb”").click()
    expect(tab.locator("[data-ranking] tbody th a")).to_have_count(len(everything))

    tab.go_back()
    expect(tab.get_by_label("Search")).to_have_value("Nb")
    expect(tab.locator("[data-chips] button")).to_have_count(1)


def test_what_is_not_there_or_not_understood_is_said(desk: str, tab: Page) -> None:
    tab.goto(desk)
    tab.get_by_label("Search").fill("Nb-Sn-Ge-Al-V")
    tab.get_by_label("Tc from").fill("250")
    expect(tab.locator("[data-ranking] .empty")).to_contain_text("No stored prediction passes these filters")
    tab.get_by_label("Search").fill("unobtainium")
    expect(tab.locator("[data-understood]")).to_contain_text("a system (Nb-Sn)")
    expect(tab.locator("[data-ranking] .empty")).to_contain_text("These filters cannot be used")
    tab.get_by_role("link", name="Clear", exact=True).click()
    expect(tab.get_by_role("link", name="MgB2", exact=True).first).to_be_visible()


def test_the_periodic_table_by_mouse_and_by_keys(desk: str, tab: Page) -> None:
    tab.goto(desk)
    tab.get_by_role("button", name="Niobium").click()
    expect(tab).to_have_url(re.compile(r"elements=Nb$"))
    expect(tab.get_by_role("button", name="Niobium, with")).to_have_attribute("aria-pressed", "true")
    expect(tab.locator("[data-ranking] tbody th a").first).to_contain_text("Nb")
    tab.get_by_text("without", exact=True).click()
    # From niobium over carbon's column: the keys follow the printed table.
    tab.get_by_role("button", name="Niobium, with").focus()
    tab.keyboard.press("ArrowRight")
    expect(tab.get_by_role("button", name="Molybdenum")).to_be_focused()
    tab.get_by_role("button", name="Carbon").focus()
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile(r"elements=Nb&without=C$"))
    expect(tab.get_by_role("link", name="NbC", exact=True)).to_have_count(0)
    expect(tab.get_by_role("link", name="NbN", exact=True).first).to_be_visible()
    tab.keyboard.press("Delete")
    expect(tab.get_by_role("link", name="NbC", exact=True).first).to_be_visible()
    tab.goto(f"{desk}/?any_of=Mg,Sn")
    expect(tab.get_by_role("button", name="Tin, any of")).to_be_visible()
    assert set(names(tab)) >= {"MgB2", "Nb3Sn", "Sn"}
    assert not {"Nb", "V", "Al"} & set(names(tab))


def test_a_formula_is_predicted_and_ranked(desk: str, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(expected=("422",))
    tab.goto(desk)
    box = tab.get_by_label("Formula to predict")
    box.fill("Nb3Ga")
    tab.get_by_role("button", name="Predict", exact=True).click()
    made = tab.get_by_role("region", name="Predictions just made")
    expect(made.get_by_role("link", name="Nb3Ga")).to_be_visible()
    expect(tab.locator("[data-ranking]").get_by_role("link", name="Nb3Ga", exact=True)).to_be_visible()
    box.fill("YBa2Cu3O7")
    box.press("Enter")
    expect(made).to_contain_text("No Tc:")
    box.fill("Xx3")
    box.press("Enter")
    expect(made.get_by_role("alert")).to_be_visible()


def test_dropped_crystals_are_predicted(desk: str, open_tab: Callable[..., Page]) -> None:
    page = open_tab()
    page.goto(desk)
    cif = next(STRUCTURES.glob("*.cif"))
    page.evaluate(DROP, [cif.name, cif.read_text()])
    made = page.get_by_role("region", name="Predictions just made")
    expect(made.get_by_role("row", name=cif.name).get_by_role("link", name="Open")).to_be_visible()
    page.evaluate(DROP, ["broken.cif", "data_nothing\n_cell_length_a hello\n"])
    expect(made.get_by_role("alert")).to_be_visible()


def test_two_are_chosen_for_comparison(desk: str, tab: Page) -> None:
    tab.goto(desk)
    expect(tab.get_by_role("link", name="Compare", exact=True).last).to_have_attribute(
        "aria-disabled", "true"
    )
    boxes = tab.locator("[data-ranking] .pick input")
    boxes.nth(0).check()
    boxes.nth(2).check()
    tab.get_by_role("link", name="Compare 2").click()
    tab.wait_for_url("**/compare?with=*&with=*")
    expect(tab.get_by_role("heading", name="Compare")).to_be_visible()


def test_the_rows_shown_can_be_taken_away(desk: str, tab: Page) -> None:
    tab.goto(f"{desk}/?elements=Nb")
    with tab.expect_download() as waiting:
        tab.get_by_role("link", name="CSV").click()
    path = waiting.value.path()
    lines = path.read_text().splitlines()
    assert waiting.value.suggested_filename == "ranking.csv"
    assert lines[0].startswith("id,reduced_formula,tc_predicted_K")
    assert len(lines) - 1 == len(names(tab))


def test_the_first_view_needs_no_scripts(desk: str, open_tab: Callable[..., Page]) -> None:
    page = open_tab(java_script_enabled=False)
    page.goto(desk)
    assert len(names(page)) > 20
    page.get_by_label("Search").fill("Sn")
    page.get_by_role("button", name="Apply").click()
    assert set(names(page)) == {"Nb3Sn", "Sn"}


def test_the_next_pages_come_by_themselves(
    database: Database,
    serving_pages: Callable[[Database], AbstractContextManager[str]],
    make_prediction: Callable[..., Prediction],
    open_tab: Callable[..., Page],
) -> None:
    rows = [
        make_prediction(n, tc_predicted=1 + 0.1 * n, tc_lower_95ci=0.5, tc_upper_95ci=40.0)
        for n in range(130)
    ]
    save(database, rows, created_by="me")
    page = open_tab(height=700)
    with serving_pages(database) as address:
        page.goto(address)
        page.locator("footer").scroll_into_view_if_needed()
        for _ in range(6):
            page.mouse.wheel(0, 6000)
            page.wait_for_timeout(100)
        expect(page.locator("[data-ranking] tbody tr")).to_have_count(130)
        expect(page.locator("[data-count]")).to_have_text("130 shown")


def test_colours_chosen_stay(desk: str, tab: Page) -> None:
    tab.goto(desk)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = tab.evaluate(ground)
    tab.get_by_label("Colours").select_option("dark")
    dark = tab.evaluate(ground)
    assert dark != light
    tab.goto(f"{desk}/materials/MgB2")
    assert tab.evaluate(ground) == dark
    tab.get_by_label("Colours").select_option("")
    assert tab.evaluate(ground) == light
