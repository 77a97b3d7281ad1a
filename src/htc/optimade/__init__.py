"""OPTIMADE: the stored structures and their critical temperatures, in the standard filter language."""
