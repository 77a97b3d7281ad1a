"""As whom the server runs: PostgreSQL refuses root and needs an account name.

An ordinary user runs it as itself. Root, and a user id without an account, run it inside a user namespace
that shows them to PostgreSQL as an ordinary existing account; on disk every file stays the caller's. No
account is created and no permission above the data directory is changed.
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass

from htc.errors import DatabaseUnavailableError

__all__ = ["Identity", "current_identity"]

OVERFLOW_UID = 65534
"""What every unmapped user looks like inside a namespace; peer authentication must not trust it."""

_PREFERRED = ("postgres", "daemon", "bin")

NAMESPACE_HINT = (
    "run htc as an ordinary user, allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
    "or a container runtime option such as --security-opt seccomp=unconfined), "
    "or set HTC_DATABASE_URL to a PostgreSQL 15+ server"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """An account name as the server sees it, and the command prefix that makes it so."""

    account: str
    prefix: tuple[str, ...]


def current_identity() -> Identity:
    """Identity for servers started by this process.

    Raises:
        DatabaseUnavailableError: a namespace is needed and there is no program to make one.
    """
    uid = os.geteuid()
    own = _account_name(uid)
    if uid != 0 and own is not None:
        return Identity(own, ())
    shown = _account_to_show()
    unshare = shutil.which("unshare")
    if unshare is None or shown is None:
        raise DatabaseUnavailableError(
            "PostgreSQL does not run as root, and there is no `unshare` to show it another user"
            if uid == 0
            else f"user id {uid} has no account name, which PostgreSQL needs",
            hint=NAMESPACE_HINT,
        )
    prefix = (unshare, "--user", f"--map-user={shown.pw_uid}", f"--map-group={shown.pw_gid}")
    return Identity(shown.pw_name, prefix)


def _account_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _account_to_show() -> pwd.struct_passwd | None:
    accounts = [a for a in pwd.getpwall() if a.pw_uid not in {0, OVERFLOW_UID}]
    accounts.sort(key=lambda a: (a.pw_name not in _PREFERRED, a.pw_uid))
    return accounts[0] if accounts else None
