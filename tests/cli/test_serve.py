"""``htc serve`` as a process: it answers, it stops when told, it leaves nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from htc.cli.exit_codes import ExitCode
from htc.store.embedded import EmbeddedServer

Start = Callable[..., "subprocess.Popen[str]"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(process: subprocess.Popen[str], url: str) -> httpx.Response:
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        try:
            return httpx.get(url, timeout=30)
        except httpx.TransportError:
            time.sleep(0.05)


def test_it_serves_stops_and_leaves_nothing_behind(start: Start, home: Path) -> None:
    port = free_port()
    process = start(home, "serve", "--port", port)
    url = f"http://127.0.0.1:{port}/api/htc"
    health = wait_until_it_answers(process, f"{url}/health")
    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    answer = httpx.post(f"{url}/predict", json={"composition": "MgB2", "pressure_gpa": 0.0}, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["reduced_formula"] == "MgB2"
    assert answer.json()["tc_predicted"] > 0.0

    second = start(home, "serve", "--port", port)
    _, err = second.communicate(timeout=60)
    assert second.returncode == ExitCode.USAGE
    assert f"port {port} cannot be used" in err
    assert "choose another" in err
    assert "Traceback" not in err

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {ExitCode.OK, ExitCode.INTERRUPTED}
    assert "Traceback" not in err
    assert EmbeddedServer(home).status().state == "stopped"


def test_a_database_that_cannot_be_opened_is_said_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    process = start(tmp_path / "home", "serve", "--port", free_port())
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.DATABASE
    assert str(tmp_path / "home") in err
    assert "Traceback" not in err


def test_a_model_that_cannot_be_loaded_is_said_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"model = '{tmp_path / 'absent'}'\n")
    process = start(tmp_path, "serve", "--port", free_port())
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.MODEL
    assert str(tmp_path / "absent") in err
    assert "Traceback" not in err
