"""One crystal's record: relaxation, phonons, hull, and what is remembered of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from htc.errors import StructureError
from htc.stability import Competitor, Potential, StabilityCache, assess
from htc.stability.competition import compete
from htc.stability.competitors import Found, bundled
from htc.stability.energies import Energies, phase_of
from htc.stability.hull import LeftOut, Phase, hull_distance
from htc.stability.relaxation import relax

Crystal = Callable[..., Structure]


class Given:
    """Competitors as a test gives them."""

    name = "given"

    def __init__(self, *competitors: Competitor) -> None:
        self.competitors = competitors

    def find(self, elements: Any, pressure_gpa: float = 0.0) -> Found:
        return Found(self.competitors)


@pytest.fixture
def cu3au(crystal: Crystal) -> Structure:
    return crystal("Pm-3m", 3.75, Au=(0, 0, 0), Cu=(0.5, 0.5, 0))


@pytest.fixture
def metals(crystal: Crystal) -> Given:
    """Cu, Au, and ordered CuAu."""
    cu = Competitor(crystal("Fm-3m", 3.6, Cu=(0, 0, 0)), "Cu", "given: Cu", reference=True)
    au = Competitor(crystal("Fm-3m", 4.08, Au=(0, 0, 0)), "Au", "given: Au", reference=True)
    cuau = Competitor(crystal("P4/mmm", (2.8, 3.7), Cu=(0, 0, 0), Au=(0.5, 0.5, 0.5)), "CuAu", "given: CuAu")
    return Given(cu, au, cuau)


def test_a_crystal_is_relaxed_and_measured_against_its_competitors(
    emt: Any, cu3au: Structure, metals: Given
) -> None:
    told: list[tuple[int, int, str]] = []
    found = assess(
        cu3au, emt, with_phonons=False, competitors=[metals], progress=lambda *step: told.append(step)
    )
    assert found.relaxation is not None
    assert found.relaxation.converged
    assert found.hull is not None
    assert (found.thermo_stable, found.hull_distance_ev, found.hull_competitors) == (True, 0.0, 3)
    assert found.hull.margin_ev is not None
    assert found.hull.margin_ev < 0
    assert (found.phonon_stable, found.phonons) == (None, None)
    assert (1, 3, "competing phases") in told
    assert json.loads(json.dumps(found.as_dict()))["hull"]["says"] == "on the hull of 3 known phases"


def test_energies_are_those_of_the_relaxed_crystals(emt: Any, cu3au: Structure, metals: Given) -> None:
    alone = relax(cu3au, emt)
    hull = compete(phase_of(alone, "Cu3Au", "test"), [metals], Energies(emt))
    by_name = {p.name: p.energy_ev for p in hull.competitors}
    assert hull.formation_ev == pytest.approx(
        alone.energy_ev_per_atom - 0.75 * by_name["Cu"] - 0.25 * by_name["Au"], abs=1e-9
    )


@pytest.mark.usefixtures("needs_phonopy")
def test_everything_finished_is_found_again(
    emt: Any, cu3au: Structure, metals: Given, tmp_path: Path
) -> None:
    cache = StabilityCache(tmp_path)
    first = assess(cu3au, emt, competitors=[metals], cache=cache)
    assert first.phonons is not None
    asked = emt.asked
    # Another writing of the crystal, as another file of it would be.
    again = assess(cu3au * (2, 1, 1), emt, competitors=[metals], cache=StabilityCache(tmp_path))
    assert emt.asked == asked
    assert again.phonons == first.phonons
    assert again.hull is not None
    assert again.hull.as_dict() == first.hull.as_dict()  # type: ignore[union-attr]  # it has a hull like the other


def test_a_killed_run_goes_on_with_the_next_competitor(
    emt: Any, cu3au: Structure, metals: Given, tmp_path: Path
) -> None:
    def kill(done: int, of: int, what: str) -> None:
        if what == "competing phases" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assess(
            cu3au,
            emt,
            with_phonons=False,
            competitors=[metals],
            cache=StabilityCache(tmp_path),
            progress=kill,
        )
    before = emt.asked
    assess(cu3au, emt, with_phonons=False, competitors=[metals], cache=StabilityCache(tmp_path))
    rest = emt.asked - before
    fresh = emt.asked
    Energies(emt).relaxed(metals.competitors[2])
    assert rest == emt.asked - fresh


def test_a_damaged_file_is_as_good_as_none(emt: Any, cu3au: Structure, metals: Given, tmp_path: Path) -> None:
    first = assess(cu3au, emt, with_phonons=False, competitors=[metals], cache=StabilityCache(tmp_path))
    files = list(tmp_path.rglob("*.json"))
    assert len(files) >= 4
    for file in files:
        file.write_bytes(file.read_bytes()[:20])
    again = assess(cu3au, emt, with_phonons=False, competitors=[metals], cache=StabilityCache(tmp_path))
    assert again.hull_distance_ev == first.hull_distance_ev


def test_results_of_another_potential_or_pressure_are_not_taken(
    emt: Any, cu3au: Structure, metals: Given, tmp_path: Path
) -> None:
    cache = StabilityCache(tmp_path)
    ambient = assess(cu3au, emt, with_phonons=False, competitors=[metals], cache=cache)
    pressed = assess(cu3au, emt, with_phonons=False, competitors=[metals], cache=cache, pressure_gpa=5.0)
    assert pressed.relaxation is not None
    assert ambient.relaxation is not None
    assert pressed.relaxation.structure.volume < ambient.relaxation.structure.volume
    assert pressed.hull is not None
    assert pressed.hull.pressure_gpa == 5.0
    emt.potential_id = "emt@other"
    asked = emt.asked
    assess(cu3au, emt, with_phonons=False, competitors=[metals], cache=cache)
    assert emt.asked > asked


def test_an_unconverged_competitor_is_left_out_and_counted(emt: Any, cu3au: Structure, metals: Given) -> None:
    alone = relax(cu3au, emt)
    energies = Energies(emt, fmax=1e-12, max_steps=1)
    hull = compete(phase_of(alone, "Cu3Au", "test"), [metals], energies)
    assert "CuAu" in {x.name for x in hull.left_out}
    assert all("converged" in x.reason for x in hull.left_out)
    assert hull.n_competitors + len(hull.left_out) == 3


def test_a_competitor_the_potential_cannot_compute_is_left_out(emt: Any, crystal: Crystal) -> None:
    unknown = Competitor(crystal("Fm-3m", 4.1, Fe=(0, 0, 0)), "Fe", "given: Fe", reference=True)
    found = Energies(emt).relaxed(unknown)
    assert isinstance(found, LeftOut)
    assert "Fe" in found.reason


def test_without_an_elements_crystal_there_is_no_distance(emt: Any, cu3au: Structure, metals: Given) -> None:
    found = assess(cu3au, emt, with_phonons=False, competitors=[Given(*metals.competitors[::2])])
    assert (found.hull_distance_ev, found.thermo_stable, found.hull_competitors) == (None, None, None)
    assert found.hull is not None
    assert found.hull.missing_elements == ("Au",)


def test_screening_changes_no_distance_and_saves_relaxations(
    emt: Any, metals: Given, crystal: Crystal
) -> None:
    cells = [
        crystal("P4/mmm", (2.7, 4.1), Cu=(0, 0, 0), Au=(0.5, 0.5, 0.5)),
        crystal("Pm-3m", 3.9, Cu=(0, 0, 0), Au=(0.5, 0.5, 0)),
        crystal("Pm-3m", 3.1, Cu=(0, 0, 0), Au=(0.5, 0.5, 0.5)),
        crystal("Fd-3m", 5.4, Cu=(0.125, 0.125, 0.125)),
        crystal("Im-3m", 3.2, Au=(0, 0, 0)),
    ]
    made_up = [Competitor(c, "made up", f"made up: {i}", made_up=True) for i, c in enumerate(cells)]
    # Half gold, and not as the known crystal of that composition.
    target = relax(crystal("F-43m", 5.6, Au=(0, 0, 0), Cu=(0.25, 0.25, 0.25)), emt)
    phase, energies = phase_of(target, "CuAu", "test"), Energies(emt, cache=_Kept())
    found = compete(phase, [metals, Given(*made_up)], energies, crystal=target.structure)
    everything = [energies.relaxed(c) for c in (*metals.competitors, *made_up)]
    whole = hull_distance(phase, [p for p in everything if isinstance(p, Phase)])
    assert found.distance_ev == pytest.approx(whole.distance_ev, abs=1e-4)
    assert found.margin_ev == pytest.approx(whole.margin_ev, abs=1e-4)
    assert found.screened_out >= 2
    assert found.screening_slack_ev is not None
    assert found.screening_slack_ev > 0.0
    assert f"({found.screened_out} more made up ones were screened out)" in found.says


class _Kept(StabilityCache):
    """A cache without a folder."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.rows: dict[str, Any] = {}

    def get(self, kind: Any, structure: Structure, **settings: Any) -> Any:
        return self.rows.get(str((kind, structure, settings)))

    def put(self, kind: Any, structure: Structure, value: Any, **settings: Any) -> None:
        self.rows[str((kind, structure, settings))] = value


