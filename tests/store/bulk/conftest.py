"""Made-up predictions in the shape of an Arrow table."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from htc.store import Database

UTC = dt.UTC


def rows_of(n: int, start: int = 0, **changes: Any) -> dict[str, list[Any]]:
    """Columns of the 003 shape; a change is a value for all rows, or one for each."""
    numbers = range(start, start + n)
    columns: dict[str, list[Any]] = {
        "id": [str(uuid.UUID(int=i + 1)) for i in numbers],
        "composition": ["Mg1 B2"] * n,
        "reduced_formula": ["MgB2"] * n,
        "structure_info": ['{"n_sites": 3}'] * n,
        "tc_predicted": [10.0 + i / 7 for i in numbers],
        "tc_lower_95ci": [5.0] * n,
        "tc_upper_95ci": [1e6] * n,
        "tc_uncertainty": [3.0] * n,
        "pressure_required_gpa": [0.0] * n,
        "pressure_uncertainty_gpa": [0.0] * n,
        "lambda_ep": [0.7] * n,
        "omega_log": [300.0] * n,
        "mu_star": [0.1] * n,
        "xi_parameter": [0.41] * n,
        "phonon_stable": [True] * n,
        "thermo_stable": [None] * n,
        "hull_distance_eV": [0.01] * n,
        "imaginary_modes_count": [0] * n,
        "prediction_method": ["McMillan-Allen-Dynes"] * n,
        "confidence_level": ["medium"] * n,
        "extrapolation_warning": [False] * n,
        "experiment_id": ["run-1"] * n,
        "created_by": ["someone"] * n,
        "created_at": [dt.datetime(2026, 1, 1, tzinfo=UTC) + dt.timedelta(seconds=i) for i in numbers],
    }
    for name, value in changes.items():
        columns[name] = list(value) if isinstance(value, list) else [value] * n
    return {name: values for name, values in columns.items() if values != [...] * n}


@pytest.fixture
def make_rows() -> Callable[..., pa.Table]:
    """``make_rows(5, confidence_level="high", id=...)`` -> a table; ``...`` leaves a column out."""
    return lambda n, start=0, **changes: pa.table(rows_of(n, start, **changes))


@pytest.fixture
def ask() -> Callable[..., Any]:
    """``ask(database, "SELECT ...")`` -> rows, or the one value there is."""

    def query(database: Database, statement: str) -> Any:
        with database.connect() as connection:
            rows = connection.execute(sa.text(statement)).all()
        return rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else [tuple(row) for row in rows]

    return query
