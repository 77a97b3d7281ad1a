"""A service as it is run, on a port of its own: for measurements over real HTTP."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True)
class Serving:
    """A running ``htc serve``."""

    url: str
    pid: int

    def processes(self) -> list[int]:
        """The supervisor and everything it started that runs Python."""
        found, front = [self.pid], [self.pid]
        while front:
            parent = front.pop()
            for task in Path(f"/proc/{parent}/task").glob("*/children"):
                children = [int(p) for p in task.read_text().split()]
                front += children
                found += [c for c in children if "python" in _command(c)]
        return found

    def memory_mib(self) -> dict[str, float]:
        """Resident memory by process."""
        return {f"{_role(pid)} {pid}": _resident(pid) for pid in self.processes()}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _role(pid: int) -> str:
    command = _command(pid)
    if "resource_tracker" in command:
        return "tracker"
    return "worker" if "spawn_main" in command else "command"


def _resident(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    home: Path, *options: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Serving]:
    """``htc serve`` over the database in ``home``, until it answers; stopped at the end."""
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("HTC_")}
    env |= {"HTC_HOME": str(home), "OMP_NUM_THREADS": "1"} | dict(environment or {})
    command = [sys.executable, "-m", "htc", "serve", "--port", str(port), *options]
    with log.open("ab") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the service did not start: see {log}")
            try:
                if httpx.get(f"{url}/api/htc/health", timeout=5, trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield Serving(url, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def wrk(
    url: str,
    *,
    connections: int,
    seconds: int = 10,
    body: str | None = None,
    bodies: Path | None = None,
    pause_ms: int = 0,
) -> tuple[float, str]:
    """Requests a second, and a line of latencies and failures. With a body POSTs of it.

    With a file of bodies, one a line, each is sent once; there must be enough of them.

    Without a pause every connection asks again at once: the machine is full, and the latency is the number of
    connections over the rate. With one, each waits so long on average after an
    answer, at random: as many people do, not in step.
    """
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("wrk is not installed: apt install wrk")
    script = 'done = function(s, l) io.write(string.format("p50 %.1f ms, p99 %.1f ms, failed %d\\n", '
    script += "l:percentile(50)/1000, l:percentile(99)/1000, "
    script += "s.errors.status + s.errors.timeout + s.errors.read + s.errors.write + s.errors.connect)) end\n"
    if body is not None:
        script += f'wrk.method = "POST"\nwrk.body = [[{body}]]\n'
        script += 'wrk.headers["Content-Type"] = "application/json"\n'
    if bodies is not None:
        script += f'local left = io.lines("{bodies}")\nlocal h = {{["Content-Type"] = "application/json"}}\n'
        script += 'request = function() return wrk.format("POST", nil, h, left()) end\n'
    if pause_ms:
        script += f"delay = function() return math.random(0, {2 * pause_ms}) end\n"
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"htc-wrk-{os.getpid()}.lua"
    path.write_text(script)
    try:
        found = subprocess.run(
            [program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(path), url],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    finally:
        path.unlink()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", found)
    words = re.search(r"p50 .*", found)
    if rate is None or words is None:
        raise RuntimeError(f"wrk said: {found}")
    return float(rate[1]), words[0]
