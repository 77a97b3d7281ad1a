"""What the log of a Cloud SQL proxy says about Google's answers, read from its end.

Both generations are read: cloud-sql-proxy 2 as text or as JSON lines (``--structured-logs``), and
cloud_sql_proxy 1. Messages as in github.com/GoogleCloudPlatform/cloud-sql-proxy, ``internal/proxy`` and
``internal/log``, and in its issues 58, 97, 1651, 2295.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

__all__ = ["ProxyLog", "Refusal", "read_proxy_log"]

_TAIL_BYTES: Final = 1_000_000
_HEAD_BYTES: Final = 64_000

Source = Literal["user login", "access token", "application default", "key file", "unknown"]
Kind = Literal[
    "credentials", "no credentials", "permission", "api", "stopped", "absent", "network", "crowded"
]

_STAMP: Final = re.compile(r"(\d{4})[/-](\d\d)[/-](\d\d)[ T](\d\d):(\d\d):(\d\d)")

_SOURCES: Final[tuple[tuple[str, Source], ...]] = (
    # The line with which the proxy says whose credentials it uses.
    (r"with gcloud user credentials|using gcloud's active project", "user login"),
    (r"with OAuth2 token", "access token"),
    (r"with (?:the )?credentials file|with JSON credentials|using credential file", "key file"),
    (r"with Application Default Credentials", "application default"),
)

_KINDS: Final[tuple[tuple[str, Kind], ...]] = (
    # The first group of a pattern is what is quoted.
    (r"(could not find default credentials)", "no credentials"),
    # What Google says about the reason tells more than that it refused.
    (
        r"(invalid_rapt|rapt_required|Reauthentication (?:failed|required)|"
        r"Token has been expired or revoked|ACCESS_TOKEN_EXPIRED)",
        "credentials",
    ),
    (
        r"(reauth related error|invalid_grant|(?:oauth2|auth): cannot fetch token|"
        r"invalid authentication credentials|problem refreshing your current auth tokens)",
        "credentials",
    ),
    (r"(accessNotConfigured|SERVICE_DISABLED|has not been used in project)", "api"),
    (
        r"(notAuthorized|NOT_AUTHORIZED|cloudsql\.instances\.(?:connect|get)|"
        r"not authorized to make this request)",
        "permission",
    ),
    (r"(instance is not running|not in a running state|instanceNotRunning|has been suspended)", "stopped"),
    (r"(instanceDoesNotExist|instance does not exist|Error 404)", "absent"),
    (r"(max connections \(\d+\) exceeded)", "crowded"),
    (
        r"(i/o timeout|context deadline exceeded|no such host|network is unreachable|"
        r"dial tcp \S+ connect: \w+)",
        "network",
    ),
)

_USERS_OWN: Final = re.compile(
    r"gcloud\.config\.config-helper|gcloud auth login|error reading config: exit status"
)
_DEFAULTS_OWN: Final = re.compile(r"application.default", re.IGNORECASE)
_GCLOUD: Final = re.compile(r"\(gcloud\.(auth\.application-default)?")
"""gcloud names the command that failed: all but these work with the user login."""
_TAKEN: Final = re.compile(r"Accepted connection from|New connection for")
_SERVED: Final = re.compile(
    r"(?:client|instance) closed the connection|Client closed local connection|Connection test passed"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error in the log."""

    kind: Kind
    words: str
    """The telling words of the message, e.g. ``"invalid_rapt"``."""
    at: datetime | None
    """As written in the log: the clock of the proxy."""
    source: Source | None = None
    """Whose credentials the message itself names."""


@dataclass(frozen=True, slots=True)
class ProxyLog:
    """What a log says up to its end."""

    path: Path
    source: Source
    """Whose credentials the proxy uses."""
    refusals: tuple[Refusal, ...]
    """Those since the proxy last started or last served a connection."""
    earlier: int
    """Errors before that: over."""
    last_success: datetime | None
    last_line: datetime | None


@dataclass(frozen=True, slots=True)
class _Entry:
    at: datetime | None
    text: str


def read_proxy_log(path: Path) -> ProxyLog:
    """Read a log.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES).decode("utf-8", "replace")
        file.seek(0)
        head = file.read(_HEAD_BYTES).decode("utf-8", "replace") if size > _TAIL_BYTES else ""
    if size > _TAIL_BYTES:
        tail = tail.partition("\n")[2]
    source: Source = "unknown"
    for entry in _entries(head):
        source = _source(entry.text) or source
    refusals: list[Refusal] = []
    earlier, taken = 0, False
    success: datetime | None = None
    last: datetime | None = None
    for entry in _entries(tail):
        last = entry.at or last
        if (told := _source(entry.text)) is not None:
            # A proxy says this once, when it starts: what went before is another proxy's.
            source, earlier, refusals, taken = told, earlier + len(refusals), [], False
        elif (refusal := _refusal(entry)) is not None:
            refusals.append(refusal)
            taken = False
            if source == "unknown" and refusal.source is not None:
                source = refusal.source
            elif source == "unknown" and _USERS_OWN.search(entry.text):
                source = "user login"
            elif source == "unknown" and _DEFAULTS_OWN.search(entry.text):
                source = "application default"
        elif _TAKEN.search(entry.text):
            taken = True
        elif taken and _SERVED.search(entry.text):
            # Only a connection taken after the errors counts: older ones may close at any time.
            success, earlier, refusals = entry.at, earlier + len(refusals), []
    return ProxyLog(path, source, tuple(refusals), earlier, success, last)


def _entries(text: str) -> Iterator[_Entry]:
    """Entries of the log; lines without a time of their own belong to the one before."""
    at: datetime | None = None
    lines: list[str] = []
    for line in text.splitlines():
        found = _structured(line) or _stamped(line)
        if found is None:
            lines.append(line)
            continue
        if lines:
            yield _Entry(at, "\n".join(lines))
        at, lines = found.at, [found.text]
    if lines:
        yield _Entry(at, "\n".join(lines))


def _structured(line: str) -> _Entry | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or "message" not in record:
        return None
    return _Entry(_time(str(record.get("timestamp", ""))), str(record["message"]))


def _stamped(line: str) -> _Entry | None:
    # Container runtimes put their own prefix before the line.
    return _Entry(at, line) if (at := _time(line[:80])) else None


def _time(text: str) -> datetime | None:
    found = _STAMP.search(text)
    if found is None:
        return None
    try:
        return datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # six numbers by the pattern
    except ValueError:
        return None


def _source(text: str) -> Source | None:
    return next((source for pattern, source in _SOURCES if re.search(pattern, text)), None)


def _refusal(entry: _Entry) -> Refusal | None:
    for pattern, kind in _KINDS:
        if found := re.search(pattern, entry.text, re.IGNORECASE):
            source: Source | None = None
            if gcloud := _GCLOUD.search(entry.text):
                source = "application default" if gcloud.group(1) else "user login"
            return Refusal(kind, found.group(1), entry.at, source)
    return None
