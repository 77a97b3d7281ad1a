"""What one run sends to the database, as one JSON document."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from htc.telemetry.executions import Execution
from htc.telemetry.git import CodeState
from htc.telemetry.text import storable

__all__ = ["Batch", "Row", "batch_of"]

MAX_CHANGED_FILES: Final = 100
"""Names kept in changed_files; files_changed counts all. Among more, none stands out as the cause."""

_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What differs from test to test; names are those of the columns."""

    id: str
    test_name: str
    test_file: str
    duration_ms: float
    passed: bool
    error_message: str | None
    days_since_last_change: float | None
    created_at: float
    """End of the execution, seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The executions of one run."""

    rows: tuple[Row, ...]
    commit_sha: str | None
    branch: str | None
    changed_files: tuple[str, ...] | None
    lines_added: int | None
    lines_deleted: int | None
    files_changed: int | None
    complexity_delta: float | None

    @property
    def name(self) -> str:
        """A name for files: by age, and no other batch's."""
        first = self.rows[0]
        return f"{int(first.created_at * 1e3):015d}-{first.id}"

    def dumps(self) -> bytes:
        """JSON, pure ASCII."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def loads(cls, document: bytes) -> Batch:
        """The batch of :meth:`dumps`.

        Raises:
            ValueError: it is something else, or only a part.
        """
        try:
            values: dict[str, Any] = json.loads(document)
            rows = tuple(Row(**row) for row in values.pop("rows"))
            changed = values.pop("changed_files")
            return cls(rows=rows, changed_files=None if changed is None else tuple(changed), **values)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a batch of executions: {error}") from error

    def shared(self) -> dict[str, Any]:
        """The columns that are the same in every row."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "rows"}


def batch_of(executions: Sequence[Execution], state: CodeState, last_changes: Mapping[str, float]) -> Batch:
    """Put together what is known.

    Args:
        executions: of the run.
        state: of the code they ran on.
        last_changes: file -> seconds since the epoch of the last commit that changed it.
    """
    changed = None if state.changed_files is None else [storable(f) for f in state.changed_files]

    def days(execution: Execution) -> float | None:
        if execution.test_file in state.uncommitted:
            return 0.0
        changed_at = last_changes.get(execution.test_file)
        return None if changed_at is None else max(0.0, (execution.ended_at - changed_at) / _DAY_S)

    return Batch(
        rows=tuple(
            Row(
                id=uuid.uuid4().hex[16:],
                test_name=e.test_name,
                test_file=e.test_file,
                duration_ms=e.duration_ms,
                passed=e.passed,
                error_message=e.error_message,
                days_since_last_change=days(e),
                created_at=e.ended_at,
            )
            for e in executions
        ),
        commit_sha=state.commit_sha and state.commit_sha[:40],
        branch=state.branch and storable(state.branch)[:200],
        changed_files=None if changed is None else tuple(changed[:MAX_CHANGED_FILES]),
        lines_added=state.lines_added,
        lines_deleted=state.lines_deleted,
        files_changed=None if changed is None else len(changed),
        complexity_delta=state.complexity_delta(),
    )
