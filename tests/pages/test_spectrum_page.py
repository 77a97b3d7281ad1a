"""A file goes in, everything that follows from it comes out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

SPECTRA = Path(__file__).parents[1] / "data" / "spectra"

# Lets go of a file over the page as a person does with the mouse.
DROP = """([selector, name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type: "text/plain" }));
  const sent = { dataTransfer: data, bubbles: true, cancelable: true };
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector(selector).dispatchEvent(new DragEvent(kind, sent));
}"""

PEAK = "# omega (meV)  alpha2F\n" + "".join(
    f"{w} {max(0.0, 1 - abs(w - 25) / 10):.4f}\n" for w in range(5, 46)
)


def tc_rows(page: Page) -> dict[str, float]:
    """Tc by method, as the table shows it."""
    rows = page.locator("#tc-rows tr")
    shown = [
        (row.locator("th").inner_text().split("\n")[0], row.locator("td.n").inner_text())
        for row in rows.all()
    ]
    return {name: float(text.split("\n")[0]) for name, text in shown}


def test_a_sample_is_read_solved_and_stored(
    desk: str, tab: Page, accessible: Callable[[Page], None], picture: Callable[..., None]
) -> None:
    tab.goto(f"{desk}/spectrum")
    expect(tab.get_by_role("heading", name="Spectrum", exact=True)).to_be_visible()
    tab.get_by_role("button", name="MgB2 · MgB2.a2f").click()
    # The closed formulas come first; of EPW's MgB2 at mu* = 0.10 docs/explanation/mu-star.md says 41.19 K.
    expect(tab.locator("#tc-rows")).to_contain_text("41.19")
    expect(tab.locator("#plot-gap svg[role=group]")).to_be_visible()
    assert tc_rows(tab)["Eliashberg equations"] == pytest.approx(45.16, abs=0.02)
    expect(tab.locator("#moments")).to_contain_text("0.8393")
    expect(tab.locator("#gap-said")).to_contain_text("weak coupling")
    accessible(tab)
    picture(tab, "spectrum")

    tab.get_by_role("button", name="Store as a prediction").click()
    expect(tab.locator("#stored")).to_contain_text("Stored with 41.2 K")
    tab.locator("#stored a").click()
    tab.wait_for_url("**/materials/MgB2")


def test_the_slider_shows_exact_values_while_it_moves_and_all_conventions_on_demand(
    desk: str, tab: Page
) -> None:
    tab.goto(f"{desk}/spectrum")
    tab.get_by_role("button", name="Al · alpha2F.dat").click()
    expect(tab.locator("#plot-scan svg[role=group]")).to_be_visible()
    before = tc_rows(tab)
    slider = tab.get_by_role("slider", name="Coulomb pseudopotential")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(tab.locator("#mu-shown")).to_have_text("0.15")
    after = tc_rows(tab)
    assert after["Allen-Dynes, f1 and f2"] < before["Allen-Dynes, f1 and f2"]
    expect(tab.locator("#solving")).to_be_hidden()
    tab.get_by_role("button", name="Every convention").click()
    expect(tab.locator("#tc-rows tr")).to_have_count(4 + 5)
    for convention in ("asis", "epw", "ebmb", "elk", "isome"):
        expect(tab.locator("#tc-rows")).to_contain_text(f"{convention}: ")


def test_a_dropped_file_is_read_wherever_it_is_let_go(desk: str, tab: Page) -> None:
    tab.goto(f"{desk}/spectrum")
    tab.evaluate(DROP, ["main h1", "alpha2F.dat", PEAK])
    expect(tab.locator("#what")).to_have_text("alpha2F.dat")
    expect(tab.locator("#plot-spectrum svg[role=group]")).to_be_visible()
    # The arrow keys read the curve out.
    plot = tab.locator("#plot-spectrum svg[role=group]")
    plot.focus()
    plot.press("ArrowRight")
    expect(tab.locator("#plot-spectrum .readout")).to_contain_text("α²F")


def test_what_is_no_spectrum_is_said_and_a_name_is_never_markup(
    desk: str, open_tab: Callable[..., Page]
) -> None:
    tab = open_tab(expected=("422",))
    tab.goto(f"{desk}/spectrum")
    tab.evaluate(DROP, ["#drop", "<img src=x onerror=alert(1)>.dat", "nothing that is a spectrum\n"])
    alert = tab.locator("#problem[role=alert]")
    expect(alert).to_be_visible()
    expect(tab.locator("#results")).to_be_hidden()
    tab.evaluate(DROP, ["#drop", "<img src=x onerror=alert(1)>.dat", PEAK])
    expect(tab.locator("#what")).to_contain_text("<img src=x")
    assert tab.locator("main img").count() == 0


def test_it_fits_a_phone_in_the_dark(
    desk: str, open_tab: Callable[..., Page], accessible: Callable[[Page], None], picture: Callable[..., None]
) -> None:
    tab = open_tab(width=390, height=844, color_scheme="dark")
    tab.goto(f"{desk}/spectrum")
    tab.set_input_files("#file", str(SPECTRA / "epw_mgb2" / "MgB2.a2f_iso"))
    expect(tab.locator("#plot-gap svg[role=group]")).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(tab)
    picture(tab, "spectrum-phone", full_page=False)
