"""What a migration did, for people and programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from htc.store.schema import Standing

__all__ = ["Applied", "Migration", "Step", "Tell", "quiet"]

Kind = Literal[
    "checked", "note", "warning", "waiting", "locked", "ran", "verified", "committed", "rolled back"
]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was just done, in words."""

    kind: Kind
    text: str
    seconds: float | None = None


Tell = Callable[[Step], None]


def quiet(_: Step) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One revision that ran."""

    revision: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The outcome of an upgrade or a downgrade."""

    before: Standing
    after: str | None
    applied: tuple[Applied, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows of each table afterwards."""
    seconds: float = 0.0
    dry_run: bool = False
    """Everything ran and was rolled back."""
    steps: tuple[Step, ...] = ()

    @property
    def revision(self) -> str | None:
        """Where the database stood before."""
        return self.before.revision

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "before": ", ".join(self.before.revisions) or None,
            "after": self.after,
            "dry_run": self.dry_run,
            "seconds": self.seconds,
            "applied": [asdict(one) for one in self.applied],
            "rows": dict(self.rows),
            "steps": [asdict(step) for step in self.steps],
        }
