"""The way to the server: each trouble made for real, each told from the others."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import URL

from htc.errors import StorageError, StoreError
from htc.settings import Settings
from htc.store import finish_run, refresh_rankings, save, start_run, top_formulas
from htc.store.bulk import export_everything, load_everything
from htc.store.database import Database, user_url
from htc.store.deletion import set_aside
from htc.store.doctor.finding import Finding
from htc.store.doctor.sequence import examine
from htc.store.embedded import find_binaries
from htc.store.embedded.binaries import Binaries
from htc.store.embedded.cluster import quiet_environment, write_access_rules
from htc.store.embedded.identity import current_identity

RULES = """
local all htc peer map=htc
local all somebody peer
hostssl all tlsonly 127.0.0.1/32 trust
host all tlsonly 127.0.0.1/32 reject
host all stranger 127.0.0.1/32 reject
host all scram,absent 127.0.0.1/32 scram-sha-256
host all trusted,worker,reader,nologin,limited,missing 127.0.0.1/32 trust
"""

ROLES = """
CREATE ROLE scram LOGIN PASSWORD 'right';
CREATE ROLE trusted LOGIN;
CREATE ROLE worker LOGIN;
CREATE ROLE reader LOGIN;
CREATE ROLE somebody LOGIN;
CREATE ROLE tlsonly LOGIN;
CREATE ROLE stranger LOGIN;
CREATE ROLE nologin;
CREATE ROLE limited LOGIN CONNECTION LIMIT 0;
CREATE DATABASE closed ALLOW_CONNECTIONS false;
CREATE DATABASE private;
REVOKE CONNECT ON DATABASE private FROM PUBLIC;
"""

Found = dict[str, Finding]


@pytest.fixture(autouse=True)
def _no_google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither credentials nor PostgreSQL settings of the person who runs the tests."""
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "K_SERVICE", "PGPASSWORD", "PGPASSFILE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Found]:
    """``look("postgresql://...")`` -> findings by name."""

    def examined(url: str, **settings: Any) -> Found:
        with examine(Settings(home=tmp_path / "home", database_url=url, **settings)) as found:
            assert "secret" not in repr([f.result + f.action + repr(f.details) for f in found.findings])
            return {f.check_id: f for f in found.findings}

    return examined


def failures(found: Found) -> list[str]:
    return [name for name, finding in found.items() if finding.verdict == "failure"]


