"""Optimisations over the space of a campaign: their pool, and asking and telling from outside.

run_id = start(database, settings, request, created_by="me", base=folder)
fill(database, settings, run_id, request)                  # the cheap model looks at the pool
for row in ask(database, run_id, 8): ...          # judge them somewhere
tell(database, run_id, [Answer(number=row.number, measured={"tc_predicted": 11.2})], told_by="me")
"""

from htc.jobs.search.answers import read_answers
from htc.jobs.search.asking import ask, finish, search_state, tell
from htc.jobs.search.looking import fill, pool_from
from htc.jobs.search.request import SearchRequest
from htc.jobs.search.starting import search_request, start, submit_search
from htc.store.optimisation import Answer

__all__ = [
    "Answer",
    "SearchRequest",
    "ask",
    "fill",
    "finish",
    "pool_from",
    "read_answers",
    "search_request",
    "search_state",
    "start",
    "submit_search",
    "tell",
]
