"""Backups: what they bring back, and what is left when making or restoring one goes wrong."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from htc.errors import (
    DatabaseUnavailableError,
    InputError,
    NotFoundError,
    SchemaError,
    SettingsError,
    StorageError,
    StoreError,
)
from htc.settings import Settings
from htc.store import Database, catalogue, get, save, schema, start_run
from htc.store.backup import Backup, back_up, differences, read_contents, restore
from htc.store.backup import programs as programs_module
from htc.store.backup import verify as verify_module
from htc.store.backup.archive import manifest_path, read_archive
from htc.store.backup.programs import ClientPrograms, all_programs
from htc.store.doctor.drift import DRIFT_CHECKS
from htc.store.embedded import EmbeddedServer
from htc.store.locks import BACKUP_LOCK
from htc.store.schema import HEAD

if TYPE_CHECKING:
    from htc.prediction.record import Prediction
    from htc.store.backup import Contents

Maker = Callable[..., "Prediction"]


def settings_of(database: Database, home: Path) -> Settings:
    url = database.engine.url.render_as_string(hide_password=False)
    return Settings(home=home, database_url=url)  # type: ignore[arg-type]  # pydantic wraps the secret


def contents_of(database: Database) -> Contents:
    with database.connect() as connection:
        return read_contents(connection)


def fill(database: Database, make_prediction: Maker, count: int = 5) -> list[str]:
    run = start_run(database, "batch", created_by="test")
    predictions = [make_prediction(i, source="100 % \\ \t\n 'größe' \U0001d54f") for i in range(count)]
    return [saved.id for saved in save(database, predictions, run=run)]


def execute(database: Database, *statements: str) -> None:
    with database.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def databases_on(database: Database) -> set[str]:
    with database.connect() as connection:
        return set(connection.execute(text("SELECT datname FROM pg_database")).scalars())


@pytest.fixture
def filled_home(home: Path, make_prediction: Maker) -> Path:
    """An HTC_HOME of one's own with five predictions."""
    with Database.open(Settings(home=home)) as database:
        fill(database, make_prediction)
    return home


