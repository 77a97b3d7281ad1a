"""From a predicted Tc to what a laboratory will measure: three monotone lines and how they are kept on disk.

With ``t = ln(1 + Tc / 1 K)`` on both axes, each of the lower end, the median and the upper end is
``max(0, a + b t)``, b >= 0. A compound that is listed without a Tc counts as 0 K: most were tested and found
normal above the lowest temperature of the experiment, which the tables do not give. Lines cut at zero
are the form in which such a censored quantity has linear quantiles (Powell, J. Econometrics 32, 143 (1986),
doi:10.1016/0304-4076(86)90016-3).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from htc.errors import InputError, ModelError
from htc.models.experiment.matching import EXPERIMENT_MU_STAR
from htc.theory.empirical import allen_dynes_f1

__all__ = [
    "EXPERIMENT_FILE",
    "REFRACTORY",
    "ExperimentCalibration",
    "ExperimentEstimate",
    "Line",
    "Lines",
    "group_of_family",
]

EXPERIMENT_FILE = "experiment.json"
"""Name of the file beside the weights of a model."""

SCHEMA: Final = "htc-against-experiment-1"
FORMULA: Final = "allen_dynes_f1"
_HINT: Final = "retrain with `htc model train`, or reinstall HTC"

REFRACTORY: Final = frozenset(
    {"A15", "boride", "borocarbide", "carbide", "carbonitride", "hydride", "nitride"}
)
"""Families of hard compounds with light atoms or chains of transition metals. Their measured Tc reaches far
above the predicted more often than in others: the best of several phases is tabulated, and the
coupling is strong. They have lines of their own."""
MIN_FAMILY: Final = 10
"""Compositions of a family below which the note says that the family was hardly learned from."""


@dataclass(frozen=True, slots=True)
class Line:
    """``ln(1 + Tc) = max(0, intercept + slope ln(1 + Tc predicted))``, both Tc in K."""

    intercept: float
    slope: float

    def at(self, tc_k: float) -> float:
        """Measured Tc, K, at the predicted ``tc_k``, K."""
        return math.expm1(max(0.0, self.intercept + self.slope * math.log1p(tc_k)))


@dataclass(frozen=True, slots=True)
class ExperimentEstimate:
    """What a laboratory will measure on one compound."""

    median_k: float
    """As many compounds with this prediction were measured above it as below, K; those without a Tc count as
    0."""
    lower_95_k: float
    """Lower end of the 95 % interval, K: 0 where more than one compound in forty has no Tc."""
    upper_95_k: float
    """Upper end of the 95 % interval, K."""
    share_without_tc: float
    """Share of the tabulated compounds with this prediction that are listed without a Tc, 0 to 1."""
    n_pairs: int
    """Compositions with a prediction and a measurement that it was learned from."""
    note: str
    """What it rests on, and what about this compound was not among the pairs; one sentence each."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one group of families and the pairs they were learned from."""

    lower: Line
    median: Line
    upper: Line
    without_tc: tuple[float, float]
    """Intercept and slope, <= 0, of the log-odds of having no Tc, against ``ln(1 + Tc predicted)``."""
    tc_max_k: float
    """Highest predicted Tc among the pairs, K."""
    n_pairs: int
    """Compositions."""
    n_without_tc: int
    """Compositions among them that are listed without a Tc."""


def group_of_family(family: str | None) -> str:
    """Key into :attr:`ExperimentCalibration.groups` for a family of ``htc.materials.families``."""
    if family is None:
        return "all"
    return "refractory" if family in REFRACTORY else "other"


