"""How often a key or an address may ask, counted together by all processes of a machine."""

from htc.service.rates.limiter import Limit, Rates, limit_of
from htc.service.rates.shared import SharedCounts, shared_counts

__all__ = ["Limit", "Rates", "SharedCounts", "limit_of", "shared_counts"]
