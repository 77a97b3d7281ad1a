"""One test before it ran: what it suspects and what it does; its outcomes are findings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from htc.store.doctor.finding import Finding, Fix, Verdict

__all__ = ["Check", "age_in_words", "times"]


@dataclass(frozen=True, slots=True)
class Check:
    """A test by name; the methods make its finding."""

    check_id: str
    hypothesis: str
    test: str

    def ok(self, result: str, **details: Any) -> Finding:
        """The suspicion is unfounded."""
        return self._found("ok", result, "", None, details)

    def skipped(self, reason: str, **details: Any) -> Finding:
        """The test was not run, and why."""
        return self._found("skipped", reason, "", None, details)

    def note(self, result: str, action: str = "", *, fix: Fix | None = None, **details: Any) -> Finding:
        """Worth knowing."""
        return self._found("note", result, action, fix, details)

    def warning(self, result: str, action: str, *, fix: Fix | None = None, **details: Any) -> Finding:
        """Works, but not for long or not well."""
        return self._found("warning", result, action, fix, details)

    def failure(self, result: str, action: str, *, fix: Fix | None = None, **details: Any) -> Finding:
        """Something cannot work as it is."""
        return self._found("failure", result, action, fix, details)

    def _found(
        self, verdict: Verdict, result: str, action: str, fix: Fix | None, details: dict[str, Any]
    ) -> Finding:
        return Finding(
            check_id=self.check_id,
            hypothesis=self.hypothesis,
            test=self.test,
            result=result,
            verdict=verdict,
            action=action,
            details=details,
            fix=fix,
        )


def age_in_words(age: timedelta) -> str:
    """``"5 min"``, ``"2 h"``, ``"3 days"``."""
    seconds = max(age.total_seconds(), 0.0)
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def times(count: int) -> str:
    """``"once"``, ``"14 times"``."""
    return "once" if count == 1 else f"{count} times"
