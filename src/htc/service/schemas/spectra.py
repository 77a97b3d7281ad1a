"""A spectrum given, and everything that follows from it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from htc.prediction.predictor import MAX_MU_STAR, MAX_PRESSURE_GPA
from htc.service.schemas.predictions import PredictionAnswer, SpectrumData
from htc.service.schemas.problems import Problem

__all__ = [
    "EliashbergAnswer",
    "FormulaTc",
    "MuStarScan",
    "PlateauAnswer",
    "SpectrumAnswer",
    "SpectrumFlag",
    "SpectrumOptions",
    "SpectrumRequest",
    "SpectrumSummary",
]

MAX_POINTS: Final = 20_000
MAX_SPECTRUM_CHARACTERS: Final = 8_000_000

ConventionName = Literal["asis", "epw", "ebmb", "elk", "isome"]
EnergyUnit = Literal["meV", "eV", "THz", "cm-1", "Ry", "Ha", "K"]


class SpectrumOptions(BaseModel):
    """What to compute of a spectrum."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    unit: EnergyUnit | None = Field(
        default=None,
        description="Energy unit of `omega`, or of a file that states none. A file that states another one "
        "is refused, not converted.",
    )
    label: str | None = Field(
        default=None,
        max_length=200,
        description="Of a file with several spectra (smearings), the one to take; null for the middle of the "
        "plateau, or the only one.",
    )
    negative: Literal["keep", "clip", "refuse"] = Field(
        default="keep", description="What to do with alpha2F < 0: keep it and say so, clip it, or refuse."
    )
    mu_star: float = Field(default=0.10, ge=0.0, le=MAX_MU_STAR, description="Coulomb pseudopotential.")
    convention: ConventionName = Field(
        default="asis",
        description="What mu* means to the Eliashberg equations. Formulas have their own meaning.",
    )
    all_conventions: bool = Field(
        default=False, description="Also Tc under every other convention; about a tenth of a second each."
    )
    eliashberg: bool = Field(
        default=True, description="Also solve the Eliashberg equations; false for the closed formulas alone."
    )
    gap: bool = Field(default=True, description="With eliashberg: also the gap over temperature.")
    scan: bool = Field(default=True, description="Also Tc over mu*, see `mu_star_scan`.")
    store: bool = Field(
        default=False, description="Store Tc by the full Allen-Dynes formula as that of `formula`."
    )
    formula: str | None = Field(
        default=None, min_length=1, max_length=200, description="What material it is; needed to store."
    )
    pressure_gpa: float = Field(
        default=0.0, ge=0.0, le=MAX_PRESSURE_GPA, description="Pressure of the calculation, GPa."
    )


