"""Answers that come bit by bit: NDJSON and server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Event", "events_of"]


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    name: str
    """``message`` where the server names none."""
    data: Any
    """Its JSON, or the text where it is none."""
    id: str | None = None


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    """Events from the lines of a ``text/event-stream``; comments, which keep it alive, are left out."""
    name, event_id = "message", None
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(name, _value("\n".join(data)), event_id)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            event_id = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
