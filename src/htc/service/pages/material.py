"""What the page of a material shows."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from htc.errors import NotFoundError
from htc.materials.formulas import parse_formula
from htc.service.details import spectrum_of
from htc.service.materials import material
from htc.service.methods import methods_of, spectrum_for
from htc.service.pages.crystal import crystal_for_view
from htc.store.records import prediction_record, structure_record

if TYPE_CHECKING:
    from htc.service.state import Service
    from htc.store.records import Record

__all__ = ["material_view", "methods_part", "nothing_known"]

_ENDS_95: Final = 1.959964
_DOI: Final = re.compile(r"doi:(10\.\S+)")


def nothing_known(formula: str) -> str:
    """The reduced formula of a material that nothing is stored of.

    Raises:
        FormulaError: it is no formula.
    """
    return str(parse_formula(formula).reduced_formula)


def material_view(service: Service, formula: str, prediction_id: str | None) -> dict[str, Any]:
    """Everything the page says of a formula, about one of its predictions or the best of them.

    Raises:
        FormulaError: it is no formula.
        NotFoundError: the prediction is not stored, or is of another formula.
        StoreError: the database does not answer.
    """
    try:
        known = material(service, formula)
    except NotFoundError:
        known = {"formula": formula, "best": None, "references": [], "predictions": [], "prediction_count": 0}
    best = known["best"]
    shown_id = prediction_id or (best and best["id"])
    record = None if shown_id is None else prediction_record(service.database, shown_id)
    if record is not None and record["reduced_formula"] != known["formula"]:
        raise NotFoundError(
            f"the prediction {shown_id} is of {record['reduced_formula']}", where="prediction"
        )
    view: dict[str, Any] = {
        "formula": known["formula"],
        "known": known,
        "p": record,
        "references": [_reference(one) for one in known["references"]],
        "crystal": None,
        "crystal_of_another": False,
        "spectrum": None,
        "methods": None,
        "measured": None,
    }
    if record is None:
        return view
    view |= _crystal(service, record, known)
    view["spectrum"] = _spectrum(record)
    view["measured"] = _measured(view["references"], record["pressure_required_gpa"] or 0.0)
    if record["tc_predicted"] is not None:
        view["methods"] = _methods(record, view["measured"], eliashberg=False)
    return view


def _crystal(service: Service, record: Record, known: Record) -> dict[str, Any]:
    document, name = record["structure"], record["structure_hash"]
    another = False
    if document is None and record["pressure_required_gpa"] in (None, 0.0):
        # A spectrum comes without its crystal; that of another prediction helps the eye, and is named so.
        other = next((p for p in known["predictions"] if p["structure_hash"]), None)
        if other is not None:
            name, another = other["structure_hash"], True
            document = structure_record(service.database, name)["structure"]
    crystal = crystal_for_view(document) if document else None
    return {"crystal": crystal, "crystal_hash": name, "crystal_of_another": another and crystal is not None}


def _spectrum(record: Record) -> dict[str, Any] | None:
    """The spectrum with its running lambda, and the band that the uncertainty of lambda puts around it."""
    spectrum, origin = spectrum_for(record)
    if spectrum is None:
        return None
    plain = spectrum_of(spectrum.omega_mev, spectrum.alpha2f, None)
    factors = None
    value, spread = record["lambda_ep"], record["lambda_ep_uncertainty"]
    if value and spread:
        # Log-normal, as the intervals are: the shape is given, its height is what is uncertain.
        width = math.sqrt(math.log(0.5 * (1.0 + math.sqrt(1.0 + 4.0 * (spread / value) ** 2))))
        factors = [math.exp(-_ENDS_95 * width), math.exp(_ENDS_95 * width)]
    return {
        "origin": origin,
        "omega_mev": plain["omega_mev"].tolist(),
        "alpha2f": plain["alpha2f"].tolist(),
        "cumulative_lambda": plain["cumulative_lambda"].tolist(),
        "lambda_factors": factors,
        "points": int(spectrum.omega_mev.size),
    }


def methods_part(service: Service, formula: str, prediction_id: str) -> dict[str, Any]:
    """The methods of one prediction with the Eliashberg equations, for a part of the page.

    Raises:
        NotFoundError: the prediction is not stored.
        StoreError: the database does not answer.
    """
    from htc.materials.library import entries_of

    record = prediction_record(service.database, prediction_id)
    references = [
        {"tc_measured": one.tc_measured_k, "pressure_gpa": one.pressure_gpa} for one in entries_of(formula)
    ]
    measured = _measured(references, record["pressure_required_gpa"] or 0.0)
    return {"p": record, "measured": measured, "methods": _methods(record, measured, eliashberg=True)}


def _methods(record: Record, measured: float | None, *, eliashberg: bool) -> dict[str, Any]:
    """Tc by every method, laid out: a row for each method, a column for each mu*, on one linear axis.

    Args:
        record: the prediction with its spectrum.
        measured: measured Tc, K, if known.
        eliashberg: also solve the Eliashberg equations.
    """
    answer = methods_of(record, eliashberg=eliashberg)
    rows: dict[tuple[str, str | None], dict[str, Any]] = {}
    for one in answer["rows"]:
        row = rows.setdefault(
            (one["method"], one["convention"]),
            {
                "title": one["title"],
                "doi": one["doi"],
                "convention": one["convention"],
                "tc": {},
                "reasons": {},
            },
        )
        row["tc"][one["mu_star"]] = one["tc_kelvin"]
        row["reasons"][one["mu_star"]] = one["reason"]
        if one["mu_star"] == answer["mu_star"]:
            row["low"], row["high"] = one["tc_lower_95ci"], one["tc_upper_95ci"]
    mu_stars = sorted({one["mu_star"] for one in answer["rows"]})
    ends = [record["tc_predicted"], record["tc_upper_95ci"], record["tc_experiment_upper_95ci"], measured]
    ends += [tc for row in rows.values() for tc in row["tc"].values()]
    ends += [row.get("high") for row in rows.values()]
    most = max((end for end in ends if end is not None), default=1.0)
    return {
        "rows": list(rows.values()),
        "mu_stars": mu_stars,
        "own": answer["mu_star"],
        "origin": answer["spectrum_origin"],
        "with_eliashberg": eliashberg,
        "axis": _axis(most),
    }


def _axis(most: float) -> dict[str, Any]:
    """A linear axis from 0 with four to eight round ticks, K."""
    top = max(most * 1.04, 1e-3)
    power = 10.0 ** math.floor(math.log10(top / 6.0))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if top / (m * power) <= 7.0)
    count = math.floor(top / step)
    return {"top": top, "ticks": [round(n * step, 10) for n in range(count + 1)]}


def _reference(entry: Record) -> Record:
    links = []
    for text in entry["sources"]:
        doi = _DOI.search(text)
        links.append({"text": _DOI.sub("", text).rstrip(" ,"), "doi": doi and doi[1].rstrip(".,;")})
    return entry | {"links": links}


def _measured(references: list[Record], pressure_gpa: float) -> float | None:
    from htc.materials.library import pressure_matches

    near = [
        one["tc_measured"]
        for one in references
        if one["tc_measured"] is not None and pressure_matches(pressure_gpa, one["pressure_gpa"])
    ]
    return max(near, default=None)
