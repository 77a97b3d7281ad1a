"""Taking over a database of an earlier deployment, in whatever state it was left, without losing a row.

What the tables really are decides, not the stamp. The plan is shown first; then one transaction mends the
tables, sets the stamp, upgrades, and proves by counts and checksums that every row is still there.
"""

from htc.store.adoption.adopt import adopt, plan
from htc.store.adoption.plan import Action, Plan, Refusal, TableSight

__all__ = ["Action", "Plan", "Refusal", "TableSight", "adopt", "plan"]
