"""A campaign stage after stage, from where it stands in the database."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.funnel.plan import DEATHS, Part, Plan, as_json, from_json
from htc.discovery.funnel.rules import most_that_pass, rule_of, select
from htc.discovery.funnel.tasks import ChunkResult, ChunkTask, StageEntry
from htc.errors import InputError
from htc.jobs.campaign.competing import Competitors
from htc.jobs.campaign.costs import Costs, summed
from htc.jobs.campaign.loop import ChunkLoop
from htc.jobs.campaign.rows import checked, chunk_of, killer, promoted, row_of
from htc.jobs.campaign.twins import Twins
from htc.jobs.campaign.watching import Progress, Watch, in_words
from htc.jobs.fronts import front_as_json
from htc.jobs.halt import Halt
from htc.store.campaigns import (
    DoneChunk,
    Ranked,
    StoredStage,
    close_stage,
    done_ranges,
    fulfilling,
    open_stage,
    passed_positions,
    rows_at,
    stages_of,
    write_chunk,
    write_final_items,
    write_promotions,
    write_selection,
)
from htc.store.jobs import record
from htc.store.predictions import get_many

if TYPE_CHECKING:
    from htc.discovery.campaign import Campaign, Stage
    from htc.discovery.executors import Executor
    from htc.discovery.space import CandidateSpace
    from htc.jobs.task import Task
    from htc.store.jobs import Beat

__all__ = ["Coordinator"]

_RATE_S: Final = 60.0
"""The rate that is told is that of so many seconds."""


class Coordinator:
    """Carries a campaign out.

    What is done is what is in the database: a coordinator that takes over needs nothing of the one before.

    Args:
        task: the run in the hands of this process.
        campaign: what to do.
        space: its candidates.
        executor: does the chunks.
        watch: told how it goes.
        makes_way: whether other runs that wait are given a turn.
    """

    def __init__(
        self,
        task: Task,
        campaign: Campaign,
        space: CandidateSpace,
        executor: Executor,
        *,
        watch: Watch = lambda _: None,
        makes_way: bool = False,
    ) -> None:
        """Do nothing yet."""
        self._task = task
        self._campaign = campaign
        self._space = space
        self._executor = executor
        self._watch = watch
        self._makes_way = makes_way
        self._pressures = list(campaign.pressures_gpa)
        self._mu_star = task.settings.mu_star if campaign.mu_star is None else campaign.mu_star
        self._numbers = 0

    def run(self) -> dict[str, Any]:
        """All stages; what came out as a whole.

        Raises:
            Halt: the run is put down.
            HTCError: it cannot be done.
        """
        self._check_same_space()
        for index in range(len(self._campaign.stages)):
            stage = self._stage(index)
            if stage.passed == 0:
                break
        last = stages_of(self._task.database, self._run_id)[-1]
        if last.passed:
            positions = passed_positions(self._task.database, last.id)
            self._take(write_final_items(self._task.database, self._task.lease, last.id, positions))
        stages = stages_of(self._task.database, self._run_id)
        return {
            "stages": [one.as_dict() for one in stages],
            "costs": {k: round(v, 4) for k, v in summed(stages, self._executor.workers).items()},
            "workers": self._executor.workers,
            "pareto": front_as_json(self._task.database, self._run_id),
        }

    @property
    def _run_id(self) -> str:
        return self._task.lease.run_id

    def _take(self, beat: Beat) -> None:
        self._task.take(beat)
        if beat == "lost":
            raise Halt("lost")

    def _check_same_space(self) -> None:
        begun = stages_of(self._task.database, self._run_id)
        if begun and begun[0].entries != len(self._space) * len(self._pressures):
            raise InputError(
                f"the space has {len(self._space) * len(self._pressures):,} candidates now, and had "
                f"{begun[0].entries:,} when the run began",
                where=self._campaign.name,
                hint="another version of HTC makes other candidates; begin a new run",
            )

    def _stage(self, index: int) -> StoredStage:
        database, lease = self._task.database, self._task.lease
        spec = self._campaign.stages[index]
        one = _StageRun(self, index, spec)
        self._take(open_stage(database, lease, index, spec.kind, spec.model_dump(mode="json"), one.entries()))
        stage = one.stored()
        if stage.state == "running":
            one.judge(stage)
            one.select(stage)
            stage = one.stored()
        if stage.state == "selected":
            if one.is_compact:
                one.promote(stage)
            self._take(close_stage(database, lease, stage.id))
            stage = one.stored()
        one.tell_end(stage)
        return stage


class _StageRun:
    """One stage in the hands of a coordinator."""

    def __init__(self, whole: Coordinator, index: int, spec: Stage) -> None:
        self._whole = whole
        self._task = whole._task
        self._index = index
        self._spec = spec
        self._document = spec.model_dump(mode="json")
        self._pressures = whole._pressures
        tier = getattr(spec, "tier", None)
        self._name = f"{spec.kind} {tier}" if tier else spec.kind
        # The first stage may see ten million: it keeps values only, and those that pass are predicted again.
        self.is_compact = index == 0 and spec.kind == "predict"
        self._before = None if index == 0 else self._stage_before()
        self._positions: array[int] | None = None
        self._competitors: Competitors | None = None
        self._costs = Costs({})
        self._counts = {"done": 0, "failed": 0, "rejected": 0}
        self._recent: deque[tuple[float, int]] = deque()

    def stored(self) -> StoredStage:
        return stages_of(self._task.database, self._whole._run_id)[self._index]

    def _stage_before(self) -> StoredStage:
        return stages_of(self._task.database, self._whole._run_id)[self._index - 1]

    def entries(self) -> int:
        """How many enter."""
        if self._before is None:
            return len(self._whole._space) * len(self._pressures)
        return len(self._entering())

    def _entering(self) -> array[int]:
        if self._positions is None:
            if self._before is None:
                raise TypeError("all candidates of the space enter the first stage")
            found = passed_positions(self._task.database, self._before.id)
            self._positions = found if self._spec.budget is None else found[: self._spec.budget]
        return self._positions

    # Judging: every entry of the stage, once.

    def judge(self, stage: StoredStage) -> None:
        self._costs = Costs(stage.costs)
        self._counts = {"done": stage.done, "failed": stage.failed, "rejected": stage.rejected}
        # All pressures of a candidate of the first stage go together: its crystal is made once.
        unit = len(self._pressures) if self._before is None else 1
        database = self._task.database
        done = [(a // unit, b // unit) for a, b in done_ranges(database, stage.id)]
        plan = self._plan(stage.entries // unit, done, "judging")
        if self._spec.kind == "hull" and plan.left:
            self._competitors = Competitors(self._task, self._whole._space, self._index, self._pressures)
            self._competitors.ask(sorted({p // len(self._pressures) for p in self._hull_positions()}))
        handed_out: dict[Part, tuple[StageEntry, ...]] = {}

        def make(part: Part, number: int) -> ChunkTask:
            if self._before is None:
                return self._chunk(number, range(part.starts_at, part.ends_before), None, full=False)
            entries = self._entries_of(self._entering()[part.starts_at : part.ends_before])
            handed_out[part] = entries
            return self._chunk(number, [e.number for e in entries], entries, full=True)

        def write(part: Part, result: ChunkResult) -> Beat:
            checked(result, len(part) * unit)
            entries = {(e.number, e.pressure_gpa): e for e in handed_out.pop(part, ())}
            rows = [
                row_of(row, self._pressures, entries.get((row.number, row.pressure_gpa)))
                for row in result.rows
            ]
            self._count(part, unit, rows, result.rejected)
            self._note(rows)
            return write_chunk(
                database,
                self._task.lease,
                stage.id,
                chunk_of(part, unit, result),
                rows,
                message=in_words(self._progress("judging", stage, plan)),
                trying=self._trying(plan, "judging"),
                costs=self._costs.so_far(),
            )

        def give_up(part: Part) -> Beat:
            entries = handed_out.pop(part, None)
            if entries is None:
                at = part.starts_at
                rows = [
                    killer(at * unit + i, pressure, f"candidate {at}", DEATHS, {})
                    for i, pressure in enumerate(self._pressures)
                ]
            else:
                position = self._entering()[part.starts_at]
                label = rows_at(database, self._before_id, [position])[position].label
                rows = [killer(position, entries[0].pressure_gpa, label, DEATHS, entries[0].values)]
            self._count(part, unit, rows, {})
            return write_chunk(
                database,
                self._task.lease,
                stage.id,
                DoneChunk(starts_at=part.starts_at * unit, ends_before=part.ends_before * unit),
                rows,
                trying=self._trying(plan, "judging"),
                costs=self._costs.so_far(),
            )

        self._loop(plan, make, write, give_up, stage, unit, "judging")

    def _hull_positions(self) -> Sequence[int]:
        return self._entering() if self._before is not None else range(self.entries())

    def select(self, stage: StoredStage) -> None:
        task = self._task
        self._tell(Progress(**self._told("selecting", stage)))
        with self._costs.spent_on("selection"):
            following = self._whole._campaign.stages[self._index + 1 :]
            most = most_that_pass(self._spec.keep, following[0].budget if following else None)
            twins = Twins(
                self._whole._space, self._whole._campaign.duplicates, self._pressures, self._carried
            )

            def twin_of(position: int, formula: str | None) -> int | None:
                task.pulse()
                # Only the first stage can bring the same crystal twice, and those that relax or change it.
                return twins.of(position, formula) if self.is_compact or self._spec.kind == "relax" else None

            with closing(fulfilling(task.database, stage.id, rule_of(self._spec.keep))) as ordered:
                found = select(((one.position, one.formula) for one in ordered), most, twin_of)
        self._whole._take(
            write_selection(
                task.database, task.lease, stage.id, found.passing, found.duplicates, self._costs.so_far()
            )
        )

    def _carried(self, position: int) -> Mapping[str, object] | None:
        if self._spec.kind != "relax":
            return None
        stage = self.stored()
        row = rows_at(self._task.database, stage.id, [position])[position]
        return row.carry

    # Promoting: those that pass a stage of values only, in full.

    def promote(self, stage: StoredStage) -> None:
        self._costs = Costs(stage.costs)
        database = self._task.database
        chosen = passed_positions(database, stage.id, also_failed=True)
        plan = self._plan(len(chosen), done_ranges(database, stage.id, promoting=True), "storing")
        before: dict[Part, dict[int, Ranked]] = {}

        def make(part: Part, number: int) -> ChunkTask:
            rows = before[part] = rows_at(database, stage.id, chosen[part.starts_at : part.ends_before])
            entries = tuple(
                StageEntry(number=p // len(self._pressures), pressure_gpa=rows[p].pressure_gpa)
                for p in sorted(rows)
            )
            return self._chunk(number, [e.number for e in entries], entries, full=True)

        def write(part: Part, result: ChunkResult) -> Beat:
            known = before.pop(part)
            checked(replace(result, rejected={}), len(part))
            rows = [
                promoted(
                    row,
                    self._pressures,
                    known[row.number * len(self._pressures) + self._pressures.index(row.pressure_gpa)],
                )
                for row in result.rows
            ]
            return self._write_promotions(stage, plan, chunk_of(part, 1, result), rows)

        def give_up(part: Part) -> Beat:
            ((position, row),) = before.pop(part).items()
            rows = [killer(position, row.pressure_gpa, row.label, DEATHS, row.values)]
            chunk = DoneChunk(starts_at=part.starts_at, ends_before=part.ends_before)
            return self._write_promotions(stage, plan, chunk, rows)

        self._loop(plan, make, write, give_up, stage, 1, "storing")

    def _write_promotions(
        self, stage: StoredStage, plan: Plan, chunk: DoneChunk, rows: Sequence[Any]
    ) -> Beat:
        self._note(rows)
        return write_promotions(
            self._task.database,
            self._task.lease,
            stage.id,
            chunk,
            rows,
            message=in_words(self._progress("storing", stage, plan)),
            trying=self._trying(plan, "storing"),
            costs=self._costs.so_far(),
        )

    # What both have in common.

    @property
    def _before_id(self) -> int:
        if self._before is None:
            raise TypeError("the first stage has none before it")
        return self._before.id

    def _entries_of(self, positions: Sequence[int]) -> tuple[StageEntry, ...]:
        """What is known of candidates that enter, in the order of their numbers."""
        database = self._task.database
        rows = rows_at(database, self._before_id, positions)
        stored = get_many(database, [r.prediction_id for r in rows.values() if r.prediction_id is not None])
        return tuple(
            StageEntry(
                number=position // len(self._pressures),
                pressure_gpa=row.pressure_gpa,
                carry=row.carry,
                prediction=None if row.prediction_id is None else stored[row.prediction_id].prediction,
                values=row.values,
            )
            for position, row in sorted(rows.items())
        )

    def _chunk(
        self, number: int, numbers: Sequence[int], entries: tuple[StageEntry, ...] | None, *, full: bool
    ) -> ChunkTask:
        whole = self._whole
        model = self._task.settings.model
        return ChunkTask(
            run_id=whole._run_id,
            stage=self._index,
            chunk=number,
            kind=self._spec.kind,
            spec=self._document,
            candidates=whole._space.slice(numbers if isinstance(numbers, range) else sorted(set(numbers))),
            entries=entries,
            pressures_gpa=tuple(self._pressures),
            mu_star=whole._mu_star,
            seed=whole._campaign.seed,
            full=full or not self.is_compact,
            model=None if model is None else str(model),
            supplement=None if self._competitors is None else self._competitors.among(numbers),
        )

    def _plan(self, total: int, done: Sequence[tuple[int, int]], doing: str) -> Plan:
        trying = self._task.job.trying or {}
        mine = trying.get("stage") == self._index and trying.get("doing") == doing
        suspects = from_json(trying.get("suspects", [])) if mine else []
        return Plan(
            total, done, kind=self._spec.kind, workers=self._whole._executor.workers, suspects=suspects
        )

    def _trying(self, plan: Plan, doing: str) -> dict[str, Any] | None:
        suspects = plan.suspects()
        if not suspects:
            return None
        return {
            "stage": self._index,
            "doing": doing,
            "suspects": as_json(suspects),
            "label": f"stage {self._index + 1}, {self._name}",
        }

    def _loop(
        self, plan: Plan, make: Any, write: Any, give_up: Any, stage: StoredStage, unit: int, doing: str
    ) -> None:
        database, whole = self._task.database, self._whole
        self._recent.clear()
        text = in_words(self._progress(doing, stage, plan))
        if plan.left:
            self._whole._take(
                record(database, self._task.lease, message=text, trying=self._trying(plan, doing))
            )
        self._tell(self._progress(doing, stage, plan))

        def is_written(part: Part) -> bool:
            start, end = part.starts_at * unit, part.ends_before * unit
            done = done_ranges(database, stage.id, promoting=doing == "storing")
            return any(a <= start and end <= b for a, b in done)

        loop = ChunkLoop(self._task, whole._executor, self._costs, makes_way=whole._makes_way)
        whole._numbers = loop.run(
            plan,
            make,
            write,
            give_up,
            is_written,
            lambda: self._tell(self._progress(doing, stage, plan)),
            whole._numbers,
        )

    def _note(self, rows: Sequence[Any]) -> None:
        if any(row.prediction is not None for row in rows):
            self._task.note_new_rows()

    def _count(self, part: Part, unit: int, rows: Sequence[Any], rejected: Mapping[str, int]) -> None:
        failed = sum(row.state == "failed" for row in rows)
        refused = sum(row.state == "rejected" for row in rows) + sum(rejected.values())
        self._counts["failed"] += failed
        self._counts["rejected"] += refused
        self._counts["done"] += len(part) * unit - failed - refused

    def _told(self, doing: str, stage: StoredStage) -> dict[str, Any]:
        return {
            "stage": self._index,
            "stages": len(self._whole._campaign.stages),
            "name": self._name,
            "doing": doing,
            "entries": stage.entries,
            "judged": sum(self._counts.values()),
            **self._counts,
        }

    def _progress(self, doing: str, stage: StoredStage, plan: Plan) -> Progress:
        told = self._told(doing, stage)
        if doing == "storing":
            told |= {"entries": plan.total, "judged": plan.total - plan.left, "failed": 0, "rejected": 0}
        unit = stage.entries // plan.total if doing == "judging" and plan.total else 1
        now = time.monotonic()
        self._recent.append((now, plan.left * unit))
        while len(self._recent) > 2 and now - self._recent[0][0] > _RATE_S:
            self._recent.popleft()
        (since, had), (_, have) = self._recent[0], self._recent[-1]
        rate = (had - have) / (now - since) if now > since and had > have else None
        left = plan.left * unit / rate if rate else plan.seconds_left
        return Progress(**told, per_second=rate, seconds_left=left)

    def tell_end(self, stage: StoredStage) -> None:
        self._tell(
            Progress(
                stage=self._index,
                stages=len(self._whole._campaign.stages),
                name=self._name,
                doing="over",
                entries=stage.entries,
                judged=stage.judged,
                done=stage.done,
                failed=stage.failed,
                rejected=stage.rejected,
                passed=stage.passed,
                duplicates=stage.duplicates,
            )
        )

    def _tell(self, one: Progress) -> None:
        self._whole._watch(one)
