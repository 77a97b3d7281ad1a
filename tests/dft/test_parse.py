"""What finished runs say, and that broken ones are refused with their reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from htc.dft import parse
from htc.errors import HTCError, InputError, SpectrumError

LAMBDA = 0.3440
RELAXED_A = 2.7964
"""Å, of the primitive cell."""


def test_a_run_of_our_own(finished: Path) -> None:
    """Aluminium on a mesh of 2 x 2 x 2: lambda well below the converged 0.43, and said to be so."""
    found = parse(finished)
    p = found.prediction
    assert p.applicable
    assert (p.reduced_formula, found.route, found.run.code) == ("Al", "matdyn", "Quantum ESPRESSO 6.7MaX")
    assert p.lambda_ep == pytest.approx(LAMBDA, abs=2e-4)
    assert p.tc_predicted == pytest.approx(found.tc_k["allen_dynes"])
    assert p.tc_lower_95ci is not None
    assert p.tc_upper_95ci is not None
    assert p.tc_lower_95ci < p.tc_predicted < p.tc_upper_95ci
    assert "first principles (Quantum ESPRESSO" in p.prediction_method
    assert p.confidence_level == "low"
    assert any("denser q mesh" in caution for caution in p.cautions)
    assert (p.model_id, p.spectrum_origin, p.phonon_verdict) == (None, "measured", "stable")
    assert p.provenance["spacegroup"] == 225
    about = p.provenance["first_principles"]
    assert (about["q_mesh"], about["q_points"]) == ([2, 2, 2], 3)
    assert about["pseudopotentials"]["Al"]["file"] == "Al.pz-vbc.UPF"
    assert p.structure is not None
    # The cell that vc-relax ended with, not the one that was prepared.
    assert p.structure["lattice"]["a"] == pytest.approx(RELAXED_A, abs=2e-3)
    assert len(found.spectra) == 10
    json.dumps(found.as_dict())


def remove(*names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text(encoding="latin-1")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="latin-1")

    return damage


def cut(name: str, share: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])

    return damage


def imaginary(folder: Path) -> None:
    lines = (folder / "el.dyn2").read_text().split("\n")
    at = next(i for i, line in enumerate(lines) if "freq (    1)" in line)
    lines[at] = "     freq (    1) =      -2.310000 [THz] =     -77.050000 [cm-1]"
    (folder / "el.dyn2").write_text("\n".join(lines))


def aborted(folder: Path) -> None:
    (folder / "scf.out").rename(folder / "scf.part")
    replace("scf.part", "JOB DONE", " Error in routine c_bands (1):\n too many bands are not converged")(
        folder
    )


BROKEN = {
    "a step did not run": (remove("matdyn.out"), "not finished: matdyn did not run"),
    "still running": (lambda f: (f / "scf.out").rename(f / "scf.part"), "scf.part: the run"),
    "stopped with an error": (aborted, "c_bands .* too many bands"),
    "the ground state did not converge": (
        replace("scf.out", "convergence has been achieved", "convergence NOT achieved"),
        "scf.out: the run an iteration did not converge",
    ),
    "killed": (cut("ph.q2.out", 0.5), "ph.q2.out: the run did not run to its end"),
    "a q point is missing": (remove("el.dyn3"), "1 of 3 q points are missing or damaged: number 3"),
    "its linewidths are missing": (remove("elph_dir/elph.inp_lambda.2"), "number 2"),
    "its linewidths are cut off": (cut("elph_dir/elph.inp_lambda.2", 0.4), "number 2"),
    "its frequencies are cut off": (cut("el.dyn2", 0.8), "of 3 frequencies"),
    "another mesh": (replace("el.dyn0", "   2   2   2", "   4   2   2"), "hold 8 points, the mesh 16"),
    "NaN": (
        replace("elph_dir/elph.inp_lambda.3", "gamma=", "gamma=   NaN  GHz\n gamma="),
        "linewidths are NaN|number 3",
    ),
    "an unstable lattice": (imaginary, "-2.31 THz at q"),
    "no spectrum": (
        lambda f: [p.unlink() for p in [*f.glob("a2F.dos*"), f / "alpha2F.dat"]],
        "neither matdyn",
    ),
    "no manifest that can be read": (replace("htc.json", '"format": 1', '"format": 99'), "another version"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_is_refused_with_its_reason(name: str, finished: Path) -> None:
    damage, reason = BROKEN[name]
    damage(finished)
    with pytest.raises(HTCError, match=reason):
        parse(finished)


def test_what_was_changed_by_hand_is_noted(finished: Path) -> None:
    replace("ph.in", "tr2_ph = 1d-14", "tr2_ph = 1d-12")(finished)
    assert parse(finished).notes == ("changed since it was prepared: ph.in",)


def test_without_a_manifest_the_files_tell_the_crystal(finished: Path) -> None:
    (finished / "htc.json").unlink()
    found = parse(finished, mu_star=0.13, pressure_gpa=2.0)
    assert (found.prediction.reduced_formula, found.prediction.provenance["spacegroup"]) == ("Al", 225)
    assert (found.prediction.mu_star, found.prediction.pressure_gpa) == (0.13, 2.0)
    with pytest.raises(InputError, match="the run is of Al, not of Nb"):
        parse(finished, formula="Nb")
    for path in finished.glob("a2F.dos*"):
        path.unlink()
    assert parse(finished).route == "lambda"


def test_smearings_that_disagree_widen_the_interval_and_are_not_trusted(finished: Path) -> None:
    """alpha2F raised by a tenth from one smearing to the next: no plateau within 5 %, one within 40 %."""
    for n in range(1, 11):
        path = finished / f"a2F.dos{n}"
        lines = path.read_text().split("\n")
        raised = []
        for line in lines:
            tokens = line.split()
            if len(tokens) == 5 and not line.lstrip().startswith("#"):
                line = " ".join([tokens[0], *(f"{float(t) * 1.1**n:.6E}" for t in tokens[1:])])
            raised.append(line)
        path.write_text("\n".join(raised))
    found = parse(finished)
    assert found.prediction.confidence_level == "low"
    assert any("neighbouring smearings" in caution for caution in found.prediction.cautions)
    sure = found.prediction
    assert sure.tc_uncertainty is not None
    assert sure.tc_predicted is not None
    assert sure.tc_uncertainty > 0.2 * sure.tc_predicted


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        parse(tmp_path / "nowhere")
    with pytest.raises(SpectrumError, match="no dynamical matrices"):
        parse(tmp_path)


@pytest.mark.data
def test_runs_of_the_laboratory(own_spectra: Path) -> None:
    dense = parse(own_spectra / "qe_al_dense", mu_star=0.1)
    assert dense.prediction.lambda_ep == pytest.approx(0.380, abs=1e-3)
    assert dense.prediction.confidence_level == "high"
    assert dense.run.lowest_frequency_thz == pytest.approx(3.483, abs=1e-3)
    coarse = parse(own_spectra / "qe_al_example03")
    assert coarse.prediction.confidence_level == "medium"
    with pytest.raises(SpectrumError, match="linewidths are NaN at q"):
        parse(own_spectra / "qe_al_broken")


@pytest.mark.data
def test_epw(own_spectra: Path) -> None:
    """lambda 0.8393 and 26.63 K at mu* 0.16; its gap solver stopped, long after the spectrum was written."""
    with pytest.raises(InputError, match="what material"):
        parse(own_spectra / "epw_mgb2")
    found = parse(own_spectra / "epw_mgb2", formula="MgB2", mu_star=0.16)
    assert (found.route, found.run.code) == ("epw", "EPW 5.3.1")
    assert found.prediction.lambda_ep == pytest.approx(0.8393, abs=1e-4)
    assert found.tc_k["allen_dynes"] == pytest.approx(26.63, abs=0.02)
    assert found.prediction.confidence_level == "medium"
    assert any("mix_broyden" in note for note in found.notes)
    assert found.prediction.phonon_stable is None
