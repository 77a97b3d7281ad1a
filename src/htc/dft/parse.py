"""From a finished run to a record that outranks the model's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from htc.dft.finished import FinishedRun, examine
from htc.dft.manifest import Manifest, read_manifest
from htc.errors import ConvergenceError, InputError, SpectrumError
from htc.spectra import Spectrum, find_plateau, read_spectra
from htc.spectra.checks import CONVERGED_SPREAD
from htc.spectra.spectrum import ORIGIN_FIRST_PRINCIPLES

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.prediction import Prediction

__all__ = ["METHODS", "Calculation", "Route", "parse"]

METHODS: Final = ("exponential", "allen_dynes", "xie_2022", "eliashberg")
"""Ways to Tc that are told of every calculation; the stored one is ``allen_dynes``, as the model's is."""

Route = Literal["matdyn", "lambda", "epw"]
"""matdyn.x's, lambda.x's or EPW's spectrum."""

_SPREADS: Final = (CONVERGED_SPREAD, 0.10, 0.20, 0.40)
"""How far neighbouring smearings may be apart, tried in turn."""


@dataclass(frozen=True, slots=True)
class Calculation:
    """What a finished run says of its material."""

    folder: Path
    run: FinishedRun
    manifest: Manifest | None
    prediction: Prediction
    """Ready to be stored: Tc by the full Allen-Dynes formula, spectrum, crystal, provenance."""
    spectra: tuple[Spectrum, ...]
    """One for each smearing."""
    route: Route
    """``matdyn`` (interpolated between q points), ``lambda`` (summed over them) or ``epw``."""
    tc_k: dict[str, float | None]
    """Tc by each of `METHODS`, K; None where it has no solution that converged."""
    notes: tuple[str, ...]

    @property
    def spectrum(self) -> Spectrum:
        """The spectrum that was chosen."""
        if self.prediction.spectrum is None:  # parse gives every prediction its spectrum
            raise TypeError("a calculation without a spectrum")
        return self.prediction.spectrum

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        p = self.prediction
        return {
            "folder": str(self.folder),
            "formula": p.reduced_formula,
            "code": self.run.code,
            "pressure_required_gpa": p.pressure_gpa,
            "mu_star": p.mu_star,
            "tc_k": self.tc_k,
            "tc_lower_95ci": p.tc_lower_95ci,
            "tc_upper_95ci": p.tc_upper_95ci,
            "lambda_ep": p.lambda_ep,
            "omega_log": p.omega_log,
            "omega_2": p.omega_2,
            "confidence_level": p.confidence_level,
            "smearing": self.spectrum.label,
            "route": self.route,
            "smearings": _by_smearing(self.spectra),
            "q_mesh": None if self.run.q_mesh is None else list(self.run.q_mesh.mesh),
            "q_points": None if self.run.q_mesh is None else len(self.run.q_mesh.points),
            "lowest_frequency_thz": p.lowest_frequency_thz,
            "spacegroup": p.provenance.get("spacegroup"),
            "prediction_id": None if self.manifest is None else self.manifest.prediction_id,
            "run_id": None if self.manifest is None else self.manifest.run_id,
            "cautions": list(p.cautions),
            "notes": list(self.notes),
            "applicable": p.applicable,
            "reason": p.reason,
        }