class PrivateServer:
    """A server with a TCP port, roles and access rules of its own."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.data, self.socket_dir, self.log = root / "data", root / "s", root / "log"
        self.socket_dir.mkdir(mode=0o700)
        self._binaries, self._identity = Binaries(folder), current_identity()
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", str(self.data), "-U", "htc", "-E", "UTF8", "--locale=C", "-A", "peer", "-N")
        write_access_rules(self.data, self._identity)
        (self.data / "pg_hba.conf").write_text(RULES)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._identity.prefix, str(self._binaries / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, env=quiet_environment())

    def start(self, *options: str, wait: bool = True) -> None:
        settings = ["listen_addresses=127.0.0.1", f"unix_socket_directories={self.socket_dir}", *options]
        command = [
            *self._identity.prefix, str(self._binaries / "postgres"), "-D", str(self.data),
            "-p", str(self.port), *(part for s in settings for part in ("-c", s)),
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=quiet_environment())
        deadline = time.monotonic() + 60
        while wait:
            try:
                self.admin().close()
                wait = False
            except psycopg.OperationalError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None

    def admin(self) -> psycopg.Connection[Any]:
        where = f"host={self.socket_dir} port={self.port} user=htc dbname=postgres"
        return psycopg.connect(where, autocommit=True)

    def execute(self, statements: str) -> None:
        with self.admin() as connection:
            for statement in statements.split(";"):
                if statement.strip():
                    connection.execute(statement)

    def url(self, user: str, database: str = "postgres", **query: str) -> str:
        options = "&".join(f"{name}={value}" for name, value in query.items())
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}?{options}"


@pytest.fixture(scope="module", params=["embedded", "pg15"])
def private(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrivateServer]:
    """A private server of each version."""
    embedded = request.param == "embedded"
    folder: Path = find_binaries().folder if embedded else request.getfixturevalue("postgres_15")
    server = PrivateServer(folder, tmp_path_factory.mktemp("private"))
    server.start()
    server.execute(ROLES)
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("user", "database", "check", "says", "advises"),
    [
        ("scram:secret-wrong", "postgres", "login.authentication", "password authentication", "correct user"),
        ("absent:secret", "postgres", "login.authentication", "password authentication", "does not say"),
        ("scram", "postgres", "login.authentication", "wants a password and none", "PGPASSWORD"),
        ("missing", "postgres", "login.authentication", 'role "missing" does not exist', "CREATE ROLE"),
        ("nologin", "postgres", "login.authentication", "may not log in", "ALTER ROLE"),
        ("trusted", "nothing", "login.authentication", 'database "nothing" does not exist', "createdb"),
        ("trusted", "private", "login.authentication", "may not use the database", "GRANT CONNECT"),
        ("stranger", "postgres", "login.authentication", "turns? this user away", "pg_hba.conf"),
        ("unheard", "postgres", "login.authentication", "no pg_hba.conf entry", "pg_hba.conf"),
        ("limited", "postgres", "server.ready", "too many connections for role", "close programs"),
        ("trusted", "closed", "server.ready", "closed to connections", "ALLOW_CONNECTIONS"),
    ],
)  # fmt: skip
def test_refused_logins(
    private: PrivateServer,
    look: Callable[..., Found],
    user: str,
    database: str,
    check: str,
    says: str,
    advises: str,
) -> None:
    found = look(private.url(user, database, sslmode="disable"))
    assert failures(found) == [check]
    assert found["network.port"].verdict == "ok"
    assert re.search(says, found[check].result), found[check].result
    assert advises in found[check].action
    later = ["server.answer", "server.version", "server.writable", "privileges.tables", "schema"]
    assert {found[name].verdict for name in later} == {"skipped"}
    assert all(found[name].result for name in later)


def test_peer_refusal_over_the_socket(private: PrivateServer, look: Callable[..., Found]) -> None:
    found = look(f"postgresql://somebody@/postgres?host={private.socket_dir}&port={private.port}")
    assert failures(found) == ["login.authentication"]
    assert "your account on this machine" in found["login.authentication"].result


def test_a_password_file_that_others_may_read_is_named_and_can_be_mended(
    private: PrivateServer, look: Callable[..., Found], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".pgpass"
    file.write_text("*:*:*:scram:right\n")
    file.chmod(0o644)
    url = private.url("scram", sslmode="disable", passfile=str(file))
    refused = look(url)["login.authentication"]
    assert "is ignored: others may read it" in refused.result
    assert refused.fix is not None
    assert file.stat().st_mode & 0o777 == 0o644
    refused.fix.apply()
    assert look(url)["login.authentication"].verdict == "ok"
    capfd.readouterr()  # libpq warns about the file on stderr


def test_the_right_way_in(private: PrivateServer, look: Callable[..., Found]) -> None:
    found = look(private.url("scram:right", sslmode="disable"))
    assert failures(found) == []
    order = list(found)
    steps = ["settings.url", "network.name", "network.port", "tls.session", "login.authentication",
             "server.answer", "server.version", "server.writable", "privileges.schema"]  # fmt: skip
    assert [name for name in order if name in steps] == steps
    assert found["network.name"].verdict == "skipped"
    assert {found[name].verdict for name in ("server.answer", "server.version", "server.writable")} == {"ok"}
    assert found["cloud_sql.proxy"].verdict == "skipped"


def test_every_slot_taken(private: PrivateServer, look: Callable[..., Found]) -> None:
    private.stop()
    private.start("max_connections=5", "superuser_reserved_connections=3")
    held = []
    try:
        for _ in range(2):
            held.append(psycopg.connect(private.url("trusted", sslmode="disable")))
        found = look(private.url("trusted", sslmode="disable"))
        assert failures(found) == ["server.ready"]
        assert "every connection the server allows is taken" in found["server.ready"].result
    finally:
        for connection in held:
            connection.close()
        private.stop()
        private.start()


def test_a_standby_can_be_read_and_says_so(private: PrivateServer, look: Callable[..., Found]) -> None:
    private.stop()
    (private.data / "standby.signal").touch()
    try:
        private.start("hot_standby=on")
        found = look(private.url("trusted", sslmode="disable"))
        assert failures(found) == ["server.writable"]
        assert "standby" in found["server.writable"].result
        private.stop()
        private.start("hot_standby=off", wait=False)
        deadline = time.monotonic() + 30
        while True:
            found = look(private.url("trusted", sslmode="disable"))
            if found["network.port"].verdict == "ok" or time.monotonic() > deadline:
                break
        assert failures(found) == ["server.ready"]
        assert "on its way up or down" in found["server.ready"].result
    finally:
        private.stop()
        (private.data / "standby.signal").unlink(missing_ok=True)
        private.start()


def test_sessions_made_read_only(private: PrivateServer, look: Callable[..., Found]) -> None:
    private.execute("ALTER ROLE trusted SET default_transaction_read_only = on")
    try:
        found = look(private.url("trusted", sslmode="disable"))
    finally:
        private.execute("ALTER ROLE trusted RESET default_transaction_read_only")
    assert failures(found) == ["server.writable"]
    assert "default_transaction_read_only" in found["server.writable"].result


@contextmanager
def new_database(private: PrivateServer, name: str) -> Iterator[str]:
    private.execute(f"CREATE DATABASE {name}")
    try:
        yield name
    finally:
        private.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def rights(private: PrivateServer) -> Iterator[Database]:
    """A migrated database as its owner, a superuser, sees it, with the grants of the page for its roles."""
    page = (Path(__file__).parents[3] / "docs/howto/own-postgresql.md").read_text("utf-8")
    with new_database(private, "rights") as name:
        query = {"host": str(private.socket_dir), "port": str(private.port)}
        owner = URL.create("postgresql+psycopg", username="htc", database=name, query=query)
        with Database.connect_to(owner) as database:
            with database.engine.begin() as connection:
                for block in re.findall(r"```sql\n(.+?)```", page, re.DOTALL):
                    connection.exec_driver_sql(block)
            yield database


def verdicts(found: Found) -> dict[str, str]:
    names = ("schema", "tables", "ownership", "refresh")
    return {name: found[f"privileges.{name}"].verdict for name in names}


def change(database: Database, statements: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statements)


def test_the_roles_of_the_page(private: PrivateServer, rights: Database, look: Callable[..., Found]) -> None:
    noted = {"schema": "note", "ownership": "note"}
    worker = look(private.url("worker", "rights", sslmode="disable"))
    assert verdicts(worker) == noted | {"tables": "ok", "refresh": "ok"}
    reader = look(private.url("reader", "rights", sslmode="disable"))
    assert verdicts(reader) == noted | {"tables": "warning", "refresh": "note"}
    assert "reader can read only" in reader["privileges.tables"].result
    owner = look(f"postgresql://htc@/rights?host={private.socket_dir}&port={private.port}")
    assert set(verdicts(owner).values()) == {"ok"}
    for found in (worker, owner):
        assert "DELETE" not in repr([found[f"privileges.{name}"].details for name in verdicts(found)])
    assert reader["privileges.tables"].details["missing"]["DELETE"] == [
        "campaign_candidates",
        "idempotency_keys",
    ]
    # Its owner is a superuser: nobody is told to become one.
    assert "owned by htc" in worker["privileges.ownership"].result
    assert "GRANT" not in worker["privileges.ownership"].action
    assert "htc db upgrade" in worker["privileges.ownership"].action
    assert worker["privileges.schema"].details["create"] is False
    # What the doctor advises the reader to be granted makes it a worker.
    change(rights, re.findall(r"`(GRANT [^`]+)`", reader["privileges.tables"].action)[0])
    granted = look(private.url("reader", "rights", sslmode="disable"))
    assert verdicts(granted) == noted | {"tables": "ok", "refresh": "warning"}
    # And what it advises then lets it refresh the ranking.
    told = granted["privileges.refresh"].action
    change(rights, told.removeprefix("as the owner: ").strip("`"))
    with Database.connect_to(user_url(private.url("reader", "rights", sslmode="disable"))) as database:
        assert refresh_rankings(database).newer_rows == 0


def test_the_roles_of_the_page_can_do_what_it_says(
    private: PrivateServer, rights: Database, make_prediction: Callable[..., Any], tmp_path: Path
) -> None:
    with Database.connect_to(user_url(private.url("worker", "rights", sslmode="disable"))) as database:
        run = start_run(database, "batch", created_by="me")
        (first, _) = save(database, [make_prediction(1), make_prediction(2)], run=run)
        finish_run(database, run)
        assert set_aside(database, [first.id]) == 1
        assert [s.is_new for s in save(database, [make_prediction(1)])] == [False]
        assert refresh_rankings(database).newer_rows == 0
        assert top_formulas(database).rows
        export_everything(database, tmp_path / "all")
        for conflict in ("skip", "update"):
            load_everything(database, tmp_path / "all", on_conflict=conflict)
    with Database.connect_to(user_url(private.url("reader", "rights", sslmode="disable"))) as database:
        export_everything(database, tmp_path / "again")
        with pytest.raises(StoreError, match="permission denied"):
            start_run(database, "batch", created_by="me")
        with pytest.raises(StorageError, match="may not refresh"):
            refresh_rankings(database)


@pytest.mark.parametrize("table", ["runs", "bete_runs", "htc_predictions", "structures"])
def test_a_missing_update_names_the_commands(
    private: PrivateServer, rights: Database, look: Callable[..., Found], table: str
) -> None:
    change(rights, f"REVOKE UPDATE ON {table} FROM worker")
    found = look(private.url("worker", "rights", sslmode="disable"))["privileges.tables"]
    assert found.verdict == "warning"
    assert f"lacks UPDATE on {table} for `htc " in found.result
    assert found.action == f"as the owner: `GRANT UPDATE ON {table} TO worker`"


def test_a_table_that_cannot_be_read(
    private: PrivateServer, rights: Database, look: Callable[..., Found]
) -> None:
    change(rights, "REVOKE SELECT ON runs, alembic_version FROM worker")
    found = look(private.url("worker", "rights", sslmode="disable"))["privileges.tables"]
    assert (found.verdict, found.result) == ("failure", "worker may not read alembic_version, runs")


def test_an_owner_who_is_no_superuser_may_share(
    private: PrivateServer, rights: Database, look: Callable[..., Found]
) -> None:
    change(rights, "CREATE ROLE migrator; ALTER TABLE runs OWNER TO migrator")
    try:
        other = look(private.url("worker", "rights", sslmode="disable"))["privileges.ownership"]
        assert "GRANT" not in other.action
        with rights.engine.begin() as connection:
            connection.exec_driver_sql(
                "DO $$ DECLARE t text; BEGIN FOR t IN SELECT c.oid::regclass FROM pg_class c"
                " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')"
                " LOOP EXECUTE 'ALTER TABLE ' || t || ' OWNER TO migrator'; END LOOP; END $$"
            )
        same = look(private.url("worker", "rights", sslmode="disable"))["privileges.ownership"]
        assert "`GRANT migrator TO worker`" in same.action
    finally:
        change(rights, "REASSIGN OWNED BY migrator TO htc; DROP ROLE migrator")


def test_tls_demanded_of_a_server_without(private: PrivateServer, look: Callable[..., Found]) -> None:
    found = look(private.url("trusted", sslmode="require"))
    assert failures(found) == ["tls.session"]
    assert "the server offers none" in found["tls.session"].result


@pytest.fixture
def tls_server(private: PrivateServer, tmp_path: Path) -> Iterator[Path]:
    """The private server with a certificate for db.example; yields the certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    certificate, key = private.data / "server.crt", private.data / "server.key"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
               "-nodes", "-subj", "/CN=db.example", "-days", "2", "-keyout", str(key),
               "-out", str(certificate)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    private.stop()
    try:
        private.start("ssl=on")
    except AssertionError:
        private.process = None
        private.start()
        pytest.skip("these programs are built without TLS")
    yield certificate
    private.stop()
    private.start()


