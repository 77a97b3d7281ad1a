"""Google's two logins told apart: your own (``gcloud auth login``) and the Application Default Credentials.

A SQL proxy uses one of them. When that one has expired the proxy still listens, takes every connection and
drops it, and only its log says why. Here that log and the ages of the credential files are read; Google is
not asked, and of the files nothing but type and age is looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from htc.store.doctor.check import Check, age_in_words, times
from htc.store.doctor.finding import Finding
from htc.store.doctor.proxy_log import Kind, ProxyLog, Refusal, Source, read_proxy_log

__all__ = ["Circumstances", "check_cloud_sql"]

_SESSION: Final = timedelta(hours=16)
"""Default length of a Google Cloud session where an organisation asks for reauthentication
(https://support.google.com/a/answer/9368756); organisations set 1 to 24 hours."""

_PROXY = Check(
    "cloud_sql.proxy", "the SQL proxy cannot reach its instance", "read the proxy's log from its end"
)
_USER = Check(
    "cloud_sql.user_login",
    "the user login (`gcloud auth login`) has expired",
    "looked at the age of gcloud's own credentials and at the proxy's log",
)
_DEFAULT = Check(
    "cloud_sql.application_default",
    "the Application Default Credentials (`gcloud auth application-default login`) have expired",
    "looked at type and age of the credentials file and at the proxy's log",
)

_SOURCE_WORDS: Final[dict[Source, str]] = {
    "user login": "your user login (--gcloud-auth)",
    "access token": "a fixed access token (--token)",
    "application default": "the Application Default Credentials",
    "key file": "a credentials file of its own (--credentials-file)",
    "unknown": "credentials it does not name",
}

_OTHER_TROUBLE: Final[dict[Kind, tuple[str, str]]] = {
    "permission": (
        "the account of the proxy may not connect to the instance",
        "grant it the role roles/cloudsql.client (permission cloudsql.instances.connect) in the instance's "
        "project, and check PROJECT:REGION:INSTANCE for a slip of the pen",
    ),
    "api": (
        "the Cloud SQL Admin API is not enabled in the project",
        "run `gcloud services enable sqladmin.googleapis.com --project PROJECT`, wait a few minutes",
    ),
    "stopped": (
        "the instance is not running",
        "start it: `gcloud sql instances patch INSTANCE --activation-policy ALWAYS`",
    ),
    "absent": (
        "there is no such instance",
        "compare PROJECT:REGION:INSTANCE with `gcloud sql instances list`",
    ),
    "crowded": (
        "the proxy has reached its own limit of connections",
        "close programs that hold connections, or raise the proxy's --max-connections",
    ),
    "network": (
        "the proxy does not reach Google or the instance over the network",
        "check network, VPN and firewall (port 3307 to the instance); for an instance with a private address "
        "the proxy needs --private-ip and a machine in its network",
    ),
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What earlier tests found."""

    instance: str | None
    """``PROJECT:REGION:INSTANCE`` of the URL, if it names one."""
    connected: bool
    """The database let us in."""
    dropped: bool
    """Something local took the connection and closed it without a word."""


@dataclass(frozen=True, slots=True)
class _File:
    """What may be known of a credential file."""

    path: Path
    kind: str | None
    """``authorized_user``, ``service_account``, ...; None where the file has no type."""
    age: timedelta | None
    """Since it was last written; None where there is no file."""
    damage: str | None = None

    def in_words(self) -> str:
        if self.age is None:
            return f"there are none ({self.path} does not exist)"
        kind = f"of type {self.kind}, " if self.kind else ""
        return f"{self.path}: {kind}written {age_in_words(self.age)} ago"


def check_cloud_sql(
    circumstances: Circumstances, proxy_log: Path | None, *, now: datetime | None = None
) -> list[Finding]:
    """Judge the proxy, the user login and the Application Default Credentials, each by itself.

    Args:
        circumstances: from the tests before.
        proxy_log: what the proxy writes to stdout and stderr, if it is kept.
        now: local time without zone, as proxies write it; the present when None.
    """
    if not (circumstances.instance or circumstances.dropped or proxy_log):
        reason = "the URL names no Cloud SQL instance, and no log of a proxy is known"
        return [check.skipped(reason) for check in (_PROXY, _USER, _DEFAULT)]
    now = now or datetime.now()  # without zone, as proxies write it
    log, trouble = _read(proxy_log)
    user, default = _user_login(now), _application_default(now)
    return [
        _judge_proxy(circumstances, log, trouble, now),
        _judge_user(circumstances, log, user, default, now),
        _judge_default(circumstances, log, user, default, now),
    ]


def _read(path: Path | None) -> tuple[ProxyLog | None, Finding | None]:
    if path is None:
        return None, None
    try:
        return read_proxy_log(path), None
    except OSError as error:
        return None, _PROXY.warning(
            f"the proxy's log {path} cannot be read: {error.strerror}",
            "correct --proxy-log or HTC_SQL_PROXY_LOG",
        )


def _judge_proxy(
    seen: Circumstances, log: ProxyLog | None, trouble: Finding | None, now: datetime
) -> Finding:
    if trouble is not None:
        return trouble
    if log is None:
        if not seen.dropped:
            return _PROXY.skipped(
                "no log of a proxy is known; `--proxy-log FILE` or HTC_SQL_PROXY_LOG names one"
            )
        if "K_SERVICE" in os.environ:
            return _PROXY.failure(
                "Cloud Run takes the connection to the instance and drops it",
                "the service's own account needs the role roles/cloudsql.client; the service's log says more",
            )
        return _PROXY.warning(
            "something takes the connection and drops it, as a SQL proxy does whose own login failed; there "
            "is no log of it to look into",
            "start the proxy with its output kept (`cloud-sql-proxy ... >proxy.log 2>&1`) and run "
            "`htc db doctor --proxy-log proxy.log`",
        )
    details = _log_details(log)
    uses = f"the proxy uses {_SOURCE_WORDS[log.source]}"
    if not log.refusals:
        past = f"; {log.earlier} errors before that are over" if log.earlier else ""
        served = f", last served a connection {_clock(log.last_success, now)}" if log.last_success else ""
        return _PROXY.ok(f"{uses}; no error since it started{served}{past}", **details)
    last = log.refusals[-1]
    evidence = _evidence(log, now)
    if last.kind in {"credentials", "no credentials"}:
        if log.source == "key file":
            return _PROXY.failure(
                f"{uses}, and Google refuses them: {evidence}",
                "the key was deleted or disabled, or this machine's clock is wrong: make a new key, or check "
                "the date, then restart the proxy",
                **details,
            )
        found = f"{uses}, which Google refuses: {evidence}"
        action = "see the finding about these credentials"
        return _PROXY.failure(found, action, **details)
    what, action = _OTHER_TROUBLE[last.kind]
    verdict = _PROXY.note if seen.connected and last.kind in {"network", "crowded"} else _PROXY.failure
    return verdict(f"{what}: {evidence}", action, **details)


def _judge_user(
    seen: Circumstances, log: ProxyLog | None, user: _File, default: _File, now: datetime
) -> Finding:
    facts = f"gcloud's own login: {user.in_words()}"
    blamed = _blamed(log)
    details: dict[str, Any] = {"age_s": user.age.total_seconds() if user.age is not None else None}
    if log is not None and blamed in {"user login", "access token"}:
        evidence = _evidence(log, now)
        if blamed == "access token":
            return _USER.failure(
                f"the proxy was started with a fixed access token, which Google no longer takes ({evidence})"
                "; such a token lives one hour",
                "run `gcloud auth login` if `gcloud auth print-access-token` asks for it, then restart the "
                "proxy with a fresh `--token`, or with `--gcloud-auth`, which renews it by itself",
                **details,
            )
        return _USER.failure(
            f"your user login has expired: the proxy runs on it and Google refuses it ({evidence}); {facts}",
            "run `gcloud auth login`, then restart the proxy; the Application Default Credentials are "
            f"another login, which {_separate(default)}",
            **details,
        )
    if user.damage:
        return _USER.note(f"{facts}; {user.damage}", "run `gcloud auth login`", **details)
    if user.age is None:
        return _USER.skipped("there is no user login on this machine", **details)
    if _suspicious(seen, log, "user login") and user.age > _SESSION:
        return _USER.note(
            f"{facts}; if the proxy runs with --gcloud-auth, it may have expired",
            "then run `gcloud auth login` and restart the proxy",
            **details,
        )
    return _USER.ok(f"{facts}{_unused(log, 'user login')}", **details)


def _judge_default(
    seen: Circumstances, log: ProxyLog | None, user: _File, default: _File, now: datetime
) -> Finding:
    facts = f"Application Default Credentials: {default.in_words()}"
    details: dict[str, Any] = {
        "type": default.kind,
        "age_s": default.age.total_seconds() if default.age is not None else None,
    }
    blamed = _blamed(log)
    login = "`gcloud auth application-default login`"
    if log is not None and blamed in {"application default", "unknown"}:
        evidence = _evidence(log, now)
        hedge = (
            "; if the proxy was started with --gcloud-auth, run `gcloud auth login` instead"
            if blamed == "unknown"
            else ""
        )
        if log.refusals[-1].kind == "no credentials":
            return _DEFAULT.failure(
                f"the proxy finds no Application Default Credentials ({evidence}); {facts}",
                f"run {login}, then start the proxy again; your own `gcloud auth login` is another login and "
                "does not serve it",
                **details,
            )
        if default.kind == "service_account":
            return _DEFAULT.failure(
                f"the key in the Application Default Credentials is refused ({evidence}); {facts}",
                "make a new key of the service account or check this machine's clock, then restart the proxy",
                **details,
            )
        return _DEFAULT.failure(
            f"the proxy's Application Default Credentials have expired ({evidence}); {facts}",
            f"run {login}, then restart the proxy{hedge}; your own `gcloud auth login` is another "
            f"login, which {_separate(user)}",
            **details,
        )
    if default.damage:
        verdict = _DEFAULT.note if seen.connected else _DEFAULT.failure
        return verdict(f"{facts}; {default.damage}", f"run {login}, then restart the proxy", **details)
    if default.age is None:
        if seen.connected or "K_SERVICE" in os.environ or (log is not None and log.source != "unknown"):
            return _DEFAULT.skipped(
                "there are none on this machine, and the proxy does not need them", **details
            )
        return _DEFAULT.warning(
            facts, f"run {login}, then start the proxy; a user login alone does not serve it", **details
        )
    if (
        _suspicious(seen, log, "application default")
        and default.kind == "authorized_user"
        and default.age > _SESSION
    ):
        return _DEFAULT.warning(
            f"{facts}: older than the {_SESSION.total_seconds() / 3600:.0f} h after which many organisations "
            "ask for a new login, and the proxy drops connections",
            f"run {login}, then restart the proxy",
            **details,
        )
    return _DEFAULT.ok(f"{facts}{_unused(log, 'application default')}", **details)


def _blamed(log: ProxyLog | None) -> Source | None:
    """Whose credentials the log shows to be refused now."""
    if log is None or not log.refusals or log.refusals[-1].kind not in {"credentials", "no credentials"}:
        return None
    last = log.refusals[-1]
    return "application default" if last.kind == "no credentials" else last.source or log.source


def _suspicious(seen: Circumstances, log: ProxyLog | None, source: Source) -> bool:
    """No log says so, but these may be the credentials that fail."""
    return seen.dropped and (log is None or log.source in {source, "unknown"})


def _unused(log: ProxyLog | None, source: Source) -> str:
    return (
        f"; the proxy uses {_SOURCE_WORDS[log.source]}"
        if log and log.source not in {source, "unknown"}
        else ""
    )


def _separate(other: _File) -> str:
    if other.age is None:
        return "does not exist here"
    if other.damage:
        return "is damaged"
    if other.kind == "service_account":
        return "is a service account's key"
    looks = "looks fresh" if other.age < _SESSION else "may have expired as well"
    return f"{looks} ({age_in_words(other.age)})"


def _evidence(log: ProxyLog, now: datetime) -> str:
    """``"invalid_rapt, 14 times since 09:12"``: the run of errors with the same cause at the end."""
    last = log.refusals[-1]
    same = _last_run(log.refusals)
    first = next((r.at for r in same if r.at), None)
    since = (
        f" since {_clock(first, now)}"
        if first and len(same) > 1
        else f" {_clock(first, now)}"
        if first
        else ""
    )
    served = f", last success {_clock(log.last_success, now)}" if log.last_success else ""
    return f"{last.words}, {times(len(same))}{since}{served}"


def _last_run(refusals: Sequence[Refusal]) -> list[Refusal]:
    run: list[Refusal] = []
    for refusal in reversed(refusals):
        if refusal.kind != refusals[-1].kind:
            break
        run.insert(0, refusal)
    return run


def _clock(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "at an unknown time"
    return at.strftime("%H:%M" if at.date() == now.date() else "%Y-%m-%d %H:%M")


def _log_details(log: ProxyLog) -> dict[str, Any]:
    return {
        "log": str(log.path),
        "source": log.source,
        "errors": [r.words for r in log.refusals[-5:]],
        "error_count": len(log.refusals),
        "last_error_at": log.refusals[-1].at.isoformat() if log.refusals and log.refusals[-1].at else None,
        "last_success_at": log.last_success.isoformat() if log.last_success else None,
    }


def _gcloud_folder() -> Path:
    configured = os.environ.get("CLOUDSDK_CONFIG")
    return Path(configured).expanduser() if configured else Path.home() / ".config" / "gcloud"


def _user_login(now: datetime) -> _File:
    """gcloud's own login. Its databases hold tokens and are not opened: their dates say enough."""
    folder = _gcloud_folder()
    path = folder / "credentials.db"
    age = _age(path, now)
    # Each renewal of a token writes the second file: the later of the two is when Google last said yes.
    tokens = _age(folder / "access_tokens.db", now)
    if age is not None and tokens is not None and tokens < age:
        age = tokens
    return _File(path, None, age)


def _application_default(now: datetime) -> _File:
    explicit = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    path = (
        Path(explicit).expanduser() if explicit else _gcloud_folder() / "application_default_credentials.json"
    )
    age = _age(path, now)
    if age is None:
        if explicit:
            return _File(path, None, None, "GOOGLE_APPLICATION_CREDENTIALS names a file that is not there")
        return _File(path, None, None)
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        return _File(path, None, age, f"it cannot be read: {error.strerror}")
    except ValueError:
        return _File(path, None, age, "it is not valid JSON: a login may have been cut short")
    kind = content.get("type") if isinstance(content, dict) else None
    if not isinstance(kind, str):
        return _File(path, None, age, "it does not say of which type it is")
    return _File(path, kind, age)


def _age(path: Path, now: datetime) -> timedelta | None:
    try:
        return now - datetime.fromtimestamp(path.stat().st_mtime)
    except OSError:
        return None
