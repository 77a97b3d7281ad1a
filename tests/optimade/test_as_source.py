"""A campaign takes its candidates from a provider: here from a server of our own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from htc.discovery.campaign import Campaign
from htc.discovery.space import Candidate, CandidateSpace, open_space
from htc.errors import InputError, SourceUnavailableError


def campaign(url: str, question: str, limit: int = 1000) -> Campaign:
    source = {"kind": "optimade", "url": url, "filter": question, "limit": limit}
    return Campaign.model_validate({"name": "test", "candidates": [source]})


def test_what_a_provider_answers_is_frozen(served: Any) -> None:
    wanted = campaign(f"{served.url}/optimade", 'elements HAS "Nb"')
    space = open_space(wanted)
    formulas = [one.formula for one in space if isinstance(one, Candidate)]
    assert sorted(formulas) == sorted(served.found('elements HAS "Nb"'))
    assert len(open_space(campaign(f"{served.url}/optimade", 'elements HAS "Nb"', limit=1))) == 1
    kept = json.loads(json.dumps(list(space.frozen())))
    again = CandidateSpace.thawed(wanted, kept)
    assert [str(one) for one in again] == [str(one) for one in space]


def test_a_provider_that_has_nothing_or_refuses(served: Any) -> None:
    with pytest.raises(InputError, match="has no candidates"):
        open_space(campaign(f"{served.url}/optimade", "nelements=9"))
    with pytest.raises(SourceUnavailableError, match="HTTP 400"):
        open_space(campaign(f"{served.url}/optimade", "nonsense here"))
