"""Answers that come bit by bit: one that goes on is never cut, one that fell silent is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from htc.service.guard.deadlines import Deadlines

Serving = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


def test_only_a_silent_stream_is_cut(serving: Serving) -> None:
    app = FastAPI()
    app.add_middleware(Deadlines, seconds=0.5, silence_s=1.5)
    given_up: list[str] = []

    async def lines(pauses: tuple[float, ...]) -> AsyncIterator[str]:
        try:
            for pause in pauses:
                await asyncio.sleep(pause)
                yield "a line\n"
        except asyncio.CancelledError:
            given_up.append("told")
            raise

    @app.get("/steady")
    async def steady() -> StreamingResponse:
        return StreamingResponse(lines((0.4,) * 6))

    @app.get("/silent")
    async def silent() -> StreamingResponse:
        return StreamingResponse(lines((0.0, 600.0)))

    with serving(app) as client:
        assert client.get("/steady").text == 6 * "a line\n"
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/silent")
        assert given_up == ["told"]
        assert client.get("/steady").status_code == 200
