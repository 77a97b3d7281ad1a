"""In which mode a service runs, and whether it may listen where it was told to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Literal

from htc.errors import SettingsError

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["Mode", "access_mode", "check_listening", "is_loopback"]

Mode = Literal["keys", "open", "read-only"]


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach an address (or ``localhost``)."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def access_mode(settings: Settings) -> Mode:
    """The mode of the settings; where they name none, ``open`` if nobody else can reach the service.

    A service on the loopback address that is told of proxies or of names of its own is reached through them.
    """
    if settings.access is not None:
        return settings.access
    private = is_loopback(settings.host) and not settings.trusted_proxies and not settings.allowed_hosts
    return "open" if private else "keys"


def check_listening(settings: Settings, database: Database) -> None:
    """Whether the service may listen at the address of the settings.

    Raises:
        SettingsError: others could reach it, and nothing keeps them out or nobody could get in.
        StoreError: the database cannot be asked for its keys.
    """
    from htc.store.keys import count_usable_keys

    mode = access_mode(settings)
    if is_loopback(settings.host) and (mode == "open" or settings.access is not None):
        return
    if mode == "open":
        raise SettingsError(
            f"without access keys the service listens on this machine only, not on {settings.host}",
            where="HTC_ACCESS=open",
            hint="unset HTC_ACCESS, and make a key with `htc keys create NAME`",
        )
    if count_usable_keys(database) == 0:
        raise SettingsError(
            f"others could reach {settings.host}, and there is no access key that could be used",
            where="HTC_HOST",
            hint="make one with `htc keys create NAME --scope run`, or listen on 127.0.0.1",
        )
