"""The cheap model's look at the pool, once, kept with the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.elements import ELEMENT_COLUMNS, element_value
from htc.discovery.pool import Pool, columns_of, pool_of_predictions
from htc.discovery.space import Rejected
from htc.errors import InputError
from htc.jobs.campaign.spaces import space_of
from htc.jobs.models import evaluator_for
from htc.jobs.task import as_problem
from htc.materials.formulas import parse_formula
from htc.materials.inputs import InputItem
from htc.store.optimisation import PoolRow, add_to_pool, pool_end

if TYPE_CHECKING:
    from htc.discovery import Verdict
    from htc.discovery.space import Candidate
    from htc.jobs.search.request import SearchRequest
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["fill", "item_of", "pool_from"]

_LOOK: Final = 128
"""Candidates looked at together, and lost at most when the process dies."""
_PRIOR: Final = (
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "tc_experiment",
    "lambda_ep",
    "omega_log",
    "mu_star",
    "hull_distance_ev",
    "pressure_gpa",
)


@dataclass(frozen=True, slots=True)
class _Part:
    row: PoolRow
    structure: Mapping[str, Any] | None


def fill(
    database: Database,
    settings: Settings,
    run_id: str,
    request: SearchRequest,
    *,
    told: Callable[[int, int], None] = lambda _done, _total: None,
    pulse: Callable[[], None] = lambda: None,
) -> int:
    """Look at what has not been looked at; how many candidates times pressures the pool has.

    Candidates that the rules of plausibility, the constraints or the theory speak against are left out, each
    with its reason.

    Args:
        database: an open database.
        settings: of this process.
        run_id: of the run.
        request: of the run.
        told: after each part: how many were looked at, and how many there are.
        pulse: called between candidates; it may raise to stop.

    Raises:
        ConflictError: the run is of another version of HTC, which made other candidates.
        ModelError: the model cannot be used.
        StoreError: the database refused; what was looked at stays.
    """
    campaign = request.campaign
    pressures = campaign.pressures_gpa
    begun = pool_end(database, run_id)
    space = space_of(campaign, database, run_id)
    total = len(space) * len(pressures)
    if begun >= total:
        return total
    cheap = evaluator_for(settings, database, tier=request.prior_tier, mu_star=campaign.mu_star, pulse=pulse)
    for start in range(begun, total, _LOOK):
        parts: list[_Part] = []
        sound: list[tuple[int, Candidate, float]] = []
        for number in range(start, min(start + _LOOK, total)):
            which, place = divmod(number, len(pressures))
            candidate, pressure = space[which], pressures[place]
            if isinstance(candidate, Rejected):
                parts.append(_left_out(number, candidate.label, pressure, candidate.rule, candidate.reason))
            elif (reason := _excluded(request, candidate, pressure)) is not None:
                parts.append(_left_out(number, candidate.label, pressure, "constraint", reason))
            else:
                sound.append((number, candidate, pressure))
        verdicts = cheap([(item_of(candidate), pressure) for _, candidate, pressure in sound])
        parts += [_looked_at(*one, verdict) for one, verdict in zip(sound, verdicts, strict=True)]
        add_to_pool(
            database, run_id, [(p.row, p.structure) for p in sorted(parts, key=lambda p: p.row.number)]
        )
        told(min(start + _LOOK, total), total)
    return total


def item_of(candidate: Candidate) -> InputItem:
    """A candidate as what is predicted."""
    if candidate.structure is not None:
        return InputItem(candidate.label, "structure", candidate.structure, candidate.notes)
    return InputItem(candidate.label, "formula", parse_formula(candidate.formula or ""), candidate.notes)


def pool_from(request: SearchRequest, rows: Sequence[PoolRow]) -> Pool:
    """What strategies choose from; row by row.

    Args:
        request: of the run.
        rows: those with a prior.

    Raises:
        InputError: there are none.
    """
    if not rows:
        raise InputError(
            "none of the candidates can be chosen",
            where="candidates",
            hint="the constraints, the rules of plausibility or the theory speak against all of them",
        )
    predictions = [SimpleNamespace(**dict.fromkeys(_PRIOR), **{}) for _ in rows]
    for one, row in zip(predictions, rows, strict=True):
        one.__dict__.update(row.prior or {})
    return pool_of_predictions(
        predictions, [row.formula or "" for row in rows], columns_of(request.objectives, request.constraints)
    )


def _excluded(request: SearchRequest, candidate: Candidate, pressure: float) -> str | None:
    formula = _formula(candidate)
    if formula is None:
        return None
    elements = {element.symbol for element in parse_formula(formula).elements}
    if unwanted := sorted(elements & set(request.without)):
        return f"it has {', '.join(unwanted)}"
    for bound in request.constraints:
        if bound.column == "pressure_required_gpa":
            value: float | None = pressure
        elif bound.column in ELEMENT_COLUMNS:
            value = element_value(bound.column, formula)
        else:
            continue
        if not bound.holds(value):
            return f"{bound.column} is {'not known' if value is None else f'{value:.4g}'}"
    return None


def _formula(candidate: Candidate) -> str | None:
    if candidate.formula is not None:
        return candidate.formula
    return None if candidate.structure is None else str(candidate.structure.composition.reduced_formula)


def _left_out(number: int, label: str, pressure: float, code: str, reason: str) -> _Part:
    error = {"code": code, "what": reason, "where": None, "hint": None}
    return _Part(
        PoolRow(
            number=number, label=label, pressure_gpa=pressure, formula=None, state="left_out", error=error
        ),
        None,
    )


def _looked_at(number: int, candidate: Candidate, pressure: float, verdict: Verdict) -> _Part:
    found = verdict.prediction
    if found is None:
        error = (
            as_problem(verdict.error) if verdict.error is not None else {"code": "error", "what": "unknown"}
        )
        row = PoolRow(
            number=number,
            label=candidate.label,
            pressure_gpa=pressure,
            formula=_formula(candidate),
            state="left_out",
            error=error,
        )
        return _Part(row, None)
    if found.tc_predicted is None:
        row = PoolRow(
            number=number,
            label=candidate.label,
            pressure_gpa=pressure,
            formula=found.reduced_formula,
            state="left_out",
            error={"code": "not-applicable", "what": found.reason or "no Tc", "where": None, "hint": None},
        )
        return _Part(row, None)
    prior = {name: getattr(found, name) for name in _PRIOR if getattr(found, name) is not None}
    row = PoolRow(
        number=number,
        label=candidate.label,
        pressure_gpa=pressure,
        formula=found.reduced_formula,
        state="free",
        prior=prior,
    )
    structure = found.structure
    if candidate.structure is not None:
        structure = candidate.structure.as_dict()
    return _Part(row, structure)
