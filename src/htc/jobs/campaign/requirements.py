"""Whether the stages of a campaign can be done with what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from htc.errors import MissingExtraError

if TYPE_CHECKING:
    from htc.discovery.campaign import Campaign

__all__ = ["check_stages"]

_NEEDS: Final = {
    "relax": ("torch", "sevenn"),
    "phonons": ("torch", "sevenn", "phonopy"),
    "hull": ("torch", "sevenn"),
}


def check_stages(campaign: Campaign, *, elsewhere: bool = False) -> None:
    """Say now what a stage would say after hours.

    Args:
        campaign: of a run.
        elsewhere: its workers run in other environments, which are asked by their own.

    Raises:
        MissingExtraError: a stage needs an extra that is not installed.
    """
    import importlib.util

    if elsewhere:
        return
    for number, stage in enumerate(campaign.stages, 1):
        needed = _NEEDS.get(stage.kind, ())
        if stage.kind == "predict" and stage.tier == "best":
            needed = ("torch", "sevenn")
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            raise MissingExtraError(
                f"a stage of kind {stage.kind} needs {' and '.join(missing)}, not installed here",
                where=f"stages[{number}]",
                hint='install it with: pip install "htc[mlip]"',
            )