@dataclass(frozen=True, slots=True)
class ExperimentCalibration:
    """Learned by :func:`htc.models.experiment.fit_experiment`; holds aggregates only."""

    groups: Mapping[str, Lines]
    """``all`` and, where there were pairs enough, ``refractory`` and ``other``."""
    families: Mapping[str, int]
    """Compositions of each family among the pairs."""
    mu_star: float = EXPERIMENT_MU_STAR
    """Of the predicted Tc the lines start from."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """Errors, coverage and widths in cross-validation by composition."""

    def lines(self, family: str | None) -> Lines:
        """The lines that hold for a family; those of all pairs where it is unknown or its group too small."""
        return self.groups.get(group_of_family(family)) or self.groups["all"]

    def reason_against(self, *, family: str | None = None, pressure_gpa: float = 0.0) -> str | None:
        """Why no estimate should be given for a material, or None.

        Args:
            family: see ``htc.materials.families``.
            pressure_gpa: pressure, GPa.
        """
        if pressure_gpa > 0.0:
            return "the tables of measured Tc hold nothing that is known to be under pressure"
        if family == "hydride" and self.families.get(family, 0) < MIN_FAMILY:
            return "hardly a hydride was both computed and measured at ambient pressure"
        return None

    def estimate(
        self,
        lambda_ep: float,
        omega_log_k: float,
        *,
        family: str | None = None,
        lower_k: float | None = None,
        upper_k: float | None = None,
    ) -> ExperimentEstimate:
        """What a laboratory will measure, from the predicted coupling; see :meth:`interval`.

        Raises:
            InputError: a value is negative or not finite.
        """
        tc = float(allen_dynes_f1(lambda_ep, omega_log_k, self.mu_star))
        return self.interval(tc, lower_k, upper_k, mu_star=self.mu_star, family=family)

    def interval(
        self,
        tc_k: float,
        lower_k: float | None = None,
        upper_k: float | None = None,
        *,
        mu_star: float,
        family: str | None = None,
    ) -> ExperimentEstimate:
        """What a laboratory will measure on a compound of this predicted Tc, at ambient pressure.

        Args:
            tc_k: Tc predicted at :attr:`mu_star` by f1 times the Allen-Dynes exponential, K.
            lower_k: lower end of the interval against a calculation, K, at the same mu*. Give both where the
                compound lies outside the model's training data: the answer is then never narrower.
            upper_k: upper end of it, K.
            mu_star: of ``tc_k``; must be the one the calibration was made at: the measured Tc does not change
                with the mu* somebody chose.
            family: see ``htc.materials.families``; only for the note.

        Raises:
            InputError: a Tc is negative or not finite, or ``mu_star`` is another one.
        """
        ends = [x for x in (lower_k, upper_k) if x is not None]
        if not all(math.isfinite(x) and x >= 0.0 for x in (tc_k, *ends)):
            raise InputError("Tc must be finite and not negative", where="tc_k")
        if abs(mu_star - self.mu_star) > 1e-9:
            raise InputError(
                f"the interval against experiment starts from Tc at mu* {self.mu_star:g}, not {mu_star:g}",
                where="mu_star",
                hint="compute Tc from lambda_ep and omega_log at that mu*, or call `estimate`",
            )
        lines = self.lines(family)
        known = min(tc_k, lines.tc_max_k)
        # Beyond the pairs nothing is known: the lower end stays, the others rise in proportion to 1 K + Tc.
        beyond = (1.0 + tc_k) / (1.0 + known)
        low, middle, high = (line.at(known) for line in (lines.lower, lines.median, lines.upper))
        middle, high = middle * beyond, high * beyond
        log_odds = lines.without_tc[0] + lines.without_tc[1] * math.log1p(tc_k)
        return ExperimentEstimate(
            median_k=middle,
            lower_95_k=min([low, middle, *ends]),
            upper_95_k=max([high, middle, *ends]),
            share_without_tc=0.5 * (1.0 + math.tanh(0.5 * log_odds)),
            n_pairs=lines.n_pairs,
            note=self._note(tc_k, family, lines),
        )

    def _note(self, tc_k: float, family: str | None, lines: Lines) -> str:
        said = [
            f"learned from {lines.n_pairs} compounds that were computed and measured, "
            f"{lines.n_without_tc} of them listed without a Tc"
        ]
        if family is not None and (n := self.families.get(family, 0)) < MIN_FAMILY:
            said.append(f"{n or 'none'} of them of the family {family}")
        if tc_k > lines.tc_max_k:
            said.append(f"none of them predicted above {lines.tc_max_k:.1f} K")
        return "; ".join(said)

    # -- on disk ---------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; :meth:`from_dict` reads it back."""
        return {
            "schema": SCHEMA,
            "formula": FORMULA,
            "mu_star": self.mu_star,
            "groups": {
                name: {**asdict(lines), "without_tc": list(lines.without_tc)}
                for name, lines in self.groups.items()
            },
            "families": dict(self.families),
            "report": dict(self.report),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = EXPERIMENT_FILE) -> ExperimentCalibration:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ModelError: another schema, a part that is missing, or numbers that make no sense.
        """
        if not isinstance(data, Mapping) or (data.get("schema"), data.get("formula")) != (SCHEMA, FORMULA):
            raise ModelError(f"no calibration of the schema {SCHEMA}", where=where, hint=_HINT)
        try:
            out = cls(
                groups={str(name): _lines(part) for name, part in data["groups"].items()},
                families={str(name): int(n) for name, n in data["families"].items()},
                mu_star=_finite(data["mu_star"]),
                report=dict(data["report"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ModelError(
                f"the calibration against experiment is damaged: {error!r}", where=where, hint=_HINT
            ) from error
        if "all" not in out.groups or out.mu_star < 0.0:
            raise ModelError(
                "the calibration against experiment has no lines of all pairs, or a negative mu*",
                where=where,
                hint=_HINT,
            )
        return out

    def save(self, folder: Path) -> None:
        """Write :data:`EXPERIMENT_FILE` into the folder of a model.

        Raises:
            ModelError: it cannot be written.
        """
        path = folder / EXPERIMENT_FILE
        try:
            path.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")
        except OSError as error:
            raise ModelError(
                f"the calibration against experiment cannot be written: {error}", where=str(path)
            ) from error

    @classmethod
    def load(cls, folder: Path) -> ExperimentCalibration | None:
        """The calibration beside a model's weights; None where the model has none.

        Raises:
            ModelError: there is one that cannot be used.
        """
        path = folder / EXPERIMENT_FILE
        try:
            data = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ModelError(
                f"the calibration against experiment cannot be read: {error}", where=str(path), hint=_HINT
            ) from error
        return cls.from_dict(data, where=str(path))


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _lines(data: Mapping[str, Any]) -> Lines:
    lower, median, upper = (
        Line(_finite(data[name]["intercept"]), _finite(data[name]["slope"]))
        for name in ("lower", "median", "upper")
    )
    without = (_finite(data["without_tc"][0]), _finite(data["without_tc"][1]))
    if min(lower.slope, median.slope, upper.slope) < 0.0 or without[1] > 0.0:
        raise ValueError("a measured Tc would fall as the predicted rises")
    n_pairs, n_without = int(data["n_pairs"]), int(data["n_without_tc"])
    if not 0 <= n_without <= n_pairs:
        raise ValueError(f"{n_without} of {n_pairs} compounds without a Tc")
    return Lines(lower, median, upper, without, _finite(data["tc_max_k"]), n_pairs, n_without)
