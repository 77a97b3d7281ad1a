"""Errors of pages are pages, with their status, and set right what can be set right."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx

from htc.service import create_app
from htc.settings import Settings
from htc.store.embedded import EmbeddedServer

BROWSER = {"Accept": "text/html"}


def test_a_database_that_died_is_a_page_and_is_started_again(
    serving: Callable[..., AbstractContextManager[httpx.Client]], home: Path
) -> None:
    with serving(create_app(Settings(home=home))) as client:
        assert client.get("/runs/no-such-run", headers=BROWSER).status_code == 404
        EmbeddedServer(home).stop(force=True)
        answer = client.get("/runs/no-such-run", headers=BROWSER)
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdigit()
        assert "Something this page needs is away" in answer.text
        until = time.monotonic() + 60.0
        while answer.status_code == 503 and time.monotonic() < until:
            time.sleep(0.2)
            answer = client.get("/runs/no-such-run", headers=BROWSER)
        assert answer.status_code == 404


def test_the_frames_of_the_tools_name_what_they_offer(client: httpx.Client) -> None:
    spectrum = client.get("/spectrum").text
    assert "MgB2.a2f" in spectrum
    assert "asis: " in spectrum
    assert 'value="0.13"' in client.get("/runs").text
    for path in ("/compare", "/validate", "/help", "/docs"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
