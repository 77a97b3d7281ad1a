"""The prediction made again: from the crystal by the same model, or from the spectrum by the formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError, MissingExtraError
from htc.evidence.checks.check import Check, compare, differs, is_number, ok, same, unchecked

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core.structure import Structure

    from htc.prediction.record import Prediction
    from htc.spectra import Spectrum

__all__ = ["check_again", "check_card"]

_SINGLE: Final = 1e-4
"""Relative: the networks compute in single precision, and Tc amplifies what lambda loses."""
_DOUBLE: Final = 1e-6

_NUMBERS: Final = (
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "lambda_ep",
    "lambda_ep_uncertainty",
    "omega_log",
    "omega_log_uncertainty",
    "omega_2",
    "omega_2_uncertainty",
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
    "mu_star",
)
_WORDS: Final = (
    "family",
    "applicable",
    "reason",
    "confidence_level",
    "extrapolation_warning",
    "prediction_method",
    "model_tier",
)
_WHERE: Final = "prediction.json"

Record = Mapping[str, Any]


def check_card(record: Record, card: Any) -> Iterator[Check]:
    """That the card is of the model that spoke."""
    from htc.errors import ModelError
    from htc.models.card import check_card as follow_schema

    where = "model/card.json"
    if not isinstance(card, dict):
        yield differs("model", "is a card", where)
        return
    try:
        follow_schema(card, where)
    except ModelError as error:
        yield differs("model", "follows the schema of cards", where, error.what)
        return
    identity = f"{card['name']}-{card['version']}+{card['weights']['sha256'][:12]}"
    yield same("model", "identity and hash of the weights", record.get("model_id"), identity, where=where)


def check_again(
    record: Record,
    structure: Structure | None,
    spectrum: Spectrum | None,
    card: Any,
    experiment: Any,
    folder: Path | None,
) -> Iterator[Check]:
    """Make the prediction again and compare, number by number.

    Args:
        record: fields of ``prediction.json``, following its schema.
        structure: the crystal of the pack.
        spectrum: its spectrum.
        card: its model card.
        experiment: its lines from predicted to measured Tc.
        folder: where other models than the package's are.
    """
    try:
        if not record["applicable"]:
            yield from _refused_again(record, structure)
        elif record["model_id"] is None and spectrum is not None:
            yield from _from_spectrum(record, spectrum)
        elif record["model_id"] is None:
            yield unchecked("model", "the prediction", _WHERE, "no model and no spectrum stand behind it")
        else:
            yield from _by_model(record, structure, spectrum, card, experiment, folder)
    except MissingExtraError as error:
        yield unchecked("model", "the prediction", _WHERE, f"{error.what} ({error.hint})")
    except HTCError as error:
        yield differs("model", "can be predicted again", _WHERE, str(error))


def _refused_again(record: Record, structure: Structure | None) -> Iterator[Check]:
    from htc.materials.families import recognise
    from htc.materials.formulas import parse_formula

    composition = parse_formula(record["composition"])
    family = recognise(composition, structure, pressure_gpa=record["pressure_required_gpa"] or 0.0)
    yield same("model", "family", record["family"], family.name, where=_WHERE)
    yield same("model", "applicable", record["applicable"], family.applicable, where=_WHERE)
    yield same("model", "reason", record["reason"], family.reason, where=_WHERE)


def _from_spectrum(record: Record, spectrum: Spectrum) -> Iterator[Check]:
    from htc.prediction import predict_from_spectrum

    provenance = record["provenance"]
    std = provenance.get("mu_star_std")
    if provenance.get("formula") != "allen_dynes" or not is_number(std):
        yield unchecked("model", "the prediction", _WHERE, "the record does not say how it was made")
        return
    again = predict_from_spectrum(
        [spectrum],
        record["composition"],
        source=record["source"],
        mu_star=record["mu_star"],
        mu_star_std=std,
        pressure_gpa=record["pressure_required_gpa"],
    )
    plateau = any("plateau" in note for note in record["notes"])
    skip = {"tc_lower_95ci", "tc_upper_95ci", "tc_uncertainty"} if plateau else set()
    yield from _compared(record, again, _DOUBLE, skip)
    if plateau:
        yield unchecked(
            "model",
            "the interval",
            _WHERE,
            "it holds the spread of other smearings, which are not in the pack",
        )
    else:
        yield same("model", "input_hash", record["input_hash"], again.input_hash, where=_WHERE)


def _by_model(
    record: Record,
    structure: Structure | None,
    spectrum: Spectrum | None,
    card: Any,
    experiment: Any,
    folder: Path | None,
) -> Iterator[Check]:
    from htc.evidence.sources import installed_model
    from htc.materials.formulas import parse_formula
    from htc.materials.inputs import InputItem
    from htc.prediction import Failure, Predictor
    from htc.prediction.surrogate import with_surrogate_spectrum

    model = installed_model(record["model_id"], folder)
    if model is None:
        yield unchecked(
            "model",
            "the prediction from the crystal",
            _WHERE,
            f"the model {record['model_id']} is not installed here; lambda, the frequencies and their "
            "uncertainties are taken from the record",
        )
        return
    if card is not None:
        yield (ok if dict(model.card) == card else differs)(
            "model", "the card is that of the installed model", "model/card.json"
        )
    if experiment is not None and model.experiment is not None:
        yield (ok if model.experiment.to_dict() == experiment else differs)(
            "model", "the lines are those of the installed model", "model/experiment.json"
        )
    if structure is not None:
        item = InputItem(record["source"], "structure", structure)
    else:
        item = InputItem(record["source"], "formula", parse_formula(record["composition"]))
    (again,) = Predictor(model).predict(
        [item], pressure_gpa=record["pressure_required_gpa"] or 0.0, mu_star=record["mu_star"]
    )
    if isinstance(again, Failure):
        yield differs("model", "can be predicted again", _WHERE, str(again.error))
        return
    if spectrum is not None and spectrum.is_surrogate:
        again = with_surrogate_spectrum(again)
    yield from _compared(record, again, _SINGLE, set())
    if again.input_hash == record["input_hash"]:
        yield ok("model", "input_hash", _WHERE)
    elif record["stability_potential"] is not None or _from_density(spectrum):
        yield unchecked(
            "model",
            "input_hash",
            _WHERE,
            "what was found of the stability, or a density of states, is in it too",
        )
    else:
        yield same("model", "input_hash", record["input_hash"], again.input_hash, where=_WHERE)


def _from_density(spectrum: Spectrum | None) -> bool:
    """Whether a surrogate spectrum has the shape of a density of states, which is not in the pack."""
    return spectrum is not None and spectrum.is_surrogate and "stretch" in spectrum.provenance


def _compared(record: Record, again: Prediction, relative: float, skip: set[str]) -> Iterator[Check]:
    for name in _NUMBERS:
        stated, found = record[name], getattr(again, name)
        if name in skip or (stated is None and found is None):
            continue
        unit = " (K)" if name.startswith(("tc_", "omega_")) else ""
        yield compare("model", f"{name}{unit}", stated, found, relative=relative, absolute=1e-9, where=_WHERE)
    for name in _WORDS:
        yield same("model", name, record[name], getattr(again, name), where=_WHERE)
    yield same(
        "model",
        "extrapolation_reasons",
        list(record["extrapolation_reasons"]),
        list(again.extrapolation_reasons),
        where=_WHERE,
    )
