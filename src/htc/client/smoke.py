"""A few questions to a service just deployed, in the order in which failures hide behind one another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import httpx

from htc.client.client import Client
from htc.errors import HTCError, UnauthenticatedError

__all__ = ["Check", "smoke"]

_PAUSE_S: Final = 0.5
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """One question and what came of it."""

    name: str
    passed: bool
    said: str
    """What was answered, or what is wrong and what to do."""
    seconds: float


class _WrongError(Exception):
    """An answer that should not be; its text says what is wrong."""


def smoke(
    base_url: str,
    *,
    key: str | None = None,
    composition: str = "MgB2",
    wait_s: float = 60.0,
    version: str | None = None,
) -> Iterator[Check]:
    """Ask a service whether it works; the first check that fails is the last.

    It stores at most one prediction: the same question is answered by the stored one the next time.

    Args:
        base_url: address of the service.
        key: access key with the scope ``predict``; None where the service needs none.
        composition: formula to predict.
        wait_s: how long a service may take to come up, s.
        version: the version of HTC that must answer; None for any.
    """
    with httpx.Client(base_url=base_url, timeout=_TIMEOUT_S) as http, Client(base_url, key=key) as htc:
        found: list[str] = []

        def live() -> str:
            _until(lambda: _status(http, "/livez"), wait_s)
            return "the process answers"

        def ready() -> str:
            _until(lambda: _status(http, "/readyz"), wait_s)
            return "the database answers and its revision fits"

        def health() -> str:
            state = htc.health()
            if state.status != "ok":
                raise _WrongError("; ".join(state.problems) or state.status)
            if version is not None and state.version != version:
                raise _WrongError(f"version {state.version} answers, not {version}")
            return f"htc {state.version}, model {state.model_id}, database at {state.database_revision}"

        def locked() -> str:
            try:
                with Client(base_url) as stranger:
                    stranger.predict(composition)
            except UnauthenticatedError:
                return "nobody predicts without a key"
            raise _WrongError("a prediction without a key was answered; set HTC_ACCESS=keys")

        def predict() -> str:
            made = htc.predict(composition)
            tc, low, high = made.tc_predicted, made.tc_lower_95ci, made.tc_upper_95ci
            if tc is None or low is None or high is None:
                raise _WrongError(f"there is no Tc of {composition}: {made.reason}")
            if not 0 <= low <= tc <= high:
                raise _WrongError(f"Tc {tc} K lies outside of its interval, {low} to {high} K")
            found.append(made.id)
            return f"Tc of {composition} is {tc:.1f} K ({low:.1f} to {high:.1f} K)"

        def stored() -> str:
            again = htc.prediction(found[0])
            if again.id != found[0] or again.tc_predicted is None:
                raise _WrongError(f"prediction {found[0]} reads back as {again.id}, {again.tc_predicted} K")
            return f"it is stored as {again.id}"

        def ranked() -> str:
            if not htc.rankings(1).rows:
                raise _WrongError("the ranking is empty although a prediction is stored")
            return "the ranking answers"

        checks: list[tuple[str, Callable[[], str]]] = [
            ("live", live),
            ("ready", ready),
            ("health", health),
            *([("locked", locked)] if key else []),
            ("predict", predict),
            ("stored", stored),
            ("ranked", ranked),
        ]
        for name, ask in checks:
            began = time.perf_counter()
            try:
                said, passed = ask(), True
            except (_WrongError, HTCError, httpx.HTTPError) as error:
                said, passed = str(error) or type(error).__name__, False
            yield Check(name, passed, said, time.perf_counter() - began)
            if not passed:
                return


def _status(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    if answer.status_code != httpx.codes.OK:
        raise _WrongError(f"{path} answers {answer.status_code}: {answer.text[:200]}")


def _until(ask: Callable[[], None], wait_s: float) -> None:
    """Ask until there is no complaint, or no time."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            ask()
        except (_WrongError, httpx.TransportError) as error:
            if time.monotonic() > deadline:
                raise _WrongError(f"{error}; waited {wait_s:g} s") from error
        else:
            return
        time.sleep(_PAUSE_S)
