"""``htc delete``: what is set aside is gone from the ranking and can come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from htc.store import save
from htc.store.database import Database

if TYPE_CHECKING:
    from htc.prediction.record import Prediction


def test_aside_and_back(
    database_in_settings: Database, make_prediction: Callable[..., Prediction], run: Callable[..., Any]
) -> None:
    (saved,) = save(database_in_settings, [make_prediction()])
    begins = saved.id[:8]
    assert "1 set aside" in run("delete", begins).out
    assert json.loads(run("top", "--json").out) == []
    assert "set aside" in run("show", begins).out
    answer = json.loads(run("delete", "--undo", "--json", begins).out)
    assert answer == {"ids": [saved.id], "changed": 1, "set_aside": False}
    assert [row["id"] for row in json.loads(run("top", "--json").out)] == [saved.id]


def test_an_unknown_id_is_an_error_with_its_own_exit_code(
    database_in_settings: Database, run: Callable[..., Any]
) -> None:
    done = run("delete", "nothing-like-it")
    assert done.code == 6
    assert "nothing-like-it" in done.err
