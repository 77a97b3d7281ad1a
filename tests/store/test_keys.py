"""Access keys and the log of writes in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from htc.errors import InputError, NotFoundError
from htc.store import Database
from htc.store.audit import AuditEntry, read_audit, write_audit
from htc.store.keys import count_usable_keys, create_key, find_key, list_keys, looks_like_a_key, revoke_key


def test_a_key_is_found_by_its_text_alone(database: Database) -> None:
    made = create_key(database, "mine", ["predict", "read"], created_by="tests")
    assert looks_like_a_key(made.text)
    found = find_key(database, made.text)
    assert found is not None
    assert found.id == made.key.id
    assert made.key.scopes == ("read", "predict")
    assert (made.key.allows("read"), made.key.allows("run")) == (True, False)
    for other in (made.text[:-1], made.text + "0", made.key.prefix, f"htc_{made.key.prefix}_{'0' * 64}", ""):
        assert find_key(database, other) is None


def test_admin_includes_everything(database: Database) -> None:
    made = create_key(database, "admin", ["admin"], created_by="tests").key
    assert all(made.allows(scope) for scope in ("read", "predict", "run", "admin"))


def test_usable_keys_are_neither_revoked_nor_expired(database: Database) -> None:
    now = datetime.now(UTC)
    create_key(database, "forever", ["read"], created_by="tests")
    create_key(database, "today", ["read"], created_by="tests", expires_at=now + timedelta(days=1))
    short = create_key(database, "short", ["read"], created_by="tests", expires_at=now + timedelta(days=2))
    with database.begin() as connection:
        connection.execute(
            sa.text("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = :id"),
            {"id": short.key.id},
        )
    revoke_key(database, "today")
    assert count_usable_keys(database) == 1
    assert {key.name: key.fault() for key in list_keys(database)} == {
        "forever": None, "today": "revoked", "short": "expired",
    }  # fmt: skip
    found = find_key(database, short.text)
    assert found is not None
    assert found.fault() == "expired"
    assert found.last_used_at is None, "a key that is refused is not used"


def test_a_name_need_not_be_unique_but_then_does_not_name_a_key(database: Database) -> None:
    one = create_key(database, "twin", ["read"], created_by="tests").key
    two = create_key(database, "twin", ["read"], created_by="tests").key
    with pytest.raises(InputError, match="2 keys are named") as caught:
        revoke_key(database, "twin")
    assert one.prefix in str(caught.value.hint)
    revoked = revoke_key(database, one.prefix)
    assert revoke_key(database, one.id).revoked_at == revoked.revoked_at, "the first time stays"
    assert revoke_key(database, "twin").id == two.id
    with pytest.raises(NotFoundError):
        revoke_key(database, "nobody")


@pytest.mark.parametrize(
    ("named", "where"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "root"]}, "scopes"),
        ({"name": " "}, "name"),
        ({"name": "a\x1b[2J"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"expires_at": datetime(2001, 1, 1, tzinfo=UTC)}, "expires_at"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
    ],
)
def test_keys_that_cannot_be(database: Database, named: dict[str, object], where: str) -> None:
    wanted: dict[str, object] = {"name": "x", "scopes": ["read"], "created_by": "tests"} | named
    with pytest.raises(InputError) as caught:
        create_key(database, **wanted)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.where == where


def test_the_log_of_writes_holds_what_callers_send(database: Database) -> None:
    entries = [
        AuditEntry(
            "id\x00", "key:a:b", "POST", "/x/{id}", "/x/\x1b[2J\u202e" + "a" * 1000, 200, details={"n": n}
        )
        for n in range(3)
    ]
    write_audit(database, entries)
    found = read_audit(database, 2)
    assert [e.details["n"] for e in found.rows] == [2, 1]
    assert all(e.path.isprintable() and len(e.path) <= 500 for e in found.rows)
    assert [e.details["n"] for e in read_audit(database, after=found.next_cursor).rows] == [0]
    assert read_audit(database, since=datetime.now(UTC) + timedelta(hours=1)).rows == ()
    assert read_audit(database, key="nobody").rows == ()


def test_text_that_cannot_be_stored_is_the_callers_fault(database: Database) -> None:
    for text in ("a\x00b", "a\ud800b"):
        with pytest.raises(InputError, match="cannot be stored"):
            revoke_key(database, text)
        entry = AuditEntry("id", "actor", "POST", "/x", "/x", 200, details={"text": text})
        with pytest.raises(InputError, match="cannot be stored"):
            write_audit(database, [entry])
