"""The record, the worksheet's arithmetic, and Tc by the program's own formulas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from htc.errors import HTCError, InputError
from htc.evidence.arithmetic import Expression, in_digits
from htc.evidence.checks.check import (
    Check,
    alike,
    compare,
    differs,
    is_number,
    leaves,
    ok,
    same,
    unchecked,
)
from htc.evidence.handwork import half_unit
from htc.evidence.record import record_schema
from htc.evidence.worksheet import Worksheet
from htc.theory.empirical import FORMULAS

__all__ = ["check_arithmetic", "check_record", "check_theory", "check_worksheet"]

_FILE: Final = "worksheet.json"
_EXACT: Final = 1e-9
"""Relative: double precision on another machine."""
_ITERATED: Final = 1e-6
"""Relative: what the solver of the Eliashberg equations leaves over."""

Record = Mapping[str, Any]


def check_record(record: Any) -> Iterator[Check]:
    """The schema, and what must hold between the fields."""
    from jsonschema import Draft202012Validator

    where = "prediction.json"
    errors = sorted(
        Draft202012Validator(record_schema()).iter_errors(record), key=lambda e: list(map(str, e.path))
    )
    for error in errors[:10]:
        place = "/".join(map(str, error.absolute_path)) or "the record"
        yield differs("record", "follows its schema", where, f"{place}: {error.message[:200]}")
    if errors:
        return
    yield ok("record", "follows its schema", where)
    lambda_ep, xi = record["lambda_ep"], record["xi_parameter"]
    if is_number(lambda_ep) and lambda_ep >= 0.0:
        yield compare(
            "record", "xi_parameter", xi, lambda_ep / (1.0 + lambda_ep), relative=_EXACT, where=where
        )
    for low, middle, high in (
        ("tc_lower_95ci", "tc_predicted", "tc_upper_95ci"),
        ("tc_experiment_lower_95ci", "tc_experiment", "tc_experiment_upper_95ci"),
    ):
        values = [record[name] for name in (low, middle, high)]
        if all(map(is_number, values)):
            fits = values[0] <= values[1] <= values[2]
            said = f"{values[0]:g}, {values[1]:g}, {values[2]:g}"
            check = ok if fits else differs
            yield check("record", f"{middle} lies in its interval", where, None if fits else said)
    if record["applicable"] is (record["reason"] is not None):
        yield differs("record", "a Tc or a reason why there is none", where)


def check_arithmetic(stated: Any) -> Iterator[Check]:
    """Every step of the worksheet, from its own numbers, as a person would do it."""
    if not isinstance(stated, dict) or not isinstance(stated.get("sections"), list):
        yield differs("worksheet", "is a worksheet", _FILE)
        return
    given = stated.get("given")
    shared = {k: v for k, v in given.items() if is_number(v)} if isinstance(given, dict) else {}
    for section in stated["sections"]:
        if not isinstance(section, dict):
            yield differs("worksheet", "is a worksheet", _FILE, "a section is no object")
            continue
        yield from _section_arithmetic(section, {k: in_digits(v) for k, v in shared.items()})


def _section_arithmetic(section: Mapping[str, Any], known: dict[str, float]) -> Iterator[Check]:
    name = str(section.get("id"))[:60]
    own = section.get("given")
    if isinstance(own, dict):
        known |= {k: v for k, v in own.items() if is_number(v)}
    steps = section.get("steps")
    wrong: list[str] = []
    if not isinstance(steps, list):
        steps, wrong = [], ["no list of steps"]
    for step in steps:
        try:
            complaint = _step(step, known)
        except (InputError, KeyError, TypeError, AttributeError, OverflowError) as error:
            complaint = f"a step cannot be done: {error}"
        if complaint:
            wrong.append(complaint)
    if wrong:
        yield differs("worksheet", f"{name}: every step", _FILE, "; ".join(wrong[:5]))
    else:
        yield ok("worksheet", f"{name}: every step", _FILE)
    outcomes = section.get("outcomes")
    for outcome in outcomes if isinstance(outcomes, list) else []:
        if not isinstance(outcome, dict):
            continue
        by_hand, by_program, tolerance = (outcome.get(k) for k in ("by_hand", "by_program", "tolerance"))
        if not (is_number(by_hand) and is_number(by_program) and is_number(tolerance)):
            yield differs("worksheet", f"{name}: {outcome.get('field')}", _FILE, "no numbers")
            continue
        yield compare(
            "worksheet",
            f"{name}: {outcome.get('field')} by hand",
            by_hand,
            by_program,
            absolute=tolerance,
            where=_FILE,
        )


def _step(step: Mapping[str, Any], known: dict[str, float]) -> str | None:
    """Do one step again; a complaint, or None. Its result is known from then on."""
    symbol, values, value = str(step["symbol"]), step["values"], step["value"]
    expression = Expression.parse(str(step["expression"]))
    if not is_number(value) or not all(map(is_number, values.values())):
        return f"{symbol}: no numbers"
    for name in expression.names:
        if name in known and in_digits(values[name]) != in_digits(known[name]):
            return f"{symbol}: {name} is {values[name]!r} here and {known[name]!r} before"
    found = expression.value(values)
    # The last printed digit may be rounded the other way on another machine.
    if abs(found - value) > 2.0 * half_unit(max(abs(found), abs(value))) * (1.0 + 1e-6):
        return f"{symbol} = {expression.source} gives {in_digits(found)!r}, not {value!r}"
    known[symbol] = value
    return None


def check_worksheet(stated: Any, mine: Worksheet) -> Iterator[Check]:
    """The worksheet against one made anew from the record and the spectrum, number by number."""
    if not isinstance(stated, dict):
        return
    again = mine.as_dict()
    for name in ("schema", "digits", "formula", "reason"):
        yield same("worksheet", name, stated.get(name), again[name], where=_FILE)
    theirs = {str(s.get("id")): s for s in _list(stated, "sections")}
    ours = {s["id"]: s for s in again["sections"]}
    for name in sorted(set(theirs) ^ set(ours)):
        said = "is missing" if name in ours else "does not follow from the record"
        yield differs("worksheet", f"{name[:60]}: the section", _FILE, said)
    for name, section in ours.items():
        if name not in theirs:
            continue
        other = theirs[name]
        wrong = [path for path, a, b in leaves(_comparable(other), _comparable(section)) if not alike(a, b)]
        if wrong:
            yield differs("worksheet", f"{name}: as made anew", _FILE, ", ".join(wrong[:5]))
        else:
            yield ok("worksheet", f"{name}: as made anew", _FILE)
    solved = {str(s.get("convention")): s for s in _list(stated, "eliashberg")}
    for row in again["eliashberg"]:
        name = row["convention"]
        their_row = solved.pop(name, {})
        yield compare(
            "spectrum",
            f"Eliashberg Tc, {name} (K)",
            their_row.get("tc_k"),
            row["tc_k"],
            relative=_ITERATED,
            absolute=1e-9,
            where=_FILE,
        )
        wrong = [k for k, v in row.items() if k != "tc_k" and not alike(their_row.get(k), v, _ITERATED)]
        if wrong:
            yield differs("spectrum", f"Eliashberg settings, {name}", _FILE, ", ".join(wrong))
    for name in solved:
        yield differs("spectrum", f"Eliashberg Tc, {name[:60]}", _FILE, "does not follow from the record")


def check_theory(record: Record, formula: str | None) -> Iterator[Check]:
    """Tc of the record by the function of the program."""
    tc = record.get("tc_predicted")
    arguments = [record.get(name) for name in ("lambda_ep", "omega_log", "mu_star")]
    if not is_number(tc):
        return
    if formula is None or not all(map(is_number, arguments)):
        yield unchecked(
            "theory", "tc_predicted (K)", "prediction.json", "the record does not say which formula gave it"
        )
        return
    needs = FORMULAS[formula].needs_omega_2
    try:
        again = float(FORMULAS[formula](*arguments, omega_2_k=record.get("omega_2") if needs else None))  # type: ignore[arg-type]  # numbers
    except HTCError as error:
        yield differs("theory", "tc_predicted (K)", "prediction.json", str(error))
        return
    # Below a nanokelvin nobody cares, and rounding of lambda is all there is.
    yield compare(
        "theory",
        f"tc_predicted (K) by {formula}",
        tc,
        again,
        relative=_EXACT,
        absolute=1e-9,
        where="prediction.json",
    )


def _list(stated: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list of a stranger's JSON."""
    found = stated.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _comparable(section: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a section; its words are compared where words are."""
    return {k: section.get(k) for k in ("given", "steps", "outcomes", "doi")}
