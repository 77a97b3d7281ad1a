"""Whether everything a prediction needs is there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from anyio import CapacityLimiter, to_thread

from htc.errors import HTCError
from htc.models import load_model
from htc.service.schemas import Health
from htc.store import schema
from htc.store.pulse import Pulse
from htc.version import __version__

if TYPE_CHECKING:
    from htc.service.state import Service

__all__ = ["HealthWatch", "health_of"]

Answer: TypeAlias = tuple[Health, bytes]

FRESH_FOR_S: Final = 0.5
"""For so long a good state is told again without a look. A bad one never is: who asks waits for it to end."""

PATIENCE_S: Final = 4.0
"""A look that takes longer is not waited for: the database does not answer. Probes wait no longer either."""


class HealthWatch:
    """Looks at model and database for whoever asks: one look at a time serves all who ask meanwhile.

    Args:
        service: whose model and database.
        fresh_for_s: how long a good state is told again without a look, s.
    """

    def __init__(self, service: Service, *, fresh_for_s: float | None = None) -> None:
        """Nothing is looked at yet."""
        self._service = service
        self._pulse = Pulse(service.database)
        self._fresh_for_s = FRESH_FOR_S if fresh_for_s is None else fresh_for_s
        self._known: tuple[float, Answer] | None = None
        self._look: asyncio.Task[Answer] | None = None
        self._recovery: asyncio.Task[None] | None = None
        # Threads of their own: when those of the requests are all busy is when the state is wanted most.
        self._lookers = CapacityLimiter(1)
        self._menders = CapacityLimiter(1)

    async def answer(self) -> Answer:
        """The state of the service, and the same as JSON; a good one at most :data:`FRESH_FOR_S` old."""
        if self._known is not None and time.monotonic() - self._known[0] < self._fresh_for_s:
            return self._known[1]
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._find_out())
        # The one that this request waits for: when it ends, whoever is served first may start the next.
        look = self._look
        done, _ = await asyncio.wait([look], timeout=PATIENCE_S)
        if not done:
            return _answer(_unanswered(f"the database did not answer within {PATIENCE_S:g} s"))
        return look.result()

    def forget(self) -> None:
        """Look anew when asked next: something was seen to fail."""
        self._known = None

    def close(self) -> None:
        """Close the connection that was kept for looking."""
        self._pulse.close()

    async def _find_out(self) -> Answer:
        began = time.monotonic()
        found = await to_thread.run_sync(health_of, self._service, self._pulse, limiter=self._lookers)
        answer = _answer(found)
        self._known = (began, answer) if found.status == "ok" else None
        if found.database == "disconnected" and (self._recovery is None or self._recovery.done()):
            self._recovery = asyncio.create_task(
                to_thread.run_sync(self._service.recover, limiter=self._menders)
            )
        return answer


def _answer(state: Health) -> Answer:
    return state, state.model_dump_json().encode()


def health_of(service: Service, pulse: Pulse) -> Health:
    """Ask model and database; what does not answer is named in ``problems``."""
    problems: list[str] = []
    model_id = revision = None
    connected = False
    try:
        model_id = load_model(service.settings.model, service.settings.tier).model_id
    except HTCError as error:
        problems.append(str(error))
    try:
        beat = pulse.beat()
        connected, revision = True, beat.revision
        if not beat.fits:
            problems.append(
                f"the database stands at {revision or 'no revision'}, this program needs {schema.HEAD}"
            )
    except HTCError as error:
        problems.append(str(error))
    ready = not problems
    return Health(
        status="ok" if ready else "unavailable",
        database="connected" if connected else "disconnected",
        dependencies=ready,
        version=__version__,
        model_id=model_id,
        database_revision=revision,
        features={"predict": ready},
        problems=problems,
    )


def _unanswered(problem: str) -> Health:
    return Health(
        status="unavailable",
        database="disconnected",
        dependencies=False,
        version=__version__,
        model_id=None,
        database_revision=None,
        features={"predict": False},
        problems=[problem],
    )
