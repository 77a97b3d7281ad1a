"""A prepared folder is whole, fits the crystal, and says what is doubtful."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure
from tests.dft.conftest import Upf

from htc.dft import DftSettings, prepare, read_manifest
from htc.errors import InputError, StructureError

MGB2 = Structure(
    Lattice.hexagonal(3.085, 3.523), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
)


def values(text: str) -> dict[str, str]:
    return {k.strip(): v.strip() for k, v in (line.split("=") for line in text.splitlines() if "=" in line)}


def test_the_folder_is_ready(upf: Upf, aluminium: Structure, tmp_path: Path) -> None:
    """Primitive cell, meshes within each other, cutoffs of the headers, pressure in kbar, provenance."""
    pseudo = upf("Al", wave=17.0, density=0.0, kind="NC")
    done = prepare(
        aluminium,
        tmp_path / "al",
        pseudo_dir=pseudo,
        settings=DftSettings(pressure_gpa=12.5, mu_star=0.12),
        source="Al.cif",
        prediction_id="some-id",
    )
    relax, dense, scf, ph = (
        values((done.folder / f"{n}.in").read_text()) for n in ("relax", "dense", "scf", "ph")
    )
    assert relax["calculation"] == "'vc-relax'"
    assert float(relax["press"]) == 125.0
    assert scf["nat"] == "1"
    assert (scf["ecutwfc"], scf["ecutrho"]) == ("20", "80")
    assert dense["la2F"] == ".true."
    assert "la2F" not in scf
    assert (ph["electron_phonon"], ph["recover"], ph["trans"]) == ("'interpolated'", ".false.", ".true.")
    q, k, finest = done.meshes.q, done.meshes.k, done.meshes.dense
    assert all(b % a == 0 and c % b == 0 for a, b, c in zip(q, k, finest, strict=True))
    assert (q, k) == ((4, 4, 4), (12, 12, 12))
    assert (done.n_q, done.n_k) == (8, 72)
    lines = (done.folder / "scf.in").read_text().splitlines()
    at = lines.index("CELL_PARAMETERS angstrom")
    cell = np.array([[float(x) for x in line.split()] for line in lines[at + 1 : at + 4]])
    assert abs(np.linalg.det(cell)) == pytest.approx(4.05**3 / 4)
    assert (done.folder / "pseudo" / "Al.UPF").is_file()
    assert os.access(done.folder / "run.sh", os.X_OK)
    kept = read_manifest(done.folder)
    assert kept is not None
    assert (kept.source, kept.prediction_id, kept.mu_star) == ("Al.cif", "some-id", 0.12)
    assert kept.pseudopotentials["Al"]["functional"] == "PBE"
    assert kept.crystal().composition.reduced_formula == "Al"
    json.dumps(done.as_dict())
    for script in ("run.sh", "run.slurm"):
        subprocess.run(["sh", "-n", done.folder / script], check=True)


def test_a_hexagonal_cell_has_fewer_points_along_its_long_axis(upf: Upf, tmp_path: Path) -> None:
    upf("Mg", electrons=10.0, wave=40.0, density=320.0)
    pseudo = upf("B", kind="PAW", wave=43.0, density=325.0)
    done = prepare(MGB2, tmp_path / "x", pseudo_dir=pseudo, settings=DftSettings(relax=False, epw=False))
    assert done.meshes.q[0] == done.meshes.q[1] >= done.meshes.q[2]
    assert (done.cutoffs.wavefunction_ry, done.cutoffs.density_ry) == (45.0, 325.0)
    assert not (done.folder / "relax.in").exists()
    assert any("insulator" in warning for warning in done.warnings)


@pytest.mark.parametrize(
    ("element", "word"), [("Fe", "moment"), ("Ce", "f shell"), ("Pb", "spin-orbit"), ("H", "protons")]
)
def test_what_is_doubtful_is_said(element: str, word: str, upf: Upf, tmp_path: Path) -> None:
    crystal = Structure(Lattice.cubic(3.2), [element], [[0, 0, 0]])
    done = prepare(crystal, tmp_path / "x", pseudo_dir=upf(element))
    assert any(word in warning for warning in done.warnings), done.warnings
    assert any("ecutwfc" in warning for warning in done.warnings), "the header suggests no cutoff"


def test_what_cannot_be_prepared_is_refused(upf: Upf, aluminium: Structure, tmp_path: Path) -> None:
    upf("Mg", functional="PBE")
    pseudo = upf("B", functional="SLA PZ NOGX NOGC")
    with pytest.raises(InputError, match="no pseudopotentials of one functional") as caught:
        prepare(MGB2, tmp_path / "x", pseudo_dir=pseudo)
    assert "LDA" in (caught.value.hint or "")
    with pytest.raises(InputError, match="no pseudopotential of Al"):
        prepare(aluminium, tmp_path / "x", pseudo_dir=pseudo)
    upf("Al")
    with pytest.raises(InputError, match="no multiple of the q mesh"):
        prepare(
            aluminium,
            tmp_path / "x",
            pseudo_dir=pseudo,
            settings=DftSettings(q_mesh=(4, 4, 4), k_mesh=(6, 6, 6)),
        )
    with pytest.raises(InputError, match="below four times"):
        prepare(aluminium, tmp_path / "x", pseudo_dir=pseudo, settings=DftSettings(ecutrho_ry=100.0))
    assert not (tmp_path / "x").exists()
    prepare(aluminium, tmp_path / "x", pseudo_dir=pseudo)
    with pytest.raises(InputError, match="not empty"):
        prepare(aluminium, tmp_path / "x", pseudo_dir=pseudo)
    disordered = Structure(Lattice.cubic(3.0), [{"Nb": 0.5, "Ti": 0.5}], [[0, 0, 0]])
    with pytest.raises(StructureError, match="disordered"):
        prepare(disordered, tmp_path / "y", pseudo_dir=pseudo)


def test_of_several_pseudopotentials_the_same_functional_is_taken(upf: Upf, tmp_path: Path) -> None:
    upf("Mg", name="Mg.pz.UPF", functional="SLA PZ NOGX NOGC", kind="NC")
    upf("Mg", name="mg_pbe.upf", wave=30.0)
    upf("B", name="B.pbe.soft.UPF", wave=35.0, kind="PAW")
    upf("B", name="B.pz.UPF", functional="SLA PZ NOGX NOGC", kind="NC")
    pseudo = upf("B", name="B.pbe.hard.UPF", wave=50.0)
    done = prepare(MGB2, tmp_path / "pbe", pseudo_dir=pseudo)
    assert {p["file"] for p in done.manifest.pseudopotentials.values()} == {"mg_pbe.upf", "B.pbe.soft.UPF"}
    done = prepare(MGB2, tmp_path / "epw", pseudo_dir=pseudo, settings=DftSettings(epw=True))
    assert {p["kind"] for p in done.manifest.pseudopotentials.values()} == {"NC"}
    assert "nbndsub" in (done.folder / "epw.in").read_text()


PROGRAMS = {
    "pw.x": 'echo "$2" >> calls; [ ! -f "fail_$2" ] || { echo "  Error in routine cdiaghg (1):"; exit 1; }',
    "ph.x": """q=$(sed -n 's/.*start_q = //p' "$2"); echo "ph$q" >> calls; mkdir -p elph_dir
