"""What the properties mean, with units: the text of ``/info``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from htc.optimade.crystals import GEOMETRY
from htc.optimade.filters import Vocabulary
from htc.store.optimade import LISTS, PREDICTIONS, STRUCTURES, EntryKind, Kind

__all__ = ["ENTRY_TYPES", "PREFIX", "EntryType"]

PREFIX: Final = "htc"

_CI: Final = "of the 95 % interval of the critical temperature"

_OWN: Final[Mapping[str, tuple[str, str | None]]] = {
    "_htc_prediction_id": ("Id of the best prediction: highest tier of the model, then the newest.", None),
    "_htc_tc_kelvin": ("Predicted critical temperature of the electron-phonon mechanism.", "K"),
    "_htc_tc_lower_95ci_kelvin": (f"Lower end {_CI}, against a converged calculation.", "K"),
    "_htc_tc_upper_95ci_kelvin": (f"Upper end {_CI}, against a converged calculation.", "K"),
    "_htc_tc_uncertainty_kelvin": ("One standard deviation of the critical temperature.", "K"),
    "_htc_tc_experiment_kelvin": (
        "What a laboratory will measure: median, where there is a basis for it.",
        "K",
    ),
    "_htc_tc_experiment_lower_95ci_kelvin": (f"Lower end {_CI}, against experiment.", "K"),
    "_htc_tc_experiment_upper_95ci_kelvin": (f"Upper end {_CI}, against experiment.", "K"),
    "_htc_lambda_ep": ("Electron-phonon coupling constant lambda.", "1"),
    "_htc_lambda_ep_uncertainty": ("One standard deviation of lambda.", "1"),
    "_htc_omega_log_kelvin": ("Logarithmic average phonon frequency.", "K"),
    "_htc_omega_log_uncertainty_kelvin": ("One standard deviation of the logarithmic average.", "K"),
    "_htc_omega_2_kelvin": ("Second-moment phonon frequency.", "K"),
    "_htc_mu_star": ("Coulomb pseudopotential mu* the critical temperature was computed with.", "1"),
    "_htc_pressure_gpa": ("Pressure the prediction holds for.", "GPa"),
    "_htc_hull_distance_ev_per_atom": (
        "Energy above the convex hull of the competitors known, per atom: a lower bound of the true one.",
        "eV",
    ),
    "_htc_hull_competitors": ("How many competing phases that hull knew.", "1"),
    "_htc_thermo_stable": ("Whether it lies on that hull; unknown where it was not tested.", None),
    "_htc_phonon_verdict": (
        "What the phonons of an interatomic potential say: stable, unstable or undecided.",
        None,
    ),
    "_htc_phonon_stable": ("The verdict as true or false; unknown where it is undecided.", None),
    "_htc_imaginary_modes_count": ("Phonon modes of imaginary frequency on the mesh.", "1"),
    "_htc_lowest_frequency_thz": ("Lowest phonon frequency; negative for an imaginary one.", "THz"),
    "_htc_stability_potential": ("Potential or table the stability was found with.", None),
    "_htc_confidence": (
        "low, medium or high, from the distance to the model's training data, not from the value.",
        None,
    ),
    "_htc_extrapolation_warning": ("Whether the material lies outside the model's training data.", None),
    "_htc_applicable": ("Whether electron-phonon theory applies; if not, there is no Tc but a reason.", None),
    "_htc_reason": ("Why there is no critical temperature.", None),
    "_htc_family": ("Family of the material, e.g. boride, a15, hydride.", None),
    "_htc_prediction_method": ("Formula of the critical temperature and origin of the coupling.", None),
    "_htc_model_id": ("Name, version and weight hash of the model.", None),
    "_htc_model_tier": ("Tier of the model: fast, default or best.", None),
    "_htc_structure_origin": ("Where the structure of the prediction is known from.", None),
    "_htc_predicted_at": ("When the prediction was stored.", None),
    "_htc_volume_cubic_angstrom": ("Volume of the cell, in cubic angstrom.", "Ao3"),
    "_htc_composition": ("Formula as it was given, e.g. of the unit cell.", None),
    "_htc_formula": ("Reduced formula with elements by electronegativity, e.g. MgB2.", None),
    "_htc_elements": ("Symbols of the elements, in alphabetical order.", None),
    "_htc_structure_id": ("Id of the structure in /structures; unknown for a composition alone.", None),
    "_htc_run_id": ("Screening, optimisation or batch the prediction belongs to.", None),
}

_SCALARS: Final[tuple[Kind, ...]] = ("string", "integer", "float", "boolean", "timestamp")
_TYPES: Final[Mapping[Kind, str]] = {**dict.fromkeys(LISTS, "list"), **{kind: kind for kind in _SCALARS}}
"""Names of the kinds in OPTIMADE."""

_NO_ATTRIBUTES: Final = frozenset({"id", "type"})


@dataclass(frozen=True, slots=True)
class EntryType:
    """One kind of entry as it is served."""

    name: str
    """Name of the type, which is its path, too."""
    description: str
    kind: EntryKind
    vocabulary: Vocabulary
    geometric: bool
    """Whether entries have a crystal."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of what an entry shows, without id and type."""
        own = tuple(name for name in self.kind.columns if name not in _NO_ATTRIBUTES)
        return own + (GEOMETRY if self.geometric else ())

    @property
    def empty(self) -> frozenset[str]:
        """Properties of the standard that may be asked for and are null for every entry."""
        return self.vocabulary.unknown

    def info(self) -> dict[str, dict[str, Any]]:
        """Each property with its description, type, unit and whether it can be sorted by."""
        return dict(_info(self.name))


@lru_cache
def _info(entry_type: str) -> dict[str, dict[str, Any]]:
    from optimade.models import StructureResource  # type: ignore[import-untyped]  # no types published
    from optimade.server.schemas import (  # type: ignore[import-untyped]  # no types published
        retrieve_queryable_properties,
    )

    kind = ENTRY_TYPES[entry_type]
    standard = retrieve_queryable_properties(StructureResource, ("id", "type", "attributes"))
    found: dict[str, dict[str, Any]] = {}
    for name in ("id", "type", *kind.attributes):
        column = kind.kind.columns.get(name)
        if name in _OWN:
            description, unit = _OWN[name]
        else:
            description, unit = standard[name]["description"], standard[name].get("unit")
        found[name] = {
            "description": description,
            "type": _TYPES[column.kind] if column else "list",
            "sortable": column is not None and column.sortable,
        } | ({"unit": unit} if unit else {})
    return found


STRUCTURE_TYPE: Final = EntryType(
    "structures",
    "Crystals with the best prediction of their critical temperature.",
    STRUCTURES,
    Vocabulary(
        STRUCTURES.columns,
        shown_only=frozenset(GEOMETRY),
        unknown=frozenset(
            {
                "assemblies",
                "chemical_formula_hill",
                "space_group_symbol_hall",
                "space_group_symbol_hermann_mauguin",
                "space_group_symbol_hermann_mauguin_extended",
                "space_group_symmetry_operations_xyz",
            }
        ),
        prefix=PREFIX,
    ),
    geometric=True,
)

PREDICTION_TYPE: Final = EntryType(
    "_htc_predictions",
    "Every prediction of a critical temperature, also of compositions without a structure.",
    PREDICTIONS,
    Vocabulary(PREDICTIONS.columns, prefix=PREFIX),
    geometric=False,
)

ENTRY_TYPES: Final[Mapping[str, EntryType]] = {kind.name: kind for kind in (STRUCTURE_TYPE, PREDICTION_TYPE)}
"""By name, which is also the path."""
