"""What a report says of a suite, whether it was stored or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from htc.validation.cases import Suite
from htc.validation.summary import Point

__all__ = ["SuiteReport", "as_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """The results of one suite."""

    suite: str
    title: str
    about: str
    views: Sequence[Mapping[str, Any]]
    """Name, titles, unit and metrics of each view, see ``htc.validation.summarise``."""
    cautions: Sequence[str]
    excluded: Mapping[str, int]
    refused: Sequence[str]
    failed: int
    conditions: Mapping[str, Any]
    fingerprint: str
    comparison: Mapping[str, Any] | None
    points: Sequence[Point]
    failures: Sequence[tuple[str, str]] = field(default=())
    """Label and reason of the cases that could not be judged."""
    run_id: str | None = None
    finished_at: str | None = None
    """ISO 8601, UTC."""

    @property
    def regressions(self) -> list[str]:
        """What got worse than in the run before."""
        return list((self.comparison or {}).get("regressions", ()))

    @classmethod
    def of(
        cls, suite: Suite, results: Mapping[str, Any], points: Sequence[Point], **more: Any
    ) -> SuiteReport:
        """From the results of a run or of a judgement that is not stored."""
        return cls(
            suite=suite.name,
            title=suite.title,
            about=suite.about,
            views=[{**view, "parts": _in_order(view["parts"])} for view in results["views"]],
            cautions=results["cautions"],
            excluded=results["excluded"],
            refused=results["refused"],
            failed=results["failed"],
            conditions=results["conditions"],
            fingerprint=results["fingerprint"],
            comparison=results.get("comparison"),
            points=points,
            **more,
        )


def _in_order(parts: Mapping[str, Any]) -> dict[str, Any]:
    """All first, then by name: a database that keeps JSON keeps no order."""
    return {name: parts[name] for name in sorted(parts, key=lambda name: (name != "all", name))}


def as_json(reports: Sequence[SuiteReport]) -> dict[str, Any]:
    """All of it, JSON-ready."""
    from htc.version import __version__

    return {
        "schema": "htc-validation-1",
        "htc_version": __version__,
        "suites": [
            {
                **{k: v for k, v in asdict(one).items() if k not in ("points", "failures")},
                "failures": [{"label": label, "why": why} for label, why in one.failures],
                "points": [asdict(point) for point in one.points],
                "regressions": one.regressions,
            }
            for one in reports
        ],
    }
