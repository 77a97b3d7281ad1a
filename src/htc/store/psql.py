"""``psql`` connected to the right database."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

from htc.errors import DatabaseUnavailableError
from htc.store.database import Database
from htc.store.embedded import find_binaries

if TYPE_CHECKING:
    from htc.settings import Settings

__all__ = ["run_psql"]


def run_psql(settings: Settings, arguments: Sequence[str]) -> int:
    """Run psql on the database of the settings and return its exit code.

    The embedded server is held open meanwhile. The password goes through the environment, where other
    users of the machine do not see it.

    Raises:
        StoreError: the database cannot be opened.
    """
    from psycopg.conninfo import make_conninfo

    with Database.open(settings, ensure_schema=False) as database:
        _, options = database.engine.dialect.create_connect_args(database.engine.url)
        password = options.pop("password", None)
        options.pop("context", None)
        environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
        command = [_program(prefer_system=database.embedded is None), make_conninfo(**options), *arguments]
        # Ctrl-C belongs to psql, where it cancels the statement. A handler, unlike SIG_IGN, is not inherited.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            signal.signal(signal.SIGINT, before)


def _program(*, prefer_system: bool) -> str:
    system = shutil.which("psql")
    if prefer_system and system:
        return system
    try:
        return str(find_binaries() / "psql")
    except DatabaseUnavailableError:
        if system:
            return system
        raise
