"""Evidence packs over HTTP: named by an ETag before they are made, and made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from fastapi import Response

from htc.evidence import Pack, build_pack, gather, worksheet_body, worksheet_of
from htc.evidence.figure import draw, figure_title
from htc.evidence.pack import pack_name
from htc.evidence.record import record_of
from htc.store.provenance import find_prediction

if TYPE_CHECKING:
    from htc.evidence import Sources
    from htc.service.state import Service

__all__ = ["ZIP", "pack_answer", "report_of", "sources_of"]

ZIP: Final = "application/zip"
_KEPT: Final = 16
"""Packs kept in memory, some 100 kB each: a page asks for one, and its reader downloads it."""


class _Packs:
    """The packs made last, by ETag."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sources: Sources, etag: str) -> tuple[str, bytes]:
        """File name and bytes of a pack."""
        with self._lock:
            if etag in self._made:
                self._made.move_to_end(etag)
                return self._made[etag]
        pack: Pack = build_pack(sources)
        made = pack.name, pack.to_zip()
        with self._lock:
            self._made[etag] = made
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return made


_PACKS: Final = _Packs()


def sources_of(service: Service, id_or_prefix: str) -> Sources:
    """What stands behind a prediction, by its id or that of its electron-phonon run.

    Raises:
        NotFoundError: there is none.
        InputError: several begin so.
        StoreError: the database does not answer.
    """
    stored = find_prediction(service.database, id_or_prefix)
    return gather(service.database, stored, service.settings)


def pack_answer(service: Service, id_or_prefix: str, if_none_match: str | None, *, head: bool) -> Response:
    """The pack as an answer, or 304 where the asker has it already. Errors as for `sources_of`."""
    sources = sources_of(service, id_or_prefix)
    etag = sources.etag
    headers = {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    name, content = _PACKS.get(sources, etag)
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if head:
        return Response(headers=headers | {"Content-Length": str(len(content))}, media_type=ZIP)
    return Response(content, headers=headers, media_type=ZIP)


def report_of(service: Service, id_or_prefix: str) -> dict[str, Any]:
    """What the page of a prediction shows: ``record``, ``body`` and ``file_name`` of its pack.

    Errors as for `sources_of`.
    """
    stored = sources_of(service, id_or_prefix)
    record = record_of(stored.stored)
    spectrum = stored.stored.prediction.spectrum
    worksheet = worksheet_of(record, spectrum, stored.experiment)
    figure = None
    if spectrum is not None:
        figure = draw(spectrum, figure_title(record), styled=False)
    return {
        "record": record,
        "body": worksheet_body(record, worksheet, figure=figure),
        "file_name": pack_name(record),
    }


def _matches(if_none_match: str, etag: str) -> bool:
    """By RFC 9110, 13.1.2: weak comparison."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or f'"{etag}"' in tags
