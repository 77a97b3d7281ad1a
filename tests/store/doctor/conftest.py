"""Ways to bring a database into a state, and to ask one test about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from htc.store import migrating
from htc.store.database import Database
from htc.store.doctor.examination import DatabaseCheck
from htc.store.doctor.finding import Finding, worst

Examine = Callable[..., Finding]
Run = Callable[..., None]


@pytest.fixture
def run() -> Run:
    """Execute statements, each committed: ``run(database, "DROP ...", ...)``."""

    def execute(database: Database, *statements: str) -> None:
        with database.engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in statements:
                free.execute(text(statement))

    return execute


@pytest.fixture
def to() -> Callable[[Database, str], None]:
    """Bring an empty database to a revision."""

    def upgrade(database: Database, revision: str) -> None:
        migrating.upgrade(database, target=revision)

    return upgrade


@pytest.fixture
def ask() -> Callable[[DatabaseCheck, Database], list[Finding]]:
    """The findings of one test, which must leave the connection as it was."""

    def examine(check: DatabaseCheck, database: Database) -> list[Finding]:
        with database.connect() as connection:
            found = check(connection, database)
            assert connection.execute(text("SHOW transaction_read_only")).scalar_one() == "off"
        return found

    return examine


@pytest.fixture
def only(ask: Callable[[DatabaseCheck, Database], list[Finding]]) -> Examine:
    """The one finding of a test that is not ``ok``."""

    def examine(check: DatabaseCheck, database: Database) -> Finding:
        found = ask(check, database)
        bad = [f for f in found if f.verdict != "ok"]
        assert len(bad) == 1, [(f.verdict, f.result) for f in found]
        assert worst(found) == bad[0].verdict
        return bad[0]

    return examine
