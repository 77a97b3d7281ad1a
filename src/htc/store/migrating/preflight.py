"""What must hold before a migration begins. Nothing is changed and nothing locked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from htc.errors import SchemaError, StorageError
from htc.store import catalogue
from htc.store.database import MINIMUM_MAJOR
from htc.store.doctor.finding import Finding
from htc.store.migrating.blockers import blockers, in_words
from htc.store.migrating.outcome import Kind, Step, Tell, quiet
from htc.store.schema import HEAD, REVISIONS, Standing

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["preflight", "refuse_failures"]

LONG_S: Final = 30.0
"""A transaction on our tables that is older is worth a word before the migration queues behind it."""

_KIND: Final[dict[str, Kind]] = {"note": "note", "warning": "warning", "failure": "warning"}


_DEPENDENTS: Final = """
    SELECT DISTINCT v.oid::regclass::text || ' on ' || t.relname
    FROM pg_depend AS d
         JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
         JOIN pg_class AS v ON v.oid = r.ev_class
         JOIN pg_class AS t ON t.oid = d.refobjid
    WHERE d.refclassid = 'pg_class'::regclass AND t.relname = ANY (:ours) AND pg_table_is_visible(t.oid)
      AND v.oid <> t.oid AND NOT (v.relname = ANY (:ours) AND pg_table_is_visible(v.oid))
    ORDER BY 1
