"""OPTIMADE 1.2: the stored structures and their critical temperatures, in the standard filter language."""

from htc.optimade.routes import Host, create_router

__all__ = ["Host", "create_router"]
