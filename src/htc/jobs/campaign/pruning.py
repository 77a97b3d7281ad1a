"""Letting go of what a finished campaign no longer needs: the rows of candidates that did not pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from htc.discovery.campaign import Keep
from htc.discovery.funnel.rules import rule_of
from htc.errors import InputError
from htc.store.campaigns import Pruned, Rule, Superfluous, prune, stages_of, superfluous

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["NO_LONGER", "prune_run", "pruned_in_words", "superfluous_rows"]

NO_LONGER: Final = (
    "it can no longer be said of a candidate that did not pass what came of it, nor can others be chosen from"
    " the rows by another rule"
)
"""What is lost with the rows."""


def superfluous_rows(database: Database, run_id: str, keep_best: int = 0) -> Superfluous:
    """What :func:`prune_run` would drop; arguments and errors as there."""
    return superfluous(database, run_id, _rules(database, run_id), keep_best)


def prune_run(
    database: Database,
    run_id: str,
    keep_best: int = 0,
    *,
    by: str,
    told: Callable[[int, int], None] = lambda _, __: None,
) -> Superfluous:
    """Drop the rows of a finished campaign that did not pass. Funnel, ranked list and report stay the same.

    Args:
        database: an open database.
        run_id: of the run.
        keep_best: so many of those that did not pass are kept of each stage, the best by the stage's rule.
        by: who wants it.
        told: called with the rows dropped so far and all that go.

    Raises:
        NotFoundError: no such run.
        InputError: not a campaign's, or ``keep_best`` out of range.
        ConflictError: not finished, or fewer were kept the last time.
        StoreError: the database refused; what was dropped before stays dropped.
    """
    return prune(database, run_id, _rules(database, run_id), keep_best, by=by, told=told)


def pruned_in_words(one: Pruned) -> str:
    """One sentence."""
    kept = f", but for the best {one.keep_best:,} of each stage" if one.keep_best else ""
    return (
        f"{one.rows:,} rows of candidates that did not pass were dropped on {one.at:%Y-%m-%d %H:%M} UTC"
        f" by {one.by}{kept}: {NO_LONGER}"
    )


def _rules(database: Database, run_id: str) -> list[Rule]:
    """What each stage went by, as it is kept with the stage."""
    try:
        return [rule_of(Keep.model_validate(one.spec.get("keep", {}))) for one in stages_of(database, run_id)]
    except ValidationError as error:
        raise InputError(
            "the rules of this run are those of another version of HTC",
            where=run_id,
            hint="prune it with the version that made it",
        ) from error
