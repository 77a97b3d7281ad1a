"""The space of a run: asked for once, kept with the run, the same ever after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.space import CandidateSpace, open_space
from htc.errors import InputError
from htc.materials.inputs import looks_like_path
from htc.store.campaigns import read_frozen

if TYPE_CHECKING:
    from pathlib import Path

    from htc.discovery.campaign import Campaign
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["MOST", "freeze", "space_of", "within_limits"]

MOST: Final = 2**31 - 1
"""Candidates times pressures of one run: ``jobs.done`` counts them."""


def within_limits(campaign: Campaign, limit: int | None = None) -> Campaign:
    """The campaign with all that keeps candidates from entering as its ``limit``.

    A budget of the first stage is one: it takes no part in the order, so candidates are drawn at random.

    Args:
        campaign: as its author wrote it.
        limit: candidates at most, or None.
    """
    budget = campaign.stages[0].budget
    limits = [n for n in (campaign.limit, limit) if n is not None]
    if budget is not None:
        limits.append(max(1, budget // len(campaign.pressures_gpa)))
    return campaign.model_copy(update={"limit": min(limits)}) if limits else campaign


def freeze(
    campaign: Campaign, database: Database, settings: Settings, base: Path | None
) -> tuple[CandidateSpace, Iterator[Mapping[str, Any]]]:
    """The space, its outside sources asked now; and the documents that are to be kept of it.

    Raises:
        InputError: a source that cannot be used or has no candidates, more of them than a run takes; files,
            or a provider that is not the settings', where ``base`` is None.
        SourceUnavailableError: a service that cannot be reached.
        StoreError: the database does not answer.
    """
    if base is None:
        _refuse_what_is_the_machines(campaign, settings)
    space = open_space(campaign, folder=base or ".", database=database, settings=settings)
    entries = len(space) * len(campaign.pressures_gpa)
    if entries > MOST:
        raise InputError(
            f"{entries:,} candidates at a pressure are more than one run takes, {MOST:,}",
            where=campaign.name,
            hint="set limit = ... in the campaign, or --limit: candidates are then drawn at random",
        )
    return space, space.frozen()


def _refuse_what_is_the_machines(campaign: Campaign, settings: Settings) -> None:
    # Who asks over the network must not have this machine read its files, or call addresses in its network.
    for number, source in enumerate(campaign.candidates, 1):
        if source.kind == "optimade" and source.url.rstrip("/") != (settings.optimade_provider or "").rstrip(
            "/"
        ):
            raise InputError(
                "this provider is not the one of the settings",
                where=f"candidates[{number}].url",
                hint="HTC_OPTIMADE_PROVIDER names the one the service may ask; `htc screen` asks any",
            )
        names = source.prototypes if source.kind == "substitution" else ()
        if source.kind == "files" or any(n.startswith("file:") or looks_like_path(n) for n in names):
            raise InputError(
                "files are read by `htc screen` only",
                where=f"candidates[{number}]",
                hint="store the crystals first, then choose them with a source of kind store",
            )


def space_of(campaign: Campaign, database: Database, run_id: str) -> CandidateSpace:
    """The space of a run as it was when the run was accepted.

    Raises:
        ConflictError: the run is of another version of HTC, which made other candidates.
        StoreError: the database does not answer.
    """
    return CandidateSpace.thawed(campaign, read_frozen(database, run_id))
