"""What a suite's results say: pairs for a parity plot, and metrics of all of them and of parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from htc.validation.metrics import metrics_of
from htc.validation.suites import SuiteName

__all__ = ["Compared", "compared", "summarise"]

_INTERVALS: Final = (
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
)
_CAUTIONS: Final[dict[SuiteName, tuple[str, ...]]] = {
    "reference": (
        "Some of these compounds were among the calculations that the model was trained on; its files do not "
        "say which. docs/accuracy.md has what it says of compounds it has not seen.",
        "The interval against experiment was learned from measured compounds, some of these among them.",
    ),
    "formulas": (
        "mu* is one number for all of them, and the measured Tc is of a sample, not of the computed crystal.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One pair. Temperatures in K, pressure in GPa."""

    label: str
    formula: str
    method: str
    """Name of the closed formula, or ``model``."""
    tc_measured: float
    tc_predicted: float
    tc_lower_95ci: float | None
    tc_upper_95ci: float | None
    tc_experiment: float | None
    tc_experiment_lower_95ci: float | None
    tc_experiment_upper_95ci: float | None
    pressure_gpa: float
    family: str | None
    in_training: bool | None
    """Whether the model was trained on this material; None: its files do not say."""
    confidence_level: str | None
    source: str
    doi: str | None
    prediction_id: str | None


def compared(
    values: Mapping[str, Any], prediction: Mapping[str, Any] | None, *, label: str, prediction_id: str | None
) -> list[Compared]:
    """The pairs of one stored item: one for the model, one for each closed formula with a Tc."""
    common: dict[str, Any] = {
        "label": label,
        "formula": values["formula"],
        "tc_measured": float(values["tc_measured"]),
        "pressure_gpa": float(values["pressure_gpa"]),
        "source": values["source"],
        "doi": values.get("doi"),
        "prediction_id": prediction_id,
    }
    empty: dict[str, Any] = dict.fromkeys(_INTERVALS)
    if "formulas" in values:
        return [
            Compared(
                **common,
                **empty,
                method=name,
                tc_predicted=tc,
                family=None,
                in_training=None,
                confidence_level=None,
            )
            for name, tc in values["formulas"].items()
            if tc is not None
        ]
    if prediction is None or prediction["tc_predicted"] is None:
        return []
    said: dict[str, Any] = {name: values.get(name) for name in empty} | {
        name: prediction[name] for name in empty if name in prediction
    }
    return [
        Compared(
            **common,
            **said,
            method="model",
            tc_predicted=prediction["tc_predicted"],
            family=prediction["family"],
            in_training=values.get("in_training"),
            confidence_level=prediction.get("confidence_level"),
        )
    ]


def summarise(
    suite: SuiteName, pairs: Sequence[Compared], *, failed: int = 0, refused: Iterable[str] = ()
) -> dict[str, Any]:
    """Metrics of a suite, JSON-ready: of everything, of the parts that are told apart, and what has no pair.

    Args:
        suite: its name.
        pairs: from :func:`compared`.
        failed: cases that could not be predicted.
        refused: labels of cases outside the theory.
    """
    parts: dict[str, list[Compared]] = {}
    for pair in pairs:
        if suite == "formulas":
            parts.setdefault(pair.method, []).append(pair)
            continue
        parts.setdefault("all", []).append(pair)
        if pair.in_training is not None:
            parts.setdefault("trained on" if pair.in_training else "not trained on", []).append(pair)
        if pair.confidence_level is not None:
            parts.setdefault(f"confidence {pair.confidence_level}", []).append(pair)
        if pair.family is not None:
            parts.setdefault(f"family {pair.family}", []).append(pair)
    against = [p for p in pairs if p.tc_experiment is not None]
    if against:
        parts["against experiment"] = against
    return {
        "suite": suite,
        "parts": {name: _metrics(name, some) for name, some in parts.items()},
        "cautions": list(_CAUTIONS[suite]),
        "pairs": len(pairs),
        "failed": failed,
        "refused": sorted(refused),
    }


def _metrics(name: str, pairs: Sequence[Compared]) -> dict[str, Any]:
    experiment = name == "against experiment"
    return asdict(
        metrics_of(
            [p.tc_measured for p in pairs],
            [(p.tc_experiment if experiment else p.tc_predicted) or 0.0 for p in pairs],
            [
                _interval(p.tc_experiment_lower_95ci, p.tc_experiment_upper_95ci)
                if experiment
                else _interval(p.tc_lower_95ci, p.tc_upper_95ci)
                for p in pairs
            ],
        )
    )


def _interval(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)
