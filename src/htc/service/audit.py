"""Writes are noted before their answer leaves, or a moment later where many come."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from htc.errors import StoreError
from htc.service.access.gate import SAFE_METHODS
from htc.service.metrics import route_of
from htc.store.audit import AuditEntry, write_audit

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from htc.service.access import Caller
    from htc.store import Database

__all__ = ["Audit", "AuditTrail", "audit_details"]

_log = logging.getLogger(__name__)

EVERY_S: Final = 0.5
MOST_WAITING: Final = 20_000
_AT_ONCE: Final = 500

_NOTED_AT_ONCE: Final = frozenset({"run", "admin"})
"""Scopes whose writes are stored before they are answered. Predictions may come by the hundred a second."""


def audit_details(request: Request, **details: Any) -> None:
    """Say what a request made or changed, for the audit log: ids, never secrets. Values as in JSON."""
    request.scope.setdefault("htc.audit", {}).update(details)


class AuditTrail:
    """Entries on their way into the database.

    What waits is stored every half second, by a thread of its own, and when the service stops. While the
    database is away it is kept; what cannot be kept either is in the log.
    """

    def __init__(self) -> None:
        """Nothing waits."""
        self._database: Database | None = None
        self._waiting: deque[AuditEntry] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, database: Database) -> None:
        """Store entries in this database from now on."""
        self._database = database
        self._thread = threading.Thread(target=self._keep_storing, name="audit", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Store what waits, and stop."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def note(self, entry: AuditEntry) -> None:
        """Store an entry soon."""
        if len(self._waiting) >= MOST_WAITING:
            _log.error("the audit log has no room for: %s", entry)
            return
        self._waiting.append(entry)

    def store(self, entry: AuditEntry) -> None:
        """Store an entry now, or soon where the database is away."""
        try:
            if self._database is not None:
                write_audit(self._database, [entry])
                return
        except StoreError as error:
            _log.warning("the audit log cannot be written just now: %s", error)
        self.note(entry)

    def _keep_storing(self) -> None:
        while not self._wake.wait(EVERY_S):
            self._store_waiting()
        self._store_waiting()
        for entry in self._waiting:
            _log.error("the audit log could not be written before the end: %s", entry)

    def _store_waiting(self) -> None:
        while self._waiting and self._database is not None:
            batch = [self._waiting[n] for n in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                write_audit(self._database, batch)
            except StoreError as error:
                _log.warning("the audit log cannot be written just now: %s", error)
                return
            for _ in batch:
                self._waiting.popleft()


class Audit:
    """ASGI middleware: notes what changes something, and what a known key was refused."""

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        """Wrap an application."""
        self._app = app
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unchanged."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_noted(status := message["status"], scope):
                entry = _entry(scope, status)
                if scope.get("htc.required") in _NOTED_AT_ONCE:
                    await to_thread.run_sync(self._trail.store, entry)
                else:
                    self._trail.note(entry)
            await send(message)

        await self._app(scope, receive, noting)


def _is_noted(status: int, scope: Scope) -> bool:
    caller: Caller = scope["htc.caller"]
    # What was refused changed nothing; a fault of ours may have.
    return status < 400 or status >= 500 or (status in {401, 403} and caller.key is not None)


def _entry(scope: Scope, status: int) -> AuditEntry:
    caller: Caller = scope["htc.caller"]
    return AuditEntry(
        request_id=scope.get("state", {}).get("request_id", ""),
        actor=caller.name,
        method=scope["method"],
        route=route_of(scope),
        path=scope["path"],
        status=status,
        key_id=caller.key.id if caller.key else None,
        client=caller.address,
        details=scope.get("htc.audit", {}),
    )
