"""Moving a database from one revision to another: looked at before, all or nothing, looked at after."""

from htc.store.migrating.chain import upgrade_sql
from htc.store.migrating.downgrade import Loss, downgrade, losses
from htc.store.migrating.outcome import Applied, Migration, Step
from htc.store.migrating.preflight import preflight
from htc.store.migrating.upgrade import upgrade

__all__ = [
    "Applied",
    "Loss",
    "Migration",
    "Step",
    "downgrade",
    "losses",
    "preflight",
    "upgrade",
    "upgrade_sql",
]
