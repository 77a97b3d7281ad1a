"""What travels to a worker process and back, and what the process does with it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from htc.discovery.stages.memory import Memory
from htc.errors import HTCError

if TYPE_CHECKING:
    from htc.discovery.funnel.tasks import ChunkResult, ChunkTask

__all__ = ["Order", "Reply", "order_for", "perform", "take"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """A task, and what its worker need not find out again."""

    task: ChunkTask
    known: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Energies of competing phases, see :class:`htc.discovery.stages.Memory`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answers."""

    result: ChunkResult | None = None
    error: HTCError | None = None
    """Why there is no result."""
    learned: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    memory_mib: float = 0.0
    """What the process holds afterwards, MiB; 0 where it is not known."""


def perform(order: Order) -> Reply:
    """Do a task in this process; what goes wrong is in the reply."""
    from htc.discovery.stages import run_chunk

    memory = Memory(order.known)
    try:
        result = run_chunk(order.task, memory)
    except HTCError as error:
        return Reply(error=error, learned=memory.learned)
    except Exception as error:  # noqa: BLE001  # the process must live on, and the coordinator be told
        _log.exception("chunk %d of stage %d", order.task.chunk, order.task.stage)
        fault = HTCError(
            f"a fault of the program, {type(error).__name__}: {str(error)[:300]}",
            where=f"stage {order.task.stage + 1} ({order.task.kind})",
            hint="please report it with the campaign's file",
        )
        return Reply(error=fault, learned=memory.learned)
    return Reply(result=result, learned=memory.learned, memory_mib=_memory_mib())


def order_for(task: ChunkTask, memory: Memory) -> Order:
    """The task with what is known that it will ask for."""
    return Order(task, memory.about(_systems(task)) if task.kind == "hull" and memory.known else {})


def take(reply: Reply, memory: Memory) -> None:
    """Keep what a worker has learned, for the others."""
    memory.take(reply.learned)


def _systems(task: ChunkTask) -> Iterable[frozenset[str]]:
    """Elements of each candidate of a task."""
    found: set[frozenset[str]] = set()
    for entry in task.entries or ():
        if entry.carry is not None:
            sites = entry.carry["sites"]
            found.add(frozenset(str(kind["element"]) for site in sites for kind in site["species"]))
            continue
        structure = getattr(task.candidates.candidate(entry.number), "structure", None)
        if structure is not None:
            found.add(frozenset(site.specie.symbol for site in structure))
    return found


def _memory_mib() -> float:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  # once a chunk, in a worker
            pages = int(file.read().split()[1])
    except (OSError, ValueError):
        return 0.0
    import resource

    return pages * resource.getpagesize() / 2**20