def parse(
    folder: Path,
    *,
    formula: str | None = None,
    structure: Structure | None = None,
    mu_star: float | None = None,
    pressure_gpa: float | None = None,
    route: Route | None = None,
) -> Calculation:
    """Read a finished run, after `htc.dft.finished.examine` has found nothing wrong with it.

    The spectrum is matdyn.x's where there is one, whose linewidths are interpolated between q points, else
    lambda.x's, which is summed over them. Of its smearings the middle of the plateau speaks; the spread over
    the plateau is in the interval. Smearings that agree roughly still give a Tc, of low confidence.

    Args:
        folder: prepared by `htc.dft.prepare`, or any folder that ph.x or EPW ran in.
        formula: of the material, where the files do not tell: EPW's do not.
        structure: likewise its crystal.
        mu_star: Coulomb pseudopotential; None: the one it was prepared with, else 0.10.
        pressure_gpa: of the calculation; None: the one it was prepared for, else 0.
        route: whose spectrum to take; None: as said above, and EPW's where there is no other.

    Raises:
        InputError: there is no run in the folder, or it is not known of what material it is.
        SpectrumError: the run is not finished, aborted, broken or not converged, with the reason.
    """
    from htc.prediction import predict_from_spectrum

    manifest = read_manifest(folder)
    run = examine(folder, manifest)
    crystal = structure or run.structure or (manifest.crystal() if manifest else None)
    name = formula or (crystal.composition.reduced_formula if crystal is not None else run.formula)
    if name is None:
        raise InputError(
            "the files do not tell what material this is", where=str(folder), hint="give --formula"
        )
    _same_material(name, run, folder)
    mu = mu_star if mu_star is not None else (manifest.mu_star if manifest else 0.10)
    pressure = pressure_gpa if pressure_gpa is not None else (manifest.pressure_gpa if manifest else 0.0)
    taken, found, other = _spectra(folder, run, route)
    spread = _spread(found)
    lambdas = [s.lambda_ep for s in found]
    spectra = tuple(_of_first_principles(s, run, taken, lambdas, spread, other) for s in found)
    label = spectra[len(spectra) // 2].label if len(spectra) < 3 else None
    prediction = predict_from_spectrum(
        spectra,
        name,
        source=f"first principles: {folder.resolve().name}",
        mu_star=mu,
        pressure_gpa=pressure,
        label=label,
        plateau_tolerance=spread,
    )
    chosen = prediction.spectrum
    if chosen is None:  # predict_from_spectrum gives every prediction its spectrum
        raise TypeError("a prediction without a spectrum")
    tc, notes = _tc(chosen, mu)
    notes = [*run.notes, *notes]
    if taken != "epw" and route is None and _epw_files(folder):
        notes.append("a spectrum of EPW is there, too, and was left aside: --route epw reads it")
    prediction = _with_run(prediction, run, manifest, crystal, taken, spectra, tc, notes)
    return Calculation(folder, run, manifest, prediction, spectra, taken, tc, tuple(notes))


def _same_material(formula: str, run: FinishedRun, folder: Path) -> None:
    from htc.materials.formulas import parse_formula

    if run.formula is not None and parse_formula(formula).reduced_formula != run.formula:
        raise InputError(
            f"the run is of {run.formula}, not of {formula}", where=str(folder), hint="leave the formula away"
        )


def _spectra(
    folder: Path, run: FinishedRun, wanted: Route | None
) -> tuple[Route, list[Spectrum], list[Spectrum]]:
    """Route, its spectra, and those summed over q to hold the interpolated ones against."""
    summed = read_spectra(folder / "alpha2F.dat") if (folder / "alpha2F.dat").is_file() else []
    if wanted == "epw" or (wanted is None and run.q_mesh is None):
        return "epw", _of_epw(folder), summed
    interpolated = [
        s
        for path in sorted(folder.glob("a2F.dos*"), key=lambda p: int(re.sub(r"\D", "", p.name[7:]) or 0))
        for s in read_spectra(path)
    ]
    # Without matdyn.x's summary nothing says which smearing each file is of.
    known = interpolated and all("smearing" in s.provenance for s in interpolated)
    if known and wanted in (None, "matdyn"):
        return "matdyn", interpolated, summed
    if summed and wanted in (None, "lambda"):
        return "lambda", summed, []
    raise SpectrumError(
        "neither matdyn.x's a2F.dos files nor lambda.x's alpha2F.dat are there"
        if wanted is None
        else f"there is no spectrum by the route {wanted}",
        where=str(folder),
        hint="run q2r.x and matdyn.x with la2F=.true., or lambda.x",
    )


def _epw_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.a2f"))


def _of_epw(folder: Path) -> list[Spectrum]:
    files = _epw_files(folder)
    if len(files) != 1:
        raise InputError(
            f"{len(files)} spectra of EPW (prefix.a2f)", where=str(folder), hint="one run of EPW a folder"
        )
    spectra = read_spectra(files[0])
    if any(s.provenance.get("truncated") for s in spectra):
        raise SpectrumError("EPW stopped before the spectrum was written to its end", where=str(files[0]))
    return spectra


def _spread(spectra: Sequence[Spectrum]) -> float:
    """The least of ``_SPREADS`` that gives a plateau.

    Raises:
        SpectrumError: none does.
    """
    if len(spectra) < 3 or any("smearing" not in s.provenance for s in spectra):
        return CONVERGED_SPREAD
    for spread in _SPREADS:
        if find_plateau(spectra, tolerance=spread).found:
            return spread
    lambdas = ", ".join(f"{s.lambda_ep:.3f}" for s in spectra)
    raise SpectrumError(
        f"no three neighbouring smearings agree within {_SPREADS[-1]:.0%}: lambda is {lambdas}",
        where=str(spectra[0].provenance.get("source", "")),
        hint="the dense k mesh is far too coarse for this Fermi surface; prepare it with a denser one",
    )


def _of_first_principles(
    spectrum: Spectrum,
    run: FinishedRun,
    route: Route,
    lambdas: list[float],
    spread: float,
    other: Sequence[Spectrum],
) -> Spectrum:
    """The spectrum with where it comes from, and what the run says against it, in its provenance."""
    marks: dict[str, Any] = {
        "origin": ORIGIN_FIRST_PRINCIPLES,
        "code": run.code if route != "epw" else run.epw,
        "smearing_spread": spread,
        "lambda_by_smearing": lambdas,
    }
    width = None if route == "epw" else spectrum.provenance.get("smearing")
    if route == "epw" or len(lambdas) < 3:
        # EPW's smearings are those of the phonons, which move nothing.
        marks["convergence"] = "unseen"
    if route == "epw" and other:
        # Its smearings are others; a broad one of ph.x's is the one that a coarse mesh has converged.
        marks["lambda_summed_over_q"] = other[2 * len(other) // 3].lambda_ep
    for twin in other:
        if width is not None and abs(float(twin.provenance["smearing"]) - float(width)) < 1e-6:
            marks["lambda_summed_over_q"] = twin.lambda_ep
    return Spectrum(spectrum.omega_mev, spectrum.alpha2f, spectrum.label, {**spectrum.provenance, **marks})


def _tc(spectrum: Spectrum, mu_star: float) -> tuple[dict[str, float | None], list[str]]:
    from htc.theory import critical_temperature

    tc: dict[str, float | None] = {}
    notes = []
    for method in METHODS:
        try:
            result = critical_temperature(spectrum, mu_star, method)
        except (SpectrumError, ConvergenceError) as error:
            tc[method] = None
            notes.append(f"no Tc by {method}: {error.what}")
        else:
            tc[method] = result.tc_k
    return tc, notes


def _with_run(
    prediction: Prediction,
    run: FinishedRun,
    manifest: Manifest | None,
    crystal: Structure | None,
    route: Route,
    spectra: Sequence[Spectrum],
    tc: dict[str, float | None],
    notes: Sequence[str],
) -> Prediction:
    """The record with crystal, phonons and provenance of the run."""
    from htc.materials.symmetry import primitive_standardised

    provenance: dict[str, Any] = dict(prediction.provenance)
    provenance["cautions"] = list(provenance["cautions"])
    about: dict[str, Any] = {
        "code": run.code if route != "epw" else run.epw,
        "route": route,
        "tc_k": tc,
        "eliashberg_convention": "asis",
        "smearings": _by_smearing(spectra),
        **{k: v for k, v in run.facts.items() if v is not None},
    }
    if run.q_mesh is not None:
        about |= {"q_mesh": list(run.q_mesh.mesh), "q_points": len(run.q_mesh.points)}
    if manifest is not None:
        about |= {
            "prediction_id": manifest.prediction_id,
            "run_id": manifest.run_id,
            "prepared_structure_hash": manifest.structure_hash,
            "meshes": manifest.meshes,
            "cutoffs": manifest.cutoffs,
            "pseudopotentials": manifest.pseudopotentials,
            "settings": manifest.settings,
            "prepared_with": manifest.htc_version,
        }
        provenance["cautions"] += manifest.warnings
    provenance["first_principles"] = about
    provenance["notes"] = [*provenance["notes"], *notes]
    changes: dict[str, Any] = {"provenance": provenance}
    if crystal is not None:
        standard = primitive_standardised(crystal)
        provenance |= {"spacegroup": standard.spacegroup, "symprec": standard.symprec}
        if manifest is not None and manifest.spacegroup != standard.spacegroup:
            provenance["cautions"].append(
                f"it was prepared with space group {manifest.spacegroup} and calculated with "
                f"{standard.spacegroup}: another crystal than the one predicted"
            )
        changes |= {
            "structure": standard.structure.as_dict(),
            "structure_origin": "given",
            "composition": standard.structure.composition.formula,
        }
    lowest = run.lowest_frequency_thz
    if lowest is not None and run.q_mesh is not None:
        mesh = "x".join(map(str, run.q_mesh.mesh))
        changes |= {
            "phonon_stable": True,
            "phonon_verdict": "stable",
            "imaginary_modes_count": 0,
            "lowest_frequency_thz": lowest,
            "stability_potential": f"{run.code}, phonons on a {mesh} mesh",
        }
    return replace(prediction, **changes)


def _by_smearing(spectra: Sequence[Spectrum]) -> list[dict[str, Any]]:
    return [
        {
            "smearing": s.provenance.get("smearing"),
            "unit": s.provenance.get("smearing_unit"),
            "lambda_ep": s.lambda_ep,
            "omega_log_k": _finite(s.omega_log_k),
        }
        for s in spectra
    ]


def _finite(value: float) -> float | None:
    return value if value == value and abs(value) != float("inf") else None
