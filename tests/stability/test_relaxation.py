"""Relaxation: symmetry kept, pressure obeyed, and no claim of convergence that does not hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core.structure import Structure

from htc.errors import StorageError, StructureError
from htc.stability.relaxation import Relaxation, relax

Crystal = Callable[..., Structure]


def test_copper_finds_the_lattice_constant_its_potential_was_fitted_to(emt: Any, crystal: Crystal) -> None:
    # 3.61 Å: Jacobsen, Stoltze & Nørskov, Surf. Sci. 366, 394 (1996), doi:10.1016/0039-6028(96)00816-3.
    relaxed = relax(crystal("Fm-3m", 3.8, Cu=(0, 0, 0)), emt)
    assert relaxed.converged
    assert relaxed.reason is None
    assert (4.0 * relaxed.structure.volume) ** (1 / 3) == pytest.approx(3.61, abs=0.03)
    assert relaxed.stress_residual_gpa < 0.1
    assert relaxed.volume_change == pytest.approx(4.0 * relaxed.structure.volume / 3.8**3 - 1.0)
    assert relaxed.spacegroup_before == relaxed.spacegroup_after == 225
    assert relaxed.enthalpy_ev_per_atom == relaxed.energy_ev_per_atom


def test_pressure_is_the_slope_of_the_energy(emt: Any, crystal: Crystal) -> None:
    copper = crystal("Fm-3m", 3.6, Cu=(0, 0, 0))
    low, middle, high = (relax(copper, emt, pressure_gpa=p, fmax=1e-4) for p in (9.0, 10.0, 11.0))
    slope = (high.energy_ev_per_atom - low.energy_ev_per_atom) / (
        high.structure.volume - low.structure.volume
    )
    assert -slope * 160.2177 == pytest.approx(10.0, rel=5e-3)
    expected = middle.energy_ev_per_atom + 10.0 / 160.2177 * middle.structure.volume
    assert middle.enthalpy_ev_per_atom == pytest.approx(expected)


def test_symmetry_is_kept_where_the_lattice_would_break_it(emt: Any, crystal: Crystal) -> None:
    # bcc copper is unstable against fcc: only its symmetry holds it.
    relaxed = relax(crystal("Im-3m", 2.9, Cu=(0, 0, 0)), emt)
    assert relaxed.converged
    assert relaxed.spacegroup_after == 229


def test_the_cell_given_does_not_matter(emt: Any, crystal: Crystal) -> None:
    one = crystal("P4/mmm", (2.8, 3.6), Cu=(0, 0, 0), Au=(0.5, 0.5, 0.5))
    other = one.copy()
    other.make_supercell([2, 1, 2])
    first, second = relax(one, emt), relax(other, emt)
    assert first.energy_ev_per_atom == pytest.approx(second.energy_ev_per_atom, abs=1e-6)
    assert len(second.structure) == 2


def test_what_has_not_converged_says_so(emt: Any, crystal: Crystal) -> None:
    attempt = relax(crystal("Fm-3m", 3.9, Cu=(0, 0, 0)), emt, max_steps=1)
    assert not attempt.converged
    assert attempt.reason == "not converged in 1 steps"


def test_a_cell_that_runs_away_is_stopped(emt: Any, crystal: Crystal) -> None:
    attempt = relax(crystal("Fm-3m", 5.4, Cu=(0, 0, 0)), emt)
    assert not attempt.converged
    assert attempt.reason is not None
    assert "ran away" in attempt.reason


def test_what_must_not_be_asked_is_not_relaxed(emt: Any, crystal: Crystal) -> None:
    with pytest.raises(StructureError, match="does not know Nb"):
        relax(crystal("Im-3m", 3.3, Nb=(0, 0, 0)), emt)
    assert emt.asked == 0


def test_a_finished_relaxation_is_kept(emt: Any, crystal: Crystal, tmp_path: Path) -> None:
    copper = crystal("Fm-3m", 3.7, Cu=(0, 0, 0))
    first = relax(copper, emt, cache_dir=tmp_path)
    asked = emt.asked
    again = relax(copper, emt, cache_dir=tmp_path)
    assert emt.asked == asked
    assert again.as_dict() == first.as_dict()
    relax(copper, emt, cache_dir=tmp_path, pressure_gpa=1.0)
    assert emt.asked > asked


def test_a_damaged_file_is_computed_again(emt: Any, crystal: Crystal, tmp_path: Path) -> None:
    copper = crystal("Fm-3m", 3.7, Cu=(0, 0, 0))
    first = relax(copper, emt, cache_dir=tmp_path)
    (file,) = tmp_path.rglob("*.json")
    file.write_text(file.read_text()[:-20])
    assert relax(copper, emt, cache_dir=tmp_path).as_dict() == first.as_dict()


def test_a_folder_that_cannot_be_written_is_named(emt: Any, crystal: Crystal, tmp_path: Path) -> None:
    (tmp_path / "relaxations").write_text("in the way")
    with pytest.raises(StorageError) as caught:
        relax(crystal("Fm-3m", 3.7, Cu=(0, 0, 0)), emt, cache_dir=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_progress_is_told_and_can_stop_the_work(emt: Any, crystal: Crystal) -> None:
    told: list[tuple[int, int, str]] = []
    relax(crystal("Fm-3m", 3.7, Cu=(0, 0, 0)), emt, progress=lambda *step: told.append(step))
    assert told
    assert {what for _, _, what in told} == {"relaxation"}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        relax(crystal("Fm-3m", 3.7, Cu=(0, 0, 0)), emt, progress=stop)


def test_the_record_survives_json(emt: Any, crystal: Crystal) -> None:
    import json

    relaxed = relax(crystal("Fm-3m", 3.7, Cu=(0, 0, 0)), emt)
    assert Relaxation.from_dict(json.loads(json.dumps(relaxed.as_dict()))) == relaxed
