"""Backups that were restored before they are called backups, and the way back from them."""

from htc.store.backup.contents import Contents, Table, differences, read_contents
from htc.store.backup.restore import Restored, restore
from htc.store.backup.write import Backup, back_up

__all__ = ["Backup", "Contents", "Restored", "Table", "back_up", "differences", "read_contents", "restore"]
