"""``htc serve --workers 2``: whichever process answers a scrape tells of all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families as parse_text

Start = Callable[..., "subprocess.Popen[str]"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(process: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        try:
            httpx.get(url, timeout=30)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return


def scrape(url: str) -> dict[str, Metric]:
    # A connection of its own each time: so both processes come to answer.
    page = httpx.get(f"{url}/metrics", timeout=30)
    assert page.status_code == 200
    return {family.name: family for family in parse_text(page.text)}


def total(families: dict[str, Metric], sample: str, **labels: str) -> float:
    return sum(
        s.value
        for family in families.values()
        for s in family.samples
        if s.name == sample and labels.items() <= s.labels.items()
    )


def workers(families: dict[str, Metric]) -> set[int]:
    return {int(s.labels["pid"]) for s in families["process_resident_memory_bytes"].samples}


@pytest.mark.slow
def test_workers_count_together_and_outlive_one_of_them(start: Start, home: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(home, "serve", "--port", port, "--workers", 2, "--job-workers", 0)
    wait_until_it_answers(process, f"{url}/livez")
    deadline = time.monotonic() + 120
    while len(before := workers(scrape(url))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    for _ in range(30):
        assert httpx.get(f"{url}/api/htc/health", timeout=30).status_code == 200
    assert httpx.post(f"{url}/api/htc/predict", json={"composition": "Nb"}, timeout=60).status_code == 200
    pages = [scrape(url) for _ in range(12)]
    answered_by = {s.labels["pid"] for page in pages for s in page["htc_db_pool_connections"].samples}
    for page in pages:
        assert total(page, "htc_http_request_duration_seconds_count", route="/api/htc/health") == 30
        assert total(page, "htc_predictions_total", outcome="predicted") == 1
        assert total(page, "htc_http_requests_in_progress") == 1
        assert total(page, "htc_build_info") == 1
        assert workers(page) == before
    assert {int(pid) for pid in answered_by} <= before

    os.kill(min(before), signal.SIGKILL)
    deadline = time.monotonic() + 120
    while True:
        try:
            page = scrape(url)
            if len(workers(page)) == 2 and workers(page) != before:
                break
        except httpx.TransportError:
            pass  # the connection was the dead worker's
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert total(page, "htc_http_request_duration_seconds_count", route="/api/htc/health") == 30
    assert total(page, "htc_http_requests_in_progress") == 1

    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err


@pytest.mark.slow
def test_nothing_outlives_a_service_that_is_killed(start: Start, home: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(home, "serve", "--port", port, "--workers", 2, "--job-workers", 1)
    wait_until_it_answers(process, f"{url}/livez")
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii")
    children = [int(pid) for pid in listed.split()]
    assert len(children) >= 3
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while any(_runs(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
