"""One run in the hands of this process: its heartbeat, what is taken in hand, what is written down."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from htc.errors import HTCError, InputError, StoreError
from htc.jobs.halt import Halt
from htc.store import save
from htc.store.jobs import Beat, Item, Lease, heartbeat, job_counts, record

if TYPE_CHECKING:
    from htc.discovery import Evaluator, Verdict
    from htc.materials.inputs import InputItem
    from htc.prediction import Prediction
    from htc.settings import Settings
    from htc.store import Database, RankingRefresher

__all__ = ["Entry", "Judged", "Task", "as_problem"]

TARGET_S: Final = 1.0
"""How long a chunk should take: what a kill can cost, and how soon a worker can stop."""
FIRST: Final = 4
MOST: Final = 256
TURN_S: Final = 120.0
"""After so long a run makes way for those that wait, s."""
DEATHS: Final = 2
"""So many processes must have died of one item alone before it is taken for the cause."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item to be judged."""

    position: int
    item: InputItem
    pressure_gpa: float = 0.0
    values: Mapping[str, Any] = field(default_factory=dict)
    about: Callable[[Prediction], Mapping[str, Any]] | None = None
    """More values, once there is a prediction."""

    def values_with(self, prediction: Prediction | None) -> dict[str, Any]:
        """What is written down beside the prediction."""
        more = {} if self.about is None or prediction is None else self.about(prediction)
        return {**self.values, **more}


@dataclass(frozen=True, slots=True)
class Judged:
    """An item that has been written down."""

    position: int
    prediction: Prediction | None
    error: HTCError | None


def as_problem(error: HTCError) -> dict[str, Any]:
    """The parts of an error, as they are kept."""
    return {"code": error.code, "what": error.what, "where": error.where, "hint": error.hint}


