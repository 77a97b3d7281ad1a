"""The documents of the API: entries, lists, and what stands around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from htc.optimade.crystals import GEOMETRY, geometry
from htc.optimade.parameters import PLACES, Asked
from htc.optimade.properties import ENTRY_TYPES, PREFIX, EntryType
from htc.store.optimade import DOCUMENT
from htc.version import __version__

__all__ = [
    "API_VERSION",
    "MEDIA_TYPE",
    "VERSIONS",
    "Place",
    "about",
    "columns_for",
    "info",
    "kind_info",
    "links",
    "next_link",
    "resource",
]

API_VERSION: Final = "1.2.0"
VERSIONS: Final = ("v1", "v1.2", "v1.2.0")
"""Version parts of base URLs at which this API is served."""
MEDIA_TYPE: Final = "application/vnd.api+json"

_SCHEMA: Final = f"https://schemas.optimade.org/openapi/v{API_VERSION}/optimade.json"
_PROVIDERS: Final = "https://providers.optimade.org"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request was made."""

    base: str
    """Base URL without version, e.g. ``http://localhost:8000/optimade``."""
    path: str
    """What follows the base URL and its version, e.g. ``/structures``."""
    version: str = ""
    """Version part of the base URL, empty without."""
    query: str = ""
    """Query as it was given, without the question mark."""

    @property
    def url(self) -> str:
        """The address without the query."""
        return f"{self.base}{'/' if self.version else ''}{self.version}{self.path}"


def about(
    place: Place,
    *,
    more: bool = False,
    returned: int | None = None,
    available: int | None = None,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The ``meta`` of an answer."""
    counts = {"data_returned": returned, "data_available": available}
    told = [{"type": "warning", "title": "Note", "detail": warning} for warning in warnings]
    return {
        "query": {"representation": f"{place.path}?{place.query}" if place.query else place.path},
        "api_version": API_VERSION,
        "schema": _SCHEMA,
        "time_stamp": _moment(datetime.now(UTC)),
        "more_data_available": more,
        **{name: count for name, count in counts.items() if count is not None},
        "provider": {
            "name": "HTC",
            "description": "Critical temperatures of conventional superconductors, predicted and stored.",
            "prefix": PREFIX,
        },
        "implementation": {"name": "htc", "version": __version__},
        **({"warnings": told} if told else {}),
    }


def columns_for(kind: EntryType, asked: Asked) -> list[str]:
    """What the store is asked for; a crystal's document only when something of it is shown."""
    names = [name for name in asked.fields if name in kind.kind.columns]
    if any(name in GEOMETRY for name in asked.fields):
        names.append(DOCUMENT)
    link = _LINKS[kind.name][1]
    return names if link in names else [*names, link]


def resource(kind: EntryType, asked: Asked, row: Mapping[str, Any]) -> dict[str, Any]:
    """One entry."""
    shape = geometry(row[DOCUMENT]) if row.get(DOCUMENT) is not None else {}
    attributes: dict[str, Any] = {}
    for name in asked.fields:
        value = shape.get(name) if name in GEOMETRY else row[name]
        attributes[name] = _moment(value) if isinstance(value, datetime) else value
    attributes |= dict.fromkeys(asked.empty)
    other, link = _LINKS[kind.name]
    related = {other: {"data": [{"type": other, "id": row[link]}]}} if row.get(link) is not None else {}
    entry: dict[str, Any] = {"id": row["id"], "type": kind.name, "attributes": attributes}
    return entry | ({"relationships": related} if related else {})


_LINKS: Final[Mapping[str, tuple[str, str]]] = {
    "structures": ("_htc_predictions", "_htc_prediction_id"),
    "_htc_predictions": ("structures", "_htc_structure_id"),
}
"""What each type is related to, and the property that holds the id."""


def next_link(place: Place, given: Sequence[tuple[str, str]], cursor: str | None) -> str | None:
    """Address of the next page."""
    if cursor is None:
        return None
    kept = [(name, value) for name, value in given if name not in PLACES]
    return f"{place.url}?{urlencode([*kept, ('page_cursor', cursor)])}"


def info(place: Place) -> dict[str, Any]:
    """What this server has."""
    types = list(ENTRY_TYPES)
    return {
        "id": "/",
        "type": "info",
        "attributes": {
            "api_version": API_VERSION,
            "available_api_versions": [{"url": f"{place.base}/{VERSIONS[0]}/", "version": API_VERSION}],
            "formats": ["json"],
            "available_endpoints": ["info", "links", *types],
            "entry_types_by_format": {"json": types},
            "is_index": False,
            "license": None,
        },
    }


def kind_info(kind: EntryType) -> dict[str, Any]:
    """The properties of a kind of entry."""
    properties = kind.info()
    return {
        "id": kind.name,
        "type": "info",
        "formats": ["json"],
        "description": kind.description,
        "properties": properties,
        "output_fields_by_format": {"json": list(properties)},
    }


def links(place: Place) -> list[dict[str, Any]]:
    """This server as the root of itself, and the list of all providers."""

    def link(name: str, kind: str, shown: str, description: str, base_url: str) -> dict[str, Any]:
        attributes = {"name": shown, "description": description, "base_url": base_url, "homepage": None}
        return {"id": name, "type": "links", "attributes": attributes | {"link_type": kind}}

    return [
        link("htc", "root", "HTC", "Predicted critical temperatures of this installation.", place.base),
        link("optimade", "providers", "OPTIMADE", "Providers of the OPTIMADE consortium.", _PROVIDERS),
    ]


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