"""


def preflight(database: Database, now: Standing, target: str = HEAD, *, tell: Tell = quiet) -> list[Finding]:
    """Examine whether an upgrade from ``now`` to ``target`` can succeed.

    Args:
        database: an open database.
        now: where it stands.
        target: where it is to stand.
        tell: hears of every finding at once.

    Returns:
        The findings. A ``failure`` means that the upgrade must not begin.

    Raises:
        StoreError: the database went away meanwhile.
    """
    out: list[Finding] = []

    def keep(found: Iterator[Finding]) -> None:
        for one in found:
            out.append(one)
            tell(Step(_KIND.get(one.verdict, "checked"), _in_words(one)))

    keep(_files(now, target))
    if out[-1].verdict == "failure":
        return out
    checks: list[Callable[[Connection], Iterator[Finding]]] = [
        _answers,
        _server,
        lambda connection: _privileges(connection, now),
        lambda connection: _tables(connection, now),
        lambda connection: _in_the_way(connection, now, target),
        lambda connection: _dependents(connection, now),
        lambda connection: _activity(connection, now),
        lambda connection: _room(connection, now, database),
    ]
    with database.connect() as connection:
        for check in checks:
            keep(check(connection))
    return out


def refuse_failures(findings: list[Finding], where: str) -> None:
    """Nothing, where none of the findings is a failure.

    Raises:
        SchemaError: the first failure, with what to do.
        StorageError: it is about privileges or room.
    """
    for one in findings:
        if one.verdict == "failure":
            kind = StorageError if one.check_id in {"migrate.privileges", "migrate.room"} else SchemaError
            raise kind(f"{one.result}; nothing was changed", where=where, hint=one.action or None)


def _in_words(one: Finding) -> str:
    return f"{one.result} ({one.action})" if one.action else one.result


def _files(now: Standing, target: str) -> Iterator[Finding]:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    from htc.store.migrating.chain import config, path_between

    wrong = ""
    try:
        scripts = ScriptDirectory.from_config(config())
        found = tuple(script.revision for script in scripts.walk_revisions())[::-1]
        if found != REVISIONS:
            wrong = f"the files hold {', '.join(found)}, the program expects {', '.join(REVISIONS)}"
    except KeyError as error:
        wrong = f"a file names the earlier revision {error}, which no file defines"
    except CommandError as error:
        wrong = str(error)
    ahead = path_between(now.revision if now.revision in REVISIONS else None, target)
    yield Finding(
        check_id="migrate.files",
        hypothesis="the migration files do not form one chain",
        test="read every revision and follow its down_revision",
        result=wrong or f"{len(REVISIONS)} migration files in one line; to run: {', '.join(ahead) or 'none'}",
        verdict="failure" if wrong else "ok",
        action="install htc again; its migration files are damaged" if wrong else "",
    )


def _answers(connection: Connection) -> Iterator[Finding]:
    started = time.perf_counter()
    connection.execute(text("SELECT 1"))
    yield Finding(
        check_id="migrate.connection",
        hypothesis="the database does not answer",
        test="SELECT 1",
        result=f"SELECT 1 was answered in {(time.perf_counter() - started) * 1000:.1f} ms",
        verdict="ok",
    )


def _server(connection: Connection) -> Iterator[Finding]:
    version, standby, readonly = connection.execute(
        text(
            "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),"
            " current_setting('transaction_read_only')::bool"
        )
    ).one()
    major = version // 10_000
    wrong = action = ""
    if major < MINIMUM_MAJOR:
        wrong = f"the server is PostgreSQL {major}; {MINIMUM_MAJOR} or newer is needed"
        action = "upgrade the server"
    elif standby:
        wrong, action = "the server is a standby and cannot be written to", "connect to the primary server"
    elif readonly:
        wrong = "the database or the role is set to read-only transactions"
        action = "`ALTER ROLE ... RESET default_transaction_read_only`, or use another role"
    yield Finding(
        check_id="migrate.server",
        hypothesis="the server is too old or does not take changes",
        test="read server_version_num, pg_is_in_recovery(), transaction_read_only",
        result=wrong or f"PostgreSQL {major}.{version % 10_000}, takes changes",
        verdict="failure" if wrong else "ok",
        action=action,
    )


def _privileges(connection: Connection, now: Standing) -> Iterator[Finding]:
    role, schema, may_create = connection.execute(
        text(
            "SELECT current_user, current_schema(), CASE WHEN current_schema() IS NULL THEN NULL"
            " ELSE has_schema_privilege(current_schema(), 'CREATE') END"
        )
    ).one()
    foreign = connection.execute(
        text(
            "SELECT c.relname, pg_get_userbyid(c.relowner) FROM pg_class c"
            " WHERE c.relname = ANY (:names) AND pg_table_is_visible(c.oid)"
            " AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1"
        ),
        {"names": _names_of(now)},
    ).all()
    wrong, action = "", ""
    if schema is None:
        wrong = f"the user {role} has a search_path without any schema"
        action = f"`ALTER ROLE {role} SET search_path = public`, or create the schema that it names"
    elif not may_create:
        wrong = f"the user {role} may not create tables in the schema {schema}"
        action = f"as its owner: `GRANT CREATE ON SCHEMA {schema} TO {role}`, or upgrade as another user"
    elif foreign:
        wrong = f"the user {role} may not change " + ", ".join(f"{n} (owner {owner})" for n, owner in foreign)
        owner = foreign[0][1]
        action = f"upgrade as {owner}, or as a superuser: `GRANT {owner} TO {role}`"
    yield Finding(
        check_id="migrate.privileges",
        hypothesis="the user may not create or change the tables",
        test="has_schema_privilege(CREATE) and the owner of each table",
        result=wrong or f"{role} may create in schema {schema} and owns what is there",
        verdict="failure" if wrong else "ok",
        action=action,
    )


def _tables(connection: Connection, now: Standing) -> Iterator[Finding]:
    if now.revision is None:
        result, verdict, essential = "no table of HTC is there", "ok", []
    else:
        found = catalogue.differences(catalogue.expected(now.revision), catalogue.read(connection))
        essential = [one for one in found if one.essential and one.change != "extra"]
        others = [one for one in found if not one.essential and one.change != "extra"]
        result = f"the tables are those of {now.revision}"
        verdict = "ok"
        if essential:
            result = f"the tables are not those of {now.revision}: " + _few(essential)
            verdict = "failure"
        elif others:
            result += f", except: {_few(others)}"
            verdict = "note"
    yield Finding(
        check_id="migrate.stamp",
        hypothesis="alembic_version disagrees with the real tables",
        test="compare every table, column and view with those of the stamped revision",
        result=result,
        verdict=verdict,  # type: ignore[arg-type]  # one of three literals above
        action="`htc db adopt` finds out what they are and brings them in order" if essential else "",
    )


def _in_the_way(connection: Connection, now: Standing, target: str) -> Iterator[Finding]:
    have = catalogue.read(connection).relations
    known = catalogue.expected(now.revision).relations if now.revision else frozenset()
    blocking = sorted((catalogue.expected(target).relations - known) & have)
    yield Finding(
        check_id="migrate.names",
        hypothesis="something of another program has a name that the upgrade needs",
        test="look for tables and views that the outstanding revisions create",
        result=f"the upgrade makes {', '.join(blocking)}, but something of this name is already there"
        if blocking
        else "the names of new tables are free",
        verdict="failure" if blocking else "ok",
        action=f"rename it, or `htc db adopt --set-aside {blocking[0]}` does" if blocking else "",
    )


def _dependents(connection: Connection, now: Standing) -> Iterator[Finding]:
    ours = sorted(catalogue.expected(now.revision).relations) if now.revision else []
    found = connection.execute(text(_DEPENDENTS), {"ours": ours}).scalars()
    views = list(found)
    yield Finding(
        check_id="migrate.dependents",
        hypothesis="views of yours stand on columns that the upgrade changes",
        test="look in pg_depend for views on our tables",
        result=f"views of yours read our tables: {', '.join(views)}"
        if views
        else "no view of yours reads our tables",
        verdict="warning" if views else "ok",
        action="PostgreSQL does not change a column that a view reads: if the upgrade says so, drop the view"
        " and create it again afterwards"
        if views
        else "",
    )


def _activity(connection: Connection, now: Standing) -> Iterator[Finding]:
    holding = [one for one in blockers(connection, _names_of(now)) if one.seconds > LONG_S or one.pid is None]
    yield Finding(
        check_id="migrate.activity",
        hypothesis="a long transaction holds our tables",
        test=f"look in pg_locks for transactions on our tables older than {LONG_S:.0f} s",
        result=f"in the way: {in_words(holding)}" if holding else "no long transaction holds our tables",
        verdict="warning" if holding else "ok",
        action="the upgrade waits for it as long as --wait says, then gives up" if holding else "",
    )


def _room(connection: Connection, now: Standing, database: Database) -> Iterator[Finding]:
    needed = connection.execute(
        text(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
            " WHERE c.relname = ANY (:names) AND pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'p', 'm')"
        ),
        {"names": _names_of(now)},
    ).scalar_one()
    free = shutil.disk_usage(database.embedded.data).free if database.embedded else None
    wanted = f"a copy of every table may be written, {needed / 1e6:,.0f} MB"
    tight = free is not None and free < 2 * needed
    if free is None:
        result = f"{wanted}; the server's free space cannot be seen from here"
    else:
        result = f"{wanted}; {free / 1e6:,.0f} MB are free"
    yield Finding(
        check_id="migrate.room",
        hypothesis="there is no room for the changed tables and their log",
        test="compare the size of our tables with the free room",
        result=result,
        verdict="failure" if tight else "ok",
        action=f"make room for {2 * needed / 1e6:,.0f} MB (the tables and their log)" if tight else "",
    )


def _names_of(now: Standing) -> list[str]:
    views = catalogue.expected(now.revision).views if now.revision in REVISIONS else {}
    return sorted({*now.tables, *views, "alembic_version"})


def _few(found: list[catalogue.Difference], limit: int = 4) -> str:
    more = f"; and {len(found) - limit} more" if len(found) > limit else ""
    return "; ".join(one.in_words() for one in found[:limit]) + more
