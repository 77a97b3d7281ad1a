"""``htc keys``: made once, listed without its secret, revoked; and what was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from htc.cli.exit_codes import ExitCode
from htc.store import Database
from htc.store.audit import AuditEntry, write_audit
from htc.store.keys import find_key

Run = Callable[..., Any]


def test_create_list_revoke(database_in_settings: Database, run: Run) -> None:
    assert "there is no usable key" in run("keys", "list").err
    done = run("keys", "create", "notebook", "--scope", "predict", "--expires", "90d")
    assert done.code == ExitCode.OK
    text = done.out.strip()
    assert "cannot be shown again" in done.err
    assert text not in done.err
    key = find_key(database_in_settings, text)
    assert key is not None
    assert (key.name, key.scopes) == ("notebook", ("predict",))
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in {89, 90}

    shown = run("keys", "list")
    assert "notebook" in shown.out
    assert text.split("_")[2] not in shown.out
    (listed,) = json.loads(run("keys", "list", "--json").out)
    assert (listed["prefix"], listed["state"]) == (key.prefix, "usable")
    assert not {"key", "key_hash"} & set(listed)

    assert "is revoked" in run("keys", "revoke", "notebook").out
    assert json.loads(run("keys", "list", "--json").out) == []
    assert json.loads(run("keys", "list", "--all", "--json").out)[0]["state"] == "revoked"


def test_what_a_key_may_and_for_how_long(database_in_settings: Database, run: Run) -> None:
    made = json.loads(run("keys", "create", "a", "--json").out)
    assert made["scopes"] == ["read"]
    assert made["expires_at"] is not None
    made = json.loads(run("keys", "create", "a", "--expires", "never", "--scope", "run", "--json").out)
    assert made["expires_at"] is None
    made = json.loads(run("keys", "create", "a", "--expires", "2090-01-31", "--json").out)
    assert made["expires_at"] == "2090-01-31T00:00:00+00:00"
    for wrong in (("--expires", "soon"), ("--expires", "2001-01-01"), ("--scope", "root")):
        done = run("keys", "create", "a", *wrong)
        assert done.code == ExitCode.USAGE
        assert done.out == ""
    assert run("keys", "revoke", "nobody").code == ExitCode.NOT_FOUND
    assert run("keys", "revoke", "a").code == ExitCode.USAGE


def test_audit(database_in_settings: Database, run: Run) -> None:
    assert "nothing was written" in run("keys", "audit").err
    write_audit(
        database_in_settings,
        [
            AuditEntry(
                "r1",
                "address:127.0.0.1",
                "POST",
                "/api/htc/screen",
                "/api/htc/screen",
                202,
                details={"run": "x"},
            )
        ],
    )
    assert "POST /api/htc/screen" in run("keys", "audit", "--since", "1h").out
    (told,) = json.loads(run("keys", "audit", "--json").out)
    assert (told["request_id"], told["details"]) == ("r1", {"run": "x"})
    assert json.loads(run("keys", "audit", "--json", "--key", "nobody").out) == []
    assert run("keys", "audit", "--since", "whenever").code == ExitCode.USAGE


def test_others_are_served_only_with_keys(
    database_in_settings: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_HOST", "0.0.0.0")
    done = run("serve", "--port", "18999")
    assert done.code == ExitCode.USAGE
    assert "there is no access key" in done.err
    assert "htc keys create" in done.err
    monkeypatch.setenv("HTC_ACCESS", "open")
    done = run("serve", "--port", "18999")
    assert done.code == ExitCode.USAGE
    assert "this machine only" in done.err
