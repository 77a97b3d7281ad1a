"""The log of a process: a line an event, as JSON for programs or as text for people.

The JSON has the field names that Cloud Logging reads (``severity``, ``message``, ``time``, ``httpRequest``,
``logging.googleapis.com/trace``); any other collector reads it as well.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from htc.service.request_id import current_request_id, current_trace

if TYPE_CHECKING:
    from htc.settings import Settings

__all__ = ["JsonFormatter", "Redactor", "TextFormatter", "configure"]

_SEVERITY: Final = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARNING",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "CRITICAL",
}
_QUIET: Final = {"uvicorn.access": logging.CRITICAL, "httpx": logging.WARNING, "matplotlib": logging.WARNING}
"""Loggers that say what we say ourselves, or that nobody asked."""

_HIDDEN: Final = "***"
_SECRETS: Final = (
    (re.compile(r"\bhtc_[A-Za-z0-9]+_[A-Za-z0-9_-]{16,}"), f"htc_{_HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {_HIDDEN}"),
    (re.compile(r"(://[^\s:/@]*:)[^\s/@]+@"), rf"\1{_HIDDEN}@"),
    (re.compile(r"(?i)\b((?:ssl)?password|passwd|secret|token|api_?key)(\s*[=:]\s*)[^\s&,;'\"]+"),
     rf"\1\2{_HIDDEN}"),
)  # fmt: skip
_SHORTEST_SECRET: Final = 6
"""A shorter one would be found in ordinary words."""


class Redactor:
    """Takes secrets out of a text: those of the settings by value, others by their look."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Learn the secrets of the settings."""
        self._values: list[str] = []
        if settings is None:
            return
        for name in type(settings).model_fields:
            value = getattr(settings, name)
            if isinstance(value, SecretStr):
                self._learn(value.get_secret_value())

    def _learn(self, secret: str) -> None:
        password = re.search(r"://[^/@]*?:([^/]*)@", secret)
        # A password in a URL may be shown without the URL, and decoded.
        parts = {secret} if password is None else {secret, password[1], _decoded(password[1])}
        self._values += [part for part in parts if len(part) >= _SHORTEST_SECRET]
        self._values.sort(key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for value in self._values:
            text = text.replace(value, _HIDDEN)
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
        return text


def _decoded(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)


class JsonFormatter(logging.Formatter):
    """A JSON object a line."""

    def __init__(self, redact: Redactor, *, trace_project: str | None = None) -> None:
        """Args: the redactor, and the Google Cloud project that traces are looked up in."""
        super().__init__()
        self._redact = redact
        self._project = trace_project

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, without secrets."""
        line: dict[str, Any] = {
            "severity": _SEVERITY.get(record.levelno, record.levelname),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "message": record.getMessage(),
            "logger": record.name,
            "process": record.process,
        }
        if (request_id := current_request_id()) is not None:
            line["request_id"] = request_id
        if (trace := current_trace()) is not None:
            path = f"projects/{self._project}/traces/" if self._project else ""
            line["logging.googleapis.com/trace"] = f"{path}{trace.trace_id}"
            line["logging.googleapis.com/trace_sampled"] = trace.sampled
            if trace.span_id is not None:
                line["logging.googleapis.com/spanId"] = trace.span_id
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(self._clean(line), ensure_ascii=False, default=self._other)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, dict):
            return {key: self._clean(item) for key, item in value.items()}
        return [self._clean(item) for item in value] if isinstance(value, list | tuple) else value

    def _other(self, value: object) -> str:
        return self._redact(str(value))


class TextFormatter(logging.Formatter):
    """A line for people: time, level, message, request."""

    def __init__(self, redact: Redactor) -> None:
        """Args: the redactor."""
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The record; an exception's trace follows on lines of its own."""
        text = super().format(record)
        request_id = current_request_id()
        if request_id is not None:
            first, *rest = text.split("\n", 1)
            text = "\n".join([f"{first}  [{request_id}]", *rest])
        return self._redact(text)


def configure(settings: Settings) -> None:
    """Send everything that this process logs to stderr, in the format and from the level of the settings.

    For programs only (``htc serve``, ``htc worker``), once in each process: an application that mounts the
    service keeps its own logging.
    """
    redact = Redactor(settings)
    formatter: logging.Formatter = (
        JsonFormatter(redact, trace_project=settings.trace_project)
        if settings.log_format == "json"
        else TextFormatter(redact)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
