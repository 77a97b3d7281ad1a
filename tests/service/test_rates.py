"""Counts that processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.strategies import SlidingWindowCounterRateLimiter

from htc.service.rates import SharedCounts

HITS = """
import sys
from pathlib import Path
from limits import RateLimitItemPerMinute
from limits.strategies import SlidingWindowCounterRateLimiter
from htc.service.rates import SharedCounts

limiter = SlidingWindowCounterRateLimiter(SharedCounts(Path(sys.argv[1])))
print(sum(limiter.hit(RateLimitItemPerMinute(500), "somebody") for _ in range(400)))
"""


def test_processes_count_together(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HITS, str(tmp_path / "counts")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sum(int(process.communicate(timeout=120)[0]) for process in started) == 500


def test_windows_slide(tmp_path: Path, monkeypatch: object) -> None:
    counts = SharedCounts(tmp_path / "counts")
    limiter = SlidingWindowCounterRateLimiter(counts)
    item = RateLimitItemPerSecond(10, 60)
    clock = [1000.0]
    counts_module = __import__("htc.service.rates.shared", fromlist=["time"])
    monkeypatch.setattr(counts_module.time, "time", lambda: clock[0])  # type: ignore[attr-defined]  # pytest's
    assert [limiter.hit(item, "a") for _ in range(11)] == [True] * 10 + [False]
    assert limiter.hit(item, "b"), "each is counted for himself"
    assert limiter.get_window_stats(item, "a").remaining == 0
    clock[0] += 90.0
    # Half of the window before still counts.
    assert limiter.get_window_stats(item, "a").remaining == 5
    assert [limiter.hit(item, "a") for _ in range(6)] == [True] * 5 + [False]
    clock[0] += 500.0
    assert limiter.get_window_stats(item, "a").remaining == 10
    clock[0] -= 10_000.0
    assert limiter.hit(item, "a"), "a clock that was set back locks nobody out"
    limiter.clear(item, "a")
    assert limiter.get_window_stats(item, "a").remaining == 10


def test_many_keys_do_not_refuse_each_other(tmp_path: Path) -> None:
    counts = SharedCounts(tmp_path / "counts")
    limiter = SlidingWindowCounterRateLimiter(counts)
    item = RateLimitItemPerMinute(1)
    assert all(limiter.hit(item, f"address/{n}") for n in range(50_000))
    assert (tmp_path / "counts").stat().st_size < 2_000_000


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_bytes(b"something else")
    counts = SharedCounts(path)
    assert counts.acquire_sliding_window_entry("a", 1, 60)
    assert not counts.acquire_sliding_window_entry("a", 1, 60)
    counts.reset()
    assert counts.acquire_sliding_window_entry("a", 1, 60)
    assert counts.check()
    counts.close()
    assert not counts.check()
