"""The worksheet: how a Tc follows from its numbers, step by step, in arithmetic that a person can redo.

It is built from the record and the spectrum alone, so that whoever has these can build it again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError, InputError
from htc.evidence.arithmetic import DIGITS, in_digits, is_number
from htc.evidence.formulas import AFTER_EXPONENTIAL, EXPONENTIAL, XI, Line
from htc.evidence.handwork import Handwork, Step
from htc.evidence.moments import pieces_of
from htc.theory.empirical import FORMULAS, Status, get_formula, status
from htc.units import K_PER_MEV

if TYPE_CHECKING:
    from htc.spectra import Spectrum

__all__ = ["SCHEMA", "Outcome", "Section", "Solved", "Worksheet", "worksheet_of"]

SCHEMA: Final = "htc-worksheet-1"

Record = Mapping[str, Any]

_SAMPLED: Final = 0.03
"""Relative scatter of a percentile of 20,000 samples, taken generously."""
_TWO_SIDED_95: Final = 1.959964
_LINE: Final = "(exp(max(0, intercept + slope*ln(1 + tc_known))) - 1)"
"""A line of ``htc.models.experiment.calibration``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a section arrives, beside what the program has."""

    field: str
    """What it is compared with: a field of the record, or ``tc_k`` of the formula in ``htc.theory``."""
    by_hand: float
    """As printed."""
    by_program: float
    """In full precision."""
    tolerance: float
    """How far they may be apart: what rounding every step to `DIGITS` digits can do."""
    unit: str
    reason: str | None = None
    """Why it is zero, where it is."""

    @property
    def agrees(self) -> bool:
        """Whether the two are the same to the tolerance."""
        return abs(self.by_hand - self.by_program) <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "field": self.field,
            "by_hand": self.by_hand,
            "by_program": self.by_program,
            "tolerance": self.tolerance,
            "unit": self.unit,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the worksheet."""

    id: str
    title: str
    says: tuple[str, ...] = ()
    """What is done and why, a paragraph each."""
    doi: str | None = None
    given: Mapping[str, float] = field(default_factory=dict)
    """Numbers this section starts from, as printed, beside those of the worksheet."""
    steps: tuple[Step, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "id": self.id,
            "title": self.title,
            "says": list(self.says),
            "doi": self.doi,
            "given": dict(self.given),
            "steps": [step.as_dict() for step in self.steps],
            "outcomes": [outcome.as_dict() for outcome in self.outcomes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """Tc by the Eliashberg equations under one convention."""

    convention: str
    title: str
    source: str
    tc_k: float | None
    """K; None where the equations were not solved."""
    reason: str | None
    """Why there is no Tc or why it is zero."""
    mu_star_at_cutoff: float | None = None
    omega_c_mev: float | None = None
    coulomb_cutoff_mev: float | None = None
    frequencies: int | None = None
    cutoff_sensitivity: float | None = None
    """d ln Tc / d ln cutoff."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worksheet:
    """All of it."""

    given: Mapping[str, float]
    """lambda_ep, omega_log (K), omega_2 (K) and mu_star of the record, in full precision; those it has."""
    formula: str | None
    """Which closed formula gave the record's Tc; None where there is none or the record does not say."""
    reason: str | None
    """Why there is no Tc, or nothing to work with; None where there is."""
    sections: tuple[Section, ...] = ()
    eliashberg: tuple[Solved, ...] = ()
    """One for each convention, where there is a spectrum."""

    def section(self, section_id: str) -> Section | None:
        """The section of an id."""
        return next((section for section in self.sections if section.id == section_id), None)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: what ``worksheet.json`` holds."""
        return {
            "schema": SCHEMA,
            "digits": DIGITS,
            "given": dict(self.given),
            "formula": self.formula,
            "reason": self.reason,
            "sections": [section.as_dict() for section in self.sections],
            "eliashberg": [solved.as_dict() for solved in self.eliashberg],
        }


def worksheet_of(
    record: Record, spectrum: Spectrum | None = None, experiment: Mapping[str, Any] | None = None
) -> Worksheet:
    """The worksheet of a prediction.

    Args:
        record: fields of the prediction, as in ``prediction.json``.
        spectrum: its alpha2F, where it has one.
        experiment: lines from predicted to measured Tc of the model that spoke, as of
            ``ExperimentCalibration.to_dict``, where they are at hand.

    Raises:
        InputError: the record holds numbers that no prediction has.
    """
    given = {
        name: float(value)
        for name in ("lambda_ep", "omega_log", "omega_2", "mu_star")
        if is_number(value := record.get(name))
    }
    reason = _nothing_to_work_with(record, given)
    sections: list[Section] = []
    if spectrum is not None:
        sections += _moments(spectrum, given, measured=record.get("spectrum_origin") == "measured")
    formula = None
    if reason is None:
        shared = _shared(given)
        sections.append(_xi(shared, given, record))
        tcs = _by_formulas(shared, given)
        formula = _formula_of(record, tcs)
        sections += [_with_record(section, formula == name, record) for name, section in tcs.items()]
        if formula is not None:
            sections += _interval(record, given, formula)
        sections += _against_experiment(record, given, experiment)
    return Worksheet(
        given=given,
        formula=formula,
        reason=reason,
        sections=tuple(sections),
        eliashberg=()
        if spectrum is None or "mu_star" not in given
        else _eliashberg(spectrum, given["mu_star"]),
    )


def _nothing_to_work_with(record: Record, given: Mapping[str, float]) -> str | None:
    if not record.get("applicable", True):
        return str(record.get("reason") or "outside electron-phonon theory")
    lacking = [name for name in ("lambda_ep", "omega_log", "mu_star") if name not in given]
    if lacking:
        return f"the record has no {' and no '.join(lacking)}: its Tc cannot be redone"
    if given["lambda_ep"] < 0.0 or given["omega_log"] <= 0.0 or given["mu_star"] < 0.0:
        return "lambda, omega_log or mu* of the record is negative: no formula takes it"
    return None


def _can(name: str, given: Mapping[str, float]) -> bool:
    return not FORMULAS[name].needs_omega_2 or given.get("omega_2", 0.0) > 0.0


def _shared(given: Mapping[str, float]) -> Handwork:
    work = Handwork()
    for name, value in given.items():
        work.give(name, value)
    return work


def _xi(shared: Handwork, given: Mapping[str, float], record: Record) -> Section:
    work = shared.branch()
    by_hand = work.work(XI)
    stated = record.get("xi_parameter")
    exact = given["lambda_ep"] / (1.0 + given["lambda_ep"])
    return Section(
        "xi",
        "The coupling on a scale from 0 to 1",
        ("Never 1 or more, so that it bounds nothing; a measure of how strong the coupling is.",),
        steps=tuple(work.steps),
        outcomes=(
            Outcome(
                "xi_parameter",
                by_hand,
                float(stated) if is_number(stated) else exact,
                work.tolerance("xi_parameter"),
                "",
            ),
        ),
    )


def _by_formulas(shared: Handwork, given: Mapping[str, float]) -> dict[str, Section]:
    """All formulas that the numbers allow; the exponential, which they share, is worked once."""
    first = _by_formula("exponential", shared, given)
    found = {"exponential": first}
    exponential = shared.branch()
    for step in first.steps:
        if step.symbol != "tc":
            exponential.work(Line(step.symbol, step.expression))
    goes_on = "tc_exponential" in exponential.known
    for name in FORMULAS:
        if name in found or not _can(name, given):
            continue
        if not goes_on:
            found[name] = _by_formula(name, shared, given)
            continue
        section = _by_formula(name, exponential.branch(), given)
        found[name] = replace(
            section,
            given={"tc_exponential": exponential.known["tc_exponential"]},
        )
    return found


def _by_formula(name: str, shared: Handwork, given: Mapping[str, float]) -> Section:
    """One formula worked by hand; the outcome is compared with the function of the program."""
    formula = FORMULAS[name]
    omega_2 = given.get("omega_2") if formula.needs_omega_2 else None
    arguments = (given["lambda_ep"], given["omega_log"], given["mu_star"])
    exact = float(formula(*arguments, omega_2_k=omega_2))
    reason = Status(int(status(name, *arguments, omega_2_k=omega_2))).reason
    work = shared.branch()
    by_hand, tolerance = _work_formula(name, work)
    if by_hand is None or (exact == 0.0 and by_hand == 0.0):
        by_hand, tolerance = 0.0, 0.0
    if exact == 0.0 and reason is None:
        reason = "the formula gives nothing here"
    return Section(
        name,
        formula.title,
        () if reason is None else (f"{reason[0].upper()}{reason[1:]}. So Tc is 0.",),
        doi=formula.doi,
        steps=tuple(work.steps),
        outcomes=(Outcome("tc_k", by_hand, exact, tolerance, "K", reason if exact == 0.0 else None),),
    )


def _work_formula(name: str, work: Handwork) -> tuple[float | None, float]:
    """Tc by hand with its tolerance; None where a step shows that there is none."""
    if work.known["lambda_ep"] <= 0.0:
        return None, 0.0
    before = () if "tc_exponential" in work.known else EXPONENTIAL
    for line in (*before, *AFTER_EXPONENTIAL[name]):
        if line.symbol == "f_mu" and _vanishes(work.known["lambda_ep"], work.known["mu_star"]):
            work.give("f_mu", 1.0)
            continue
        try:
            value = work.work(line)
        except InputError:
            return None, 0.0  # a factor without a value: the formula ends here
        if line.symbol in {"attraction", "f_omega", "f_mu"} and value <= 0.0:
            return None, 0.0
    return work.known["tc"], work.tolerance("tc")


def _vanishes(lambda_ep: float, mu_star: float) -> bool:
    """Whether exp(-lambda/mu*) is nothing; as mu* goes to zero so does it."""
    return mu_star == 0.0 or lambda_ep / mu_star > 700.0


def _formula_of(record: Record, tcs: Mapping[str, Section]) -> str | None:
    """The formula that the record names, or the only one that gives its Tc."""
    named = (record.get("provenance") or {}).get("formula")
    if isinstance(named, str) and named in tcs:
        return named
    tc = record.get("tc_predicted")
    if not is_number(tc):
        return None
    fit = [
        name
        for name, section in tcs.items()
        if math.isclose(section.outcomes[0].by_program, float(tc), rel_tol=1e-6, abs_tol=1e-9)
    ]
    return fit[0] if len(fit) == 1 else None


def _with_record(section: Section, is_the_one: bool, record: Record) -> Section:
    """The section, compared with the record's Tc too where its formula is the record's."""
    tc = record.get("tc_predicted")
    if not is_the_one or not is_number(tc):
        return section
    mine = section.outcomes[0]
    beside = Outcome("tc_predicted", mine.by_hand, float(tc), mine.tolerance, "K", mine.reason)
    return replace(
        section,
        says=("This is the formula of the prediction.", *section.says),
        outcomes=(*section.outcomes, beside),
    )


# -- the spectrum ----------------------------------------------------------------------------------------


def _moments(spectrum: Spectrum, given: Mapping[str, float], *, measured: bool) -> list[Section]:
    s0, s_log, s2 = pieces_of(spectrum).sums
    work = Handwork()
    work.give("sum_0", s0)
    exact = {
        "lambda_ep": spectrum.lambda_ep,
        "omega_log": spectrum.omega_log_k,
        "omega_2": spectrum.omega_2_k,
    }
    lines = [Line("lambda_ep", "sum_0")]
    if s0 > 0.0 and math.isfinite(exact["omega_log"]):
        work.give("sum_log", s_log)
        work.give("kelvin_per_mev", K_PER_MEV)
        lines += [
            Line("omega_log_mev", "exp(sum_log/sum_0)"),
            Line("omega_log", "kelvin_per_mev*omega_log_mev"),
        ]
    if s2 > 0.0 and math.isfinite(exact["omega_2"]):
        work.give("sum_2", s2)
        work.give("kelvin_per_mev", K_PER_MEV)
        lines += [Line("omega_2_mev", "sqrt(sum_2/sum_0)"), Line("omega_2", "kelvin_per_mev*omega_2_mev")]
    start = dict(work.known)
    work.work_all(lines)
    outcomes = []
    for name, value in exact.items():
        if name not in work.known:
            continue
        # The record of a given spectrum has these very moments; a surrogate was formed from the record's.
        by_program = given.get(name, value) if measured else value
        unit = "" if name == "lambda_ep" else "K"
        outcomes.append(Outcome(name, work.known[name], by_program, work.tolerance(name), unit))
    says = [
        "The table spectrum/alpha2f.csv splits the integrals 2∫α²F/ω dω, 2∫α²F ln(ω)/ω dω and 2∫α²F ω dω "
        "into trapezoids, one a row. Their sums, taken in a spreadsheet, are the numbers below.",
    ]
    if not measured:
        says.append(
            "This spectrum is a surrogate: it was formed from the predicted moments, so that it gives them "
            "back. It is no evidence for them."
        )
    return [
        Section(
            "moments",
            "From the spectrum to its moments",
            tuple(says),
            "10.1103/PhysRevB.12.905",
            start,
            tuple(work.steps),
            tuple(outcomes),
        )
    ]


def _eliashberg(spectrum: Spectrum, mu_star: float) -> tuple[Solved, ...]:
    from htc.theory.eliashberg.conventions import CONVENTIONS
    from htc.theory.eliashberg.transition import transition

    found = []
    for row in CONVENTIONS.values():
        named = partial(Solved, convention=row.name, title=row.title, source=row.source)
        try:
            t = transition(spectrum, mu_star, row)
        except HTCError as error:
            found.append(named(tc_k=None, reason=error.what))
            continue
        found.append(
            named(
                tc_k=t.tc_k,
                reason=t.reason,
                mu_star_at_cutoff=t.mu_star_at_cutoff,
                omega_c_mev=t.omega_c_mev,
                coulomb_cutoff_mev=t.coulomb_cutoff_mev,
                frequencies=t.frequencies,
                cutoff_sensitivity=t.cutoff_sensitivity,
            )
        )
    return tuple(found)


# -- the intervals ---------------------------------------------------------------------------------------


def _interval(record: Record, given: Mapping[str, float], formula: str) -> list[Section]:
    ends = [record.get(name) for name in ("tc_lower_95ci", "tc_upper_95ci")]
    if not all(map(is_number, ends)):
        return []
    if record.get("spectrum_origin") is not None and record.get("model_id") is None:
        return _interval_of_mu_star(record, given, formula)
    return _interval_of_coupling(record, given, formula)


_ENDS: Final = (("tc_lower_95ci", "lower"), ("tc_upper_95ci", "upper"))


def _interval_of_coupling(record: Record, given: Mapping[str, float], formula: str) -> list[Section]:
    """The ends of a model's interval, as the couplings that give them."""
    sections = []
    for name, word in _ENDS:
        end = float(record[name])
        if end <= 0.0:
            threshold = given["mu_star"] / (1.0 - 0.62 * given["mu_star"]) if given["mu_star"] < 1.0 else 0.0
            sections.append(
                Section(
                    f"interval_{word}",
                    f"The {word} end of the 95 % interval",
                    (
                        "The end is 0 K: the coupling may be so weak that the repulsion wins, which it does "
                        f"at λ of {threshold:.4g} and below.",
                    ),
                )
            )
            continue
        coupling = _coupling_of(end, given, formula)
        if coupling is None:
            continue
        there = {**given, "lambda_ep": coupling}
        section = _by_formula(formula, _shared(there), there)
        mine = section.outcomes[0]
        sections.append(
            Section(
                f"interval_{word}",
                f"The {word} end of the 95 % interval",
                (
                    f"The {word} end is the Tc that another coupling would give at the same frequencies and "
                    "mu*. How far the coupling may be from the predicted one was learned from materials the "
                    "model had not seen (conformalised quantile regression); with the coupling as given "
                    "here the formula leads to the end.",
                ),
                "10.48550/arXiv.1905.03222",
                {"lambda_ep": in_digits(coupling)},
                section.steps,
                (Outcome(name, mine.by_hand, end, mine.tolerance, "K"),),
            )
        )
    return sections


def _coupling_of(tc_k: float, given: Mapping[str, float], formula: str) -> float | None:
    """The coupling at which a formula gives ``tc_k``, by bisection; None where none below 100 does."""
    chosen = get_formula(formula)
    omega_2 = given.get("omega_2") if chosen.needs_omega_2 else None

    def tc(coupling: float) -> float:
        return float(chosen(coupling, given["omega_log"], given["mu_star"], omega_2_k=omega_2))

    low, high = 0.0, 100.0
    if tc(high) < tc_k:
        return None
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if tc(middle) < tc_k else (low, middle)
    return high


def _interval_of_mu_star(record: Record, given: Mapping[str, float], formula: str) -> list[Section]:
    """The interval of a given spectrum: the formula at the ends of what mu* may be."""
    deviation = (record.get("provenance") or {}).get("mu_star_std")
    if not is_number(deviation) or float(deviation) < 0.0:
        return []
    std = float(deviation)
    says = [
        "λ and the frequencies are those of the spectrum; what is uncertain is mu*. The program draws 20 000 "
        f"values of it from a normal distribution of the standard deviation {std:g}, cut off below 0, and "
        "takes the 2.5 % and 97.5 % points of the Tc they give.",
    ]
    if any("plateau" in str(note) for note in record.get("notes") or ()):
        says.append(
            "The spectrum is one of several smearings; the spread of their plateau is in the interval, and "
            "the other smearings are not in this pack, so that the interval cannot be redone from it."
        )
        return [Section("interval", "The 95 % interval", tuple(says))]
    if std == 0.0 or given["mu_star"] < 3.0 * std:
        return [Section("interval", "The 95 % interval", tuple(says))]
    says.append(
        "Tc falls as mu* rises, so that by hand it is the formula at 1.96 standard deviations above and "
        "below; this agrees with the drawing to its scatter, a few percent."
    )
    sections = [Section("interval", "The 95 % interval", tuple(says))]
    for (name, word), sign in zip(_ENDS, (1.0, -1.0), strict=True):
        there = {**given, "mu_star": in_digits(given["mu_star"] + sign * _TWO_SIDED_95 * std)}
        section = _by_formula(formula, _shared(there), there)
        mine, end = section.outcomes[0], float(record[name])
        sections.append(
            Section(
                f"interval_{word}",
                f"The {word} end of the 95 % interval",
                (f"With mu* = {given['mu_star']:g} {'+' if sign > 0 else '-'} {_TWO_SIDED_95} × {std:g}.",),
                None,
                {"mu_star": there["mu_star"]},
                section.steps,
                (Outcome(name, mine.by_hand, end, _SAMPLED * max(end, mine.by_hand) + mine.tolerance, "K"),),
            )
        )
    return sections


def _against_experiment(
    record: Record, given: Mapping[str, float], experiment: Mapping[str, Any] | None
) -> list[Section]:
    """What a laboratory will measure, by the lines of the model."""
    fields = ("tc_experiment_lower_95ci", "tc_experiment", "tc_experiment_upper_95ci")
    stated = [record.get(name) for name in fields]
    if not all(map(is_number, stated)):
        return []
    title = "What a laboratory will measure"
    if experiment is None:
        return [
            Section(
                "experiment",
                title,
                ("The lines it was read from are those of a model that was not at hand when this was made.",),
            )
        ]
    from htc.models.experiment import ExperimentCalibration

    calibration = ExperimentCalibration.from_dict(experiment, where="model/experiment.json")
    lines = calibration.lines(record.get("family"))
    mu = calibration.mu_star
    there = {**given, "mu_star": mu}
    start = _by_formula("allen_dynes_f1", _shared(there), there)
    work = Handwork()
    work.give("tc", start.outcomes[0].by_hand)
    work.errors["tc"] = start.outcomes[0].tolerance
    work.give("tc_max", lines.tc_max_k)
    work.work_all((Line("tc_known", "min(tc, tc_max)"), Line("beyond", "(1 + tc)/(1 + tc_known)")))
    says = (
        "A measured Tc does not change with the mu* somebody chose: the lines start from the exponential "
        f"with f1 at mu* {mu:g}. They were learned from {lines.n_pairs} compounds computed and measured, "
        f"{lines.n_without_tc} of them listed without a Tc.",
    )
    sections = [
        Section(
            "experiment",
            title,
            says,
            None,
            {"mu_star": mu, "tc_max": in_digits(lines.tc_max_k)},
            (*start.steps, *work.steps),
        )
    ]
    extrapolated = bool(record.get("extrapolation_warning"))
    median = "tc_median"
    for name, line, expression, word in (
        (fields[1], lines.median, f"beyond*{_LINE}", "median"),
        (fields[0], lines.lower, f"min({_LINE}, {median})", "lower end"),
        (fields[2], lines.upper, f"max(beyond*{_LINE}, {median})", "upper end"),
    ):
        mine = work.branch()
        mine.give("intercept", line.intercept)
        mine.give("slope", line.slope)
        symbol = median if name == fields[1] else "tc_line"
        mine.work(Line(symbol, expression))
        if symbol == median:
            work.known[median], work.errors[median] = mine.known[median], mine.errors[median]
        note: tuple[str, ...] = ()
        outcomes: tuple[Outcome, ...] = (
            Outcome(name, mine.known[symbol], float(record[name]), mine.tolerance(symbol), "K"),
        )
        if symbol != median and extrapolated:
            note = (
                "The material lies outside the training data: the interval is then at least as wide as the "
                "model's own at this mu*, so that this end need not be the line's.",
            )
            outcomes = ()
        sections.append(
            Section(
                name,
                f"{title}: {word}",
                note,
                None,
                {"intercept": in_digits(line.intercept), "slope": in_digits(line.slope)},
                tuple(mine.steps),
                outcomes,
            )
        )
    return sections
