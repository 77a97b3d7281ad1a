"""The plan of a stage: every entry is handed out until it is over with, whoever dies, and none twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from htc.discovery.funnel.plan import DEATHS, Part, Plan, as_json, from_json
from htc.discovery.funnel.rules import select


@settings(deadline=None, max_examples=60)
@given(
    total=st.integers(0, 200),
    poison=st.sets(st.integers(0, 199), max_size=4),
    workers=st.integers(1, 4),
    rolls=st.randoms(use_true_random=False),
)
def test_each_entry_is_over_with_once(total: int, poison: set[int], workers: int, rolls) -> None:  # type: ignore[no-untyped-def]  # hypothesis' Random
    over: dict[int, str] = {}
    done: list[tuple[int, int]] = []
    plan = Plan(total, [], kind="predict", workers=workers)
    in_hand: list[Part] = []
    while True:
        while len(in_hand) < 2 * workers and (part := plan.next()) is not None:
            in_hand.append(part)
        if not in_hand:
            break
        if rolls.random() < 0.05:
            # The coordinator dies; another goes on from what is written down.
            kept = from_json(as_json(plan.suspects()))
            plan = Plan(total, sorted(done), kind="predict", workers=workers, suspects=kept)
            in_hand = []
            continue
        part = in_hand.pop(rolls.randrange(len(in_hand)))
        numbers = range(part.starts_at, part.ends_before)
        if poison.intersection(numbers):
            if not plan.died(part):
                continue
            assert len(part) == 1
            assert part.deaths == DEATHS - 1
            outcome = "given up"
        else:
            plan.finished(part, 0.01 * len(part))
            outcome = "done"
        for number in numbers:
            assert number not in over
            over[number] = outcome
        done.append((part.starts_at, part.ends_before))
    assert set(over) == set(range(total))
    assert {n for n, outcome in over.items() if outcome == "given up"} == {n for n in poison if n < total}
    assert plan.left == 0


def test_a_twin_passes_for_nobody_and_takes_no_place() -> None:
    ordered = [(n, f"X{n}") for n in (5, 3, 8, 1, 7)]
    found = select(ordered, 3, lambda n, formula: {3: 5, 1: 8}.get(n) if formula == f"X{n}" else None)
    assert found.passing == [5, 8, 7]
    assert found.duplicates == [(3, 5), (1, 8)]
    assert select(ordered[:2], None).passing == [5, 3]
