"""From what a worker answers to what is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from htc.errors import HTCError
from htc.jobs.campaign.loop import fault
from htc.jobs.task import as_problem
from htc.store.campaigns import DoneChunk, Row

if TYPE_CHECKING:
    from htc.discovery.funnel.plan import Part
    from htc.discovery.funnel.tasks import CandidateRow, ChunkResult, StageEntry
    from htc.store.campaigns import Ranked

__all__ = ["checked", "chunk_of", "killer", "promoted", "row_of"]


def checked(result: ChunkResult, entries: int) -> ChunkResult:
    """The result, if it says something about each entry.

    Raises:
        HTCError: it does not: a fault of the program.
    """
    said = len(result.rows) + sum(result.rejected.values())
    if said != entries:
        raise fault(f"{entries} candidates were handed out, {said} came back")
    return result


def chunk_of(part: Part, unit: int, result: ChunkResult) -> DoneChunk:
    """The mark of a chunk; ``unit`` is how many entries a number of the plan stands for."""
    return DoneChunk(
        starts_at=part.starts_at * unit,
        ends_before=part.ends_before * unit,
        rejections=result.rejected,
        worker=result.worker,
        worker_seconds=result.seconds,
    )


def row_of(row: CandidateRow, pressures: Sequence[float], entry: StageEntry | None) -> Row:
    """A row as it is kept: what the stages before found stays where this one says nothing about it."""
    values: dict[str, Any] = dict(entry.values) if entry is not None else {}
    values |= {name: value for name, value in row.values.items() if value is not None}
    carry = row.carry if row.carry is not None or entry is None else entry.carry
    return Row(
        position=row.number * len(pressures) + pressures.index(row.pressure_gpa),
        pressure_gpa=row.pressure_gpa,
        state=row.state,
        label=row.label,
        formula=row.formula,
        values=values,
        error=row.error,
        carry=carry,
        prediction=row.prediction,
    )


def promoted(row: CandidateRow, pressures: Sequence[float], before: Ranked) -> Row:
    """The row of one that passes, predicted in full: it must say what it said before."""
    found = row_of(row, pressures, None)
    error = found.error
    if row.state == "done":
        if row.prediction is None:
            raise fault(f"{row.label} came back without the whole prediction that was asked for")
        now, then = row.prediction.tc_predicted, before.values.get("tc_predicted")
        if now is None or then is None or abs(now - then) > 1e-6 * max(1.0, abs(then)):
            error = as_problem(
                HTCError(
                    f"predicted twice, the Tc is {then} K and then {now} K",
                    where=row.label,
                    hint="workers of different programs or processors; the run is not reproducible",
                )
            )
    elif error is None:
        error = as_problem(HTCError(f"predicted again, it is {row.state}", where=row.label))
    return Row(
        position=found.position,
        pressure_gpa=found.pressure_gpa,
        state="done" if error is None else "failed",
        label=found.label,
        formula=found.formula,
        values=found.values,
        error=error,
        carry=found.carry,
        prediction=found.prediction if error is None else None,
    )


def killer(position: int, pressure_gpa: float, label: str, deaths: int, values: Mapping[str, Any]) -> Row:
    """The row of a candidate that no worker survives."""
    return Row(
        position=position,
        pressure_gpa=pressure_gpa,
        state="failed",
        label=label,
        formula=None,
        values=values,
        error=as_problem(
            HTCError(
                f"{deaths} processes that worked on it alone died",
                where=label,
                hint="it may need more memory than there is",
            )
        ),
    )
