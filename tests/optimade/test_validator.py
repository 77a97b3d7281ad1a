"""The consortium's own validator and clients, over HTTP, offline."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Structure

from htc.store import Saved


@pytest.mark.parametrize("version", ["", "/v1", "/v1.2", "/v1.2.0"])
def test_the_validator_is_content(served: Any, stored: dict[str, Saved], version: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the validator and what it imports, about itself
        from optimade.validator import ImplementationValidator

        validator = ImplementationValidator(
            base_url=f"{served.url}/optimade{version}", respond_json=False, verbosity=0
        )
        validator.validate_implementation()
    assert validator.results.failure_messages == []
    assert validator.results.optional_failure_messages == []
    assert validator.results.internal_failure_messages == []
    assert validator.valid
    assert validator.results.success_count > 20
