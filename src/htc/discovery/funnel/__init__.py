"""A campaign as stages, stages as chunks: what is asked of worker processes, what they answer, who passes.

Nothing here knows the database or how processes are started. :mod:`htc.discovery.funnel.tasks` are the
types that travel, :mod:`htc.discovery.funnel.plan` hands out chunks, :mod:`htc.discovery.funnel.rules` says
who goes on.
"""