class SpectrumRequest(SpectrumOptions):
    """A spectrum: the text of a file of any code, or two arrays."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "omega": [5.0, 10.0, 15.0, 20.0, 25.0, 30.0],
                    "alpha2f": [0.05, 0.2, 0.5, 0.6, 0.3, 0.01],
                    "unit": "meV",
                    "mu_star": 0.1,
                }
            ]
        },
    )

    text: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SPECTRUM_CHARACTERS,
        description="Content of a file with alpha2F; the format is found from it.",
    )
    file_name: str | None = Field(
        default=None, min_length=1, max_length=200, description="Name of that file, kept as the source."
    )
    omega: list[float] | None = Field(
        default=None,
        min_length=2,
        max_length=MAX_POINTS,
        description="Phonon energies in `unit`, strictly rising.",
    )
    alpha2f: list[float] | None = Field(
        default=None,
        min_length=2,
        max_length=MAX_POINTS,
        description="alpha2F at these energies, dimensionless.",
    )


class SpectrumFlag(BaseModel):
    """What speaks against a spectrum, or a number that came from it."""

    code: str = Field(description="Stable name.")
    message: str = Field(description="What it is, in words.")


class SpectrumSummary(BaseModel):
    """One spectrum of a file."""

    label: str = Field(description="What tells it from the others.")
    lambda_ep: float = Field(description="Electron-phonon coupling constant.")
    omega_log: float | None = Field(description="Logarithmic average frequency, K; null where there is none.")
    omega_2: float | None = Field(
        description="Root of the second moment, K; null where negative weight makes it imaginary."
    )
    max_omega_mev: float = Field(description="Highest energy of the grid, meV.")
    flags: list[SpectrumFlag] = Field(description="What its checks say; empty if nothing.")


class PlateauAnswer(BaseModel):
    """Whether the smearings of a file agree."""

    found: bool = Field(description="Whether there is a plateau.")
    criterion: str = Field(description="What was asked of it.")
    unit: str = Field(description="Unit of the smearing.")
    lower: float | None = Field(description="Its smallest smearing; null where there is none.")
    upper: float | None = Field(description="Its largest smearing; null where there is none.")


class FormulaTc(BaseModel):
    """Tc by one closed formula."""

    method: str = Field(description="Stable name of the formula.")
    title: str = Field(description="Its name for people.")
    doi: str = Field(description="Where it was published.")
    mu_star: float = Field(description="Coulomb pseudopotential, as the formula means it.")
    mu_star_convention: str = Field(description="What mu* means in it.")
    tc_kelvin: float | None = Field(description="Critical temperature, K; null where a moment is missing.")
    reason: str | None = Field(description="Why Tc is zero or missing; null where it is neither.")


class GapAnswer(BaseModel):
    """The gap over temperature, on the imaginary axis; all arrays are of one length."""

    temperature_kelvin: list[float] = Field(description="Temperatures, K.")
    delta0_mev: list[float] = Field(description="Gap function at the first Matsubara frequency, meV.")
    edge_mev: list[float | None] = Field(description="Gap edge by Pade approximants, meV; null if not found.")
    zero_temperature_mev: float | None = Field(description="Gap towards zero temperature, meV.")
    ratio_2delta_ktc: float | None = Field(description="2 Delta_0 / (k Tc); 3.53 in weak coupling.")


class EliashbergAnswer(BaseModel):
    """Tc, and the gap, by the isotropic Eliashberg equations."""

    convention: ConventionName = Field(description="What mu* means here.")
    title: str = Field(description="The convention in words.")
    mu_star: float = Field(description="Coulomb pseudopotential, as given.")
    mu_star_at_cutoff: float | None = Field(description="As it stands in the Coulomb sum.")
    cutoff_mev: float | None = Field(description="Cutoff of the phonon sum, meV.")
    tc_kelvin: float | None = Field(description="Critical temperature, K; null where there is a problem.")
    converged: bool = Field(description="Whether the search for Tc settled.")
    reason: str | None = Field(description="Why Tc is zero; null where it is not.")
    warnings: list[str] = Field(description="What else to know about these numbers, each `code: text`.")
    gap: GapAnswer | None = Field(description="The gap; null if not asked for, without Tc, or not converged.")
    problem: Problem | None = Field(description="Why there is no answer; null where there is one.")


class MuStarScan(BaseModel):
    """Tc over mu*; all arrays are of one length."""

    mu_star: list[float] = Field(description="Coulomb pseudopotential.")
    tc_kelvin: dict[str, list[float | None]] = Field(
        description="Critical temperature, K, by formula, and under `eliashberg` by the equations in the "
        "convention asked for; null where there is none."
    )


class SpectrumAnswer(BaseModel):
    """Everything that follows from a spectrum."""

    source: str = Field(description="Name of the input.")
    format: str = Field(description="Format that was recognised; `arrays` for arrays.")
    spectra: list[SpectrumSummary] = Field(description="All spectra of the file.")
    plateau: PlateauAnswer | None = Field(description="Plateau over smearings; null with fewer than three.")
    chosen: str = Field(description="Label of the spectrum that everything below is about.")
    notes: list[str] = Field(description="What was assumed or left out, one sentence each.")
    spectrum: SpectrumData = Field(description="The spectrum with its running lambda.")
    lambda_ep: float = Field(description="Electron-phonon coupling constant.")
    omega_log: float | None = Field(description="Logarithmic average frequency, K; null where there is none.")
    omega_2: float | None = Field(description="Root of the second moment, K; null where there is none.")
    flags: list[SpectrumFlag] = Field(description="What its checks say; empty if nothing.")
    formulas: list[FormulaTc] = Field(description="Tc by every closed formula.")
    eliashberg: list[EliashbergAnswer] = Field(
        description="Tc by the Eliashberg equations: the convention asked for first; empty if not asked for."
    )
    mu_star_scan: MuStarScan | None = Field(description="Tc over mu*; null if not asked for.")
    prediction: PredictionAnswer | None = Field(description="What was stored; null if not asked for.")