@pytest.fixture(scope="session")
def kept_backup(ready_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of an empty, migrated database; copy it, do not change it."""
    folder = tmp_path_factory.mktemp("backup")
    shutil.copytree(ready_home, folder / "home")
    return back_up(Settings(home=folder / "home"), folder / "kept.dump").file


@pytest.fixture
def some_backup(kept_backup: Path, tmp_path: Path) -> Path:
    """A backup with its manifest, of this test's own."""
    file = tmp_path / "some.dump"
    shutil.copy(kept_backup, file)
    shutil.copy(manifest_path(kept_backup), manifest_path(file))
    return file


def test_what_comes_back_is_what_was_there(
    database: Database, server: Any, make_prediction: Maker, tmp_path: Path
) -> None:
    ids = fill(database, make_prediction)
    before = contents_of(database)
    made = back_up(settings_of(database, tmp_path / "home"), tmp_path / "all.dump")
    assert differences(before, made.manifest.contents) == []
    assert made.manifest.verified_on is not None
    assert before.tables["public.htc_predictions"].rows == 5
    for path in (made.file, manifest_path(made.file)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.dump", "all.dump.json", "home"]
    assert not (tmp_path / "home/verify").exists()
    with server.empty() as other:
        restored = restore(settings_of(other, tmp_path / "home"), made.file)
        assert (restored.compared, restored.kept_as, restored.revision) == (True, None, HEAD)
        assert differences(before, contents_of(other)) == []
        assert get(other, ids[3]).prediction == get(database, ids[3]).prediction
        save(other, [make_prediction(99)])  # sequences go on where they were
        start_run(other, "batch", created_by="test")


def test_a_restored_schema_is_the_schema_as_it_should_be(
    database: Database, server: Any, make_prediction: Maker, tmp_path: Path
) -> None:
    fill(database, make_prediction)
    made = back_up(settings_of(database, tmp_path / "home"), tmp_path / "all.dump")
    with server.empty() as other:
        restore(settings_of(other, tmp_path / "home"), made.file)
        with other.connect() as connection:
            assert catalogue.differences(catalogue.expected(HEAD), catalogue.read(connection)) == []
            found = [f for check in DRIFT_CHECKS for f in check(connection, other)]
    assert {f.check_id: f.verdict for f in found}["schema.constraints"] == "ok"
    assert {f.verdict for f in found} == {"ok"}


def test_from_one_major_version_to_the_other(
    server: Any, embedded_server: Any, make_prediction: Maker, tmp_path: Path
) -> None:
    with server.migrated() as old, embedded_server.empty() as new:
        fill(old, make_prediction)
        made = back_up(settings_of(old, tmp_path), tmp_path / "a.dump")
        restore(settings_of(new, tmp_path), made.file)
        assert differences(contents_of(old), contents_of(new)) == []


def test_a_backup_by_newer_programs_can_be_restored_on_an_older_server(
    server: Any, make_prediction: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = all_programs()[-1]
    monkeypatch.setattr(programs_module, "all_programs", lambda: [newest])
    monkeypatch.setattr("htc.store.backup.archive.all_programs", lambda: [newest])
    with server.migrated() as old, server.empty() as new:
        fill(old, make_prediction)
        made = back_up(settings_of(old, tmp_path), tmp_path / "a.dump")
        assert made.manifest.dumped_by == newest.major
        restore(settings_of(new, tmp_path), made.file)
        assert differences(contents_of(old), contents_of(new)) == []


def test_the_embedded_database_moves_to_another_home(
    filled_home: Path, tmp_path: Path, make_prediction: Maker
) -> None:
    made = back_up(Settings(home=filled_home))
    assert made.file.parent == filled_home / "backups"
    other = Settings(home=tmp_path / "other")
    assert restore(other, made.file).rows["public.htc_predictions"] == 5
    with Database.open(other) as database:
        assert contents_of(database).tables == made.manifest.contents.tables
        assert not save(database, [make_prediction(0, source="100 % \\ \t\n 'größe' \U0001d54f")])[0].is_new
        assert {n for n in databases_on(database) if n.startswith("htc")} == {"htc"}
    assert EmbeddedServer(filled_home).status().state == "stopped"


def test_what_is_written_meanwhile_is_not_half_in_it(
    database: Database, make_prediction: Maker, tmp_path: Path
) -> None:
    fill(database, make_prediction)
    numbers = iter(range(1000, 2000))

    def write(*_: object) -> None:
        save(database, [make_prediction(next(numbers))])

    made = back_up(settings_of(database, tmp_path), tmp_path / "a.dump", tell=write)
    assert next(numbers) > 1003
    assert made.manifest.contents.tables["public.htc_predictions"].rows == 5


def test_progress_ends_at_its_total(filled_home: Path, tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    told_in_order = True

    def tell(what: str, done: int, total: int) -> None:
        nonlocal told_in_order
        told_in_order &= 0 <= done <= total
        told[what] = (done, total)

    made = back_up(Settings(home=filled_home), tmp_path / "a.dump", tell=tell)
    restore(Settings(home=filled_home), made.file, replace=True, tell=tell)
    assert told_in_order
    assert all(done == total for done, total in told.values())
    assert {"counting rows", "writing rows", "restoring to compare", "checksum", "restoring rows"} == set(
        told
    )


def test_a_backup_that_loses_a_row_is_not_kept(
    filled_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(archive: Any, database: Database, **options: Any) -> None:
        original(archive, database, **options)
        execute(database, "DELETE FROM htc_predictions WHERE ctid IN (SELECT min(ctid) FROM htc_predictions)")

    original = verify_module.load
    monkeypatch.setattr(verify_module, "load", lossy)
    with pytest.raises(StorageError, match=r"public\.htc_predictions has 4 rows, it had 5"):
        back_up(Settings(home=filled_home), tmp_path / "a.dump")
    assert not list(tmp_path.glob("*a.dump*"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE runs SET label = 'x'", "public.runs has as many rows as before, 1, but not the same ones"),
        ("DROP INDEX ix_runs_created_at", "indexes: public.ix_runs_created_at is missing"),
        ("DROP VIEW htc_predictions_v003", "views: public.htc_predictions_v003 is missing"),
        ("CREATE TABLE surplus ()", "the table public.surplus is new"),
        ("DROP TABLE test_telemetry", "the table public.test_telemetry is missing"),
        ("UPDATE alembic_version SET version_num = 'x'", "the revision is x"),
        ("ALTER TABLE runs ALTER label TYPE text", "columns: public.runs is now"),
        (
            "ALTER TABLE runs DROP CONSTRAINT ck_runs_kind_given",
            "constraints: public.runs ck_runs_kind_given",
        ),
        ("CREATE OR REPLACE VIEW seen AS SELECT 2 AS a", "views: public.seen is now"),
    ],
)
def test_every_kind_of_difference_is_seen(database: Database, change: str, said: str) -> None:
    start_run(database, "batch", created_by="test")
    execute(database, "CREATE VIEW seen AS SELECT 1 AS a")
    before = contents_of(database)
    assert differences(before, contents_of(database)) == []
    execute(database, change)
    assert any(sentence.startswith(said) for sentence in differences(before, contents_of(database)))


def test_a_manifest_is_read_as_it_was_written(kept_backup: Path) -> None:
    from htc.store.backup.archive import read_manifest

    manifest = read_manifest(kept_backup)
    assert manifest is not None
    assert manifest.as_dict() == json.loads(manifest_path(kept_backup).read_text())


def test_nothing_is_overwritten(filled_home: Path, tmp_path: Path) -> None:
    for name in ("a.dump", "b.dump.json"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(InputError, match="exists already"):
            back_up(Settings(home=filled_home), tmp_path / name.removesuffix(".json"))
        assert (tmp_path / name).read_text() == "precious"


def test_nothing_to_back_up(tmp_path: Path, empty_database: Database) -> None:
    with pytest.raises(NotFoundError, match="no database yet"):
        back_up(Settings(home=tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(NotFoundError, match="no table of htc"):
        back_up(settings_of(empty_database, tmp_path), tmp_path / "a.dump")


def test_a_folder_that_is_not_there_or_not_writable(
    filled_home: Path, tmp_path: Path, tmpfs: Callable[[str], Path]
) -> None:
    with pytest.raises(StorageError, match="no such folder"):
        back_up(Settings(home=filled_home), tmp_path / "none" / "a.dump")
    with pytest.raises(StorageError, match="Read-only file system"):
        back_up(Settings(home=filled_home), tmpfs("ro,size=1m") / "a.dump")


def test_no_room_for_the_file(
    home: Path, make_prediction: Maker, tmpfs: Callable[[str], Path], tmp_path: Path
) -> None:
    with Database.open(Settings(home=home)) as database:
        noise = {"lattice": {}, "sites": [{"label": os.urandom(300_000).hex()}]}
        save(database, [make_prediction(1, structure=noise)])
    small = tmpfs("size=200k")
    with pytest.raises(StorageError, match="no room for the backup"):
        back_up(Settings(home=home), small / "a.dump")
    assert list(small.iterdir()) == []


def test_no_room_to_verify_is_seen_beforehand(
    filled_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(verify_module.shutil, "disk_usage", lambda _: usage._replace(free=10_000_000))
    with pytest.raises(StorageError, match=r"0\.0 GB are free, a second copy"):
        back_up(Settings(home=filled_home), tmp_path / "a.dump")
    assert not list(tmp_path.glob("*a.dump*"))
    assert back_up(Settings(home=filled_home), tmp_path / "a.dump", check=False).manifest.verified_on is None


def test_a_server_newer_than_every_pg_dump(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs_module, "all_programs", lambda: [ClientPrograms(Path("/old/bin"), 14)])
    with pytest.raises(DatabaseUnavailableError, match="newest pg_dump on this machine is 14") as caught:
        back_up(settings_of(database, tmp_path), tmp_path / "a.dump")
    assert "postgresql-client-" in str(caught.value.hint)


def test_tables_that_may_not_be_read(database: Database, tmp_path: Path, make_prediction: Maker) -> None:
    # A row of a superuser's that the table's owner may not see makes pg_dump refuse.
    fill(database, make_prediction, 1)
    execute(
        database,
        "CREATE ROLE htc_poor NOLOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO htc_poor",
        "REVOKE SELECT ON runs FROM htc_poor",
    )
    try:
        poor = database.engine.url.update_query_dict({"options": "-c role=htc_poor"})
        settings = Settings(home=tmp_path, database_url=poor.render_as_string())  # type: ignore[arg-type]  # pydantic
        with pytest.raises(StoreError, match="permission denied for table runs"):
            back_up(settings, tmp_path / "a.dump")
    finally:
        execute(database, "DROP OWNED BY htc_poor", "DROP ROLE htc_poor")


def test_no_password_among_arguments(
    database: Database, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []
    popen = subprocess.Popen

    class Spy(popen):  # type: ignore[type-arg, misc, valid-type]  # a class made at run time
        def __init__(self, command: Any, *rest: Any, **options: Any) -> None:
            seen.append(([str(part) for part in command], options.get("env") or {}))
            super().__init__(command, *rest, **options)

    monkeypatch.setattr(subprocess, "Popen", Spy)
    url = database.engine.url.set(password="open sesame'\\")
    settings = Settings(home=tmp_path, database_url=url.render_as_string(hide_password=False))  # type: ignore[arg-type]  # pydantic
    made = back_up(settings, tmp_path / "a.dump")
    database.engine.dispose()
    server._execute(f'DROP DATABASE "{restore(settings, made.file, replace=True).kept_as}"')
    commands = {Path(command[0]).name: (command, env) for command, env in seen}
    assert {"pg_dump", "pg_restore", "psql"} <= set(commands)
    assert not [command for command, _ in seen if "sesame" in " ".join(command)]
    assert commands["pg_dump"][1]["PGPASSWORD"] == "open sesame'\\"
    assert "sesame" not in manifest_path(made.file).read_text()
    secret = url.update_query_dict({"sslpassword": "sesame"})
    with pytest.raises(SettingsError, match="sslpassword") as caught:
        back_up(
            Settings(home=tmp_path, database_url=secret.render_as_string()),  # type: ignore[arg-type]  # pydantic
            tmp_path / "b.dump",
        )
    assert "sesame" not in str(caught.value)


def test_a_database_that_holds_something_is_left_alone(filled_home: Path, some_backup: Path) -> None:
    with pytest.raises(SchemaError, match="not empty") as caught:
        restore(Settings(home=filled_home), some_backup)
    assert "--replace" in str(caught.value.hint)
    with Database.open(Settings(home=filled_home)) as database:
        assert contents_of(database).tables["public.htc_predictions"].rows == 5


def test_replacing_keeps_the_old_database(
    database: Database, server: Any, make_prediction: Maker, tmp_path: Path, some_backup: Path
) -> None:
    fill(database, make_prediction)
    before = contents_of(database)
    settings = settings_of(database, tmp_path)
    name = str(database.engine.url.database)
    database.engine.dispose()
    restored = restore(settings, some_backup, replace=True)
    assert restored.kept_as is not None
    assert re.fullmatch(rf"{name}_before_\d{{8}}_\d{{6}}", restored.kept_as)
    try:
        assert contents_of(database).tables["public.htc_predictions"].rows == 0
        with server.open(restored.kept_as) as old:
            assert differences(before, contents_of(old)) == []
        assert not [n for n in databases_on(database) if "restoring" in n]
    finally:
        server._execute(f'DROP DATABASE "{restored.kept_as}" WITH (FORCE)')


def test_replacing_keeps_encoding_and_collation(server: Any, tmp_path: Path, some_backup: Path) -> None:
    query = "SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,dattablespace}'::text[]"
    query += " FROM pg_database d WHERE datname = current_database()"
    # The embedded server is built without ICU; PostgreSQL 15 has no locales of its own.
    other = "builtin BUILTIN_LOCALE 'C'" if server.name == "embedded" else "icu ICU_LOCALE 'und'"
    for number, way in enumerate(("LOCALE 'C.UTF-8'", f"LOCALE 'C' LOCALE_PROVIDER {other}")):
        name = f"htc_locale_{number}"
        server._execute(f"CREATE DATABASE {name} TEMPLATE template0 {way}")
        kept = None
        try:
            with server.open(name) as database:
                with database.connect() as connection:
                    before = connection.execute(text(query)).scalar_one()
                database.engine.dispose()
                kept = restore(settings_of(database, tmp_path), some_backup, replace=True).kept_as
                with database.connect() as connection:
                    assert connection.execute(text(query)).scalar_one() == before
        finally:
            for each in (name, kept):
                if each:
                    server._execute(f'DROP DATABASE IF EXISTS "{each}" WITH (FORCE)')


def test_a_database_in_use_is_not_replaced(
    database: Database, make_prediction: Maker, tmp_path: Path, some_backup: Path
) -> None:
    fill(database, make_prediction)
    with database.connect() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailableError, match="1 other connection uses"):
            restore(settings_of(database, tmp_path), some_backup, replace=True)
    assert contents_of(database).tables["public.htc_predictions"].rows == 5
    assert not [n for n in databases_on(database) if n.startswith(f"{database.engine.url.database}_")]


def test_one_restore_at_a_time(database: Database, server: Any, tmp_path: Path, some_backup: Path) -> None:
    with server.open("postgres") as other, other.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": BACKUP_LOCK})
        with pytest.raises(DatabaseUnavailableError, match="another backup or restore is at work"):
            restore(settings_of(database, tmp_path), some_backup, replace=True)


@pytest.mark.parametrize(
    ("damage", "with_manifest"),
    [
        ("cut", True),
        ("cut", False),
        ("cut early", False),
        ("rows", True),
        ("rows", False),
        # Neither of these is seen without a checksum: a name in the head, and what follows the end.
        ("head", True),
        ("longer", True),
    ],
)
def test_a_damaged_file_changes_nothing(
    filled_home: Path, tmp_path: Path, damage: str, with_manifest: bool
) -> None:
    settings = Settings(home=filled_home)
    file = back_up(settings, tmp_path / "a.dump", check=False).file
    content = bytearray(file.read_bytes())
    if damage == "longer":
        content += b"x"
    elif damage.startswith("cut"):
        del content[len(content) // 2 if damage == "cut early" else -100 :]
    else:
        # The rows are compressed: anything changed there is seen by zlib, or by the server.
        content[content.rindex(b"x\x9c") + 5 if damage == "rows" else 60] ^= 0xFF
    file.write_bytes(content)
    if not with_manifest:
        manifest_path(file).unlink()
    with pytest.raises((StorageError, StoreError)) as caught:
        restore(settings, file, replace=True)
    if with_manifest:
        assert isinstance(caught.value, StorageError)
    for fresh in (False, True):
        with pytest.raises(StoreError):
            restore(Settings(home=tmp_path / "fresh") if fresh else settings, file, replace=not fresh)
    with Database.open(settings) as database:
        assert contents_of(database).tables["public.htc_predictions"].rows == 5
        assert {n for n in databases_on(database) if n.startswith("htc")} == {"htc"}
    if (tmp_path / "fresh").exists():
        with Database.open(Settings(home=tmp_path / "fresh"), ensure_schema=False) as database:
            assert contents_of(database).tables == {}


def test_files_of_another_kind_are_named(kept_backup: Path, tmp_path: Path) -> None:
    def refused(name: str, content: bytes) -> InputError:
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(InputError) as caught:
            restore(Settings(home=tmp_path / "home"), file)
        return caught.value

    content = kept_backup.read_bytes()
    assert "an empty file" in str(refused("empty", b""))
    assert "not a backup" in str(refused("text", b"Tc,formula\n39,MgB2\n"))
    assert "a dump in SQL" in str(refused("a.sql", b"--\n-- PostgreSQL database dump\n--\n"))
    assert "compressed with gzip" in str(refused("a.gz", gzip.compress(b"anything")))
    assert "gunzip" in str(refused("b.gz", gzip.compress(content)))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(kept_backup, "kept.dump")
    assert "a tar file" in str(refused("b.tar", (tmp_path / "a.tar").read_bytes()))
    with pytest.raises(InputError, match="a folder"):
        restore(Settings(home=tmp_path / "home"), tmp_path)
    with pytest.raises(InputError, match="no such file"):
        restore(Settings(home=tmp_path / "home"), tmp_path / "none")
    newer = content[:5] + bytes([1, 99, 0]) + content[8:]
    assert "newer than the PostgreSQL programs" in str(refused("newer", newer))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("text_of", ["{", "[]", '{"format": "htc-backup-1"}', '{"format": "htc-backup-2"}'])
def test_a_manifest_that_is_none(some_backup: Path, tmp_path: Path, text_of: str) -> None:
    manifest_path(some_backup).write_text(text_of)
    with pytest.raises(InputError, match="manifest"):
        restore(Settings(home=tmp_path / "home"), some_backup)


def dumped(database: Database, file: Path) -> Path:
    """A plain ``pg_dump --format=custom``, as anybody makes it."""
    from htc.store.backup.programs import programs_for_dump
    from htc.store.backup.write import dump

    dump(database, file, programs_for_dump(database.server_version // 10_000))
    return file


def test_a_database_of_something_else_is_refused(empty_database: Database, tmp_path: Path) -> None:
    execute(empty_database, "CREATE TABLE books (title text)")
    file = dumped(empty_database, tmp_path / "books.dump")
    with pytest.raises(InputError, match="none of htc: books"):
        restore(Settings(home=tmp_path / "home"), file)


def test_a_newer_revision_is_refused(database: Database, tmp_path: Path) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '999_tomorrow'")
    file = dumped(database, tmp_path / "newer.dump")
    with pytest.raises(SchemaError, match="999_tomorrow, which this program does not know") as caught:
        restore(Settings(home=tmp_path / "home"), file)
    assert "update htc" in str(caught.value.hint)


def test_a_database_of_a_newer_htc_can_be_backed_up(
    database: Database, server: Any, make_prediction: Maker, tmp_path: Path
) -> None:
    fill(database, make_prediction)
    execute(database, "UPDATE alembic_version SET version_num = '999_tomorrow'")
    made = back_up(settings_of(database, tmp_path / "home"), tmp_path / "newer.dump")
    assert made.manifest.verified_on is not None
    with server.empty() as other, pytest.raises(SchemaError, match="999_tomorrow") as caught:
        restore(settings_of(other, tmp_path / "home"), made.file)
    assert "update htc" in str(caught.value.hint)


def test_a_plain_dump_of_an_earlier_deployment_comes_back_as_it_was(
    database: Database, server: Any, tmp_path: Path
) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '001_add_test_telemetry'")
    file = dumped(database, tmp_path / "old.dump")
    assert read_archive(file).revision == "001_add_test_telemetry"
    with server.empty() as other:
        restored = restore(settings_of(other, tmp_path), file)
        assert (restored.compared, restored.revision) == (False, "001_add_test_telemetry")
    execute(database, "DROP TABLE alembic_version")
    assert read_archive(dumped(database, tmp_path / "unstamped.dump")).revision is None


def test_a_database_at_003_can_be_backed_up_before_its_upgrade(
    database: Database, server: Any, make_prediction: Maker, tmp_path: Path
) -> None:
    fill(database, make_prediction)
    schema.downgrade(database, "003_htc_predictions")
    made = back_up(settings_of(database, tmp_path), tmp_path / "before.dump")
    assert made.manifest.contents.revision == "003_htc_predictions"
    with server.empty() as other:
        restore(settings_of(other, tmp_path), made.file)
        schema.upgrade(other)
        assert contents_of(other).tables["public.htc_predictions"].rows == 5


def test_what_was_granted_is_granted_again(database: Database, server: Any, tmp_path: Path) -> None:
    execute(database, "CREATE ROLE htc_reader NOLOGIN", "GRANT SELECT ON htc_predictions TO htc_reader")
    can_read = "SELECT has_table_privilege('htc_reader', 'htc_predictions', 'SELECT')"
    try:
        made: Backup = back_up(settings_of(database, tmp_path), tmp_path / "a.dump")
        assert "htc_reader" in made.manifest.grantees
        with server.empty() as other:
            assert restore(settings_of(other, tmp_path), made.file).with_grants
            with other.connect() as connection:
                assert connection.execute(text(can_read)).scalar_one()
            execute(other, "DROP OWNED BY htc_reader")
    finally:
        execute(database, "DROP OWNED BY htc_reader", "DROP ROLE htc_reader")
    with server.empty() as other:
        assert not restore(settings_of(other, tmp_path), made.file).with_grants


def test_a_server_that_refuses_leaves_the_database_empty(
    database: Database, embedded_server: Any, tmp_path: Path
) -> None:
    # The last statement of the script fails; everything before it is taken back.
    execute(
        database,
        "CREATE FUNCTION only_here() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
        " RETURN (SELECT count(*) FROM public.runs) / (SELECT count(*) FROM public.runs); END $$",
        "INSERT INTO runs (id, kind, created_by) VALUES ('r', 'batch', 'test')",
        "CREATE MATERIALIZED VIEW zz_last AS SELECT public.only_here() AS one",
        "DELETE FROM runs",
    )
    file = dumped(database, tmp_path / "a.dump")
    with embedded_server.empty() as other:
        with pytest.raises(StoreError, match="the server refuses the backup: division by zero"):
            restore(settings_of(other, tmp_path), file)
        assert contents_of(other).tables == {}
    with pytest.raises(StoreError, match="division by zero"):
        back_up(settings_of(database, tmp_path), tmp_path / "b.dump")
    assert not list(tmp_path.glob("*b.dump*"))


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from htc.settings import Settings
from htc.store.backup import back_up, restore
home, file, wanted, what = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
phases = []
def tell(what, *_):
    if phases[-1:] != [what]:
        phases.append(what)
    if len(phases) > wanted:
        os.kill(os.getpid(), signal.SIGKILL)
if what == "backup":
    back_up(Settings(home=home), file, tell=tell)
else:
    restore(Settings(home=home), file, replace=True, tell=tell)
"""


def killed_at(moment: int, what: str, home: Path, file: Path) -> bool:
    """Run a backup or restore that is killed in its nth phase; whether it came to that."""
    command = [sys.executable, "-c", KILLED_AT, str(home), str(file), str(moment), what]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.slow
def test_a_killed_backup_leaves_no_file_of_its_name(filled_home: Path, tmp_path: Path) -> None:
    moments = itertools.count()
    settings, file = Settings(home=filled_home), tmp_path / "a.dump"
    while killed_at(next(moments), "backup", filled_home, file):
        assert not file.exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert file.exists()
    assert next(moments) == 6
    back_up(settings, tmp_path / "b.dump")
    with Database.open(settings) as database:
        assert {n for n in databases_on(database) if n.startswith("htc")} == {"htc"}
        assert contents_of(database).tables["public.htc_predictions"].rows == 5
    assert EmbeddedServer(filled_home).status().state == "stopped"


@pytest.mark.slow
def test_a_killed_restore_leaves_the_old_database_or_the_new_one(
    filled_home: Path, some_backup: Path
) -> None:
    moments = itertools.count()
    settings = Settings(home=filled_home)
    while killed_at(next(moments), "restore", filled_home, some_backup):
        with Database.open(settings) as database:
            assert contents_of(database).tables["public.htc_predictions"].rows == 5
    with Database.open(settings) as database:
        assert contents_of(database).tables["public.htc_predictions"].rows == 0
        left = {n for n in databases_on(database) if n.startswith("htc")} - {"htc"}
    assert len(left) == 1
    assert left.pop().startswith("htc_before_")
