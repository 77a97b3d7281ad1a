"""The slowest and the least reliable tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.errors import InputError

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["FlakyTest", "SlowTest", "flaky", "has_executions", "slowest", "wilson_interval"]

_Z_95: Final = 1.959963984540054
"""Standard normal quantile at 0.975."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowTest:
    """What one test costs. Times in ms, of setup, call and teardown together."""

    test_name: str
    runs: int
    mean_ms: float
    median_ms: float
    max_ms: float
    share: float
    """Of the time of all executions of all tests, 0 to 1."""
    last_run: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyTest:
    """A test that both failed and passed on the same code."""

    test_name: str
    runs: int
    """Executions on code on which it passed at least once."""
    failures: int
    """Of those."""
    failure_rate: float
    rate_lower_95ci: float
    rate_upper_95ci: float
    """Wilson's interval of failure_rate."""
    flips: int
    """How often the outcome changed from one execution to the next on the same code."""
    commits: tuple[str, ...]
    """The commits on which it did both, the latest five, newest first."""
    last_failure: datetime
    last_error: str | None


_SLOWEST: Final = sa.text(
    """
    SELECT
        test_name, count(*) AS runs, avg(duration_ms) AS mean_ms,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) AS median_ms, max(duration_ms) AS max_ms,
        coalesce(sum(duration_ms) / nullif(sum(sum(duration_ms)) OVER (), 0), 0) AS share,
        max(created_at) AS last_run
    FROM test_telemetry
    WHERE passed IN (true, false) AND created_at >= now() - make_interval(secs => :since_s)
        AND duration_ms >= 0 AND duration_ms < 'infinity'
    GROUP BY test_name
    ORDER BY median_ms DESC, test_name
    LIMIT :n
    """
)

_ANY: Final = sa.text(
    "SELECT 1 AS one FROM test_telemetry WHERE created_at >= now() - make_interval(secs => :since_s) LIMIT 1"
)

# Code is the same where the commit and the measures of what is not committed are. Only what failed is read in
# full; that is little, and idx_test_telemetry_passed_created finds it.
_FLAKY: Final = sa.text(
    """
    WITH failing AS MATERIALIZED (
        SELECT DISTINCT test_name, commit_sha FROM test_telemetry
        WHERE passed = false AND commit_sha IS NOT NULL
            AND created_at >= now() - make_interval(secs => :since_s)
    ),
    executions AS (
        SELECT
            t.test_name, t.commit_sha, t.files_changed, t.lines_added, t.lines_deleted, t.complexity_delta,
            t.passed, t.created_at, t.error_message,
            t.passed <> lag(t.passed) OVER (
                PARTITION BY t.test_name, t.commit_sha, t.files_changed, t.lines_added, t.lines_deleted,
                    t.complexity_delta
                ORDER BY t.created_at, t.id
            ) AS flipped
        FROM failing
        JOIN test_telemetry AS t USING (test_name, commit_sha)
        WHERE t.passed IS NOT NULL AND t.created_at >= now() - make_interval(secs => :since_s)
    ),
    by_code AS (
        SELECT
            test_name, commit_sha, count(*) AS runs, count(*) FILTER (WHERE NOT passed) AS failures,
            count(*) FILTER (WHERE flipped) AS flips, max(created_at) AS last_run,
            max(created_at) FILTER (WHERE NOT passed) AS last_failure,
            (array_agg(error_message ORDER BY created_at DESC) FILTER (WHERE NOT passed))[1] AS last_error
        FROM executions
        GROUP BY
            test_name, commit_sha, files_changed, lines_added, lines_deleted, complexity_delta
    ),
    mixed AS MATERIALIZED (
        SELECT
            test_name, sum(failures)::bigint AS failures, sum(flips)::bigint AS flips,
            array_agg(commit_sha ORDER BY last_run DESC) AS commits, max(last_failure) AS last_failure,
            (array_agg(last_error ORDER BY last_failure DESC))[1] AS last_error
        FROM by_code
        WHERE 0 < failures AND failures < runs
        GROUP BY test_name
    )
    SELECT
        mixed.*,
        (
            SELECT count(*) FROM test_telemetry AS t
            WHERE t.test_name = mixed.test_name AND t.passed IS NOT NULL AND t.commit_sha IS NOT NULL
                AND t.created_at >= now() - make_interval(secs => :since_s)
        ) - (
            SELECT coalesce(sum(b.runs), 0)::bigint FROM by_code AS b
            WHERE b.test_name = mixed.test_name AND b.failures = b.runs
        ) AS runs
    FROM mixed
    """
)


def slowest(database: Database, n: int = 20, since_days: float = 30.0) -> list[SlowTest]:
    """The tests of longest median duration, longest first.

    Raises:
        InputError: n or since_days out of range.
    """
    return [SlowTest(**row) for row in _rows(database, _SLOWEST, since_days, n=_checked(n))]


def has_executions(database: Database, since_days: float = 30.0) -> bool:
    """Whether any test was recorded then, with or without a duration or an outcome.

    Raises:
        InputError: since_days out of range.
    """
    return bool(_rows(database, _ANY, since_days))


def flaky(database: Database, n: int = 20, since_days: float = 90.0) -> list[FlakyTest]:
    """Tests that both failed and passed on the same code, surest first: by the lower end of the interval.

    The same code is the same commit with as many changed files, added and deleted lines and as much
    complexity on top of it. ``failure_rate`` leaves out code on which the test only failed: there it may be
    right.

    Raises:
        InputError: n or since_days out of range.
    """
    _checked(n)
    out = []
    for row in _rows(database, _FLAKY, since_days):
        low, high = wilson_interval(row["failures"], row["runs"])
        commits = tuple(dict.fromkeys(row["commits"]))[:5]
        rate = row["failures"] / row["runs"]
        out.append(
            FlakyTest(
                **row | {"commits": commits},
                failure_rate=rate,
                rate_lower_95ci=low,
                rate_upper_95ci=high,
            )
        )
    return sorted(out, key=lambda t: (-t.rate_lower_95ci, -t.flips, t.test_name))[:n]


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion, Wilson 1927, DOI 10.1080/01621459.1927.10502953.

    Raises:
        InputError: not 0 <= successes <= trials, or no trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise InputError(f"{successes} of {trials} is no proportion")
    p, z2 = successes / trials, _Z_95**2
    middle = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z_95 / (1 + z2 / trials) * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials**2))
    # The ends are 0 and 1 exactly where all or none succeeded; rounding must not say otherwise.
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return low, high


def _checked(n: int) -> int:
    if n < 1:
        raise InputError(f"{n} tests cannot be shown", hint="ask for one or more")
    return n


def _rows(
    database: Database, query: sa.TextClause, since_days: float, **values: object
) -> list[dict[str, Any]]:
    if not 0 < since_days <= 36_500:
        raise InputError(f"{since_days} days cannot be looked back", hint="give more than 0, at most 36500")
    with database.connect() as connection:
        found = connection.execute(query, {"since_s": since_days * 86_400.0} | values)
        return [dict(row) for row in found.mappings()]