class Task:
    """A leased run. Use as a context manager: the lease is renewed by a thread meanwhile.

    Args:
        database: an open database.
        settings: of this process.
        lease: from ``htc.store.jobs.claim``.
        rankings: told of new rows.
        stopping: set when this process is to stop.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        lease: Lease,
        rankings: RankingRefresher,
        stopping: threading.Event,
    ) -> None:
        """Nothing runs yet."""
        self.database = database
        self.settings = settings
        self.lease = lease
        self.job = lease.job
        self._rankings = rankings
        self._stopping = stopping
        self._beat: Beat = "held"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="htc-heartbeat", daemon=True)
        self._began = time.monotonic()
        self._size = FIRST
        trying = self.job.trying or {}
        # What the process before had in hand as it died; one of these may be why.
        positions = [int(position) for position in trying.get("positions", ())]
        deaths = int(trying.get("deaths", 0))
        self._suspects = set(positions) if deaths else set()
        self._deaths = dict.fromkeys(positions, deaths) if len(positions) == 1 else {}

    def __enter__(self) -> Self:
        """Start the heartbeat."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the heartbeat."""
        self._over.set()
        self._thread.join()

    def pulse(self) -> None:
        """Go on, or :class:`Halt`."""
        if self._beat == "lost":
            raise Halt("lost")
        if self._beat == "cancel":
            raise Halt("cancelled")
        if self._stopping.is_set():
            raise Halt("stopping")

    def tell(self, message: str, total: int | None = None) -> None:
        """What is being done, for people who look at the run; and how many items there are."""
        self.take(record(self.database, self.lease, message=message, total=total))
        self.pulse()

    def judge(
        self,
        entries: Callable[[int], Entry],
        positions: range,
        evaluator: Evaluator,
        *,
        message: Callable[[int], str] | None = None,
        one_by_one: bool = False,
        together: bool = False,
    ) -> list[Judged]:
        """Judge items and write them down, some at a time; each is stored before the next ones begin.

        Args:
            entries: makes the entry of a position; called once each.
            positions: those that are left to do, in order.
            evaluator: judges.
            message: what to tell after so many are done.
            one_by_one: each takes long: write down every one of them.
            together: write them all down in one piece.
        """
        judged: list[Judged] = []

        def make(at: int) -> list[Entry]:
            return [entries(p) for p in self._chunk(at, positions.stop, one_by_one, together)]

        chunk = make(positions.start) if len(positions) else []
        if one_by_one and chunk:
            self.tell(_now(chunk))
        announced = False
        while chunk:
            self.pulse()
            self.make_way()
            began = time.monotonic()
            verdicts = self._verdicts(chunk, evaluator, announced=announced)
            if not together:
                self._size = _next_size(self._size, len(chunk), time.monotonic() - began)
            at = chunk[-1].position + 1
            following = make(at) if at < positions.stop else []
            text = None if message is None else message(at)
            if one_by_one and following:
                text = "; ".join(part for part in (text, _now(following)) if part)
            judged += self._write(chunk, verdicts, text, self._trying(following))
            chunk, announced = following, bool(following)
        return judged

    def _chunk(self, at: int, end: int, one_by_one: bool, together: bool) -> range:
        if one_by_one or at in self._suspects:
            return range(at, at + 1)
        stop = end if together else min(end, at + self._size)
        # Not the ones that may have killed their last process together with others.
        return range(at, min([stop, *(s for s in self._suspects if s > at)]))

    def _verdicts(self, chunk: Sequence[Entry], evaluator: Evaluator, *, announced: bool) -> list[Verdict]:
        from htc.discovery import Verdict

        first = chunk[0]
        deaths = self._deaths.get(first.position, 0) if len(chunk) == 1 else 0
        if deaths >= DEATHS:
            error = HTCError(
                f"{deaths} processes that worked on it alone died",
                where=first.item.source,
                hint="it may need more memory than there is; the log of the workers says more",
            )
            return [Verdict(first.item.source, error=error)]
        if not announced:
            self.take(record(self.database, self.lease, trying=self._trying(chunk)))
            self.pulse()
        return evaluator([(entry.item, entry.pressure_gpa) for entry in chunk])

    def _trying(self, chunk: Sequence[Entry]) -> dict[str, Any] | None:
        """What is taken in hand, for whoever takes over if this process dies of it."""
        if not chunk:
            return None
        trying: dict[str, Any] = {
            "positions": [entry.position for entry in chunk],
            "label": chunk[0].item.source[:200],
        }
        deaths = self._deaths.get(chunk[0].position, 0) if len(chunk) == 1 else 0
        return trying | ({"deaths": deaths} if deaths else {})

    def _write(
        self,
        chunk: Sequence[Entry],
        verdicts: Sequence[Verdict],
        text: str | None,
        trying: Mapping[str, Any] | None,
    ) -> list[Judged]:
        stored = self._store([v.prediction for v in verdicts if v.prediction is not None])
        items: list[Item] = []
        judged: list[Judged] = []
        for entry, verdict in zip(chunk, verdicts, strict=True):
            outcome: str | HTCError | None = verdict.error
            if verdict.prediction is not None:
                outcome = stored[id(verdict.prediction)]
            error = outcome if isinstance(outcome, HTCError) else None
            items.append(
                Item(
                    position=entry.position,
                    label=entry.item.source[:200],
                    prediction_id=outcome if isinstance(outcome, str) else None,
                    error=None if error is None else as_problem(error),
                    values=entry.values_with(verdict.prediction),
                )
            )
            judged.append(Judged(entry.position, None if error else verdict.prediction, error))
        self.take(record(self.database, self.lease, items, message=text, trying=trying))
        if self._beat == "lost":
            raise Halt("lost")
        return judged

    def _store(self, predictions: Sequence[Prediction]) -> dict[int, str | HTCError]:
        """Where each prediction went, or why it could not be stored, by its identity."""
        options: dict[str, Any] = {"run": self.lease.run_id, "created_by": self.job.requested_by}
        try:
            saved = save(self.database, predictions, **options)
        except (InputError, StoreError) as error:
            # Only what one row says can be that row's fault; no connection and no room are everybody's.
            if not isinstance(error, InputError) and type(error) is not StoreError:
                raise
            if len(predictions) == 1:
                return {id(predictions[0]): error}
            found: dict[int, str | HTCError] = {}
            for one in predictions:
                found |= self._store([one])
            return found
        if any(one.is_new for one in saved):
            self._rankings.note_new_row()
        return {id(p): one.id for p, one in zip(predictions, saved, strict=True)}

    def make_way(self) -> None:
        """:class:`Halt` when this run has had its turn and others wait."""
        if time.monotonic() - self._began > TURN_S:
            if job_counts(self.database)["queued"] > 0:
                raise Halt("turn")
            self._began = time.monotonic()

    def note_new_rows(self) -> None:
        """Predictions were stored: the ranking by formula has something new."""
        self._rankings.note_new_row()

    def take(self, beat: Beat) -> None:
        """Remember what a write learned of the lease."""
        if self._beat != "lost":
            self._beat = beat

    def _hold(self) -> None:
        while not self._over.wait(self.lease.seconds / 4.0):
            try:
                self.take(heartbeat(self.database, self.lease))
            except StoreError as error:
                # The lease goes on running out; work finds out by itself when it has something to write.
                _log.warning("the lease of run %s could not be renewed: %s", self.lease.run_id, error)


def _next_size(size: int, done: int, seconds: float) -> int:
    wanted = done * TARGET_S / max(seconds, 1e-3)
    return max(1, min(MOST, 2 * size, round(wanted)))


def _now(chunk: Sequence[Entry]) -> str:
    """What is in hand, where each takes minutes."""
    return f"now {chunk[0].item.source[:100]}"
