"""Health and probes: cheap, and never a good word about what is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import Client

from htc.service import create_app
from htc.service.health import HealthWatch
from htc.settings import Settings
from htc.store import Database
from htc.store.fitness import FITS_SINCE
from htc.store.schema import HEAD, REVISIONS

Serving = Callable[[FastAPI], AbstractContextManager[Client]]


def stamp(database: Database, revision: str, comment: str | None = None) -> None:
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        words = "NULL" if comment is None else f"'{comment}'"
        connection.execute(sa.text(f"COMMENT ON TABLE alembic_version IS {words}"))


def states(client: Client) -> tuple[int, int, int]:
    live, ready, health = (client.get(p) for p in ("/livez", "/readyz", "/api/htc/health"))
    assert {a.headers["cache-control"] for a in (live, ready, health)} == {"no-store"}
    return live.status_code, ready.status_code, health.status_code


def test_all_is_well(client: Client) -> None:
    assert states(client) == (200, 200, 200)
    assert client.get("/livez").json() == client.get("/readyz").json() == {"status": "ok"}
    assert client.get("/api/htc/health").json()["database_revision"] == HEAD


def test_a_revision_that_does_not_fit_gets_no_traffic_and_no_restart(
    client: Client, database: Database
) -> None:
    stamp(database, "003_htc_predictions")
    assert states(client) == (200, 503, 503)
    answer = client.get("/api/htc/health")
    assert answer.headers["retry-after"].isdigit()
    assert answer.json()["database"] == "connected"
    assert "003_htc_predictions" in answer.json()["problems"][0]
    assert client.get("/readyz").json() == {"status": "unavailable"}, "who has no key learns no reasons"
    stamp(database, HEAD)
    assert states(client) == (200, 200, 200), "bad news is never kept"


FUTURE = "999_of_a_later_program"
FITTING = f"at {FUTURE}, fits programs of {HEAD} and later"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (FITTING, 200),
        (FITTING.replace(HEAD, REVISIONS[0]), 200),
        (None, 503),
        ("at 998_another, fits programs of 001_test_telemetry and later", 503),
        (f"at {FUTURE}, fits programs of 998_another and later", 503),
        ("somebody else''s comment", 503),
    ],
)
def test_a_later_revision_is_used_where_its_program_said_so(
    database_in_settings: Database, serving: Serving, comment: str | None, expected: int
) -> None:
    with serving(create_app(Settings())) as client:
        stamp(database_in_settings, FUTURE, comment)
        assert states(client) == (200, expected, expected)
        if expected == 200:
            assert client.get("/api/htc/health").json()["database_revision"] == FUTURE
            assert client.post("/api/htc/predict", json={"composition": "Nb"}).status_code == 200
    if expected == 200:
        # A new instance of the program before, started while the new one is being rolled out.
        with serving(create_app(Settings())) as client:
            assert states(client) == (200, 200, 200)


def test_an_upgrade_says_whom_it_fits(database: Database) -> None:
    with database.connect() as connection:
        comment = connection.execute(
            sa.text("SELECT obj_description('alembic_version'::regclass, 'pg_class')")
        ).scalar_one()
    assert comment == f"at {HEAD}, fits programs of {FITS_SINCE} and later"
    assert FITS_SINCE in REVISIONS


def test_health_works_while_all_connections_are_in_use(
    database_in_settings: Database, serving: Serving
) -> None:
    app = create_app(Settings())
    with serving(app) as client:
        engine = app.state.service.database.engine
        held = [engine.connect() for _ in range(15)]
        try:
            assert states(client) == (200, 200, 200)
        finally:
            for connection in held:
                connection.close()


def test_many_who_ask_at_once_share_a_look(database_in_settings: Database, serving: Serving) -> None:
    app = create_app(Settings())
    looks = []
    with serving(app) as client:
        engine = app.state.health._pulse._engine
        sa.event.listen(engine, "before_cursor_execute", lambda *_: looks.append(1))
        with ThreadPoolExecutor(8) as pool:
            assert {a.status_code for a in pool.map(lambda _: client.get("/api/htc/health"), range(64))} == {
                200
            }
    assert len(looks) < 64


def test_who_is_served_first_may_ask_again_before_the_others_are(
    database_in_settings: Database, serving: Serving
) -> None:
    """Each waits for the look it found under way, also when the next has begun meanwhile."""
    app = create_app(Settings())
    with serving(app):
        service = app.state.service

        async def ask(watch: HealthWatch) -> set[str]:
            return {(await watch.answer())[0].status for _ in range(20)}

        async def together() -> list[set[str]]:
            watch = HealthWatch(service, fresh_for_s=0.0)
            try:
                return await asyncio.gather(*(ask(watch) for _ in range(8)))
            finally:
                watch.close()

        # In a thread: playwright keeps a loop running in that of the tests.
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: asyncio.run(together())).result() == [{"ok"}] * 8
