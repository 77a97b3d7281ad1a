"""The keys of all advisory locks, side by side, so that no two are the same ('HTC' and a number)."""

from __future__ import annotations

from typing import Final

__all__ = ["BACKUP_LOCK", "BULK_LOCK", "MIGRATION_LOCK", "REFRESH_LOCK"]

MIGRATION_LOCK: Final = 0x4854_4301
"""One migrator works at a time."""

REFRESH_LOCK: Final = 0x4854_4302
"""One refresh of the ranking by formula at a time."""

BACKUP_LOCK: Final = 0x4854_4303
"""One backup or restore at a time on a server."""

BULK_LOCK: Final = 0x4854_4304
"""One load at a time may take indexes away or put them back."""
