"""``htc screen --dry-run`` and ``--estimate``: what a campaign would do, and what that takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.cli.console import err, out, print_json
from htc.errors import MissingExtraError

if TYPE_CHECKING:
    from htc.discovery.campaign import Campaign, Stage
    from htc.discovery.space import CandidateSpace, SizeEstimate
    from htc.jobs.campaign.request import CampaignRequest
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["show_plan", "uncompressed"]

_SHOWN: Final = 5
"""Unreadable candidates that are named."""


@dataclass(frozen=True, slots=True)
class _Forecast:
    """One stage before it begins."""

    stage: int
    name: str
    at_most: float
    """Entries at most; of the first stage: numbers times pressures."""
    plausible: float | None
    """How many of them are expected to be judged; None where nothing is known."""
    passes_at_most: float | None
    seconds_each: float | None
    """Measured time of a worker a candidate, s."""
    measured_by: str | None
    rule: str

    def seconds(self, workers: int) -> float | None:
        n = self.at_most if self.plausible is None else self.plausible
        return None if self.seconds_each is None else n * self.seconds_each / workers


def show_plan(
    settings: Settings, request: CampaignRequest, folder: Path, *, with_estimate: bool, as_json: bool
) -> None:
    """Print it, with what is not installed here; nothing is stored."""
    from htc.discovery.space import open_space
    from htc.jobs.campaign.requirements import check_stages

    campaign = request.campaign
    missing: MissingExtraError | None = None
    try:
        check_stages(campaign, elsewhere=request.scheduler is not None or request.cluster is not None)
    except MissingExtraError as error:
        missing = error
    opened: list[Database] = []

    def database() -> Database:
        from htc.store import Database

        if not opened:
            opened.append(Database.open(settings))
        return opened[0]

    try:
        space = open_space(campaign, folder=folder, database=database, settings=settings)
        size: SizeEstimate | None = None
        costs: dict[tuple[str, str | None], float] = {}
        by: dict[tuple[str, str | None], str] = {}
        if with_estimate:
            size = space.estimate()
            costs, by = _measured(database(), space, request)
        workers = request.workers or _cores()
        forecasts = _forecasts(request, space, size, costs, by)
    finally:
        for one in opened:
            one.close()
    if as_json:
        print_json(
            {
                "campaign": campaign.name,
                "numbers": len(space),
                "pressures": len(campaign.pressures_gpa),
                "workers": workers,
                "missing": None if missing is None else str(missing),
                "size": None if size is None else size.as_dict(),
                "stages": [
                    {
                        "stage": f.stage,
                        "name": f.name,
                        "entries_at_most": f.at_most,
                        "judged": f.plausible,
                        "passes_at_most": f.passes_at_most,
                        "seconds_each": f.seconds_each,
                        "measured_by": f.measured_by,
                        "seconds": f.seconds(workers),
                        "keep": f.rule,
                    }
                    for f in forecasts
                ],
            }
        )
        return
    _print(request, space, size, forecasts, workers)
    if (caution := uncompressed(campaign)) is not None:
        err.print(caution, markup=False, soft_wrap=True)
    for label, why in _unreadable(space):
        err.print(f"not readable: {label}: {why}", markup=False, soft_wrap=True)
    if missing is not None:
        err.print(f"It cannot run here yet: {missing}", markup=False)


def uncompressed(campaign: Campaign) -> str | None:
    """What to think of a campaign at pressures whose crystals nothing compresses; None where all is well."""
    pressures = [p for p in campaign.pressures_gpa if p > 0.0]
    compressed = campaign.volume.scale != 1.0 or any(stage.kind == "relax" for stage in campaign.stages)
    if not pressures or compressed:
        return None
    listed = ", ".join(f"{p:g}" for p in pressures)
    return (
        f"at {listed} GPa the crystals keep their cells, so Tc there says nothing of the pressure: a stage "
        "of kind relax, or volume.scale, compresses them"
    )


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _measured(
    database: Database, space: CandidateSpace, request: CampaignRequest
) -> tuple[dict[tuple[str, str | None], float], dict[tuple[str, str | None], str]]:
    """Seconds a candidate by kind and tier, and who measured them."""
    from htc.jobs.campaign.trial import seconds_of_first_stage
    from htc.store.campaigns import measured_costs

    costs = measured_costs(database)
    by = dict.fromkeys(costs, "campaigns in this database")
    first = request.campaign.stages[0]
    key = (first.kind, getattr(first, "tier", None))
    if key not in costs and first.kind == "predict":
        found = seconds_of_first_stage(space, request.campaign)
        if found is not None:
            costs[key], by[key] = found, "a sample, now"
    return costs, by


def _forecasts(
    request: CampaignRequest,
    space: CandidateSpace,
    size: SizeEstimate | None,
    costs: dict[tuple[str, str | None], float],
    by: dict[tuple[str, str | None], str],
) -> list[_Forecast]:
    from htc.discovery.funnel.rules import most_that_pass

    campaign = request.campaign
    out: list[_Forecast] = []
    entries: float = len(space) * len(campaign.pressures_gpa)
    plausible = None if size is None else size.predictions
    for number, stage in enumerate(campaign.stages):
        if number and stage.budget is not None:
            entries = min(entries, stage.budget)
        passes = entries if plausible is None else min(entries, plausible)
        following = campaign.stages[number + 1 : number + 2]
        most = most_that_pass(stage.keep, following[0].budget if following else None)
        if most is not None:
            passes = min(passes, most)
        key = (stage.kind, getattr(stage, "tier", None))
        # What a campaign measured is a mean over all numbers, the rejected ones included.
        among_all = by.get(key, "").startswith("campaigns")
        out.append(
            _Forecast(
                stage=number,
                name=" ".join(part for part in key if part),
                at_most=entries,
                plausible=plausible if number == 0 and not among_all else None,
                passes_at_most=passes,
                seconds_each=costs.get(key),
                measured_by=by.get(key),
                rule=_rule(stage),
            )
        )
        entries, plausible = passes, None
    return out


def _rule(stage: Stage) -> str:
    said = stage.keep.model_dump(mode="json", exclude_defaults=True)
    return ", ".join(f"{name} = {value}" for name, value in said.items()) or "all that have values"


def _print(
    request: CampaignRequest,
    space: CandidateSpace,
    size: SizeEstimate | None,
    forecasts: list[_Forecast],
    workers: int,
) -> None:
    from rich.table import Table

    from htc.jobs.campaign.watching import duration

    campaign = request.campaign
    pressures = ", ".join(f"{p:g}" for p in campaign.pressures_gpa)
    out.print(f"{campaign.name}: {len(space):,} numbers at {pressures} GPa", markup=False)
    if size is not None:
        out.print(
            f"plausible: {size.plausible:,.0f} ({size.plausible_lower:,.0f} – {size.plausible_upper:,.0f}), "
            f"from {sum(s.looked_at for s in size.sources):,} looked at"
        )
        for source in size.sources:
            why = ", ".join(f"{rule} {count}" for rule, count in source.rejected.items())
            out.print(
                f"  {source.name}: {source.taken:,} numbers, {100 * source.share:.1f} % plausible"
                + (f"; rejected: {why}" if why else ""),
                markup=False,
                soft_wrap=True,
            )
    else:
        for one in space.sources:
            out.print(f"  {one.name}: {len(one):,} numbers", markup=False, soft_wrap=True)
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("", "stage", "enter at most", "pass at most"):
        table.add_column(name, no_wrap=True, justify="left" if name == "stage" else "right")
    if size is not None:
        table.add_column("s each", justify="right", no_wrap=True)
        table.add_column(f"with {workers} workers", justify="right", no_wrap=True)
    table.add_column("who goes on")
    for f in forecasts:
        cells = [str(f.stage + 1), f.name, f"{f.at_most:,.0f}", _count(f.passes_at_most)]
        if size is not None:
            seconds = f.seconds(workers)
            cells.append("?" if f.seconds_each is None else f"{f.seconds_each:.3g}")
            cells.append("not measured here" if seconds is None else duration(seconds))
        table.add_row(*cells, f.rule)
    out.print(table)
    if size is not None:
        sources = {f.measured_by for f in forecasts if f.measured_by}
        if sources:
            err.print(f"[dim]costs measured by {' and '.join(sorted(sources))}[/]")


def _unreadable(space: CandidateSpace) -> Iterator[tuple[str, str]]:
    """The first files, formulas and stored crystals that cannot be read, and why."""
    from htc.discovery.space.parts import Given

    entries = (
        entry
        for source in space.sources
        for part in source.parts
        if isinstance(part, Given)
        for entry in part.entries.values()
    )
    return islice(((e.label, e.error) for e in entries if e.error is not None), _SHOWN)


def _count(n: Any) -> str:
    return "?" if n is None else f"{n:,.0f}"
