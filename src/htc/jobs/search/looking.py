"""The cheap model's look at the pool, once, kept with the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
    from htc.discovery import Evaluator, Verdict
    from htc.discovery.space import Candidate, CandidateSpace
    from htc.jobs.search.request import SearchRequest
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["Looks", "fill", "item_of", "pool_from"]

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
    with its reason. A pool that is bred has none that the rules or the constraints exclude.

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
    space = space_of(request.campaign, database, run_id)
    looks = Looks(database, settings, run_id, request, space, pulse)
    if request.breeds(looks.total):
        from htc.jobs.search.breeding import breed

        return breed(database, run_id, request, looks, told=told)
    begun = pool_end(database, run_id)
    for start in range(begun, looks.total, _LOOK):
        numbers = range(start, min(start + _LOOK, looks.total))
        looks.at(numbers)
        told(numbers.stop, looks.total)
    return looks.total


class Looks:
    """The cheap model's looks at candidates, each written down with the run.

    Args:
        database: an open database.
        settings: of this process.
        run_id: of the run.
        request: of the run.
        space: of the run.
        pulse: called between candidates; it may raise to stop.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        run_id: str,
        request: SearchRequest,
        space: CandidateSpace,
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        """Load nothing yet."""
        self._database = database
        self._settings = settings
        self._run_id = run_id
        self._request = request
        self._pulse = pulse
        self.space = space
        self.pressures = request.campaign.pressures_gpa
        self.total = len(space) * len(self.pressures)
        """Candidates times pressures of the space."""

    @cached_property
    def _cheap(self) -> Evaluator:
        return evaluator_for(
            self._settings,
            self._database,
            tier=self._request.prior_tier,
            mu_star=self._request.campaign.mu_star,
            pulse=self._pulse,
        )

    def what(self, number: int) -> tuple[Candidate | Rejected, float, str | None]:
        """Candidate and pressure (GPa) of a number, and why a constraint excludes it, if one does."""
        which, place = divmod(number, len(self.pressures))
        candidate, pressure = self.space[which], self.pressures[place]
        if isinstance(candidate, Rejected):
            return candidate, pressure, None
        return candidate, pressure, _excluded(self._request, candidate, pressure)

    def at(self, numbers: Sequence[int]) -> list[PoolRow]:
        """Look at candidates and write down what is thought of them, or why they are left out.

        Raises:
            ModelError: the model cannot be used.
            StoreError: the database refused; nothing was written.
        """
        parts: list[_Part] = []
        sound: list[tuple[int, Candidate, float]] = []
        for number in numbers:
            candidate, pressure, excluded = self.what(number)
            if isinstance(candidate, Rejected):
                parts.append(_left_out(number, candidate.label, pressure, candidate.rule, candidate.reason))
            elif excluded is not None:
                parts.append(_left_out(number, candidate.label, pressure, "constraint", excluded))
            else:
                sound.append((number, candidate, pressure))
        verdicts = self._cheap([(item_of(candidate), pressure) for _, candidate, pressure in sound])
        parts += [_looked_at(*one, verdict) for one, verdict in zip(sound, verdicts, strict=True)]
        parts.sort(key=lambda part: part.row.number)
        add_to_pool(self._database, self._run_id, [(part.row, part.structure) for part in parts])
        return [part.row for part in parts]


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