[ ! -f "fail_ph$q" ] || exit 1
printf '2 2 2\\n2\\n0.0E+00 0.0E+00 0.0E+00\\n0.5E+00 0.5E+00 0.5E+00\\n' > el.dyn0
{ for i in $(seq $((q * 4 - 3))); do echo "  Dynamical  Matrix in cartesian axes"; done
echo "freq ( 1) = 9.75 [THz]"; } > "el.dyn$q"
echo widths > "elph_dir/elph.inp_lambda.$q\"""",
    "q2r.x": "echo q2r >> calls",
    "matdyn.x": "echo matdyn >> calls",
    "lambda.x": "echo lambda >> calls; cat > given; echo 1 > alpha2F.dat",
}
"""Stand-ins that leave the files and the words of the programs behind."""


def test_the_script_goes_on_where_it_stopped(upf: Upf, aluminium: Structure, tmp_path: Path) -> None:
    """Finished steps are kept, what depends on a repeated one is repeated, and failures say where to look."""
    folder = tmp_path / "al"
    prepare(
        aluminium,
        folder,
        pseudo_dir=upf("Al", kind="NC", wave=20.0),
        settings=DftSettings(q_mesh=(2, 2, 2), k_mesh=(4, 4, 4), mu_star=0.11, relax=False),
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        done = "" if name == "lambda.x" else '\necho "   JOB DONE."'
        (programs / name).write_text(f"#!/bin/sh\n{body}{done}\n")
        (programs / name).chmod(0o755)

    def run() -> tuple[int, list[str], str]:
        calls = folder / "calls"
        calls.unlink(missing_ok=True)
        done = subprocess.run(
            [folder / "run.sh"],
            env=os.environ | {"QE_BIN": str(programs)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, calls.read_text().split() if calls.exists() else [], done.stderr

    (folder / "fail_scf.in").touch()
    code, calls, said = run()
    assert (code, calls) == (1, ["dense.in", "scf.in"])
    assert "cdiaghg" in said
    assert "scf.part" in said
    (folder / "fail_scf.in").unlink()
    (folder / "fail_ph2").touch()
    assert run()[:2] == (1, ["scf.in", "ph1", "ph2"])
    (folder / "fail_ph2").unlink()
    assert run()[:2] == (0, ["ph2", "q2r", "matdyn", "lambda"])
    assert run()[:2] == (0, ["lambda"])
    given = (folder / "given").read_text().split("\n")
    assert given[0].split() == ["12", "0.12", "0"]
    assert [line.split()[-1] for line in given[2:4]] == ["1.00", "5.00"]
    assert given[4:7] == ["elph_dir/elph.inp_lambda.1", "elph_dir/elph.inp_lambda.2", "0.11"]
    (folder / "dense.out").unlink()
    assert run()[:2] == (0, ["dense.in", "scf.in", "ph1", "ph2", "q2r", "matdyn", "lambda"])
