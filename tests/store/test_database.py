"""Opening a database: what people are told when it cannot be had, and what they never see."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from htc.errors import (
    DatabaseUnavailableError,
    HTCError,
    SchemaError,
    SettingsError,
    StorageError,
    StoreError,
)
from htc.settings import Settings, get_settings
from htc.store import Database, StoredStructures, save
from htc.store import database as database_module
from htc.store.database import redacted, user_url
from htc.store.faults import translate

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

SECRET = "hunter2-and-more"


def settings(url: str) -> Settings:
    return Settings(home=Path("/nonexistent"), database_url=url)  # type: ignore[arg-type]  # pydantic converts


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def password_url(embedded_server: Any) -> Iterator[URL]:
    """A login by password on the embedded server, with its right password."""
    with embedded_server.empty() as database:
        with database.connect() as connection:
            data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
        rules = data / "pg_hba.conf"
        before = rules.read_text()
        with database.begin() as connection:
            connection.execute(text(f"CREATE ROLE visitor LOGIN PASSWORD '{SECRET}'"))
            connection.execute(
                text("GRANT CONNECT ON DATABASE " + (database.engine.url.database or "") + " TO visitor")
            )
        rules.write_text("local all visitor scram-sha-256\n" + before)
        with database.begin() as connection:
            connection.execute(text("SELECT pg_reload_conf()"))
        yield database.engine.url.set(username="visitor", password=SECRET)
        rules.write_text(before)
        with database.begin() as connection:
            connection.execute(text("SELECT pg_reload_conf()"))
            connection.execute(
                text("REVOKE ALL ON DATABASE " + (database.engine.url.database or "") + " FROM visitor")
            )
            connection.execute(text("DROP ROLE visitor"))


def shown(error: BaseException) -> str:
    """Everything a person or a log may get to see of an error and its causes."""
    out = []
    cause: BaseException | None = error
    while cause is not None:
        out.append(f"{cause} {cause!r} {getattr(cause, 'hint', '')} {getattr(cause, 'where', '')}")
        cause = cause.__cause__ or cause.__context__
    return "\n".join(out)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_a_closed_port_is_said_without_the_password(closed_port: int, scheme: str) -> None:
    url = f"{scheme}://me:{SECRET}@127.0.0.1:{closed_port}/htc"
    with pytest.raises(DatabaseUnavailableError, match="nothing listens") as caught:
        Database.open(settings(url))
    assert "HTC_DATABASE_URL" in str(caught.value.hint)
    assert str(closed_port) in str(caught.value.where)
    assert SECRET not in shown(caught.value)


def test_a_wrong_password(password_url: URL) -> None:
    right = password_url.render_as_string(hide_password=False)
    Database.open(settings(right), ensure_schema=False).close()
    for wrong in (right.replace(SECRET, "wrong-" + SECRET), right.replace(f":{SECRET}", "")):
        with pytest.raises(
            DatabaseUnavailableError, match="does not accept this user and password"
        ) as caught:
            Database.open(settings(wrong))
        assert SECRET not in shown(caught.value)


def test_a_login_without_privileges(password_url: URL) -> None:
    with pytest.raises(StoreError, match="may not create tables") as caught:
        Database.open(settings(password_url.render_as_string(hide_password=False)))
    assert SECRET not in shown(caught.value)


def test_an_unknown_database_and_user(embedded_server: Any) -> None:
    with embedded_server.empty() as database:
        url = database.engine.url
    with pytest.raises(DatabaseUnavailableError, match="no database of this name"):
        Database.connect_to(url)
    with pytest.raises(DatabaseUnavailableError, match="does not let this user in"):
        Database.connect_to(url.set(username="stranger"))


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="no database socket"):
        Database.open(settings(f"postgresql://me@/htc?host={tmp_path}"))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("failed to resolve host 'db': [Errno -2] Name or service not known", "host name is not known"),
        ("connection timeout expired", "does not answer in time"),
        ("SSL error: certificate verify failed", "no secure connection"),
        ("server closed the connection unexpectedly", "was lost"),
        ('connection is bad: invalid port number: "99999"', "address has a part"),
        ('connection is bad: invalid sslmode value: "bla"', "address has a part"),
    ],
)
def test_other_ways_of_not_connecting(message: str, says: str) -> None:
    assert says in translate(psycopg.OperationalError(message)).what


@pytest.mark.parametrize(
    "url",
    [":99999/x", "/x?foo=1", "/x?connect_timeout=soon", "/x?sslmode=bla", "/x?target_session_attrs=q"],
)
def test_an_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="address has a part") as caught:
        Database.open(settings(f"postgresql://me:{SECRET}@127.0.0.1{url}"))
    assert "options in HTC_DATABASE_URL" in (caught.value.hint or "")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (psycopg.errors.DiskFull("could not extend file"), StorageError, "disk is full"),
        (
            psycopg.errors.TooManyConnections("too many clients"),
            DatabaseUnavailableError,
            "no free connection",
        ),
        (psycopg.errors.AdminShutdown("terminating"), DatabaseUnavailableError, "going down"),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute"), StorageError, "read-only"),
        (psycopg.errors.UndefinedTable("relation"), SchemaError, "table is missing"),
        (psycopg.errors.DeadlockDetected("deadlock"), StoreError, "in the way"),
        (psycopg.errors.SyntaxError("syntax"), StoreError, "refused"),
    ],
)
def test_every_error_of_the_driver_becomes_one_of_ours(
    error: psycopg.Error, kind: type[HTCError], says: str
) -> None:
    translated = translate(error)
    assert type(translated) is kind
    assert says in translated.what


@pytest.mark.parametrize(
    "url", [f"mysql://me:{SECRET}@h/x", f"me:{SECRET}@h", "sqlite:///x.db", "postgresql+asyncpg://h/x"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database.open(settings(url))
    assert caught.value.where == "HTC_DATABASE_URL"
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize("value", ["", "  \n"])
def test_an_empty_url_is_no_wish_for_the_embedded_database(
    value: str, test_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_DATABASE_URL", value)
    get_settings.cache_clear()
    before = list(test_home.rglob("*"))
    with pytest.raises(SettingsError, match="set but empty") as caught:
        Database.open()
    assert caught.value.where == "HTC_DATABASE_URL"
    assert "unset it to use the embedded database" in str(caught.value.hint)
    assert list(test_home.rglob("*")) == before


def test_a_url_is_shown_without_passwords() -> None:
    url = user_url(f"postgresql://me:{SECRET}@h/x?password={SECRET}&sslpassword={SECRET}&sslmode=require")
    assert SECRET not in redacted(url)
    assert "sslmode=require" in redacted(url)


def test_an_old_server_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(database_module, "MINIMUM_MAJOR", 99)
        with pytest.raises(SchemaError, match="99 or newer is needed"):
            Database.connect_to(database.engine.url)


def test_a_killed_server_in_the_middle_of_a_run(
    home: Path, make_prediction: Callable[..., Prediction]
) -> None:
    import os
    import signal

    from htc.store.embedded.process import read_postmaster

    def source() -> Iterator[Prediction]:
        for i in range(250):
            if i == 150:
                note = read_postmaster(home / "postgres/data")
                assert note is not None
                os.kill(note.pid, signal.SIGKILL)
            yield make_prediction(i)

    def run() -> None:
        with Database.open(Settings(home=home)) as database:
            save(database, source())

    with pytest.raises(DatabaseUnavailableError) as caught:
        run()
    assert caught.value.hint
    with Database.open(Settings(home=home)) as database:
        again = save(database, [make_prediction(i) for i in range(250)])
    assert [s.is_new for s in again] == [False] * 100 + [True] * 150


def test_stored_crystals_are_found_by_formula(
    database: Database, make_prediction: Callable[..., Prediction]
) -> None:
    from pymatgen.core import Lattice, Structure

    def crystal(a: float) -> dict[str, Any]:
        return Structure(Lattice.cubic(a), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]).as_dict()

    common = {"reduced_formula": "CsCl", "composition": "Cs1 Cl1"}
    save(
        database,
        [
            make_prediction(1, structure=crystal(4.1), **common),
            make_prediction(2, structure=crystal(4.1), mu_star=0.2, **common),
            make_prediction(3, structure=crystal(3.5), pressure_gpa=100.0, **common),
            make_prediction(4, structure=crystal(4.2), structure_origin="library: CsCl", **common),
        ],
    )
    source = StoredStructures(database)
    ambient = source.find("CsCl")
    assert [f.structure.lattice.a for f in ambient] == [4.1]
    assert ambient[0].origin.startswith("store: ")
    assert [f.structure.lattice.a for f in source.find("CsCl", 98.0)] == [3.5]
    assert source.find("NaCl") == []
