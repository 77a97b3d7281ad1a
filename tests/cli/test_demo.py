"""``htc demo``: the main job, twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from htc.examples import examples
from htc.store import Database, top

Run = Callable[..., Any]


def test_the_demo_and_again(
    run: Run, database_in_settings: Database, tmp_path: Path, rows: Callable[[Database], dict[str, Any]]
) -> None:
    with examples() as inputs:
        n = len(inputs)
        measured = [e.tc_measured_k for e in inputs if e.tc_measured_k is not None]
    first = run("demo", "--plot", tmp_path / "demo.png")
    assert first.code == 0
    # The broken file gives no row; the refused cuprate gives one without Tc.
    stored = rows(database_in_settings)
    assert stored["predictions"] == stored["hashes"] == n - 1
    assert stored["without_their_run"] == 0
    assert f"{n - 1} new" in first.out
    for text in ("MgB2", "Nb3Sn", "LaH10", "Ba2YCu3O7", "cuprate", "broken.cif", "measured", "htc top"):
        assert text in first.out
    for value in measured:
        assert f"{value:.1f}" in first.out
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")

    second = run("demo")
    assert second.code == 0
    assert "0 new" in second.out
    assert rows(database_in_settings) == stored


def test_spectra_of_the_demo_are_stored_with_their_alpha2f(run: Run, database_in_settings: Database) -> None:
    import sqlalchemy as sa

    run("demo")
    with database_in_settings.connect() as connection:
        found = connection.execute(
            sa.text(
                "SELECT structure_formula, array_length(alpha2f_omega, 1) AS n FROM bete_runs "
                "WHERE alpha2f_omega IS NOT NULL ORDER BY structure_formula"
            )
        ).all()
    assert [row.structure_formula for row in found] == ["Al", "MgB2"]
    assert all(row.n > 50 for row in found)
    # 33.6 K by the full formula at mu* 0.13 from the EPW spectrum; no guess of the model stands above it.
    assert top(database_in_settings, 1).rows[0].reduced_formula == "MgB2"
