"""The record of a prediction: what every room above hands on, stores, ranks and serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from htc.spectra import Spectrum

__all__ = ["ConfidenceLevel", "ModelTier", "PhononVerdict", "Prediction", "SpectrumOrigin"]

ConfidenceLevel = Literal["low", "medium", "high"]
ModelTier = Literal["fast", "default", "best"]
PhononVerdict = Literal["stable", "unstable", "undecided"]
SpectrumOrigin = Literal["measured", "surrogate"]


_COLUMNS: Final = {"pressure_gpa": "pressure_required_gpa", "hull_distance_ev": "hull_distance_eV"}
"""What leaves the program is called as the columns are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One predicted critical temperature, or the reason why there is none.

    Either ``applicable`` is true and ``tc_predicted`` is a number, or ``applicable`` is false, ``reason``
    says why electron-phonon theory gives no Tc for this material, and every predicted quantity is None.
    """

    source: str
    """The input as its giver named it: a path, a formula, a request field."""
    composition: str
    """Full formula of the input, e.g. of the unit cell: ``"Mg1 B2"``."""
    reduced_formula: str
    """Reduced formula, e.g. ``"MgB2"``."""
    family: str
    """Family of the material, see ``htc.materials.families``."""
    applicable: bool
    reason: str | None = None
    """Why there is no Tc, or None."""

    tc_predicted: float | None = None
    """Critical temperature, K."""
    tc_lower_95ci: float | None = None
    """Lower end of the 95 % interval, K."""
    tc_upper_95ci: float | None = None
    """Upper end of the 95 % interval, K."""
    tc_uncertainty: float | None = None
    """One standard deviation of Tc, K."""
    lambda_ep: float | None = None
    """Electron-phonon coupling constant, dimensionless."""
    lambda_ep_uncertainty: float | None = None
    """One standard deviation of lambda_ep."""
    omega_log: float | None = None
    """Logarithmic average phonon frequency, K."""
    omega_log_uncertainty: float | None = None
    """One standard deviation of omega_log, K."""
    omega_2: float | None = None
    """Second-moment phonon frequency, K; None where only a model without omega_2 spoke."""
    omega_2_uncertainty: float | None = None
    """One standard deviation of omega_2, K."""
    tc_experiment: float | None = None
    """What a laboratory will measure, K: median of compounds with both a prediction and a measurement."""
    tc_experiment_lower_95ci: float | None = None
    """Lower end of the 95 % interval *against experiment*, K; ``tc_lower_95ci`` is against a calculation."""
    tc_experiment_upper_95ci: float | None = None
    """Upper end of the 95 % interval *against experiment*, K."""
    mu_star: float | None = None
    """Coulomb pseudopotential the Tc was computed with."""
    prediction_method: str = "McMillan-Allen-Dynes"
    """Formula and origin of the coupling, in words."""
    confidence_level: ConfidenceLevel | None = None
    extrapolation_warning: bool = False
    extrapolation_reasons: tuple[str, ...] = ()
    """What about the input lies outside the model's training data, one phrase each."""
    pressure_gpa: float = 0.0

    structure: Mapping[str, Any] | None = None
    """Structure the model saw, as pymatgen's ``Structure.as_dict()``; None for composition-only."""
    structure_origin: str | None = None
    """``given``, ``library: ...``, ``store: ...``, ``materials-project: ...``, ``optimade: ...`` or None."""
    spectrum: Spectrum | None = None
    """alpha2F where there is one."""
    spectrum_origin: SpectrumOrigin | None = None
    """Whether ``spectrum`` was computed or measured, or formed from predicted moments; None without one."""
    phonon_stable: bool | None = None
    """Whether the lattice is dynamically stable; None where it was not tested or not decided."""
    phonon_verdict: PhononVerdict | None = None
    """What the phonons of an interatomic potential say; None where they were not computed."""
    imaginary_modes_count: int | None = None
    """Phonon modes of imaginary frequency on the mesh, None where phonons were not computed."""
    lowest_frequency_thz: float | None = None
    """Lowest phonon frequency of the potential, THz; negative for an imaginary one."""
    thermo_stable: bool | None = None
    """Whether it lies on the convex hull of the competitors known; None where it was not tested."""
    hull_distance_ev: float | None = None
    """Energy above the hull of the known competitors, eV/atom: a lower bound of the true one."""
    hull_competitors: int | None = None
    """How many competing phases that hull knew."""
    stability_potential: str | None = None
    """Potential or table the stability was found with."""
    model_tier: ModelTier | None = None
    """Which tier of the model spoke; None for a measured spectrum."""
    model_id: str | None = None
    """Name, version and weight hash of the model that gave the coupling; None for a measured spectrum."""
    input_hash: str = ""
    """SHA-256 over canonical input, pressure, mu*, model and settings: equal hash, equal prediction."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Anything else needed to recompute the row: settings, formula set, program version."""

    @property
    def xi_parameter(self) -> float | None:
        """lambda_ep / (1 + lambda_ep)."""
        return None if self.lambda_ep is None else self.lambda_ep / (1.0 + self.lambda_ep)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What speaks against trusting the Tc although a number is given, one phrase each."""
        return tuple(self.provenance.get("cautions", ()))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, dropped or could not be asked on the way here, one sentence each."""
        return tuple(self.provenance.get("notes", ()))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields without the structure and the spectrum, under the names of the stored columns."""
        out = {k: v for k, v in asdict(self).items() if k not in {"structure", "spectrum", "provenance"}}
        for name, column in _COLUMNS.items():
            out[column] = out.pop(name)
        out["extrapolation_reasons"] = list(self.extrapolation_reasons)
        out["xi_parameter"] = self.xi_parameter
        out["cautions"] = list(self.cautions)
        out["notes"] = list(self.notes)
        return out
