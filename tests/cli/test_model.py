"""``htc model`` and ``htc settings``, and what a wrong setting looks like."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htc.cli.exit_codes import ExitCode
from htc.models.card import check_card
from htc.settings import Settings

Run = Callable[..., Any]


def test_the_card_in_json_follows_its_schema(run: Run) -> None:
    done = run("model", "info", "--json")
    assert done.code == 0
    card = json.loads(done.out)
    assert card.pop("model_id").startswith(f"{card['name']}-{card['version']}+")
    check_card(card, "htc model info --json")


def test_the_card_for_people(run: Run) -> None:
    done = run("model", "info")
    assert done.code == 0
    for text in ("ambient-networks-1+", "Alexandria", "CC BY 4.0", "held-out fold", "limits", "cuprates"):
        assert text in done.out


def test_a_model_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTC_MODEL", str(tmp_path / "absent"))
    for arguments in (("model", "info"), ("predict", "Nb", "--no-store")):
        done = run(*arguments)
        assert done.code == ExitCode.MODEL
        assert str(tmp_path / "absent") in done.err
        assert "HTC_MODEL" in done.err
        assert done.out == ""


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_data_must_be_named(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str) -> None:
    monkeypatch.delenv("HTC_DATA", raising=False)
    more = ("--out", tmp_path / "out") if command == "train" else ()
    done = run("model", command, *more)
    assert done.code == ExitCode.USAGE
    assert "set HTC_DATA" in done.err
    done = run("model", command, *more, "--data", tmp_path / "absent.jsonl")
    assert done.code == ExitCode.USAGE
    assert str(tmp_path / "absent.jsonl") in done.err
    assert not (tmp_path / "out").exists()


def test_formulas_to_exclude_are_checked_first(run: Run, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("MgB2\nMg2B?\n")
    done = run(
        "model",
        "train",
        "--out",
        tmp_path / "out",
        "--data",
        "x",
        "--exclude-formulas",
        tmp_path / "held.txt",
    )
    assert done.code == ExitCode.USAGE
    assert "Mg2B?" in done.err


def test_every_setting_is_shown_with_its_meaning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_MU_STAR", "0.11")
    monkeypatch.setenv("HTC_DATABASE_URL", "postgresql+psycopg://me:hidden-word@host/db")
    done = run("settings")
    assert done.code == 0
    for name in Settings.model_fields:
        assert f"HTC_{name.upper()}" in done.out
    assert "0.11" in done.out
    assert "settings file:" in done.out
    shown = json.loads(run("settings", "--json").out)
    assert set(shown) == set(Settings.model_fields)
    assert "hidden-word" not in done.out + json.dumps(shown)


def test_a_file_sets_what_the_environment_does_not(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text('mu_star = 0.16\ncreated_by = "file"\n')
    monkeypatch.setenv("HTC_HOME", str(tmp_path))
    monkeypatch.setenv("HTC_CREATED_BY", "environment")
    shown = json.loads(run("settings", "--json").out)
    assert (shown["mu_star"], shown["created_by"]) == (0.16, "environment")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("mu_star = ", "not valid TOML"),
        ("mu_star = 7.0\n", "mu_star is not usable"),
        ('mu_star = "strong"\n', "mu_star is not usable"),
        ("mu_sta = 0.1\n", "mu_sta is not usable"),
    ],
)
def test_a_wrong_settings_file_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    monkeypatch.setenv("HTC_CONFIG", str(path))
    done = run("predict", "Nb", "--no-store")
    assert done.code == ExitCode.USAGE
    assert message in done.err
    assert str(path) in done.err
    assert done.out == ""


def test_a_settings_file_that_is_no_text(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("HTC_CONFIG", str(path))
    done = run("settings")
    assert done.code == ExitCode.USAGE
    assert str(path) in done.err


def test_a_settings_file_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        monkeypatch.setenv("HTC_CONFIG", str(path))
        done = run("settings")
        assert done.code == ExitCode.USAGE
        assert f"HTC_CONFIG={path}" in done.err


def test_a_wrong_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_MU_STAR", "strong")
    done = run("settings")
    assert done.code == ExitCode.USAGE
    assert "HTC_MU_STAR" in done.err


@pytest.mark.parametrize(
    "arguments",
    [("--nonsense",), ("nonsense",), ("settings", "--nonsense"), ("model", "nonsense"), ("demo", "extra")],
)
def test_unknown_words_are_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == ExitCode.USAGE


@pytest.mark.parametrize(
    "command", ["predict", "demo", "serve", "settings", "model info", "model train", "model evaluate"]
)
def test_every_command_shows_an_example(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.code == 0
    assert f"htc {command}" in done.out
