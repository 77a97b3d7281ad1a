"""Every test in its order: what a later one needs, an earlier one has shown to work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from htc.errors import HTCError, SettingsError
from htc.store.database import MINIMUM_MAJOR, Database, redacted, url_of
from htc.store.doctor.check import Check
from htc.store.doctor.cloud_sql import Circumstances, check_cloud_sql
from htc.store.doctor.examination import LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, DatabaseCheck
from htc.store.doctor.finding import Finding
from htc.store.doctor.home import check_home
from htc.store.doctor.login import Login, log_in, not_tried
from htc.store.doctor.network import check_names, check_ports, not_looked
from htc.store.doctor.privileges import (
    check_answer,
    check_privileges,
    check_version,
    check_writable,
    not_answered,
    not_asked,
)
from htc.store.doctor.schema_checks import MIGRATION_FILE_CHECKS, SCHEMA_CHECKS
from htc.store.doctor.target import Target, target_of
from htc.store.faults import translate

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

    from htc.settings import Settings

__all__ = ["Examination", "examine"]

_URL = Check("settings.url", "the settings name no usable database", "read HTC_DATABASE_URL and HTC_HOME")
_START = Check("embedded.start", "the embedded server does not start", "started it for the moment of looking")
_OPEN = Check("server.open", "the database does not let us in twice", "opened it as every command does")
_SCHEMA = Check("schema", "the schema is not what this program needs", "compared the database with it")

_CONNECTION_CHECKS: Final[tuple[DatabaseCheck, ...]] = (check_writable, check_privileges)


@dataclass(slots=True)
class Examination:
    """What was found. The database, where it could be opened, stays open for repairs."""

    where: str
    """The database, for people: a folder, or a URL without its password."""
    findings: list[Finding] = field(default_factory=list)
    database: Database | None = None


@contextmanager
def examine(settings: Settings, *, proxy_log: Path | None = None) -> Iterator[Examination]:
    """Run every test on the database of the settings; change nothing.

    An embedded server that does not run is started, and stopped again with the end of the ``with`` block;
    where there is no database yet none is made.

    Args:
        settings: whose database.
        proxy_log: log of a Cloud SQL proxy; ``settings.sql_proxy_log`` when None.
    """
    with ExitStack() as stack:
        found = Examination(where=str(settings.home / "postgres" / "data"))
        proxy_log = proxy_log or settings.sql_proxy_log
        if settings.database_url is None and settings.embedded_database:
            reason = _examine_embedded(settings, found, proxy_log, stack)
        else:
            reason = _examine_url(settings, found, proxy_log, stack)
        for check in MIGRATION_FILE_CHECKS:
            found.findings += _guarded(check.__name__, check)
        if found.database is None:
            found.findings += [*not_asked(reason), _SCHEMA.skipped(reason)]
        else:
            _examine_open(found.database, found)
        yield found


def _examine_embedded(
    settings: Settings, found: Examination, proxy_log: Path | None, stack: ExitStack
) -> str:
    """Look at the home and start the server; why there is no open database, if there is none."""
    found.findings.append(_URL.ok(f"the embedded database in {found.where}", embedded=True))
    findings, openable = check_home(settings.home)
    found.findings += findings
    if proxy_log is not None:
        found.findings += check_cloud_sql(Circumstances(None, connected=False, dropped=False), proxy_log)
    if not openable:
        absent = not (settings.home / "postgres" / "data").exists()
        reason = "there is no database yet" if absent else "the data folder cannot be used as it is"
        found.findings += [_START.skipped(reason), *not_tried(reason), *not_answered(reason)]
        return reason
    try:
        database = stack.enter_context(Database.open(settings, ensure_schema=False))
    except HTCError as error:
        reason = "the embedded server did not start"
        found.findings.append(_START.failure(error.what, error.hint or "see the server's log"))
        found.findings += [*not_tried(reason), *not_answered(reason)]
        return reason
    found.findings.append(_START.ok("it runs"))
    return _examine_login(database.engine.url, found, stack, open_already=database)[0]


def _examine_url(settings: Settings, found: Examination, proxy_log: Path | None, stack: ExitStack) -> str:
    """Go the way to the server step by step; why there is no open database, if there is none."""
    found.where = "HTC_DATABASE_URL"
    try:
        url = url_of(settings)
        assert url is not None, "the caller looks at the embedded database itself"  # noqa: S101
        target = target_of(url)
    except SettingsError as error:
        reason = "HTC_DATABASE_URL cannot be used"
        found.findings.append(_URL.failure(error.what, error.hint or "correct HTC_DATABASE_URL"))
        found.findings += [*not_looked(reason), *not_tried(reason), *not_answered(reason)]
        return reason
    found.where = redacted(url)
    also = f"; also in effect: {', '.join(target.environment)}" if target.environment else ""
    found.findings.append(_URL.ok(f"{found.where}{also}", environment=list(target.environment)))
    names = check_names(target)
    found.findings.append(names)
    if names.verdict == "failure":
        reason = "the host name is not known"
        found.findings += [*not_looked(reason, name_known=True), *not_tried(reason)]
        found.findings += [*_google(target, None, proxy_log), *not_answered(reason)]
        return reason
    ports = check_ports(target)
    found.findings.append(ports)
    if ports.verdict == "failure":
        reason = "nothing listens at the address"
        found.findings += [*not_tried(reason), *_google(target, None, proxy_log), *not_answered(reason)]
        return reason
    reason, login = _examine_login(url, found, stack, target=target)
    if login.dropped and proxy_log is not None:
        action = "see the findings about the proxy and its credentials"
        found.findings = [
            replace(f, action=action) if f.check_id == "login.authentication" else f for f in found.findings
        ]
    # The proxy has just logged what became of our own login.
    at = next((i for i, f in enumerate(found.findings) if f.check_id == "server.answer"), len(found.findings))
    found.findings[at:at] = _google(target, login, proxy_log)
    return reason


def _examine_login(
    url: URL,
    found: Examination,
    stack: ExitStack,
    *,
    target: Target | None = None,
    open_already: Database | None = None,
) -> tuple[str, Login]:
    login = log_in(target or target_of(url))
    found.findings += login.findings
    if not login.succeeded:
        found.findings += not_answered("the login failed")
        return "the login failed", login
    found.findings += [check_answer(login), check_version(login)]
    if login.answer_ms is None:
        return "the server does not answer", login
    if login.server_version < MINIMUM_MAJOR * 10_000:
        return "the server is too old", login
    try:
        found.database = open_already or stack.enter_context(Database.connect_to(url, ensure_schema=False))
    except HTCError as error:
        found.findings.append(_OPEN.failure(error.what, error.hint or "run `htc db doctor` again"))
        return "the database could not be opened a second time", login
    return "", login


def _google(target: Target, login: Login | None, proxy_log: Path | None) -> list[Finding]:
    return check_cloud_sql(
        Circumstances(
            instance=target.cloud_sql_instance,
            connected=login is not None and login.succeeded,
            dropped=login is not None and login.dropped and target.is_local,
        ),
        proxy_log,
    )


def _examine_open(database: Database, found: Examination) -> None:
    """One connection for all tests; its transaction is rolled back, so nothing of theirs stays."""
    try:
        with database.connect() as connection:
            connection.execute(text(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}"))
            connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
            for check in (*_CONNECTION_CHECKS, *SCHEMA_CHECKS):
                found.findings += _guarded(
                    check.__name__, partial(_in_savepoint, check, connection, database)
                )
                if connection.invalidated:
                    break
    except HTCError as error:
        found.findings.append(_OPEN.failure(error.what, error.hint or "run `htc db doctor` again"))


def _in_savepoint(check: DatabaseCheck, connection: Connection, database: Database) -> list[Finding]:
    """The test's findings; a statement it fails at must not take the later tests along."""
    try:
        with connection.begin_nested():
            return check(connection, database)
    except SQLAlchemyError as error:
        raise translate(error, database.where) from error


def _guarded(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """The test's findings, or one that says why it has none."""
    test = Check(f"doctor.{name}", f"the test {name} cannot be run", "ran it")
    try:
        return check()
    except HTCError as error:
        return [test.warning(error.what, error.hint or "see the findings before this one")]
    except Exception as error:  # noqa: BLE001 - one test that breaks must not hide what the others found
        return [
            test.warning(f"it broke: {type(error).__name__}: {error}", "report this: it is a fault of htc")
        ]
