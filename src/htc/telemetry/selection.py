"""Which tests to run first after a change: a few signs, each a probability of failing, combined and told.

For each changed file there is an opinion, and history corrects it: the opinion counts as two changes of that
file, of which the test failed in so large a share, beside those in the table.

    the test's own file                                 0.50
    imported by the test's file, over d files           0.30 / d
    the test's file is named after it                   0.30
    none of these                                       how often the test fails anyway

Another sign is that the test failed lately, with or without these files. The score combines the three files
that speak loudest and that sign as if they were independent, ``1 - product(1 - p)``, and takes a little off
for cost. The opinions are stated, not fitted: they matter for changes like none before.
"""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from htc.errors import InputError
from htc.telemetry.node_ids import NodeIds
from htc.telemetry.proximity import Imports, shares_name

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["Choice", "select"]

OWN_FILE: Final = 0.5
IMPORTED: Final = 0.3
NAMED: Final = 0.3
LOUDEST: Final = 3
"""Changed files that count for one test: or whatever imports a lot would win every large change."""
NEVER_RUN: Final = 0.6
"""A changed test file that no run has executed yet."""

PRIOR_WEIGHT: Final = 2.0
"""Changes that the opinion counts for, against those seen: keeps one coincidence from being certainty."""
HALF_LIFE: Final = 5.0
"""Executions after which an outcome counts half for `recent`."""
RECENT: Final = 20
"""Executions that are looked back on for `recent` and for the duration."""
HALF_VALUE_S: Final = 60.0
"""A test that takes as long is worth half of one that takes no time, at the same probability."""
OVERHEAD_S: Final = 0.01
"""What pytest adds to each test."""
MAX_CHANGES: Final = 100
"""The latest changes of a file that are learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One test worth running."""

    node_id: str
    """For pytest, in the folder that the selection was made for."""
    score: float
    """0 to 1; orders, and is no calibrated probability."""
    duration_s: float | None
    """Mean of its last executions; None when it never ran."""
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the table says about a test."""

    test_name: str
    test_file: str
    outcomes: tuple[bool, ...]
    """Passed, latest first, at most RECENT."""
    duration_s: float
    last_run: float


@dataclass(slots=True)
class _Together:
    """A test and a changed file in history. Changes, not executions: a change tried ten times is one."""

    changes: int = 0
    failed: int = 0
    weight: float = 0.0
    """A change of k files counts 1/k: any of them may have been the cause."""
    failed_weight: float = 0.0


# The index on (test_name, created_at) gives the names, and the last executions of each.
_TESTS: Final = sa.text(
    """
    WITH names AS (
        SELECT test_name FROM test_telemetry
        WHERE created_at >= now() - make_interval(secs => :since_s)
        GROUP BY test_name
    )
    SELECT
        names.test_name, (array_agg(l.test_file ORDER BY l.created_at DESC))[1] AS test_file,
        array_agg(l.passed ORDER BY l.created_at DESC) AS outcomes,
        avg(l.duration_ms) AS duration_ms, extract(epoch FROM max(l.created_at)) AS last_run
    FROM names
    CROSS JOIN LATERAL (
        SELECT t.test_file, t.passed, t.duration_ms, t.created_at
        FROM test_telemetry AS t
        WHERE t.test_name = names.test_name AND t.passed IS NOT NULL AND t.created_at IS NOT NULL
        ORDER BY t.created_at DESC
        LIMIT :recent
    ) AS l
    GROUP BY names.test_name
    """
)

# A change is a commit with what lay uncommitted on top of it. One row of each is enough to know its files.
# The subqueries are written so that their rows come by index: the planner cannot know how few they are.
_TOGETHER: Final = sa.text(
    """
    WITH changes AS MATERIALIZED (
        SELECT
            commit_sha, lines_added, lines_deleted, complexity_delta, files_changed,
            max(id) AS example, max(created_at) AS last_run
        FROM test_telemetry
        WHERE commit_sha IS NOT NULL AND files_changed > 0 AND passed IN (true, false)
            AND created_at >= now() - make_interval(secs => :since_s)
        GROUP BY commit_sha, lines_added, lines_deleted, complexity_delta, files_changed
    ),
    relevant AS MATERIALIZED (
        SELECT changes.*, matching.files
        FROM changes
        CROSS JOIN LATERAL (
            SELECT changed_files FROM test_telemetry AS e WHERE e.id = changes.example OFFSET 0
        ) AS example
        CROSS JOIN LATERAL (
            SELECT array_agg(name) AS files
            FROM json_array_elements_text(
                CASE WHEN json_typeof(changed_files) = 'array' THEN changed_files ELSE '[]' END
            ) AS name
            WHERE name = ANY (CAST(:files AS text[]))
        ) AS matching
        WHERE matching.files IS NOT NULL
        ORDER BY changes.last_run DESC
        LIMIT :max_changes
    )
    SELECT run.test_name, r.files, r.files_changed AS size, run.failed
    FROM relevant AS r
    CROSS JOIN LATERAL (
        SELECT t.test_name, bool_or(NOT t.passed) AS failed
        FROM test_telemetry AS t
        WHERE t.commit_sha = r.commit_sha AND t.passed IS NOT NULL
            AND (t.lines_added, t.lines_deleted, t.complexity_delta, t.files_changed)
                IS NOT DISTINCT FROM (r.lines_added, r.lines_deleted, r.complexity_delta, r.files_changed)
        GROUP BY t.test_name
    ) AS run
    """
)


def select(
    database: Database,
    changed: Sequence[str],
    *,
    root: Path,
    n: int | None = 20,
    budget_s: float | None = None,
    since_days: float = 180.0,
) -> list[Choice]:
    """Rank the tests whose files are under ``root`` by how much they are worth running now.

    Args:
        database: an open database.
        changed: files, relative to ``root``, with ``/``.
        root: pytest's rootdir of the project.
        n: at most so many; None: no limit.
        budget_s: only as many as take this long together, by their recorded durations, in seconds.
        since_days: how far to look back.

    Returns:
        Best first. Tests for which nothing speaks are left out.

    Raises:
        InputError: a number out of range.
    """
    if n is not None and n < 1:
        raise InputError(f"{n} tests cannot be selected", hint="ask for one or more")
    if budget_s is not None and not budget_s > 0:
        raise InputError("a budget is a number of seconds above 0")
    if not 0 < since_days <= 36_500:
        raise InputError(f"{since_days} days cannot be looked back", hint="give more than 0, at most 36500")
    files = list(dict.fromkeys(changed))
    known, together = _history(database, files, since_days)
    imports, node_ids = Imports(root), NodeIds(root)
    near: dict[str, Mapping[str, int]] = {}
    best: dict[str, Choice] = {}
    for test in known:
        node_id = node_ids.current(test.test_name, test.test_file, test.last_run)
        if node_id is None:
            continue
        if test.test_file not in near:
            near[test.test_file] = imports.distances(test.test_file) if files else {}
        choice = _judge(test, node_id, files, near[test.test_file], together.get(test.test_name, {}))
        if not choice.why:
            continue
        # Several values of a parameter may have become one id: it costs what they cost together.
        other = best.get(node_id)
        if other is not None:
            cost = (other.duration_s or 0.0) + (choice.duration_s or 0.0)
            choice = replace(max(choice, other, key=lambda c: c.score), duration_s=cost)
        best[node_id] = choice
    seen_files = {test.test_file for test in known}
    for file in files:
        if file not in seen_files and _looks_like_tests(file) and (root / file).is_file():
            best[file] = Choice(
                node_id=file, score=NEVER_RUN, duration_s=None, why=("a test file that never ran",)
            )
    ranked = sorted(best.values(), key=lambda c: (-c.score, c.duration_s or 0.0, c.node_id))
    return _within(_without_parts(ranked), n, budget_s)


def _history(
    database: Database, files: list[str], since_days: float
) -> tuple[list[_Known], Mapping[str, Mapping[str, _Together]]]:
    since = {"since_s": since_days * 86_400.0}
    together: dict[str, dict[str, _Together]] = defaultdict(lambda: defaultdict(_Together))
    with database.connect() as connection:
        known = [
            _Known(
                row.test_name,
                row.test_file or row.test_name.split("::", 1)[0],
                tuple(row.outcomes),
                (row.duration_ms or 0.0) / 1e3,
                float(row.last_run),
            )
            for row in connection.execute(_TESTS, since | {"recent": RECENT})
        ]
        if files:
            asked = since | {"files": files, "max_changes": MAX_CHANGES}
            for row in connection.execute(_TOGETHER, asked):
                for file in row.files:
                    pair = together[row.test_name][file]
                    pair.changes += 1
                    pair.weight += 1.0 / row.size
                    if row.failed:
                        pair.failed += 1
                        pair.failed_weight += 1.0 / row.size
    return known, together


def _judge(
    test: _Known,
    node_id: str,
    files: list[str],
    near: Mapping[str, int],
    together: Mapping[str, _Together],
) -> Choice:
    by_file = (_sign(test, file, near.get(file), together.get(file)) for file in files)
    signs = sorted((sign for sign in by_file if sign is not None), key=lambda sign: -sign[0])[:LOUDEST]
    failures = test.outcomes.count(False)
    if failures:
        signs.append((_recent_rate(test), _recent_in_words(failures, test.outcomes)))
    fails_not = 1.0
    for p, _ in signs:
        fails_not *= 1.0 - p
    signs.sort(key=lambda sign: -sign[0])
    return Choice(
        node_id=node_id,
        score=(1.0 - fails_not) / (1.0 + test.duration_s / HALF_VALUE_S),
        duration_s=test.duration_s,
        why=tuple(text for _, text in signs),
    )


def _sign(test: _Known, file: str, distance: int | None, pair: _Together | None) -> tuple[float, str] | None:
    """How probably the test fails because of a changed file, and why; None when nothing connects them."""
    opinions: list[tuple[float, str]] = []
    if test.test_file == file:
        opinions.append((OWN_FILE, "its own file is changed"))
    elif distance is not None:
        over = f", over {distance - 1} more" if distance > 1 else ""
        opinions.append((IMPORTED / distance, f"imports {file}{over}"))
    if test.test_file != file and shares_name(test.test_file, file):
        opinions.append((NAMED, f"is named after {file}"))
    pair = pair or _Together()
    if not opinions and not pair.failed:
        return None
    held = 1.0
    for p, _ in opinions:
        held *= 1.0 - p
    opinion = 1.0 - held if opinions else _base_rate(test)
    p = (pair.failed_weight + PRIOR_WEIGHT * opinion) / (pair.weight + PRIOR_WEIGHT)
    words = [text for _, text in opinions]
    if pair.changes:
        words.append(f"failed in {pair.failed} of {pair.changes} changes with {file}")
    return p, ", ".join(words)


def _base_rate(test: _Known) -> float:
    """How often it fails whatever is changed: its recent failures, half a failure of ten times assumed."""
    return (test.outcomes.count(False) + 0.5) / (len(test.outcomes) + 10.0)


def _recent_rate(test: _Known) -> float:
    weights: list[float] = [0.5 ** (i / HALF_LIFE) for i in range(len(test.outcomes))]
    failed = sum(w for w, passed in zip(weights, test.outcomes, strict=True) if not passed)
    # One pass is assumed before all: a test that ran once and failed is not sure to fail again.
    return failed / (sum(weights) + 1.0)


def _recent_in_words(failures: int, outcomes: Sequence[bool]) -> str:
    if len(outcomes) == 1:
        return "its only run failed"
    last = ", the last one too" if not outcomes[0] else ""
    return f"failed in {failures} of its last {len(outcomes)} runs{last}"


def _within(ranked: list[Choice], n: int | None, budget_s: float | None) -> list[Choice]:
    chosen: list[Choice] = []
    left = float("inf") if budget_s is None else budget_s
    for choice in ranked:
        cost = (choice.duration_s or 0.0) + OVERHEAD_S
        if n is not None and len(chosen) == n:
            break
        if cost <= left:
            chosen.append(choice)
            left -= cost
    return chosen


def _without_parts(ranked: list[Choice]) -> list[Choice]:
    """Leave out what runs anyway as a part of something chosen before: a test of a file, or of a class."""
    chosen: set[str] = set()
    out = []
    for choice in ranked:
        parts = choice.node_id.split("::")
        if not any("::".join(parts[:i]) in chosen for i in range(1, len(parts))):
            chosen.add(choice.node_id)
            out.append(choice)
    return out


def _looks_like_tests(file: str) -> bool:
    """By pytest's own default patterns."""
    name = file.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatch(name, pattern) for pattern in ("test_*.py", "*_test.py"))
