"""``run_chunk``: a task in, a result out."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from htc.discovery.funnel.tasks import CandidateRow, ChunkResult, ChunkTask, StageEntry
from htc.discovery.space import Candidate, Rejected
from htc.discovery.stages.memory import Memory
from htc.discovery.stages.subjects import Finding, Stage, Subject, each
from htc.errors import HTCError, InputError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.stability import Potential

__all__ = ["run_chunk"]


def run_chunk(task: ChunkTask, memory: Memory | None = None) -> ChunkResult:
    """Put the candidates of a task through its stage.

    What is wrong with a candidate is in its row. The rows have the same bits whatever chunk a candidate comes
    in, on processors of one kind with one thread each.

    Args:
        task: what to do.
        memory: energies of competitors known already; None knows none. It learns what was worked out.

    Raises:
        MissingExtraError: a package that the stage needs is not installed.
        ModelError: the model or the potential cannot be read.
        InputError: the stage's table is not one.
    """
    began = time.perf_counter()
    stage = _stage(task, Memory() if memory is None else memory)
    rejected: Counter[str] = Counter()
    subjects = list(_subjects(task, rejected))
    findings = stage(subjects)
    rows = tuple(_row(s, f) for s, f in zip(subjects, findings, strict=True))
    return ChunkResult(
        stage=task.stage,
        chunk=task.chunk,
        rows=rows,
        rejected=dict(rejected),
        seconds=time.perf_counter() - began,
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


def _stage(task: ChunkTask, memory: Memory) -> Stage:
    # Each brings its part of the program along.
    if task.kind == "predict":
        from htc.discovery.stages.predicting import predict_stage

        return predict_stage(task.spec["tier"], mu_star=task.mu_star, model=task.model, full=task.full)
    if task.kind == "relax":
        from htc.discovery.stages.relaxing import relaxer

        spec = task.spec
        return each(relaxer(_potential(spec), fmax=float(spec["fmax"]), max_steps=int(spec["max_steps"])))
    if task.kind == "phonons":
        from htc.discovery.stages.phonons import phonon_judge

        return each(phonon_judge(_potential(task.spec)))
    if task.kind == "hull":
        from htc.discovery.stages.hull import hull_judge
        from htc.discovery.stages.supplies import sources_of

        sources, notes = sources_of(task.supplement, made_up=bool(task.spec.get("made_up", True)))
        return each(hull_judge(_potential(task.spec), sources, memory, notes))
    if task.kind == "eliashberg":
        from htc.discovery.stages.eliashberg import eliashberg_judge

        return each(eliashberg_judge(mu_star=task.mu_star, model=task.model))
    raise InputError(f"no stage is of kind {task.kind!r}", where=f"stages[{task.stage + 1}].kind")


def _potential(spec: Mapping[str, Any]) -> Potential:
    from htc.stability import load_potential
    from htc.stability.potentials import DEFAULT_POTENTIAL

    return load_potential(str(spec.get("potential") or DEFAULT_POTENTIAL))


def _subjects(task: ChunkTask, rejected: Counter[str]) -> Iterator[Subject]:
    """Candidates in order, each at all its pressures; what the space rejects is counted by its rule."""
    if task.entries is None:
        for made in task.candidates:
            if isinstance(made, Rejected):
                rejected[made.rule] += len(task.pressures_gpa)
                continue
            for pressure in task.pressures_gpa:
                yield _subject(made, StageEntry(number=made.number, pressure_gpa=pressure))
        return
    made_last: Candidate | Rejected | None = None
    for entry in task.entries:
        # The pressures of a candidate follow each other: its crystal is made once.
        if made_last is None or made_last.number != entry.number:
            made_last = task.candidates.candidate(entry.number)
        if isinstance(made_last, Rejected):
            rejected[made_last.rule] += 1
            continue
        yield _subject(made_last, entry)


def _subject(candidate: Candidate, entry: StageEntry) -> Subject:
    structure: Structure | None = candidate.structure
    if entry.carry is not None:
        from pymatgen.core.structure import Structure

        structure = Structure.from_dict(dict(entry.carry))
    formula = candidate.formula
    if formula is None and structure is not None:
        formula = structure.composition.reduced_formula
    return Subject(
        number=entry.number,
        pressure_gpa=entry.pressure_gpa,
        label=candidate.label,
        structure=structure,
        formula=formula,
        notes=candidate.notes,
        prediction=entry.prediction,
        values=entry.values,
    )


def _row(subject: Subject, finding: Finding) -> CandidateRow:
    return CandidateRow(
        number=subject.number,
        pressure_gpa=subject.pressure_gpa,
        label=subject.label,
        formula=finding.formula or subject.formula,
        state=finding.state,
        values=finding.values,
        prediction=finding.prediction,
        carry=finding.carry,
        error=None if finding.error is None else _problem(finding.error),
    )


def _problem(error: HTCError) -> dict[str, Any]:
    return {"code": error.code, "what": error.what, "where": error.where, "hint": error.hint}
