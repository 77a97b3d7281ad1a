"""Who waits for whom, and whose transaction keeps the others from tidying up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row

from htc.store.doctor.check import Check
from htc.store.doctor.examination import Opened, examination
from htc.store.doctor.finding import Finding

__all__ = ["check_idle_transactions", "check_locks", "check_long_transactions", "check_prepared_transactions"]

WAIT_WARNS: Final = timedelta(seconds=5)
WAIT_FAILS: Final = timedelta(minutes=5)
IDLE_WARNS: Final = timedelta(minutes=1)
LONG_WARNS: Final = timedelta(minutes=15)
PREPARED_WARNS: Final = timedelta(minutes=5)

_Row = Row[*tuple[Any, ...]]

SHOWN: Final = 100
"""Characters of a statement that are shown."""

_SESSION: Final = """
    a.pid, coalesce(a.usename, a.backend_type) AS usename, a.application_name, a.state,
    coalesce(host(a.client_addr), 'local') AS client,
    clock_timestamp() - a.xact_start AS transaction_age,
    clock_timestamp() - a.state_change AS state_age,
    left(regexp_replace(a.query, '\\s+', ' ', 'g'), :shown) AS statement
"""

# Names in this file only are put into the statements.
_BLOCKED: Final = f"""
SELECT {_SESSION}, pg_blocking_pids(a.pid) AS blockers,
       clock_timestamp() - w.since AS waits
FROM pg_stat_activity a
JOIN (SELECT pid, min(waitstart) AS since FROM pg_locks WHERE NOT granted GROUP BY pid) AS w USING (pid)
WHERE a.datname = current_database()
ORDER BY waits DESC NULLS LAST, a.pid
"""  # noqa: S608

_SESSIONS: Final = f"SELECT {_SESSION} FROM pg_stat_activity a WHERE a.pid = ANY (:pids)"  # noqa: S608

_IDLE: Final = f"""
SELECT {_SESSION} FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.state LIKE 'idle in transaction%' AND clock_timestamp() - a.state_change >= :least
ORDER BY a.state_change
"""  # noqa: S608

_LONG: Final = f"""
SELECT {_SESSION}, greatest(age(a.backend_xmin), age(a.backend_xid)) AS holds
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
  AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
  AND clock_timestamp() - a.xact_start >= :least
