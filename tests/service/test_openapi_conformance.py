"""Every route under generated requests, valid and not: no fault, no answer that OpenAPI does not tell of.

``HTC_API_EXAMPLES=300 pytest tests/service/test_openapi_conformance.py`` looks longer than CI does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, strategies
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from htc.client import Client
from htc.service import create_app
from htc.settings import Settings
from htc.store import Database

EXAMPLES = int(os.environ.pop("HTC_API_EXAMPLES", "6"))
"""Requests to each route in each mode."""

Serving = Callable[[Any], AbstractContextManager[httpx.Client]]


@pytest.fixture
def running(
    database_in_settings: Database, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[httpx.Client, dict[str, list[str]]]]:
    """A service that knows something, and ids of what it knows by the names of path parameters."""
    with serving(create_app(Settings())) as client:
        with Client(str(client.base_url)) as htc:
            lines = list(htc.predict_batch(["MgB2", "YBa2Cu3O7"]))
            found = lines[0].prediction
            assert found is not None
            known = {
                "prediction_id": [found.id],
                "structure_hash": [found.structure_hash],
                "formula": ["MgB2", "Nb3Sn"],
                "model_id": [found.model_id],
                "run_id": [found.experiment_id, found.bete_run_id],
                "name": ["mgb2_epw"],
                "suite": ["measured"],
            }
        yield client, {name: [v for v in values if v is not None] for name, values in known.items()}


def _operations(document: dict[str, Any]) -> list[Any]:
    schema = schemathesis.openapi.from_dict(document)
    found = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        found.append(result.ok())
    return found


def _validated(case: Any, client: httpx.Client) -> None:
    answer = case.call(base_url=str(client.base_url).rstrip("/"), timeout=60)
    checks = [
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]
    if answer.status_code != 501:  # told of where an extra is missing
        checks.append(not_a_server_error)
    case.validate_response(answer, checks=checks)


def test_no_request_meets_a_fault_or_an_answer_that_is_not_described(
    running: tuple[httpx.Client, dict[str, list[str]]],
) -> None:
    client, known = running
    failed: list[str] = []
    for operation in _operations(client.get("/openapi.json").json()):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @hypothesis.settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            )
            @hypothesis.given(
                case=operation.as_strategy(generation_mode=mode), which=strategies.integers(0, 3)
            )
            def ask(case: Any, which: int) -> None:
                # Random ids are never those of anything: now and then a known one takes the place.
                for name in case.path_parameters or {}:
                    ids = known.get(name, [])
                    if which < len(ids):
                        case.path_parameters[name] = ids[which]
                _validated(case, client)

            try:
                ask()
            except hypothesis.errors.Unsatisfiable:
                continue  # nothing about a route without parameters can be wrong
            except (Failure, FailureGroup) as told:
                first = told.exceptions[0] if isinstance(told, FailureGroup) else told
                failed.append(f"{operation.label} ({mode.value}): {first}")
    assert not failed, "\n\n".join(failed)
    assert client.get("/api/htc/health").status_code == 200


def test_every_operation_and_every_field_is_described(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    ids = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            ids.append(operation["operationId"])
            assert operation["operationId"].isidentifier(), where
            assert len(operation["operationId"]) <= 30, f"{where}: an id of its own, not one made of the path"
            assert operation.get("summary"), where
            assert operation.get("description"), where
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), f"{where}: {parameter['name']}"
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and status != "503":
                    assert "application/problem+json" in answer["content"], f"{where}: {status}"
    assert len(set(ids)) == len(ids)
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name
        for field, told in schema.get("properties", {}).items():
            assert told.get("description"), f"{name}.{field}"


def test_every_field_with_a_unit_names_it(client: httpx.Client) -> None:
    units = {
        "_gpa": "GPa",
        "_kelvin": "K",
        "_mev": "meV",
        "_thz": "THz",
        "tc_": "K",
        "omega_log": "K",
        "omega_2": "K",
    }
    for name, schema in client.get("/openapi.json").json()["components"]["schemas"].items():
        for field, told in schema.get("properties", {}).items():
            kinds = str(told)
            if "'number'" not in kinds:
                continue
            for part, unit in units.items():
                if part in field or field.startswith(part):
                    assert unit in told["description"], f"{name}.{field}"
