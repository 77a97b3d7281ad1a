"""Is there anything at the address: names resolved, ports and sockets opened, nothing said."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
import sys
import threading
from pathlib import Path
from typing import Final

from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding
from htc.store.doctor.target import Address, Target

__all__ = ["check_names", "check_ports", "not_looked"]

NAME_TIMEOUT_S: Final = 5.0
PORT_TIMEOUT_S: Final = 3.0
_SOCKET_PATH_LIMIT: Final = 103 if sys.platform == "darwin" else 107

_NAMES = Check(
    "network.name", "the host name of the database is unknown", "asked the system's resolver (getaddrinfo)"
)
_PORT = Check(
    "network.port", "nothing listens at the database's address", "opened a connection and closed it again"
)


def not_looked(reason: str, *, name_known: bool = False) -> list[Finding]:
    """The findings where there is no address to look at."""
    return [check.skipped(reason) for check in ((_PORT,) if name_known else (_NAMES, _PORT))]


def check_names(target: Target) -> Finding:
    """Resolve every host name of the target."""
    hosts = [
        a.host
        for a in target.addresses
        if a.host and not (a.hostaddr or a.socket or a.is_abstract or _is_number(a.host))
    ]
    if not hosts:
        return _NAMES.skipped("no name to look up: the address is a socket or a number")
    known: dict[str, list[str]] = {}
    unknown: dict[str, str] = {}
    for host in dict.fromkeys(hosts):
        found = _resolve(host)
        if isinstance(found, str):
            unknown[host] = found
        else:
            known[host] = found
    facts = [f"{host} is {', '.join(addresses[:3])}" for host, addresses in known.items()]
    troubles = [f"{host}: {why}" for host, why in unknown.items()]
    action = (
        "check the spelling of the host in HTC_DATABASE_URL; if it is right, this machine's name resolution "
        "(network, VPN, /etc/resolv.conf) does not know it"
    )
    if not known:
        return _NAMES.failure("; ".join(troubles), action, unknown=sorted(unknown))
    if unknown:
        return _NAMES.warning("; ".join(facts + troubles), action, unknown=sorted(unknown))
    return _NAMES.ok("; ".join(facts), addresses=known)


def check_ports(target: Target) -> Finding:
    """Open every address of the target."""
    closed: list[tuple[str, str]] = []
    open_ones: list[str] = []
    for address in target.addresses:
        trouble = _trouble(address, target.cloud_sql_instance)
        if trouble is None:
            open_ones.append(str(address))
        else:
            closed.append(trouble)
    what = "; ".join([f"{name} accepts connections" for name in open_ones] + [what for what, _ in closed])
    if not closed:
        return _PORT.ok(what)
    actions = "; ".join(dict.fromkeys(action for _, action in closed))
    return (_PORT.warning if open_ones else _PORT.failure)(what, actions)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _resolve(host: str) -> list[str] | str:
    """Addresses of a name, or why there is none."""
    answer: list[str] | str = f"no answer within {NAME_TIMEOUT_S:.0f} s"

    def ask() -> None:
        nonlocal answer
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answer = sorted({str(entry[4][0]) for entry in found})
        except (socket.gaierror, UnicodeError) as error:
            answer = "not a host name" if isinstance(error, UnicodeError) else str(error.strerror)

    # getaddrinfo takes no timeout: a resolver that is cut off would hold us up for half a minute.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(NAME_TIMEOUT_S)
    return answer


def _trouble(address: Address, instance: str | None) -> tuple[str, str] | None:
    """What is wrong with an address and what to do, or None."""
    if address.host is None and address.hostaddr is None:
        return None  # libpq's default socket, whose folder only libpq knows: the login tells
    if address.socket is not None:
        return _socket_trouble(address.socket, instance)
    if address.is_abstract:
        return None
    name = f"{address.hostaddr or address.host}:{address.port}"
    try:
        socket.create_connection((address.hostaddr or address.host, address.port), PORT_TIMEOUT_S).close()
    except TimeoutError:
        return (
            f"{name} does not answer within {PORT_TIMEOUT_S:.0f} s",
            "check host and port; a firewall, a VPN or the server's list of authorised networks may drop you",
        )
    except ConnectionRefusedError:
        return (
            f"nothing listens at {name}",
            "start the server (or its proxy), or correct the port in HTC_DATABASE_URL",
        )
    except OSError as error:
        return f"{name} cannot be reached: {error.strerror or error}", "check network, host and port"
    return None


def _socket_trouble(path: Path, instance: str | None) -> tuple[str, str] | None:
    start = (
        f"start the proxy: `cloud-sql-proxy --unix-socket {path.parent.parent} {instance}`; on Cloud Run add "
        f"the instance to the service with `--add-cloudsql-instances {instance}`"
        if instance
        else "start the server (or its proxy), or correct host= and port= in HTC_DATABASE_URL"
    )
    length = len(os.fsencode(path))
    if length > _SOCKET_PATH_LIMIT:
        return (
            f"the path of the socket has {length} bytes, the system allows {_SOCKET_PATH_LIMIT}: {path}",
            "let the server (or its proxy) make its socket in a folder with a shorter path",
        )
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return (
            f"there is no {_first_missing(path)}",
            start,
        )
    except OSError as error:
        return f"{path}: {error.strerror}", "let your account into the folder of the socket"
    if not stat.S_ISSOCK(mode):
        return f"{path} is not a socket", "host= must name the folder in which the server makes its socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bare:
        bare.settimeout(PORT_TIMEOUT_S)
        try:
            bare.connect(str(path))
        except ConnectionRefusedError:
            return f"{path} is a leftover: nobody listens behind it", start
        except OSError as error:
            if error.errno == errno.EACCES:
                return f"your account may not use {path}", "let your account into the folder of the socket"
            return f"{path} cannot be reached: {error.strerror or error}", start
    return None


def _first_missing(path: Path) -> str:
    missing = path
    while not missing.parent.exists():
        missing = missing.parent
    return f"socket {path}" if missing == path else f"folder {missing}"
