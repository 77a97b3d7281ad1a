"""A record from a measured or computed spectrum instead of a model's guess."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from htc.errors import InputError, SpectrumError
from htc.materials.families import recognise
from htc.materials.formulas import parse_formula
from htc.prediction.hashing import input_hash, spectrum_hash
from htc.prediction.predictor import check_conditions
from htc.prediction.record import Prediction, SpectrumOrigin
from htc.spectra import Spectrum
from htc.spectra.checks import CONVERGED_SPREAD, check
from htc.spectra.smearing import Plateau, find_plateau

__all__ = ["MU_STAR_STD", "choose_spectrum", "predict_from_spectrum"]

MU_STAR_STD: Final = 0.02
"""Standard deviation of mu* carried into the interval: conventional metals have 0.08 to 0.16."""

_FORMULA: Final = "allen_dynes"
_UNCONVERGED: Final = frozenset({"unconverged-smearing", "coarse-q-mesh"})
"""Flags of a calculation whose own meshes do not agree."""
_AS_GIVEN: Final = {"measured": "alpha2F as given", "surrogate": "surrogate alpha2F as given"}


def choose_spectrum(
    spectra: Sequence[Spectrum], label: str | None = None, *, tolerance: float = CONVERGED_SPREAD
) -> tuple[Spectrum, Plateau | None]:
    """The spectrum that stands for a file: the one named, the only one, or the middle of the plateau.

    Args:
        spectra: all spectra of one file.
        label: label of the one to take, or None.
        tolerance: spread that a plateau may have, see `htc.spectra.find_plateau`.

    Returns:
        The spectrum, and the plateau where it was chosen by one.

    Raises:
        InputError: no spectrum has this label.
        SpectrumError: several spectra, none named, and no plateau against smearing.
    """
    if label is not None:
        for spectrum in spectra:
            if spectrum.label == label:
                return spectrum, None
        labels = ", ".join(repr(s.label) for s in spectra)
        raise InputError(f"no spectrum is labelled {label!r}", hint=f"there are: {labels}")
    if len(spectra) == 1:
        return spectra[0], None
    plateau = find_plateau(spectra, tolerance=tolerance)
    if not plateau.found:
        raise SpectrumError(
            "the smearings do not agree with each other: there is no plateau to choose from",
            hint="name one by its label, or use denser k and q meshes",
        )
    flat = [float(value) for value, is_flat in zip(plateau.smearing, plateau.flat, strict=True) if is_flat]
    middle = flat[len(flat) // 2]
    return next(s for s in spectra if float(s.provenance["smearing"]) == middle), plateau


def predict_from_spectrum(
    spectra: Sequence[Spectrum],
    formula: str,
    *,
    source: str,
    mu_star: float,
    mu_star_std: float = MU_STAR_STD,
    pressure_gpa: float = 0.0,
    label: str | None = None,
    plateau_tolerance: float = CONVERGED_SPREAD,
) -> Prediction:
    """Record of a material whose alpha2F is known, by the full Allen-Dynes formula.

    The interval carries the uncertainty of mu* and, where the file has several smearings, the spread over
    their plateau. It does not know how far the calculation behind the spectrum is from the truth.

    Args:
        spectra: all spectra of one file.
        formula: what material it is.
        source: name of the input.
        mu_star: Coulomb pseudopotential.
        mu_star_std: its standard deviation.
        pressure_gpa: pressure of the calculation.
        label: spectrum to take; None for the plateau's middle.
        plateau_tolerance: spread that the plateau may have; its members' spread is in the interval.

    Raises:
        FormulaError: the formula cannot be read.
        SpectrumError: no plateau to choose from, or no moments.
        InputError: mu*, pressure or the label is not usable.
    """
    from htc.theory import critical_temperature
    from htc.theory.uncertainty import log_covariance, propagate, propagate_plateau
    from htc.version import __version__

    check_conditions(pressure_gpa, mu_star)
    composition = parse_formula(formula)
    spectrum, plateau = choose_spectrum(spectra, label, tolerance=plateau_tolerance)
    family = recognise(composition, pressure_gpa=pressure_gpa)
    identity = input_hash(
        kind="spectrum",
        material=f"{composition.reduced_formula} {spectrum_hash(spectrum)}",
        pressure_gpa=pressure_gpa,
        mu_star=mu_star,
        model_id=None,
        formula=_FORMULA,
        mu_star_std=mu_star_std,
        plateau=None if plateau is None else list(plateau.limits or ()),
        # The same spectrum as some hand gave it, and out of a checked run, are two.
        **({} if spectrum.first_principles is None else {"first_principles": spectrum.first_principles}),
    )
    origin: SpectrumOrigin = "surrogate" if spectrum.is_surrogate else "measured"
    found = check(spectrum)
    flags = [flag.message for flag in found]
    unconverged = any(flag.code in _UNCONVERGED for flag in found)
    notes = [] if plateau is None else [f"{spectrum.label}: middle of the plateau ({plateau.criterion})"]
    provenance: dict[str, Any] = {
        "htc_version": __version__,
        "formula": _FORMULA,
        "cautions": [*family.cautions, *flags],
        "notes": notes,
        "spectrum": {k: v for k, v in spectrum.provenance.items() if isinstance(v, str | int | float | bool)},
        "spectrum_label": spectrum.label,
        "mu_star_std": mu_star_std,
    }
    if not family.applicable:
        return Prediction(
            source=source,
            composition=composition.formula,
            reduced_formula=composition.reduced_formula,
            family=family.name,
            applicable=False,
            reason=family.reason,
            prediction_method="none: outside electron-phonon theory",
            pressure_gpa=pressure_gpa,
            spectrum=spectrum,
            spectrum_origin=origin,
            input_hash=identity,
            provenance=provenance,
        )
    result = critical_temperature(spectrum, mu_star, _FORMULA)
    lambda_ep, omega_log, omega_2 = result.lambda_ep, result.omega_log_k, result.omega_2_k
    if omega_log is None or omega_2 is None:
        raise SpectrumError(
            "the spectrum has no positive lambda, omega_log and omega_2",
            where=source,
            hint="see `htc tc` for what its checks say",
        )
    if result.reason is not None:
        provenance["notes"] = [*notes, result.reason]
    if plateau is None:
        spread = propagate(
            lambda_ep,
            omega_log,
            mu_star,
            covariance=log_covariance([lambda_ep, omega_log, omega_2], [0.0, 0.0, 0.0]),
            omega_2_k=omega_2,
            mu_star_std=mu_star_std,
            formula=_FORMULA,
        )
    else:
        spread = propagate_plateau(plateau, mu_star, mu_star_std=mu_star_std, formula=_FORMULA)
    return Prediction(
        source=source,
        composition=composition.formula,
        reduced_formula=composition.reduced_formula,
        family=family.name,
        applicable=True,
        tc_predicted=result.tc_k,
        tc_lower_95ci=min(spread.lower_95, result.tc_k),
        tc_upper_95ci=max(spread.upper_95, result.tc_k),
        tc_uncertainty=spread.std,
        lambda_ep=lambda_ep,
        omega_log=omega_log,
        omega_2=omega_2,
        mu_star=mu_star,
        prediction_method=f"McMillan-Allen-Dynes (f1 f2), {_given(spectrum, origin)}",
        confidence_level="low" if unconverged else "medium" if flags or family.cautions else "high",
        pressure_gpa=pressure_gpa,
        spectrum=spectrum,
        spectrum_origin=origin,
        input_hash=identity,
        provenance=provenance,
    )


def _given(spectrum: Spectrum, origin: SpectrumOrigin) -> str:
    code = spectrum.first_principles
    return _AS_GIVEN[origin] if code is None else f"alpha2F from first principles ({code})"