ORDER BY a.xact_start
"""  # noqa: S608


@examination(
    "health.locks",
    "sessions wait for a lock that another does not give back",
    "pg_stat_activity and pg_blocking_pids read",
)
def check_locks(check: Check, opened: Opened) -> list[Finding]:
    """Blocked sessions, each with those that block it."""
    blocked = opened.rows(_BLOCKED, shown=SHOWN).all()
    # The wait may have ended between the two looks.
    blocked = [row for row in blocked if row.blockers]
    if not blocked:
        return [check.ok("nobody waits for a lock")]
    holders = {pid for row in blocked for pid in row.blockers} - {row.pid for row in blocked}
    sessions = {r.pid: r for r in opened.rows(_SESSIONS, shown=SHOWN, pids=list(holders))}
    findings = []
    for holder in sorted(holders):
        waiting = [row for row in blocked if holder in _roots(row.pid, blocked)]
        longest = max((row.waits or timedelta(0) for row in waiting), default=timedelta(0))
        who = _in_words(sessions[holder]) if holder in sessions else _no_session(holder)
        result = f"{who} blocks {len(waiting)}: " + "; ".join(
            f"{_in_words(row)}, waiting {_age(row.waits)}" for row in waiting[:5]
        )
        facts: dict[str, Any] = {
            "blocker": _as_dict(sessions[holder]) if holder in sessions else {"pid": holder},
            "blocked": [_as_dict(row) | {"waits_s": _seconds(row.waits)} for row in waiting],
        }
        if longest < WAIT_WARNS:
            findings.append(check.note(result, "none if it goes away: look again", **facts))
        elif longest < WAIT_FAILS:
            findings.append(check.warning(result, _end(holder), **facts))
        else:
            findings.append(check.failure(result, _end(holder), **facts))
    return findings or [check.note(f"{len(blocked)} sessions wait for each other in a circle", "look again")]


def _roots(pid: int, blocked: list[_Row]) -> set[int]:
    """Those at the end of the queue that ``pid`` stands in."""
    by_pid = {row.pid: set(row.blockers) for row in blocked}
    seen: set[int] = set()
    todo = [pid]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo.extend(by_pid.get(one, ()))
    return {one for one in seen if one not in by_pid}


@examination(
    "health.idle",
    "a program holds a transaction open and does nothing",
    f"sessions looked for that are idle in transaction for {IDLE_WARNS.total_seconds():.0f} s and more",
)
def check_idle_transactions(check: Check, opened: Opened) -> list[Finding]:
    """Sessions that are idle in transaction: they keep their locks, and dead rows from being removed."""
    found = opened.rows(_IDLE, shown=SHOWN, least=IDLE_WARNS).all()
    return [
        check.warning(
            f"{_in_words(row)}, idle in its transaction for {_age(row.state_age)}",
            f"commit or roll back there; {_end(row.pid)}",
            session=_as_dict(row),
        )
        for row in found
    ] or [check.ok(f"no transaction is held open idly{_among(opened)}")]


@examination(
    "health.transactions",
    "a long transaction keeps dead rows from being removed",
    f"transactions looked for that are older than {LONG_WARNS.total_seconds() / 60:.0f} min",
)
def check_long_transactions(check: Check, opened: Opened) -> list[Finding]:
    """Transactions that vacuum has to respect and that are old."""
    found = opened.rows(_LONG, shown=SHOWN, least=LONG_WARNS).all()
    return [
        check.warning(
            f"{_in_words(row)}, its transaction is {_age(row.transaction_age)} old and {row.holds}"
            " transactions behind: no row that died since can be removed",
            f"let it finish if it is a dump or a bulk load; {_end(row.pid)}",
            session=_as_dict(row),
            transactions=row.holds,
        )
        for row in found
    ] or [check.ok(f"no transaction is old{_among(opened)}")]


@examination(
    "health.prepared",
    "a prepared transaction was forgotten",
    "pg_prepared_xacts read",
)
def check_prepared_transactions(check: Check, opened: Opened) -> list[Finding]:
    """Prepared transactions: they survive every restart with their locks, until somebody ends them."""
    found = opened.rows(
        "SELECT gid, owner, clock_timestamp() - prepared AS age FROM pg_prepared_xacts"
        " WHERE database = current_database() ORDER BY prepared"
    ).all()
    findings = []
    for row in found:
        result = f"prepared transaction {row.gid!r} of {row.owner}, {_age(row.age)} old, keeps its locks"
        gid = row.gid.replace("'", "''")
        action = f"HTC makes none; ask its owner, then ROLLBACK PREPARED '{gid}' (or COMMIT PREPARED)"
        facts: dict[str, Any] = {"gid": row.gid, "owner": row.owner, "age_s": _seconds(row.age)}
        if row.age < PREPARED_WARNS:
            findings.append(check.note(result, action, **facts))
        else:
            findings.append(check.warning(result, action, **facts))
    return findings or [check.ok("there is no prepared transaction")]


def _among(opened: Opened) -> str:
    """Whose sessions could be seen, where that is not everybody's."""
    sees_all = opened.value("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')")
    return "" if sees_all else " among this user's sessions; a role with pg_monitor sees the others"


def _in_words(row: _Row) -> str:
    application = f" ({row.application_name})" if row.application_name else ""
    age = f", transaction {_age(row.transaction_age)} old" if row.transaction_age is not None else ""
    statement = f": {row.statement}" if row.statement else ""
    state = row.state or "state hidden"
    return f"pid {row.pid}, user {row.usename}{application}, {row.client}, {state}{age}{statement}"


def _no_session(pid: int) -> str:
    return "a prepared transaction" if pid == 0 else f"pid {pid}, gone by now,"


def _end(pid: int) -> str:
    if pid == 0:
        return "see the finding on prepared transactions"
    return (
        f"if nobody misses its transaction: htc db psql -- -c 'select pg_terminate_backend({pid})'"
        " (what it did not commit is lost)"
    )


def _as_dict(row: _Row) -> dict[str, Any]:
    return {
        "pid": row.pid,
        "user": row.usename,
        "application": row.application_name,
        "client": row.client,
        "state": row.state,
        "transaction_age_s": _seconds(row.transaction_age),
        "statement": row.statement,
    }


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else round(age.total_seconds(), 1)


def _age(age: timedelta | None) -> str:
    seconds = max(age.total_seconds(), 0.0) if age is not None else 0.0
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