def test_the_screened_energy_is_the_lowest_of_all_volumes(emt: Any, crystal: Crystal) -> None:
    relaxed = relax(crystal("Fm-3m", 3.6, Cu=(0, 0, 0)), emt)
    for a in (3.3, 4.2):
        start = Competitor(crystal("Fm-3m", a, Cu=(0, 0, 0)), "Cu", "test", made_up=True)
        glance, settled = Energies(emt).glance(start), Energies(emt).static(start)
        assert glance is not None
        assert settled is not None
        assert settled.energy_ev == pytest.approx(relaxed.energy_ev_per_atom, abs=2e-3)
        for screened in (glance, settled):
            assert screened.energy_ev >= relaxed.energy_ev_per_atom - 1e-6 >= screened.lowest_ev


def test_what_the_potential_must_not_be_asked_has_no_numbers(emt: Any) -> None:
    iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    found = assess(iron, emt)
    assert found.refusals
    assert (found.relaxation, found.phonons, found.hull) == (None, None, None)
    assert found.hull_distance_ev is None


def test_partial_occupancy_is_refused(emt: Any) -> None:
    alloy = Structure(Lattice.cubic(3.7), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(StructureError, match="partly occupied"):
        assess(alloy, emt, source="alloy.cif")


@pytest.mark.slow
def test_mgb2_is_on_the_hull_of_mg_b_and_mgb4(sevennet: Callable[[str], Potential]) -> None:
    """Known phases of Mg-B: Naslain et al., J. Solid State Chem. 8, 68 (1973)."""
    mgb2 = Structure(
        Lattice.hexagonal(3.086, 3.524),
        ["Mg", "B", "B"],
        [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]],
    )
    found = assess(mgb2, sevennet("sevennet-0"), with_phonons=False, competitors=bundled(made_up=False))
    assert found.hull is not None
    assert {p.name for p in found.hull.competitors} == {"Mg", "B (alpha-B12)", "MgB4"}
    assert found.hull.left_out == ()
    assert found.thermo_stable is True
    # PBE: -0.15 eV/atom (Materials Project mp-763); OptB88vdW: -0.19 (JARVIS JVASP-1151).
    assert found.hull.formation_ev == pytest.approx(-0.15, abs=0.06)
    assert found.hull.decomposition.keys() == {"Mg", "MgB4"}
