"""The work of the stages: the same bits in any chunk, and a reason where there is no number."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from htc.discovery.campaign import parse_campaign
from htc.discovery.funnel.tasks import CandidateRow, ChunkTask, StageEntry
from htc.discovery.space import CandidateSpace, open_space
from htc.discovery.stages import Memory, run_chunk

CAMPAIGN = """
name = "bits"
seed = 3
pressures_gpa = [0.0, 5.0]
[[candidates]]
kind = "substitution"
prototypes = ["NbN"]
slots = { Nb = "Ti V Nb Mo Ta", N = "C N" }
[[candidates]]
kind = "substitution"
prototypes = ["Nb3Sn"]
slots = { Nb = "V Nb", Sn = "Al Sn" }
[[candidates]]
kind = "formulas"
formulas = ["MgB2", "YBa2Cu3O7", "Nb3GeAl7", "LaFeAsO"]
"""


@pytest.fixture(scope="module")
def space() -> CandidateSpace:
    return open_space(parse_campaign(CAMPAIGN))


def task(space: CandidateSpace, numbers: Sequence[int], **more: Any) -> ChunkTask:
    given: dict[str, Any] = {
        "run_id": "r",
        "stage": 0,
        "chunk": 0,
        "kind": "predict",
        "spec": {"kind": "predict", "tier": "default"},
        "candidates": space.slice(numbers),
        "pressures_gpa": space.campaign.pressures_gpa,
    }
    return ChunkTask(**given | more)


def stage(space: CandidateSpace, kind: str, entries: Sequence[StageEntry], **spec: Any) -> ChunkTask:
    numbers = [e.number for e in entries]
    return task(space, numbers, stage=1, kind=kind, spec={"kind": kind} | spec, entries=tuple(entries))


def bits(rows: Iterable[CandidateRow]) -> dict[tuple[int, float], bytes]:
    """All that a row says, to the last bit."""
    return {(r.number, r.pressure_gpa): pickle.dumps(repr(r)) for r in rows}


def chunks(numbers: Sequence[int], size: int) -> list[Sequence[int]]:
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


def test_a_candidate_has_the_same_bits_in_chunks_of_any_size(space: CandidateSpace) -> None:
    numbers = range(len(space))
    runs = [
        bits(
            row
            for part in chunks(order, size)
            for row in run_chunk(task(space, part, pressures_gpa=(0.0,))).rows
        )
        for size, order in ((64, numbers), (7, numbers[::-1]), (1, numbers))
    ]
    assert len(runs[0]) > 15
    assert runs[0] == runs[1] == runs[2]


def test_a_first_look_says_what_the_whole_record_says(space: CandidateSpace) -> None:
    numbers = range(0, len(space), 2)
    fast = {"kind": "predict", "tier": "fast"}
    whole, quick = (run_chunk(task(space, numbers, spec=fast, full=full)) for full in (True, False))
    assert [(r.label, r.formula, r.state, r.values, r.error) for r in whole.rows] == [
        (r.label, r.formula, r.state, r.values, r.error) for r in quick.rows
    ]
    assert all(r.prediction is None for r in quick.rows)
    assert all(r.prediction is not None and r.prediction.input_hash for r in whole.rows if r.state == "done")
    assert whole.rejected == quick.rejected


def test_every_candidate_is_a_row_or_counted(space: CandidateSpace) -> None:
    fast = {"kind": "predict", "tier": "fast"}
    result = run_chunk(task(space, range(len(space)), spec=fast, full=False))
    assert len(result.rows) + sum(result.rejected.values()) == 2 * len(space)
    by_label = {row.label: row for row in result.rows if row.pressure_gpa == 0.0}
    cuprate = by_label["YBa2Cu3O7"]
    assert cuprate.state == "rejected"
    assert cuprate.error is not None
    assert "tc_predicted" not in cuprate.values
    assert float(by_label["MgB2"].values["tc_predicted"] or 0.0) > 1.0


def test_eliashberg_names_its_spectrum_a_surrogate(space: CandidateSpace) -> None:
    (first,) = run_chunk(task(space, [len(space) - 4], pressures_gpa=(0.0,))).rows
    entry = StageEntry(
        number=first.number, pressure_gpa=0.0, prediction=first.prediction, values=first.values
    )
    (row,) = run_chunk(stage(space, "eliashberg", [entry])).rows
    assert row.state == "done"
    assert row.values["eliashberg_spectrum"] == "surrogate"
    assert row.values["tc_eliashberg"] == pytest.approx(row.values["tc_predicted"], rel=0.4)
    assert row.prediction is not None
    assert first.prediction is not None
    assert row.prediction.input_hash != first.prediction.input_hash
    assert any("surrogate spectrum" in note for note in row.prediction.notes)
    # Of a candidate whose columns alone were kept the coupling is predicted again, to the same bits.
    (again,) = run_chunk(
        stage(space, "eliashberg", [StageEntry(number=first.number, pressure_gpa=0.0, values=first.values)])
    ).rows
    assert again.values == row.values
    nothing = StageEntry(number=first.number, pressure_gpa=0.0)
    (lost,) = run_chunk(stage(space, "eliashberg", [nothing])).rows
    assert lost.state == "failed"
    assert lost.error is not None
    assert "predict" in str(lost.error["hint"])


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "sevenn", "phonopy")),
    reason="the extra [mlip] is not installed",
)
def test_relaxation_phonons_and_hull_carry_on_what_they_found() -> None:
    text = """
    name = "aluminium and what has no crystal"
    [[candidates]]
    kind = "formulas"
    formulas = ["LaH20"]
    [[candidates]]
    kind = "substitution"
    prototypes = ["Al"]
    slots = { Al = "Al" }
    """
    space = open_space(parse_campaign(text))
    spec = {"potential": "sevennet-0"}
    none, al = (StageEntry(number=n, pressure_gpa=0.0) for n in (0, 1))
    failed, relaxed = run_chunk(stage(space, "relax", [none, al], fmax=0.02, max_steps=100, **spec)).rows
    assert failed.state == "failed"
    assert failed.error is not None
    assert "crystal" in failed.error["what"]
    assert relaxed.state == "done"
    assert relaxed.carry is not None
    assert abs(float(relaxed.values["volume_change"] or 0.0)) < 0.3
    (tc,) = run_chunk(task(space, [1], entries=(entry_of(relaxed),), stage=1)).rows
    (shaken,) = run_chunk(stage(space, "phonons", [entry_of(relaxed, tc.prediction)], **spec)).rows
    assert shaken.values["phonon_verdict"] == "stable"
    memory = Memory()
    (hull,) = run_chunk(stage(space, "hull", [entry_of(shaken)], **spec), memory).rows
    assert hull.values["hull_distance_eV"] == pytest.approx(0.0, abs=1e-3)
    assert hull.prediction is not None
    assert hull.prediction.phonon_verdict == "stable"
    assert hull.prediction.hull_distance_ev == hull.values["hull_distance_eV"]
    # Who knows the competitors already answers the same, and learns nothing.
    informed = Memory(memory.learned)
    (again,) = run_chunk(stage(space, "hull", [entry_of(shaken)], **spec), informed).rows
    assert bits([again]) == bits([hull])
    assert memory.learned
    assert not informed.learned
    # A later prediction keeps what was found of the crystal.
    (later,) = run_chunk(task(space, [1], entries=(entry_of(hull),), stage=3)).rows
    assert later.prediction is not None
    assert later.prediction.hull_distance_ev == hull.prediction.hull_distance_ev


def entry_of(row: CandidateRow, prediction: Any = None) -> StageEntry:
    carry: Mapping[str, Any] | None = row.carry
    return StageEntry(
        number=row.number,
        pressure_gpa=row.pressure_gpa,
        carry=carry,
        prediction=prediction or row.prediction,
        values=row.values,
    )
