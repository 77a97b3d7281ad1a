"""Access keys, job workers and the port: what a service needs besides model and database."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from htc.errors import SettingsError
from htc.store.doctor.check import Check

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database
    from htc.store.doctor.finding import Finding

__all__ = ["check_access", "check_jobs", "check_port"]

_LISTENING = Check(
    "access.mode", "others can use the service, or nobody can", "compared address, mode and keys"
)
_KEYS = Check("access.keys", "keys are about to expire", "read when they do")
_QUEUE = Check("jobs.queue", "jobs wait and nobody works on them", "read the queue and looked for workers")
_LEASES = Check("jobs.leases", "workers were lost in the middle of a job", "looked for leases that ran out")
_PORT = Check("service.port", "the port is taken", "tried to listen on it")

_SOON: Final = timedelta(days=14)
_WAITED_S: Final = 60.0
_ASK_TIMEOUT_S: Final = 2.0
_NO_TABLES: Final = "the database cannot be asked"


def check_access(settings: Settings, database: Database | None) -> list[Finding]:
    """The mode of access, and the keys."""
    from htc.service.access.mode import access_mode, check_listening
    from htc.store.keys import list_keys

    mode = access_mode(settings)
    if database is None:
        return [_LISTENING.skipped(f"mode {mode}; {_NO_TABLES}"), _KEYS.skipped(_NO_TABLES)]
    said = f"mode {mode}, listening on {settings.host}"
    try:
        check_listening(settings, database)
    except SettingsError as error:
        first = _LISTENING.failure(f"{said}: {error.what}", error.hint or "make a key with `htc keys create`")
    else:
        first = _LISTENING.ok(said, mode=mode, host=settings.host)
    now = datetime.now(UTC)
    usable = [key for key in list_keys(database) if key.fault(now) is None]
    soon = [key for key in usable if key.expires_at is not None and key.expires_at < now + _SOON]
    if soon:
        names = ", ".join(f"{k.name} ({k.prefix}) on {k.expires_at:%Y-%m-%d}" for k in soon if k.expires_at)
        second = _KEYS.warning(
            f"expire within {_SOON.days} days: {names}",
            "make new ones with `htc keys create`, hand them over, and revoke the old ones",
            prefixes=[key.prefix for key in soon],
        )
    else:
        second = _KEYS.ok(f"{len(usable)} usable keys, none expires within {_SOON.days} days")
    return [first, second]


def check_jobs(database: Database | None) -> list[Finding]:
    """Whether somebody works on the jobs."""
    from htc.store.stats import stats

    queue = None if database is None else stats(database, slow=0).jobs
    if queue is None:
        return [_QUEUE.skipped(_NO_TABLES), _LEASES.skipped(_NO_TABLES)]
    counted = {state: sum(n for _, s, n in queue.jobs if s == state) for state in ("queued", "running")}
    said = f"{counted['queued']} jobs wait, {counted['running']} run; {queue.workers} workers were seen"
    facts: dict[str, Any] = {
        **counted,
        "workers": queue.workers,
        "oldest_queued_s": round(queue.oldest_queued_s, 1),
    }
    if counted["queued"] and not queue.workers:
        first = _QUEUE.failure(
            f"{said}; the first has waited {queue.oldest_queued_s:.0f} s",
            "start a worker: `htc worker`, or `htc serve`, which brings one along",
            **facts,
        )
    elif queue.oldest_queued_s > _WAITED_S:
        first = _QUEUE.note(
            f"{said}; the first has waited {queue.oldest_queued_s:.0f} s",
            "start more workers if that is too long: `htc worker`",
            **facts,
        )
    else:
        first = _QUEUE.ok(said, **facts)
    if queue.expired_leases:
        tell = _LEASES.note if queue.workers else _LEASES.warning
        second = tell(
            f"{queue.expired_leases} jobs lost their worker and wait for another",
            "a running worker takes them over within a minute; with none, start one: `htc worker`",
            expired=queue.expired_leases,
        )
    else:
        second = _LEASES.ok(f"none ran out; jobs were begun again {queue.repeated_attempts} times so far")
    return [first, second]


def check_port(settings: Settings, port: int) -> list[Finding]:
    """Whether the service can listen, or already does."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as error:
            return [_taken(settings.host, port, error.strerror or str(error))]
    return [_PORT.ok(f"{settings.host}:{port} is free", port=port)]


def _taken(host: str, port: int, why: str) -> Finding:
    """Who is there: HTC, then all is well, or another program."""
    import httpx

    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    url = f"http://{reached}:{port}"
    try:
        answer = httpx.get(f"{url}/livez", timeout=_ASK_TIMEOUT_S, trust_env=False)
        is_ours = answer.status_code == httpx.codes.OK and answer.json() == {"status": "ok"}
    except (httpx.HTTPError, ValueError):
        is_ours = False
    if is_ours:
        return _PORT.ok(f"HTC answers at {url}; `htc smoke {url}` asks it more", port=port, url=url)
    return _PORT.warning(
        f"port {port} cannot be used ({why}), and it is not HTC that answers there",
        "stop that program, or choose another port: `htc serve --port`",
        port=port,
    )
