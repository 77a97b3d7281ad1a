"""Where the laboratory's data lie, for the tests that look into them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data_folder() -> Path:
    """The folder of the laboratory's data."""
    folder = os.environ.get("HTC_DATA")
    if not folder:
        pytest.skip("HTC_DATA is not set")
    return Path(folder)
