"""``htc stability`` and ``htc predict --with-stability``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from htc.cli.exit_codes import ExitCode
from htc.errors import MissingExtraError
from htc.settings import get_settings
from htc.stability.potentials.protocol import EnergyForcesStress, evaluate

Run = Callable[..., Any]

JARVIS = "jid,formula,formation_energy_per_atom,ehull\nJVASP-1,MgB2,-0.19,0.0\nJVASP-2,Cu3Au,-0.05,0.02\n"


class EMT:
    """Effective medium theory of ASE: a potential that costs milliseconds."""

    name, potential_id, cutoff_a, softness = "emt", "emt@ase", 5.5, "for tests only"
    elements = frozenset(["Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt"])

    def __init__(self) -> None:
        from ase.calculators.emt import EMT as Calculator

        self._calculator = Calculator()

    def calculator(self) -> Any:
        return self._calculator

    def energy_forces_stress(self, structure: Structure) -> EnergyForcesStress:
        return evaluate(self._calculator, structure)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """EMT in place of the shipped potentials."""
    pytest.importorskip("ase.calculators.emt", reason="needs ASE (extra [mlip])")
    potential = EMT()
    monkeypatch.setattr("htc.stability.load_potential", lambda _: potential)


@pytest.fixture
def without_mlip(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were not installed."""

    def missing(_: str) -> None:
        raise MissingExtraError("SevenNet is not installed", hint="pip install 'htc[mlip]'")

    monkeypatch.setattr("htc.stability.load_potential", missing)


@pytest.fixture
def cu3au(tmp_path: Path) -> Path:
    cell = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.75), ["Au", "Cu"], [[0, 0, 0], [0.5, 0.5, 0]])
    path = tmp_path / "Cu3Au.cif"
    cell.to(filename=str(path))
    return path


@pytest.fixture
def imported(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "jarvis.csv"
    table.write_text(JARVIS)
    done = run("stability", "import-table", table)
    assert (done.code, done.out) == (ExitCode.OK, "jarvis-dft-3d: 2 crystals, OptB88vdW\n")


@pytest.mark.usefixtures("plugged")
def test_a_file_is_assessed_and_a_bad_one_beside_it_said(run: Run, cu3au: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.cif"
    bad.write_text("no structure")
    options = ("--no-store", "--no-made-up", "--no-phonons", "--json")
    done = run("stability", cu3au, bad, *options)
    good, wrong = json.loads(done.out)
    assert done.code == ExitCode.PARTIAL
    assert (good["reduced_formula"], good["thermo_stable"], good["hull_distance_eV"]) == ("Cu3Au", True, 0.0)
    assert {c["name"] for c in good["hull"]["competitors"]} == {"Cu", "Au", "CuAu"}
    assert good["hull_competitors"] == 3
    assert good["hull"]["says"] == "on the hull of 3 known phases"
    assert good["potential_id"] == "emt@ase"
    assert (good["phonon_stable"], good["error"]) == (None, None)
    assert "bad.cif" in wrong["error"]


@pytest.mark.usefixtures("plugged")
def test_people_are_told_of_how_many_phases(run: Run, cu3au: Path) -> None:
    done = run("stability", cu3au, "--no-store", "--no-made-up", "--no-phonons")
    assert done.code == ExitCode.OK
    assert "on the hull of 3 known phases" in done.out
    assert "potential: emt@ase" in done.err


@pytest.mark.usefixtures("plugged")
def test_competitors_of_the_users_own(run: Run, cu3au: Path, tmp_path: Path) -> None:
    folder = tmp_path / "phases"
    folder.mkdir()
    cell = Structure(Lattice.tetragonal(2.8, 3.7), ["Cu", "Au"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    cell.to(filename=str(folder / "CuAu.cif"))
    done = run(
        "stability", cu3au, "--no-store", "--no-made-up", "--no-phonons", "--competitors", folder, "--json"
    )
    (entry,) = json.loads(done.out)
    assert str(folder / "CuAu.cif") in {c["origin"] for c in entry["hull"]["competitors"]}


@pytest.mark.usefixtures("without_mlip")
def test_without_a_potential_and_a_table_the_extra_is_named(run: Run, cu3au: Path) -> None:
    done = run("stability", cu3au, "--no-store")
    assert done.code != ExitCode.OK
    assert "htc[mlip]" in done.err


@pytest.mark.usefixtures("without_mlip", "imported")
def test_without_a_potential_the_table_answers_with_its_functional(run: Run, cu3au: Path) -> None:
    done = run("stability", cu3au, "NaCl", "--no-store")
    assert done.code == ExitCode.PARTIAL
    assert "0.020 eV/atom above the hull of jarvis-dft-3d (OptB88vdW)" in done.out
    assert "tables are asked instead" in done.err
    assert "the tables are of zero pressure" in run("stability", cu3au, "--no-store", "--pressure", "5").err


@pytest.mark.usefixtures("imported")
def test_compositions_are_looked_up(run: Run) -> None:
    done = run("stability", "lookup", "B2Mg", "NbTi")
    assert "B2Mg: 0.000 eV/atom above the hull of jarvis-dft-3d (OptB88vdW)" in done.out
    assert "NbTi: in none of the imported tables" in done.out
    (answer,) = json.loads(run("stability", "lookup", "MgB2", "--json").out)
    assert (answer["asked"], answer["functional"], answer["entry_id"]) == ("MgB2", "OptB88vdW", "JVASP-1")


def test_before_an_import_there_is_nothing_to_look_up(run: Run) -> None:
    done = run("stability", "lookup", "MgB2")
    assert done.code != ExitCode.OK
    assert "htc stability import-table" in done.err


@pytest.mark.usefixtures("plugged")
def test_predictions_carry_the_verdicts(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("phonopy", reason="needs phonopy (extra [mlip])")
    cell = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]])
    path = tmp_path / "Al.cif"
    cell.to(filename=str(path))
    without = run("predict", path, "--no-store", "--json")
    assert without.code == ExitCode.OK, without.err
    (plain,) = json.loads(without.out)
    done = run("predict", path, "--no-store", "--with-stability", "--json")
    assert done.code == ExitCode.OK, done.err
    (entry,) = json.loads(done.out)
    assert plain["phonon_stable"] is plain["hull_distance_eV"] is plain["stability_potential"] is None
    assert entry["tc_predicted"] == plain["tc_predicted"]
    assert entry["stability_potential"] == "emt@ase"
    assert (entry["phonon_verdict"], entry["imaginary_modes_count"]) == ("stable", 0)
    assert entry["phonon_stable"] is True
    assert isinstance(entry["hull_competitors"], int)


@pytest.mark.usefixtures("without_mlip", "imported")
def test_predictions_carry_what_the_table_knows(run: Run) -> None:
    (entry,) = json.loads(run("predict", "MgB2", "--no-store", "--with-stability", "--json").out)
    assert (entry["hull_distance_eV"], entry["thermo_stable"]) == (0.0, True)
    assert (entry["phonon_stable"], entry["hull_competitors"]) == (None, None)
    assert entry["stability_potential"] == "jarvis-dft-3d (OptB88vdW)"
    assert any("not of this crystal" in note for note in entry["notes"])
    under = run("predict", "MgB2", "--pressure", "10", "--no-store", "--with-stability", "--json")
    (entry,) = json.loads(under.out)
    assert entry["hull_distance_eV"] is entry["thermo_stable"] is None
    assert any("of zero pressure" in note for note in entry["notes"])