def test_tls_agreed_and_its_certificates(
    private: PrivateServer, tls_server: Path, look: Callable[..., Found], tmp_path: Path
) -> None:
    agreed = look(private.url("tlsonly", sslmode="require"))
    assert failures(agreed) == []
    assert agreed["tls.session"].details["encrypted"] is True
    refused = look(private.url("tlsonly", sslmode="disable"))
    assert failures(refused) == ["login.authentication"]
    checked = look(private.url("tlsonly", sslmode="verify-ca", sslrootcert=str(tls_server)))
    assert failures(checked) == []
    other_name = look(private.url("tlsonly", sslmode="verify-full", sslrootcert=str(tls_server)))
    assert failures(other_name) == ["tls.session"]
    assert "another host" in other_name["tls.session"].result
    nothing = look(private.url("tlsonly", sslmode="verify-ca", sslrootcert=str(tmp_path / "none.crt")))
    assert failures(nothing) == ["tls.session"]
    assert "nothing to check it against" in nothing["tls.session"].result


def test_port_closed_and_host_unknown(look: Callable[..., Found]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    closed = look(f"postgresql://me:secret@127.0.0.1:{port}/x")
    assert failures(closed) == ["network.port"]
    assert f"nothing listens at 127.0.0.1:{port}" in closed["network.port"].result
    assert closed["login.authentication"].result == "nothing listens at the address"
    unknown = look("postgresql://me:secret@no-such-host.invalid/x")
    assert failures(unknown) == ["network.name"]
    assert "no-such-host.invalid" in unknown["network.name"].result
    assert unknown["network.port"].verdict == "skipped"


def test_one_of_several_hosts_is_enough(private: PrivateServer, look: Callable[..., Found]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    url = f"postgresql://trusted@/postgres?host=127.0.0.1:{closed}&host=127.0.0.1:{private.port}&sslmode=disable"
    found = look(url)
    assert found["network.port"].verdict == "warning"
    assert failures(found) == []


def test_sockets_that_are_not_there(look: Callable[..., Found], tmp_path: Path) -> None:
    def says(folder: Path) -> str:
        found = look(f"postgresql://me@/x?host={folder}")
        assert failures(found) == ["network.port"]
        return found["network.port"].result

    assert says(tmp_path / "no" / "where") == f"there is no folder {tmp_path / 'no'}"
    assert says(tmp_path) == f"there is no socket {tmp_path / '.s.PGSQL.5432'}"
    assert "the system allows" in says(tmp_path / ("long" * 30))
    (tmp_path / ".s.PGSQL.5432").write_text("")
    assert "is not a socket" in says(tmp_path)
    (tmp_path / ".s.PGSQL.5432").unlink()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / ".s.PGSQL.5432"))
    left.close()
    assert "nobody listens behind it" in says(tmp_path)


