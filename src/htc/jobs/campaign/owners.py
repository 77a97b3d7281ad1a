"""Who holds a run: host, process and a secret of its own; and whether that process is known to be dead."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

__all__ = ["is_known_dead", "owner_name"]


def owner_name() -> str:
    """A name for this process as a holder of leases, another one each time."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_known_dead(owner: str) -> bool:
    """Whether the process of this name ran on this host and is gone; False where that cannot be known.

    A process id that another process has by now is taken for alive: the lease then runs out by itself. Two
    machines of one name could be mistaken for each other; the lease still lets only one of them write.
    """
    parts = owner.rsplit(":", 2)
    if len(parts) != 3 or parts[0] != socket.gethostname() or not parts[1].isdigit():
        return False
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return _is_zombie(int(parts[1]))


def _is_zombie(pid: int) -> bool:
    try:
        said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return said.rpartition(")")[2].split()[0] in {"Z", "X"}
    except (OSError, IndexError):
        return False
