"""``Predictor``: materials in, one record each out, in order, whatever goes wrong with one of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError, InputError, SourceUnavailableError
from htc.materials.families import Family, recognise
from htc.materials.inputs import InputItem
from htc.materials.sources import FoundStructure, StructureSource
from htc.materials.symmetry import Standardised, primitive_standardised, structure_hash
from htc.models import Coupling, CouplingModel
from htc.prediction.hashing import composition_key, input_hash
from htc.prediction.record import ConfidenceLevel, Prediction

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure

    from htc.models.experiment import ExperimentEstimate

__all__ = ["MAX_MU_STAR", "MAX_PRESSURE_GPA", "Failure", "Material", "Predictor", "check_conditions"]

MAX_MU_STAR: Final = 0.5
MAX_PRESSURE_GPA: Final = 1000.0
BATCH: Final = 128
"""Materials the model sees together."""

HYDROGEN_RICH: Final = 0.5
_UNCOMPRESSED: Final = "the prediction compresses nothing"
_LEVELS: Final[tuple[ConfidenceLevel, ...]] = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be predicted."""

    source: str
    error: HTCError


@dataclass(slots=True)
class Material:
    """One input on its way through: read, recognised, standardised, and not yet predicted."""

    source: str
    """The input as its giver named it."""
    composition: Composition
    family: Family
    pressure_gpa: float
    standardised: Standardised | None = None
    origin: str | None = None
    """Where the crystal is known from; None for a composition."""
    notes: tuple[str, ...] = ()
    _identity: tuple[str, str] | None = None

    @property
    def structure(self) -> Structure | None:
        """Primitive standard cell, or None for a composition."""
        return None if self.standardised is None else self.standardised.structure

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from every other material: ``structure`` or ``composition``, and a hash or key."""
        if self._identity is None:
            if self.standardised is None:
                self._identity = "composition", composition_key(self.composition)
            else:
                self._identity = "structure", structure_hash(self.standardised.structure, self.standardised)
        return self._identity


def check_conditions(pressure_gpa: float, mu_star: float) -> None:
    """Check the conditions of a prediction.

    Raises:
        InputError: a value is not finite or out of range.
    """
    if not (math.isfinite(pressure_gpa) and 0.0 <= pressure_gpa <= MAX_PRESSURE_GPA):
        raise InputError(
            f"pressure must be between 0 and {MAX_PRESSURE_GPA:g} GPa, not {pressure_gpa:g}",
            where="pressure_gpa",
            hint="0 is ambient pressure; tension (negative pressure) is not supported",
        )
    if not (math.isfinite(mu_star) and 0.0 <= mu_star <= MAX_MU_STAR):
        raise InputError(
            f"mu* must be between 0 and {MAX_MU_STAR:g}, not {mu_star:g}",
            where="mu_star",
            hint="conventional superconductors have 0.08 to 0.16",
        )


class Predictor:
    """Predicts Tc of crystals and formulas with one model.

    Args:
        model: from ``htc.models.load_model()``.
        sources: where to look for the crystal of a formula, asked in turn.
    """

    def __init__(self, model: CouplingModel, sources: Sequence[StructureSource] = ()) -> None:
        """Keep the model and the sources."""
        self.model = model
        self.sources = tuple(sources)

    def predict(
        self, items: Iterable[InputItem], *, pressure_gpa: float = 0.0, mu_star: float
    ) -> Iterator[Prediction | Failure]:
        """A record or a failure for every item, in order; consumed and produced lazily.

        Args:
            items: from ``htc.materials.structures.iter_inputs``.
            pressure_gpa: pressure of all of them, GPa. A crystal that is given is taken as its cell at that
                pressure: nothing is compressed, and a note of the record says so.
            mu_star: Coulomb pseudopotential, in the convention of the Allen-Dynes formula.

        Raises:
            InputError: pressure or mu* is out of range.
        """
        check_conditions(pressure_gpa, mu_star)
        stream = iter(items)
        while batch := list(islice(stream, BATCH)):
            yield from self._batch(batch, pressure_gpa, mu_star)

    def _batch(
        self, items: Sequence[InputItem], pressure_gpa: float, mu_star: float
    ) -> list[Prediction | Failure]:
        prepared = [self.prepare(item, pressure_gpa) for item in items]
        sound = [(m, mu_star) for m in prepared if isinstance(m, Material)]
        found = iter(self.predict_prepared(sound))
        return [m if isinstance(m, Failure) else next(found) for m in prepared]

    def predict_prepared(
        self, materials: Sequence[tuple[Material, float]], *, full: bool = True
    ) -> list[Prediction]:
        """A record of every material, in order; the model sees all of them together.

        Args:
            materials: from :meth:`prepare`, each with its Coulomb pseudopotential.
            full: False leaves ``structure`` and ``input_hash`` empty, which cost as much as a quick model.

        Raises:
            ModelError, MissingExtraError: the model cannot be used.
        """
        inside = [m for m, _ in materials if m.family.applicable]
        crystals = [m for m in inside if m.standardised is not None]
        bare = [m for m in inside if m.standardised is None]
        couplings: dict[int, Coupling] = {}
        found = self.model.predict_structures(
            [m.standardised for m in crystals if m.standardised is not None]
        )
        couplings.update(zip(map(id, crystals), found, strict=True))
        couplings.update(
            zip(map(id, bare), self.model.predict_compositions([m.composition for m in bare]), strict=True)
        )
        return [
            self._record(m, couplings[id(m)], mu_star, full=full)
            if m.family.applicable
            else self._refusal(m, mu_star, full=full)
            for m, mu_star in materials
        ]

    def prepare(self, item: InputItem, pressure_gpa: float = 0.0) -> Material | Failure:
        """What the model will see of an input, or why it cannot be used.

        Raises:
            InputError: the pressure is out of range.
            StoreError: the database was to be asked for a crystal and does not answer.
        """
        check_conditions(pressure_gpa, 0.0)
        if item.error is not None:
            return Failure(item.source, item.error)
        composition = item.composition
        if composition is None:  # an item is an error, a formula or a structure
            raise TypeError(f"not an input item: {item!r}")
        try:
            structure, origin, notes = item.structure, "given", item.notes
            if structure is None:
                found, more = self._look_up(composition, pressure_gpa)
                notes = (*notes, *more)
                if found is not None:
                    structure, origin = found.structure, found.origin
            family = recognise(composition, structure, pressure_gpa=pressure_gpa)
            standardised = None if structure is None else primitive_standardised(structure)
        except HTCError as error:
            return Failure(item.source, error.located(item.source))
        if standardised is not None and standardised.note:
            notes = (*notes, standardised.note)
        if standardised is not None and origin == "given" and pressure_gpa > 0.0:
            notes = (
                *notes,
                f"the cell as given was taken to be that at {pressure_gpa:g} GPa: {_UNCOMPRESSED}",
            )
        return Material(
            source=item.source,
            composition=composition,
            family=family,
            pressure_gpa=pressure_gpa,
            standardised=standardised,
            origin=origin if structure is not None else None,
            notes=notes,
        )

    def _look_up(
        self, composition: Composition, pressure_gpa: float
    ) -> tuple[FoundStructure | None, tuple[str, ...]]:
        """The first known crystal of a formula, and what has to be said about the search."""
        amounts = composition.get_el_amt_dict().values()
        if any(abs(amount - round(amount)) > 1e-8 for amount in amounts):
            return None, ("no crystal was looked for: the amounts are not whole numbers",)
        notes: list[str] = []
        for source in self.sources:
            try:
                found = source.find(composition.reduced_formula, pressure_gpa)
            except SourceUnavailableError as error:
                notes.append(f"{source.name} could not be asked: {error}")
                continue
            if found:
                if found[0].note:
                    notes.append(found[0].note)
                elif len(found) > 1:
                    notes.append(
                        f"{source.name} knows {len(found)} crystals of this formula; the first was taken"
                    )
                return found[0], tuple(notes)
        return None, tuple(notes)

    def _provenance(self, material: Material) -> dict[str, Any]:
        from htc.version import __version__

        out: dict[str, Any] = {
            "htc_version": __version__,
            "cautions": list(material.family.cautions),
            "notes": list(material.notes),
            "family_evidence": list(material.family.evidence),
        }
        if material.standardised is not None:
            out["spacegroup"] = material.standardised.spacegroup
            out["symprec"] = material.standardised.symprec
        return out

    def _refusal(self, material: Material, mu_star: float, *, full: bool) -> Prediction:
        family = material.family
        provenance = self._provenance(material)
        if family.doi:
            provenance["reason_doi"] = family.doi
        return Prediction(
            source=material.source,
            composition=material.composition.formula,
            reduced_formula=material.composition.reduced_formula,
            family=family.name,
            applicable=False,
            reason=family.reason,
            prediction_method="none: outside electron-phonon theory",
            pressure_gpa=material.pressure_gpa,
            structure=_as_dict(material.structure) if full else None,
            structure_origin=material.origin,
            input_hash=_hash(material, mu_star, None, family=family.name) if full else "",
            provenance=provenance,
        )

    def _against_experiment(
        self, material: Material, coupling: Coupling, provenance: dict[str, Any], *, extrapolated: bool
    ) -> ExperimentEstimate | None:
        """What a laboratory will measure; what it rests on goes into ``provenance``."""
        speaker = next(part for part in self.model.parts if part.model_id == coupling.model_id)
        calibration = speaker.experiment
        if calibration is None:
            return None
        family = material.family.name
        against = calibration.reason_against(family=family, pressure_gpa=material.pressure_gpa)
        if against:
            provenance["against_experiment"] = {"none_because": against}
            return None
        tc_k, *interval = coupling.tc_interval(calibration.mu_star, strong_coupling=False)
        # Outside the training data the answer must not be surer than the model itself.
        ends = interval if extrapolated else (None, None)
        found = calibration.interval(tc_k, *ends, mu_star=calibration.mu_star, family=family)
        provenance["against_experiment"] = {
            "pairs": found.n_pairs,
            "share_without_tc": found.share_without_tc,
            "note": found.note,
        }
        return found

    def _record(self, material: Material, coupling: Coupling, mu_star: float, *, full: bool) -> Prediction:
        reasons = (*_pressure_reasons(material), *coupling.nearness.reasons)
        level: ConfidenceLevel = "low" if reasons else coupling.nearness.level
        if coupling.kind == "composition" or material.family.cautions:
            # The crystal is unknown, or something speaks against the theory: never more than medium.
            level = min(level, "medium", key=_LEVELS.index)
        estimate = coupling.tc(mu_star)
        provenance = self._provenance(material)
        if coupling.note:
            provenance["notes"].append(coupling.note)
        measured = self._against_experiment(material, coupling, provenance, extrapolated=bool(reasons))
        return Prediction(
            source=material.source,
            composition=material.composition.formula,
            reduced_formula=material.composition.reduced_formula,
            family=material.family.name,
            applicable=True,
            tc_predicted=estimate.tc_k,
            tc_lower_95ci=estimate.lower_95_k,
            tc_upper_95ci=estimate.upper_95_k,
            tc_uncertainty=estimate.std_k,
            lambda_ep=coupling.lambda_ep,
            lambda_ep_uncertainty=coupling.lambda_ep_uncertainty,
            omega_log=coupling.omega_log_k,
            omega_log_uncertainty=coupling.omega_log_uncertainty_k,
            omega_2=coupling.omega_2_k,
            omega_2_uncertainty=coupling.omega_2_uncertainty_k,
            mu_star=mu_star,
            tc_experiment=None if measured is None else measured.median_k,
            tc_experiment_lower_95ci=None if measured is None else measured.lower_95_k,
            tc_experiment_upper_95ci=None if measured is None else measured.upper_95_k,
            prediction_method=_method(coupling),
            confidence_level=level,
            extrapolation_warning=bool(reasons),
            extrapolation_reasons=reasons,
            pressure_gpa=material.pressure_gpa,
            structure=_as_dict(material.structure) if full else None,
            structure_origin=material.origin,
            model_id=coupling.model_id,
            model_tier=coupling.tier,
            input_hash=_hash(material, mu_star, coupling.model_id, formula=_formula(coupling))
            if full
            else "",
            provenance={
                **provenance,
                "formula": _formula(coupling),
                "distance_to_training": coupling.nearness.distance,
            },
        )


def _as_dict(structure: Structure | None) -> dict[str, Any] | None:
    return None if structure is None else structure.as_dict()


def _hash(material: Material, mu_star: float, model_id: str | None, **settings: str) -> str:
    kind, key = material.identity
    return input_hash(
        kind=kind,
        material=key,
        pressure_gpa=material.pressure_gpa,
        mu_star=mu_star,
        model_id=model_id,
        **settings,
    )


def _formula(coupling: Coupling) -> str:
    """Name of the formula that gave Tc, in ``htc.theory.empirical``."""
    return "allen_dynes_f1" if coupling.omega_2_k is None else "allen_dynes"


def _method(coupling: Coupling) -> str:
    factors = "f1" if coupling.omega_2_k is None else "f1 f2"
    return f"McMillan-Allen-Dynes ({factors}), {coupling.model_id.split('+')[0]} from {coupling.kind}"


def _pressure_reasons(material: Material) -> tuple[str, ...]:
    if material.pressure_gpa == 0.0:
        return ()
    reasons = [f"{material.pressure_gpa:g} GPa: the model was trained at ambient pressure"]
    if material.standardised is None:
        reasons.append("the crystal under pressure is not known; the composition alone has no pressure in it")
    if material.composition.get_atomic_fraction("H") >= HYDROGEN_RICH:
        reasons.append(
            "hydrogen-rich under pressure: nothing like it was trained on, do not rely on Tc or its interval"
        )
    return tuple(reasons)