def test_the_socket_of_a_cloud_instance_that_is_not_there(look: Callable[..., Found]) -> None:
    # Not pytest's own folder: its path may be too long for a socket, which is another finding.
    found = look("postgresql://me@/x?host=/nowhere/project:region:instance")
    assert "cloud-sql-proxy --unix-socket" in found["network.port"].action
    assert "--add-cloudsql-instances project:region:instance" in found["network.port"].action


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense secret", "not a database URL"),
        ("mysql://me:secret@host/x", "mysql databases are not supported"),
        ("postgresql://me:p@secret@host/x", "%40"),
        ("postgresql://me:secret@host/x?colour=blue", "colour"),
        ("postgresql://me:secret@127.0.0.1/x?service=none", "service 'none'"),
    ],
)
def test_urls_that_cannot_be_used(look: Callable[..., Found], url: str, says: str) -> None:
    found = look(url)
    assert failures(found) == ["settings.url"]
    assert says in found["settings.url"].result + found["settings.url"].action
    assert found["network.port"].verdict == "skipped"


def test_a_service_file_is_followed(
    private: PrivateServer, look: Callable[..., Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text(f"[lab]\nhost=127.0.0.1\nport={private.port}\nuser=trusted\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    found = look("postgresql:///?service=lab")
    assert str(private.port) in found["network.port"].result
    assert failures(found) == []


class Stub:
    """A listener that answers each connection with bytes of our choice."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                try:
                    self._answer(client)
                except (OSError, struct.error):  # the other side only knocked
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def startup(client: socket.socket) -> None:
    """Read up to the startup message, refusing TLS."""
    while True:
        (length,) = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
        body = client.recv(length - 4, socket.MSG_WAITALL)
        if struct.unpack("!i", body[:4])[0] == 196608:
            return
        client.sendall(b"N")


def old_server(client: socket.socket) -> None:
    """Speak as PostgreSQL 13 does, as far as SELECT 1."""
    startup(client)
    ready = message(b"Z", b"I")
    client.sendall(
        message(b"R", struct.pack("!i", 0))
        + message(b"S", b"server_version\x0013.4\x00")
        + message(b"S", b"client_encoding\x00UTF8\x00")
        + ready
    )
    column = b"x\x00" + struct.pack("!ihihih", 0, 0, 23, 4, -1, 0)
    while kind := client.recv(1):
        (length,) = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
        client.recv(length - 4, socket.MSG_WAITALL) if length > 4 else b""
        if kind == b"Q":
            client.sendall(
                message(b"T", struct.pack("!h", 1) + column)
                + message(b"D", struct.pack("!hi", 1, 1) + b"1")
                + message(b"C", b"SELECT 1\x00")
                + ready
            )


def starting_server(client: socket.socket) -> None:
    startup(client)
    fields = b"SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"
    client.sendall(message(b"E", fields))


def web_server(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "check", "says"),
    [
        (old_server, "server.version", "PostgreSQL 13.4; 15 or newer is needed"),
        (starting_server, "server.ready", "on its way up or down"),
        (web_server, "login.authentication", "not PostgreSQL"),
        (lambda client: None, "login.authentication", "drops it without a word"),
    ],
    ids=["old", "starting", "web", "dropping"],
)
def test_what_is_not_the_server_it_should_be(
    look: Callable[..., Found], answer: Callable[[socket.socket], None], check: str, says: str
) -> None:
    stub = Stub(answer)
    try:
        found = look(f"postgresql://me:secret@127.0.0.1:{stub.port}/x?sslmode=disable")
    finally:
        stub.close()
    assert check in failures(found)
    assert says in found[check].result
    assert found["schema"].verdict == "skipped"


def test_silence_is_not_waited_for_long(look: Callable[..., Found]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        url = f"postgresql://me@127.0.0.1:{listener.getsockname()[1]}/x?connect_timeout=2"
        found = look(url)
    finally:
        listener.close()
    assert failures(found) == ["login.authentication"]
    assert "nothing answers" in found["login.authentication"].result
