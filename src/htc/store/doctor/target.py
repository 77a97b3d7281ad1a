"""Where a URL leads, as libpq will understand it: hosts, ports, sockets, TLS mode."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg import pq
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL

from htc.errors import SettingsError

__all__ = ["Address", "Target", "target_of"]

_INSTANCE: Final = re.compile(r"(?:^|/)((?:[^:/]+:)?[^:/]+:[^:/]+:[^:/]+)/?$")


@dataclass(frozen=True, slots=True)
class Address:
    """One place to connect to."""

    host: str | None
    """A name, an IP address, the folder of a socket; None for libpq's own default."""
    hostaddr: str | None
    port: int

    @property
    def socket(self) -> Path | None:
        """Path of the Unix socket, or None for TCP. Abstract sockets ("@...") have no path."""
        if self.hostaddr or not self.host or not self.host.startswith("/"):
            return None
        return Path(self.host) / f".s.PGSQL.{self.port}"

    @property
    def is_abstract(self) -> bool:
        """A socket outside the file system."""
        return not self.hostaddr and (self.host or "").startswith("@")

    @property
    def is_local(self) -> bool:
        """On this machine: a socket or the loopback interface."""
        if self.host is None or self.socket or self.is_abstract:
            return True
        name = self.hostaddr or self.host
        return name in {"localhost", "::1"} or name.startswith("127.")

    def __str__(self) -> str:
        """``host:port``, or the path of the socket."""
        if self.socket is not None:
            return str(self.socket)
        return f"{self.host or self.hostaddr or 'the default socket'}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """What libpq makes of a URL, a service file and the PG variables of the environment."""

    parameters: Mapping[str, Any]
    """As given to the driver. May hold a password: never shown."""
    effective: Mapping[str, str]
    """With services, environment and defaults filled in. May hold a password: never shown."""
    addresses: tuple[Address, ...]
    environment: tuple[str, ...]
    """Names of the PG variables that have a say."""

    @property
    def sslmode(self) -> str:
        """How much TLS is wanted: disable, allow, prefer, require, verify-ca, verify-full."""
        return self.effective.get("sslmode") or "prefer"

    @property
    def is_local(self) -> bool:
        """Every address is on this machine."""
        return all(address.is_local for address in self.addresses)

    @property
    def cloud_sql_instance(self) -> str | None:
        """``PROJECT:REGION:INSTANCE`` where the socket is one of a Cloud SQL instance."""
        for address in self.addresses:
            found = _INSTANCE.search(address.host or "") if address.socket else None
            if found:
                return found.group(1)
        return None


def target_of(url: URL) -> Target:
    """Read a URL as the driver will.

    Raises:
        SettingsError: an option of the URL does not exist, or a service is not described anywhere.
    """
    from sqlalchemy import exc

    if "@" in (url.host or ""):
        # Its second half would be shown as a host everywhere.
        raise SettingsError(
            "the password in the URL holds an @ that is not written as %40",
            where="HTC_DATABASE_URL",
            hint="write special characters of user and password percent-encoded: @ %40, : %3A, / %2F, % %25",
        )
    try:
        _, parameters = url.get_dialect()().create_connect_args(url)
        parameters.pop("context", None)
        # Secrets may stand in the values; the check is about the names.
        make_conninfo(**dict.fromkeys(parameters, "0"))
    except exc.ArgumentError as error:
        raise SettingsError(
            f"hosts and ports of the URL do not fit together: {error}", where="HTC_DATABASE_URL"
        ) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] != "psycopg":
            raise
        raise SettingsError(
            f"the URL has an option that PostgreSQL does not know: {str(error).strip()}",
            where="HTC_DATABASE_URL",
            hint="options follow the ? of the URL: host, port, sslmode, sslrootcert, connect_timeout, ...",
        ) from error
    defaults = {o.keyword.decode(): o for o in pq.Conninfo.get_defaults()}
    effective = {name: o.val.decode() for name, o in defaults.items() if o.val}
    service = parameters.get("service")
    if service:
        effective |= _service(str(service))
    effective |= {name: str(value) for name, value in parameters.items()}
    environment = sorted(
        name
        for o in defaults.values()
        if o.envvar and (name := o.envvar.decode()) in os.environ and o.keyword.decode() not in parameters
    )
    return Target(parameters, effective, _addresses(effective), tuple(environment))


def _addresses(effective: Mapping[str, str]) -> tuple[Address, ...]:
    hosts = effective.get("host", "").split(",")
    hostaddrs = effective.get("hostaddr", "").split(",")
    ports = effective.get("port", "5432").split(",")
    count = max(len(hosts), len(hostaddrs))

    def nth(values: list[str], i: int) -> str | None:
        return (values[i] if len(values) > i else values[0] if len(values) == 1 else "") or None

    found = []
    for i in range(count):
        port = nth(ports, i) or "5432"
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise SettingsError(f"{port} is not a port number", where="HTC_DATABASE_URL")
        found.append(Address(nth(hosts, i), nth(hostaddrs, i), int(port)))
    return tuple(found)


def _service(name: str) -> dict[str, str]:
    explicit = os.environ.get("PGSERVICEFILE")
    files = [Path(explicit) if explicit else Path.home() / ".pg_service.conf"]
    if folder := os.environ.get("PGSYSCONFDIR"):
        files.append(Path(folder) / "pg_service.conf")
    for file in files:
        parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
        try:
            parser.read(file, "utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            # Messages of the parser quote lines, which may hold a password.
            raise SettingsError("the service file cannot be read", where=str(file)) from None
        if parser.has_section(name):
            return dict(parser.items(name))
    raise SettingsError(
        f"the URL names the service {name!r}, which is in no service file",
        where=", ".join(map(str, files)),
        hint="add a [section] of this name, or write host and database into the URL",
    )
