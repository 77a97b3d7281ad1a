"""What a candidate of the first stage costs, from a few of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from htc.discovery.funnel.tasks import ChunkTask

if TYPE_CHECKING:
    from htc.discovery.campaign import Campaign
    from htc.discovery.space import CandidateSpace

__all__ = ["seconds_of_first_stage"]

_SAMPLE: Final = 200


def seconds_of_first_stage(space: CandidateSpace, campaign: Campaign) -> float | None:
    """Time of a worker for each plausible candidate at one pressure, s; None where the sample has none.

    Candidates are drawn by the campaign's seed and judged twice in this process: the first time loads the
    model.
    """
    from htc.discovery.space.permutation import Permutation
    from htc.discovery.stages import run_chunk

    order = Permutation(len(space), campaign.seed)
    numbers = sorted(order[i] for i in range(min(_SAMPLE, len(space))))
    first = campaign.stages[0]
    task = ChunkTask(
        run_id="",
        stage=0,
        chunk=0,
        kind=first.kind,
        spec=first.model_dump(mode="json"),
        candidates=space.slice(numbers),
        pressures_gpa=campaign.pressures_gpa,
        seed=campaign.seed,
        full=False,
    )
    run_chunk(task)
    result = run_chunk(task)
    return result.seconds / len(result.rows) if result.rows else None
