"""A socket for each process of the service, so that the system deals connections out among them evenly."""

from __future__ import annotations

import socket
import sys
from typing import Final

__all__ = ["OwnSocket", "own_socket"]

_DEALS: Final = sys.platform == "linux"
"""Elsewhere the last one that listens gets every connection."""


class OwnSocket(socket.socket):
    """A bound socket that arrives in a spawned process as another one, bound to the same address.

    Of one socket shared by all, the process that wakes first takes every connection that waits: of fifty that
    come together one process may get forty, and they wait for each other while the rest are idle. The one in
    the parent never listens; it keeps the address while processes come and go.
    """

    def __reduce__(self) -> tuple[object, ...]:
        """Bind anew where it is unpickled."""
        return _bound, (self.family, self.getsockname())


def _bound(family: int, address: tuple[str, int]) -> OwnSocket:
    own = OwnSocket(family, socket.SOCK_STREAM)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(address)
        own.set_inheritable(True)
    except BaseException:
        own.close()
        raise
    return own


def own_socket(host: str, port: int) -> socket.socket:
    """A bound socket for the processes of ``uvicorn``'s supervisor.

    Args:
        host: an address, IPv4 or IPv6.
        port: 0 for any that is free.

    Raises:
        OSError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if _DEALS:
        return _bound(family, (host, port))
    return socket.create_server((host, port), family=family)
