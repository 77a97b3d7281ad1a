"""Which entries of a stage are worked on next, and how many together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["DEATHS", "Part", "Plan"]

TARGET_S: Final = 8.0
"""How long a chunk should take a worker, s: what a kill can cost, against what a chunk costs to hand out."""
MOST: Final = 5_000
"""Entries of a chunk at most: what a worker and the coordinator hold in memory."""
FIRST: Final[Mapping[str, int]] = {"predict": 32, "eliashberg": 4}
"""Entries of the first chunks, before anybody knows how long one takes; 1 for other kinds."""
GROWTH: Final = 4
"""A chunk is at most so many times the largest that is done."""
DEATHS: Final = 2
"""So many processes must have died of one entry alone before it is taken for the cause."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """Entries ``starts_at`` to ``ends_before - 1`` of a stage."""

    starts_at: int
    ends_before: int
    deaths: int = 0
    """How many processes died that had this part, and nothing else, in hand."""

    def __len__(self) -> int:
        """How many entries."""
        return self.ends_before - self.starts_at


class Plan:
    """Hands out what is left of a stage, once, in chunks that take some seconds each.

    Args:
        total: entries of the stage.
        done: ``(starts_at, ends_before)`` of what is done, in order.
        kind: of the stage.
        workers: how many work on it.
        suspects: parts that processes died of, from :meth:`suspects` of the plan before.
    """

    def __init__(
        self,
        total: int,
        done: Iterable[tuple[int, int]],
        *,
        kind: str,
        workers: int,
        suspects: Sequence[Part] = (),
    ) -> None:
        """Hand out nothing yet."""
        self.total = total
        self.left = 0
        """Entries that are not over with, those in hand included."""
        self._workers = max(1, workers)
        self._gaps: deque[Part] = deque()
        self._largest = FIRST.get(kind, 1)
        self._size = self._largest
        self._seconds_each: float | None = None
        self._again: deque[Part] = deque()
        self._in_hand: set[Part] = set()
        finished = list(done)
        suspects = [s for s in suspects if all(s.ends_before <= a or b <= s.starts_at for a, b in finished)]
        self._narrowed: set[Part] = set(suspects)
        covered = sorted([*finished, *((s.starts_at, s.ends_before) for s in suspects)])
        at = 0
        for start, end in covered:
            if start > at:
                self._gaps.append(Part(at, start))
            at = max(at, end)
        if at < total:
            self._gaps.append(Part(at, total))
        self._again.extend(suspects)
        self.left = sum(map(len, self._gaps)) + sum(map(len, self._again))

    def next(self) -> Part | None:
        """The next part to be worked on; None: all that is left is in hand."""
        if self._again:
            part = self._again.popleft()
        elif self._gaps:
            gap = self._gaps.popleft()
            part = Part(gap.starts_at, min(gap.ends_before, gap.starts_at + self._next_size()))
            if part.ends_before < gap.ends_before:
                self._gaps.appendleft(Part(part.ends_before, gap.ends_before))
        else:
            return None
        self._in_hand.add(part)
        return part

    def finished(self, part: Part, seconds: float) -> None:
        """A part is over with; a worker spent so long on it, s."""
        self._in_hand.discard(part)
        self.left -= len(part)
        each = seconds / len(part)
        # The last parts count more: candidates of one prototype follow each other, and the next ones differ.
        self._seconds_each = each if self._seconds_each is None else 0.6 * self._seconds_each + 0.4 * each
        self._largest = max(self._largest, len(part))
        self._size = max(
            1, min(MOST, GROWTH * self._largest, round(TARGET_S / max(self._seconds_each, 1e-6)))
        )

    def died(self, part: Part) -> bool:
        """A process died that had this part in hand: it is tried again, in halves. True: it is the cause."""
        self._in_hand.discard(part)
        if len(part) > 1:
            middle = (part.starts_at + part.ends_before) // 2
            smaller = [Part(part.starts_at, middle), Part(middle, part.ends_before)]
        elif part.deaths + 1 < DEATHS:
            smaller = [Part(part.starts_at, part.ends_before, part.deaths + 1)]
        else:
            self.left -= 1
            return True
        self._again += smaller
        self._narrowed.update(smaller)
        return False

    def suspects(self) -> list[Part]:
        """Parts that must not be mixed with others again, for whoever goes on."""
        return sorted([*self._again, *(p for p in self._in_hand if p in self._narrowed)])

    @property
    def seconds_left(self) -> float | None:
        """Forecast for the rest with all workers, s; None before the first part is done."""
        if self._seconds_each is None:
            return None
        return self.left * self._seconds_each / self._workers

    @property
    def seconds_each(self) -> float | None:
        """Time of a worker an entry, s; None before the first part is done."""
        return self._seconds_each

    def _next_size(self) -> int:
        # Towards the end smaller, so that all workers end together.
        fair = -(-sum(map(len, self._gaps)) // (2 * self._workers)) if self._gaps else self._size
        return max(1, min(self._size, max(fair, 1)))


def as_json(parts: Sequence[Part]) -> list[list[int]]:
    """Parts as they are kept."""
    return [[p.starts_at, p.ends_before, p.deaths] for p in parts]


def from_json(content: Any) -> list[Part]:
    """Parts as :func:`as_json` wrote them."""
    return [Part(int(a), int(b), int(c)) for a, b, c in content]
