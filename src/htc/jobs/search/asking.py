"""Asking what to judge next, and telling what came of it: for laboratories and other codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from htc.discovery.strategies import Strategy, strategy_for
from htc.errors import ConflictError, InputError, NotFoundError
from htc.jobs.search.looking import pool_from
from htc.jobs.search.request import SearchRequest
from htc.store.jobs import run_summary
from htc.store.optimisation import Answer, PoolRow, mark_asked, pool_rows, write_answers
from htc.store.runs import finish_run

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["Told", "ask", "finish", "request_of", "search_state", "tell"]


@dataclass(slots=True)
class Told:
    """What became of answers."""

    new: list[int] = field(default_factory=list)
    """Candidates judged for the first time."""
    same: list[int] = field(default_factory=list)
    """Told before, equally: nothing changed."""
    replaced: list[int] = field(default_factory=list)
    """Told before otherwise; the new answer stands."""
    unasked: list[int] = field(default_factory=list)
    """Of the new ones, those that nobody had asked for: as welcome as the others."""


def request_of(database: Database, run_id: str) -> SearchRequest:
    """What a run that asks and tells was begun with.

    Raises:
        NotFoundError: there is no such run.
        InputError: it is no such run.
        StoreError: the database does not answer.
    """
    run = run_summary(database, run_id)
    if run.kind != "optimize" or run.is_job or run.request is None or "campaign" not in run.request:
        raise InputError(
            "this run does not ask and tell",
            where=run_id,
            hint="`htc optimize start` begins one; the model judges in the others",
        )
    return SearchRequest.model_validate(run.request)


def ask(database: Database, run_id: str, n: int) -> list[PoolRow]:
    """Candidates to judge next, best first; noted as asked for. Two who ask at once get different ones.

    Args:
        database: an open database.
        run_id: of the run.
        n: how many at most; fewer where no more are left.

    Raises:
        NotFoundError: there is no such run.
        InputError: it is no such run, or the pool was not looked at to the end.
        ConflictError: the run is finished.
        MissingExtraError: the strategy needs an extra that is not installed.
        StoreError: the database refused; nothing was asked for.
    """
    request = request_of(database, run_id)
    if run_summary(database, run_id).state != "running":
        raise ConflictError("the run is finished", where=run_id)

    def choose(rows: list[PoolRow], batch: int) -> list[int]:
        usable = [row for row in rows if row.prior is not None]
        strategy = _as_told(request, usable)
        return [usable[place].number for place in strategy.ask(n, batch)]

    return mark_asked(database, run_id, choose)


def _as_told(request: SearchRequest, usable: Sequence[PoolRow]) -> Strategy:
    """The strategy with everything that was told, in the order told."""
    strategy = strategy_for(request, pool_from(request, usable), request.seed)
    places = range(len(usable))
    for place in sorted(places, key=lambda i: usable[i].position or 0):
        row = usable[place]
        if row.state == "asked":
            strategy.wait_for(place)
        elif row.state == "failed":
            strategy.tell(place, None)
        elif row.state == "done":
            measured = dict(row.measured or {})
            for column in strategy.columns:
                if column not in measured and column in strategy.pool.known:
                    measured[column] = float(strategy.pool.known[column][place])
            strategy.tell(place, [measured.get(column) for column in strategy.columns])
    return strategy


def tell(
    database: Database, run_id: str, answers: Sequence[Answer], *, told_by: str, replace: bool = False
) -> Told:
    """Write down what was measured, all answers or none. Telling the same twice changes nothing.

    Args:
        database: an open database.
        run_id: of the run.
        answers: by the numbers of the candidates; one for each.
        told_by: who tells.
        replace: whether an answer may replace another one.

    Raises:
        NotFoundError: there is no such run, or it has no such candidate.
        InputError: it is no such run, a candidate is told twice, or a value cannot be.
        ConflictError: another value was told before, and ``replace`` is not given.
        StoreError: the database refused; nothing was written.
    """
    request_of(database, run_id)
    seen: set[int] = set()
    for answer in answers:
        where = f"candidate {answer.number}"
        if answer.number in seen:
            raise InputError("it is told twice", where=where)
        seen.add(answer.number)
        for column, value in (answer.measured or {}).items():
            if not math.isfinite(value) or (column.startswith(("tc", "lambda", "omega")) and value < 0.0):
                raise InputError(f"{column} cannot be {value}", where=where)
        if answer.measured is not None and "tc_predicted" not in answer.measured:
            raise InputError("an answer without a Tc", where=where, hint="tell 0 where nothing superconducts")
    told = Told()

    def decide(rows: list[PoolRow]) -> list[Answer]:
        known = {row.number: row for row in rows}
        new: list[Answer] = []
        for answer in answers:
            row = known.get(answer.number)
            if row is None:
                raise NotFoundError(
                    f"the run has no candidate {answer.number}",
                    where=run_id,
                    hint="candidates are told by the number that `htc optimize ask` gives them",
                )
            if row.state in {"done", "failed"}:
                before = dict(row.measured or {}) if row.state == "done" else None
                reason = str((row.error or {}).get("what"))
                if before == answer.measured and (before is not None or reason == (answer.error or "failed")):
                    told.same.append(row.number)
                    continue
                if not replace:
                    raise ConflictError(
                        f"of {row.label} something else was told before: "
                        + (f"failed, {reason}" if before is None else _in_words(before)),
                        where=f"candidate {row.number}",
                        hint="--replace, if the new answer is to stand",
                    )
                told.replaced.append(row.number)
            else:
                told.new.append(row.number)
                if row.state != "asked":
                    told.unasked.append(row.number)
            new.append(answer)
        return new

    write_answers(database, run_id, decide, told_by=told_by)
    return told


def finish(database: Database, run_id: str) -> None:
    """Nothing more will be asked or told.

    Raises:
        NotFoundError: there is no such run.
        InputError: it is no such run.
        StoreError: the database refused.
    """
    request_of(database, run_id)
    finish_run(database, run_id)


def search_state(database: Database, run_id: str) -> dict[str, Any]:
    """How many candidates are in which state, and which are asked for and not told.

    Raises:
        NotFoundError: there is no such run.
        StoreError: the database does not answer.
    """
    rows = pool_rows(database, run_id)
    counts = dict.fromkeys(("left_out", "free", "asked", "done", "failed"), 0)
    for row in rows:
        counts[row.state] += 1
    return {"pool": counts, "waiting": [row for row in rows if row.state == "asked"]}


def _in_words(measured: dict[str, float]) -> str:
    return ", ".join(f"{column} {value:g}" for column, value in measured.items())
