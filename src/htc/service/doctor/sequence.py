"""Every area in its order; one that cannot be examined does not keep the others from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from htc.errors import HTCError
from htc.service.doctor import machine, programs, serving
from htc.store.doctor.check import Check
from htc.store.doctor.sequence import examine as examine_database

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.doctor.finding import Finding

__all__ = ["Area", "examine"]


@dataclass(frozen=True, slots=True)
class Area:
    """What was found in one area."""

    name: str
    findings: list[Finding]


def examine(settings: Settings, *, port: int) -> Iterator[Area]:
    """Examine this machine, area by area, as they come. Nothing is changed.

    Args:
        settings: of the process that is to work here.
        port: that `htc serve` would listen on.
    """
    yield Area("settings", _guarded("settings", lambda: programs.check_settings(settings)))
    yield Area("machine", _guarded("machine", lambda: machine.check_machine(settings)))
    yield Area("model", _guarded("model", lambda: programs.check_models(settings)))
    yield Area("extras", _guarded("extras", lambda: programs.check_extras(settings)))
    with ExitStack() as stack:
        opened = stack.enter_context(examine_database(settings))
        yield Area("database", opened.findings)
        database = opened.database
        usable = database if _is_usable(opened.findings) else None
        yield Area("clock", _guarded("clock", lambda: machine.check_clock(database)))
        yield Area("access", _guarded("access", lambda: serving.check_access(settings, usable)))
        yield Area("jobs", _guarded("jobs", lambda: serving.check_jobs(usable)))
        yield Area("service", _guarded("service", lambda: serving.check_port(settings, port)))


def _is_usable(findings: list[Finding]) -> bool:
    """Whether the tables are those that this program knows."""
    return not any(f.verdict == "failure" and f.check_id.startswith("schema.") for f in findings)


def _guarded(area: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except HTCError as error:
        check = Check(f"{area}.examined", f"{area} cannot be examined", "tried")
        return [check.failure(str(error), error.hint or "put this right first, then ask again")]
