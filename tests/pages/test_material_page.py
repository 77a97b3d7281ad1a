"""The page of a material, and a person's whole path from the ranking to a verified pack."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from htc.cli import app
from htc.store import Database
from htc.store.keys import create_key

SPECTRUM = Path(__file__).parents[2] / "src" / "htc" / "examples" / "spectra"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 390)])
def test_the_page_of_a_material(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None],
    picture: Callable[..., None], scheme: str, width: int,
) -> None:  # fmt: skip
    page = open_tab(color_scheme=scheme, width=width)
    page.goto(f"{desk}/materials/Nb3Sn")
    expect(page.get_by_role("heading", name="Nb3Sn", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Crystal of Nb3Sn.*6 Niobium, 2 Tin"))).to_be_visible()
    expect(page.locator("[data-methods]")).to_contain_text("IsoME")
    expect(page.locator("[data-spectrum] svg[role=group]")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Matthias"))).to_have_attribute(
        "href", "https://doi.org/10.1103/PhysRev.95.1435"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    accessible(page)
    if width > 500:
        picture(page, f"material-{scheme}")


def drawn(page: Page) -> str:
    return page.locator("[data-viewer] canvas").evaluate("canvas => canvas.toDataURL()")


def test_the_crystal_turns_by_keys_mouse_and_buttons(desk: str, tab: Page) -> None:
    tab.goto(f"{desk}/materials/MgB2")
    canvas = tab.locator("[data-viewer] canvas")
    expect(canvas).to_be_visible()
    # Less motion is asked for in all tests: it must not turn by itself.
    expect(tab.get_by_role("button", name="Turn by itself")).to_have_attribute("aria-pressed", "false")
    views = [drawn(tab)]
    canvas.focus()
    for key in ("ArrowLeft", "ArrowUp", "+", "c"):
        tab.keyboard.press(key)
        views.append(drawn(tab))
    tab.get_by_role("button", name="Show eight cells").click()
    views.append(drawn(tab))
    box = canvas.bounding_box()
    assert box is not None
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 2 + 80, box["y"] + box["height"] / 2 + 30)
    tab.mouse.up()
    views.append(drawn(tab))
    assert len(set(views)) == len(views)
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Save the picture").click()
    assert waiting.value.suggested_filename == "MgB2.png"


def test_the_plot_is_read_by_keys_and_saved(desk: str, tab: Page) -> None:
    tab.goto(f"{desk}/materials/Nb3Sn")
    figure = tab.locator("[data-spectrum] svg[role=group]")
    figure.focus()
    for _ in range(20):
        tab.keyboard.press("ArrowRight")
    expect(tab.locator("[data-spectrum] .readout")).to_contain_text("λ")
    for name, file in (("CSV", "Nb3Sn-alpha2f.csv"), ("SVG", "Nb3Sn-alpha2f.svg")):
        with tab.expect_download() as waiting:
            tab.locator("[data-spectrum]").get_by_role("button", name=name).click()
        assert waiting.value.suggested_filename == file


def test_a_material_outside_the_theory_says_why(
    desk: str, tab: Page, accessible: Callable[[Page], None]
) -> None:
    tab.goto(f"{desk}/materials/YBa2Cu3O7")
    expect(tab.get_by_text("No Tc is given")).to_be_visible()
    expect(tab.locator(".refusal")).to_contain_text("cuprate")
    accessible(tab)


def test_one_can_predict_what_is_not_stored(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None]
) -> None:
    page = open_tab(expected=("404", "422"))
    page.goto(f"{desk}/materials/ScB2")
    expect(page.get_by_role("heading", name="Nothing is stored for ScB2 yet")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Predict ScB2 now").click()
    expect(page.get_by_role("heading", name="Critical temperature")).to_be_visible()
    expect(page.locator(".history tbody tr")).to_have_count(1)
    page.get_by_label("Coulomb pseudopotential").fill("0.1")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator(".history tbody tr")).to_have_count(2)
    page.get_by_label("Pressure, GPa").fill("-3")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("greater than or equal to 0")


def test_a_key_opens_what_is_locked(
    desk: str, guarded: str, open_tab: Callable[..., Page], pages_database: Database,
    accessible: Callable[[Page], None],
) -> None:  # fmt: skip
    page = open_tab(expected=("401",))
    page.goto(f"{guarded}/materials/Nb3Sn")
    expect(page.get_by_role("heading", name="This service needs an access key")).to_be_visible()
    assert "Nb3Sn" not in page.locator("main").inner_text()
    accessible(page)
    page.get_by_label("Access key").fill("htc_wrong")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    made = create_key(pages_database, "a reader", ["read"], created_by="test")
    page.get_by_label("Access key").fill(made.text)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", name="Nb3Sn", exact=True)).to_be_visible()
    expect(page.locator("[data-methods]")).to_contain_text("IsoME")
    expect(page.locator("[data-viewer] canvas")).to_be_visible()
    page.get_by_role("link", name="Ranking").first.click()
    expect(page.get_by_label("Search")).to_be_visible()
    page.get_by_label("Search").fill("Nb")
    expect(page.locator("[data-understood]")).to_have_text("Taken as with Nb.")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    assert waiting.value.path().read_text().startswith("id,")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="This service needs an access key")).to_be_visible()


def test_from_the_ranking_to_a_pack_that_verifies(desk: str, tab: Page, tmp_path: Path) -> None:
    tab.goto(desk)
    tab.get_by_role("button", name="Niobium").click()
    expect(tab).to_have_url(re.compile("elements=Nb"))
    tab.get_by_role("link", name="Nb3Sn", exact=True).first.click()
    expect(tab.get_by_role("heading", name="Nb3Sn", exact=True)).to_be_visible()

    tab.get_by_role("link", name="Spectrum", exact=True).click()
    tab.wait_for_url("**/spectrum", wait_until="load")
    text = next(SPECTRUM.glob("*/*.a2f")).read_text()
    tab.evaluate(
        """([selector, name, text]) => {
          const data = new DataTransfer();
          data.items.add(new File([text], name, { type: "text/plain" }));
          const sent = { dataTransfer: data, bubbles: true, cancelable: true };
          for (const kind of ["dragenter", "dragover", "drop"])
            document.querySelector(selector).dispatchEvent(new DragEvent(kind, sent));
        }""",
        ["main h1", "alpha2F.a2f", text],
    )
    expect(tab.locator("#tc-rows")).to_contain_text("Eliashberg")

    tab.goto(f"{desk}/materials/Nb3Sn")
    with tab.expect_download() as waiting:
        tab.get_by_role("link", name="Evidence pack").click()
    pack = tmp_path / "nb3sn.zip"
    waiting.value.save_as(pack)
    verified = CliRunner().invoke(app, ["evidence", "verify", str(pack)])
    assert verified.exit_code == 0, verified.output
