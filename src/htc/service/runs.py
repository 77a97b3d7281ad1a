"""Runs as the API answers about them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from htc.errors import BusyError, InputError, NotFoundError, StoreError
from htc.jobs.fronts import front_as_json, goal_of
from htc.service.schemas.runs import (
    ParetoAnswer,
    ResultsAnswer,
    RunAnswer,
    RunItemAnswer,
    ValidationAnswer,
    ValidationPoint,
    ValidationSuite,
    ValidationSuites,
    ValidationView,
)
from htc.store.jobs import RunSummary, items_of, last_finished, run_summary
from htc.store.jobs.items import position_of

if TYPE_CHECKING:
    from htc.service.state import Service
    from htc.store import Database

__all__ = ["ENDED", "Streams", "events", "last_validation", "results", "validations"]

ENDED: Final = frozenset({"finished", "failed", "cancelled"})

_LOOK_S: Final = 0.5
"""How often a stream looks for news while there are some; else up to _LONGEST_LOOK_S."""
_LONGEST_LOOK_S: Final = 2.0
_KEEP_ALIVE_S: Final = 15.0
"""Proxies close connections on which nothing is said for long."""
_STREAM_S: Final = 1800.0
"""A stream ends after so long; the client comes back with the last event it has seen."""
_ITEMS: Final = 100
_FRONTS: Final = 64
_LOOK_BACK: Final = 20
"""Runs of a suite among which the last one of this version is looked for."""
_SAID: Final = (
    "suite", "title", "about", "conditions", "views", "cautions", "excluded", "refused", "failed",
)  # fmt: skip
"""What an answer takes from the result of a run as it is."""

_fronts: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()
"""Fronts of runs at a number of items done: several pages of the same results need one."""


class Streams:
    """Counts the open streams of a process: each looks into the database twice a second."""

    most: int = 200

    def __init__(self) -> None:
        """None yet."""
        self.open = 0
        self.stopping = False
        """Set when the process stops: streams end, and clients come back to the next one."""

    def stop(self) -> None:
        """End all of them."""
        self.stopping = True

    def check(self) -> None:
        """Whether there may be one more.

        Raises:
            BusyError: there are too many.
        """
        if self.open >= self.most:
            raise BusyError(
                f"{self.most} people look at runs already", hint="ask for /api/htc/results instead"
            )


def results(
    database: Database,
    run_id: str,
    *,
    n: int,
    after: str | None = None,
    state: Any = None,
    with_pareto: bool = True,
) -> ResultsAnswer:
    """A run, a page of its items, and its front.

    Raises:
        InputError: the cursor cannot be used.
        NotFoundError: there is no such run.
        StoreError: the database does not answer.
    """
    run = run_summary(database, run_id)
    page = items_of(database, run_id, n, after=position_of(after), state=state)
    return ResultsAnswer(
        run=run_answer(run),
        items=[RunItemAnswer.model_validate(row) for row in page.rows],
        next_cursor=page.next_cursor,
        pareto=ParetoAnswer.model_validate(_front(database, run)) if with_pareto else None,
    )


def run_answer(run: RunSummary, *, whole: bool = True) -> RunAnswer:
    """A run as it is sent; ``whole``: with request and result."""
    fields = asdict(run)
    if not whole:
        fields["request"] = fields["result"] = None
    return RunAnswer.model_validate(fields)


def _front(database: Database, run: RunSummary) -> dict[str, Any]:
    kept = (run.result or {}).get("pareto")
    if kept is not None:
        return dict(kept)
    key = (run.run_id, run.done)
    found = _fronts.get(key)
    if found is None:
        goal = goal_of(run.request)
        found = (
            front_as_json(database, run.run_id)
            if goal is None
            else front_as_json(database, run.run_id, goal.objectives, goal.constraints)
        )
        _fronts[key] = found
        while len(_fronts) > _FRONTS:
            _fronts.popitem(last=False)
    return found


def _last(database: Database, suite_name: str) -> RunSummary | None:
    """The last finished run of a suite whose results are of this version."""
    from htc.validation.summary import SCHEMA

    # Results are large, and the last one is nearly always of this version.
    for n in (1, _LOOK_BACK):
        found = last_finished(database, "validate", n, suite=suite_name)
        for run in found:
            if (run.result or {}).get("schema") == SCHEMA:
                return run
        if len(found) < n:
            return None
    return None


def validations(service: Service) -> ValidationSuites:
    """All suites, with their last runs.

    Raises:
        StoreError: the database does not answer.
    """
    from htc.validation import NEEDS_DATA, SUITES

    found = []
    for name in SUITES:
        run = _last(service.database, name)
        result = {} if run is None else run.result or {}
        comparison = result.get("comparison")
        found.append(
            ValidationSuite(
                suite=name,
                needs_data=name in NEEDS_DATA,
                available=name not in NEEDS_DATA or service.settings.data is not None,
                run=None if run is None else run_answer(run, whole=False),
                views=[ValidationView.model_validate(view) for view in result.get("views", ())],
                regressions=None if comparison is None else len(comparison["regressions"]),
            )
        )
    return ValidationSuites(suites=found)


def last_validation(database: Database, suite_name: str) -> ValidationAnswer:
    """The last finished validation by a suite.

    Raises:
        InputError: there is no such suite.
        NotFoundError: none has been run.
        StoreError: the database does not answer.
    """
    from htc.jobs.validating import points_of_run
    from htc.validation import SUITES

    if suite_name not in SUITES:
        raise InputError(
            f"no suite is called {suite_name!r}", where="suite", hint=f"there are: {', '.join(SUITES)}"
        )
    run = _last(database, suite_name)
    if run is None or run.result is None:
        raise NotFoundError(
            f"the suite {suite_name} has not been run here",
            hint=f'start it: POST /api/htc/validate with {{"suite": "{suite_name}"}}',
        )
    said = run.result
    points = points_of_run(database, run.run_id)
    return ValidationAnswer(
        **{name: said[name] for name in _SAID},
        comparison=said.get("comparison"),
        run=run_answer(run, whole=False),
        points=[ValidationPoint.model_validate(point) for point in points],
    )


async def events(service: Service, streams: Streams, run_id: str, seen: int) -> AsyncIterator[str]:
    """A run's news as server-sent events, until it has ended.

    ``items`` brings items that were done since, ``progress`` how far the run is, ``end`` how it ended. The id
    of an event is the last position it tells of: who comes back with it hears of no item twice.

    Args:
        service: of this process.
        streams: counts it, and may end it.
        run_id: of the run.
        seen: position of the last item known; -1 for none.
    """
    database = service.database
    told: str | None = None
    spoke = began = time.monotonic()
    pause = _LOOK_S
    streams.open += 1
    try:
        while not streams.stopping and time.monotonic() - began < _STREAM_S:
            run = await service.desk.in_thread(lambda: run_summary(database, run_id))
            page = await service.desk.in_thread(partial(items_of, database, run_id, _ITEMS, after=seen))
            if page.rows:
                seen = page.rows[-1].position
                items = [RunItemAnswer.model_validate(row).model_dump(mode="json") for row in page.rows]
                yield _event("items", seen, {"items": items})
            progress = run_answer(run, whole=False).model_dump(mode="json", exclude={"request", "result"})
            changed = {k: v for k, v in progress.items() if k != "heartbeat_at"}
            news = json.dumps(changed, sort_keys=True)
            if news != told:
                yield _event("progress", seen, progress)
                told, spoke, pause = news, time.monotonic(), _LOOK_S
            if run.state in ENDED and page.next_cursor is None:
                yield _event("end", seen, progress)
                return
            if page.next_cursor is not None:
                continue
            if time.monotonic() - spoke > _KEEP_ALIVE_S:
                yield ": still here\n\n"
                spoke = time.monotonic()
            await asyncio.sleep(pause)
            pause = min(pause * 1.25, _LONGEST_LOOK_S)
    except StoreError as error:
        # The status is out already; who listens comes back after the pause that is told.
        yield f"retry: 5000\nevent: trouble\ndata: {json.dumps({'code': error.code, 'what': error.what})}\n\n"
    finally:
        streams.open -= 1


def _event(name: str, position: int, data: Any) -> str:
    # JSON has no raw line breaks in it, so that one line holds all of it.
    return f"id: {position}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
