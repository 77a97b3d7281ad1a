"""Does the server let us in: TLS, then authentication, each told from the other by libpq's own words."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psycopg

from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding, Fix
from htc.store.doctor.target import Target

__all__ = ["Login", "log_in", "not_tried"]

CONNECT_TIMEOUT_S: Final = 5

Stage = Literal["tls", "authentication", "server", "dropped"]

_TLS = Check(
    "tls.session",
    "no secure session can be agreed on",
    "connected as sslmode says, looked at what was agreed",
)
_LOGIN = Check(
    "login.authentication",
    "the server does not accept this login",
    "logged in with user, password, database",
)
_READY = Check(
    "server.ready", "the server takes no one in at the moment", "listened to its answer to the login"
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A way of being turned away."""

    pattern: str
    """Searched for in the message, ignoring case."""
    stage: Stage
    what: str
    action: str


# The order matters: a message of several attempts names several troubles, the telling one first.
_REFUSALS: Final = tuple(
    _Refusal(*row)
    for row in (
        (
            r"starting up|in recovery mode|not yet accepting|shutting down|not accepting connections|"
            r"hot standby mode is disabled",
            "server",
            "the server is on its way up or down",
            "wait a minute and run `htc db doctor` again; if it stays so, the server's log says what it does",
        ),
        (
            r"too many clients|remaining connection slots|too many connections for",
            "server",
            "every connection the server allows is taken",
            "close programs that hold connections (`SELECT * FROM pg_stat_activity` shows them), or raise "
            "max_connections or the limit of the role or database",
        ),
        (
            r"is not currently accepting connections|currently being accessed exclusively",
            "server",
            "the database is closed to connections",
            "its owner opens it with `ALTER DATABASE ... ALLOW_CONNECTIONS true`",
        ),
        (
            r"cloud sql iam (?:user|service account|group)? ?.*authentication failed",
            "authentication",
            "Cloud SQL refuses the IAM login",
            "the database user must be the IAM account (of a service account without .gserviceaccount.com) "
            "with the role roles/cloudsql.instanceUser; start the proxy with `--auto-iam-authn`; an access "
            "token given as password lives one hour",
        ),
        (
            r"password authentication failed",
            "authentication",
            "the server knows no such user with this password",
            "correct user and password in HTC_DATABASE_URL (special characters percent-encoded); the server "
            "does not say which of the two is wrong; its administrator sets a password with `\\password`",
        ),
        (
            r"no password supplied",
            "authentication",
            "the server wants a password and none was given",
            "put it into HTC_DATABASE_URL (user:password@), PGPASSWORD, or a password file",
        ),
        (
            r"role \".*\" does not exist",
            "authentication",
            "the server has no such user",
            "correct the user in HTC_DATABASE_URL, or create it: `CREATE ROLE name LOGIN PASSWORD '...'`",
        ),
        (
            r"role \".*\" is not permitted to log in",
            "authentication",
            "this role may not log in",
            "its administrator runs `ALTER ROLE name LOGIN`, or use another user",
        ),
        (
            r"database \".*\" does not exist",
            "authentication",
            "the login is good, but the server has no such database",
            "correct the name at the end of HTC_DATABASE_URL, or create it: `createdb name`",
        ),
        (
            r"permission denied for database",
            "authentication",
            "the login is good, but this user may not use the database",
            "its owner runs `GRANT CONNECT ON DATABASE name TO user`",
        ),
        (
            r"(?:peer|ident) authentication failed",
            "authentication",
            "the server wants the database user to be your account on this machine",
            "connect as that account, or have it map the two in pg_ident.conf, or use host=localhost with a "
            "password",
        ),
        (
            r"no pg_hba\.conf entry.*(?:no encryption|ssl off)",
            "authentication",
            "the server has no rule that lets this user in from here without TLS",
            "add `sslmode=require` to HTC_DATABASE_URL; if that is not it, pg_hba.conf needs a line for this "
            "user, database and address",
        ),
        (
            r"no pg_hba\.conf entry|pg_hba\.conf rejects",
            "authentication",
            "the server's access rules turn this user away from here",
            "its pg_hba.conf needs a line for this user, database and address (on Cloud SQL: authorised "
            "networks, or the proxy)",
        ),
        (
            r"server does not support ssl",
            "tls",
            "sslmode demands TLS and the server offers none",
            "turn `ssl` on at the server, or, on a network you trust, relax sslmode in HTC_DATABASE_URL "
            "(behind the Cloud SQL proxy `sslmode=disable` is right: the proxy encrypts)",
        ),
        (
            r"root certificate file .* does not exist|root\.crt",
            "tls",
            "sslmode demands to check the server's certificate, and there is nothing to check it against",
            "save the certificate of the server's authority, name it with sslrootcert= in HTC_DATABASE_URL",
        ),
        (
            r"does not match host name",
            "tls",
            "the server's certificate is for another host",
            "use the host name that the certificate bears, or sslmode=verify-ca where the name cannot match",
        ),
        (
            r"certificate has expired|certificate expired|not yet valid",
            "tls",
            "a certificate is out of its dates",
            "renew the certificate, and check the clock of this machine",
        ),
        (
            r"certificate verify failed|self.signed|unknown ca|unable to get local issuer",
            "tls",
            "the server's certificate is not signed by the authority in sslrootcert",
            "name the right authority with sslrootcert= in HTC_DATABASE_URL",
        ),
        (
            r"(?:private key|certificate) file|requires a valid client certificate|certificate required",
            "tls",
            "the client certificate is missing or cannot be used",
            "check sslcert= and sslkey= in HTC_DATABASE_URL; the key must be readable by you alone",
        ),
        (
            r"\bssl\b|\btls\b|certificate",
            "tls",
            "no TLS session could be agreed on",
            "check sslmode and the certificates named in HTC_DATABASE_URL",
        ),
        (
            r"closed the connection unexpectedly|connection reset|server closed|broken pipe",
            "dropped",
            "something at the address takes the connection and drops it without a word",
            "if a Cloud SQL proxy listens there, its own login failed: its log says why (pass it with "
            "`htc db doctor --proxy-log FILE`); otherwise the address is not that of a PostgreSQL server",
        ),
        (
            r"received invalid response|expected authentication request",
            "dropped",
            "what answers at the address is not PostgreSQL",
            "correct host and port in HTC_DATABASE_URL",
        ),
        (
            r"timeout expired|timed out|connection timeout",
            "dropped",
            "the address takes the connection, and then nothing answers",
            "a proxy without its server, a server that hangs, or another program: look at its log",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Login:
    """What came of the attempt."""

    findings: tuple[Finding, ...]
    """TLS, authentication, readiness."""
    succeeded: bool
    server_version: int = 0
    """``server_version_num``, e.g. 180006; 0 where nobody answered."""
    answer_ms: float | None = None
    """How long SELECT 1 took; None when it failed."""
    trouble: str = ""
    """Why it failed."""
    dropped: bool = False
    """The connection was taken and closed without an answer: what a SQL proxy does whose own login failed."""


def not_tried(reason: str) -> list[Finding]:
    """The findings where nothing can be logged in to."""
    return [check.skipped(reason) for check in (_TLS, _LOGIN, _READY)]


def log_in(target: Target) -> Login:
    """Connect as the program does, and say how far it got."""
    given: dict[str, Any] = dict(target.parameters)
    wanted = str(given.get("connect_timeout", ""))
    limit = min(int(wanted), CONNECT_TIMEOUT_S) if wanted.isdigit() and int(wanted) > 0 else CONNECT_TIMEOUT_S
    given |= {"connect_timeout": limit, "application_name": "htc doctor"}
    answer_ms, trouble = None, ""
    try:
        connection = psycopg.connect(**given, autocommit=True)
    except psycopg.Error as error:
        return _turned_away(target, str(error))
    with closing(connection):
        agreed = connection.pgconn.ssl_in_use
        user, database = connection.info.user, connection.info.dbname
        version = connection.info.server_version
        start = time.perf_counter()
        try:
            connection.execute("SELECT 1").fetchone()
            answer_ms = 1000 * (time.perf_counter() - start)
        except psycopg.Error as error:
            trouble = _one_line(str(error))
    findings = (
        _judge_tls(target, agreed),
        _LOGIN.ok(f"{user} may use {database}", user=user, database=database),
        _READY.ok("it does take connections"),
    )
    return Login(findings, True, version, answer_ms, trouble)


def _turned_away(target: Target, message: str) -> Login:
    said = _one_line(message)
    refusal = next((r for r in _REFUSALS if re.search(r.pattern, message, re.IGNORECASE)), None)
    stage: Stage = refusal.stage if refusal else "authentication"
    what = f"{refusal.what}: {said}" if refusal else said
    action = refusal.action if refusal else "see the server's log for the reason"
    user = target.effective.get("user", "")
    where: dict[str, Any] = {"user": user, "database": target.effective.get("dbname") or user, "stage": stage}
    if stage == "tls":
        findings = (
            _TLS.failure(what, action, sslmode=target.sslmode),
            _LOGIN.skipped("there is no session to log in with"),
            _READY.skipped("there is no session"),
        )
    elif stage == "server":
        findings = (
            _TLS.skipped("the server broke off"),
            _LOGIN.skipped("the server broke off"),
            _READY.failure(what, action, **where),
        )
    else:
        extra, fix = ("", None) if stage == "dropped" else _password_sources(target, message)
        findings = (
            _TLS.skipped("the login broke off"),
            _LOGIN.failure(what + extra, action, fix=fix, **where),
            _READY.skipped("the login failed"),
        )
    return Login(findings, succeeded=False, dropped=stage == "dropped")


def _judge_tls(target: Target, agreed: bool) -> Finding:
    details: dict[str, Any] = {"sslmode": target.sslmode, "encrypted": agreed}
    if target.is_local:
        state = "with" if agreed else "without"
        return _TLS.ok(f"{state} TLS, to this machine itself (sslmode={target.sslmode})", **details)
    if not agreed:
        return _TLS.warning(
            f"passwords and data cross the network in the clear (sslmode={target.sslmode})",
            "add `sslmode=require` to HTC_DATABASE_URL, or `sslmode=verify-full` with sslrootcert=",
            **details,
        )
    if target.sslmode not in {"verify-ca", "verify-full"}:
        return _TLS.note(
            f"encrypted, but nobody checked who the server is (sslmode={target.sslmode})",
            "with `sslmode=verify-full` and sslrootcert= in HTC_DATABASE_URL the server must prove its name",
            **details,
        )
    return _TLS.ok(f"encrypted, certificate checked (sslmode={target.sslmode})", **details)


def _password_sources(target: Target, message: str) -> tuple[str, Fix | None]:
    """Where the password came from, and what is wrong with the password file; never the password."""
    if "password" not in message:
        return "", None
    if target.parameters.get("password"):
        return " (the password of the URL was used)", None
    if os.environ.get("PGPASSWORD"):
        return " (PGPASSWORD was used)", None
    file = Path(target.effective.get("passfile") or Path.home() / ".pgpass")
    try:
        mode = file.stat().st_mode
    except OSError:
        return f" (no password in the URL, no PGPASSWORD, no {file})", None
    if stat.S_IMODE(mode) & 0o077:
        why = f" ({file} is ignored: others may read it, mode {stat.S_IMODE(mode):04o})"
        return why, Fix(f"make {file} readable by you alone (chmod 600)", _make_private(file))
    return f" ({file} is there; has it a line for this host, port, database and user?)", None


def _make_private(file: Path) -> Callable[[], str]:
    def apply() -> str:
        file.chmod(0o600)
        return f"{file} has mode 0600"

    return apply


_ASIDES: Final = (
    "Is the server running",
    "This probably means",
    "before or while processing",
    "Multiple connection attempts failed",
)


def _one_line(message: str) -> str:
    """libpq's text without its line breaks and hints about how to start a server."""
    lines = [line.strip() for line in message.splitlines()]
    kept = [line for line in lines if line and not line.startswith(_ASIDES)]
    return " ".join(dict.fromkeys(kept))
