"""The model against calculated materials that took no part in its training, given as a user's crystal is."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError, InputError, StructureError
from htc.materials.inputs import InputItem
from htc.validation.cases import Case, Pair, Suite, View

if TYPE_CHECKING:
    from htc.prediction import Prediction

__all__ = ["FOLD", "labelled_rows", "make"]

FOLD: Final = 3
"""Of ten, by SHA-256 of the reduced formula: the one that no training and no choice of a model may use."""
MU_STAR: Final = 0.10
"""Of the Tc on both sides."""
_FILE: Final = Path("epc") / "alexandria.jsonl"
_NEEDED: Final = frozenset({"formula", "lam", "poscar", "wlog_K"})
_KEYS: Final = ("mat_id", "jid", "betenet_id")
_SOURCE: Final = "Alexandria, Cerqueira et al., Adv. Mater. 36, 2307085 (2024), doi:10.1002/adma.202307085"
_DOI: Final = "10.1002/adma.202307085"
_BINS: Final = ((0.1, "below 0.1 K"), (1.0, "0.1 to 1 K"), (5.0, "1 to 5 K"), (10.0, "5 to 10 K"))

_VIEWS: Final = (
    View(
        name="tc",
        title="Predicted Tc against calculated",
        unit="K",
        known="calculated Tc (K)",
        predicted="predicted Tc (K)",
        group="confidence",
    ),
    View(
        name="lambda",
        title="Predicted λ against calculated",
        unit="",
        known="calculated λ",
        predicted="predicted λ",
        group="confidence",
        mape_from=0.1,
        case_tolerance=0.05,
    ),
    View(
        name="omega_log",
        title="Predicted ω_log against calculated",
        unit="K",
        known="calculated ω_log (K)",
        predicted="predicted ω_log (K)",
        group="confidence",
        case_tolerance=10.0,
    ),
)


def make(data: Path | None) -> Suite:
    """The suite ``fold3``.

    Args:
        data: the laboratory's data folder, or a JSON-lines file of labelled materials.

    Raises:
        InputError: the file is not there, cannot be read, or holds no row of the fold.
    """
    from htc.models.training.data import fold_of

    if data is None:
        raise InputError("the suite fold3 needs labelled materials", where="HTC_DATA")
    path = data if data.is_file() else data / _FILE
    excluded: Counter[str] = Counter()
    cases: list[Case] = []
    digest = hashlib.sha256()
    for number, row in labelled_rows(path):
        reduced = _reduced(row, f"{path}:{number}")
        if fold_of(reduced) != FOLD:
            excluded["of another fold"] += 1
            continue
        lambda_ep, omega_log = float(row["lam"]), float(row["wlog_K"])
        if not (math.isfinite(lambda_ep) and lambda_ep > 0.0 and omega_log > 0.0):
            excluded["no usable lambda or omega_log"] += 1
            continue
        key = next((str(row[k]) for k in _KEYS if k in row), f"line {number}")
        digest.update(json.dumps(row, sort_keys=True).encode())
        cases.append(_case(key, reduced, lambda_ep, omega_log, row))
    if not cases:
        raise InputError(
            f"no usable row of fold {FOLD} in the file", where=str(path), hint="see docs/howto/validate.md"
        )
    return Suite(
        name="fold3",
        title="The model against calculations it was not trained on",
        about=f"Rows of fold {FOLD}, which took no part in training: predicted as any crystal is, against "
        f"lambda, omega_log and the Tc that follows from them at mu* {MU_STAR:.2f}.",
        cases=tuple(cases),
        views=_VIEWS,
        cautions=(
            "Known and predicted are both of a calculation: this is no comparison with experiment.",
            "A model that was trained by somebody else may have seen these rows.",
        ),
        excluded=dict(excluded),
        mu_star=MU_STAR,
        fingerprint=digest.hexdigest()[:12],
    )


def labelled_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and record of every labelled material of a file.

    Raises:
        InputError: the file cannot be read, or a line is no labelled material.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InputError(f"not a labelled material: {error}", where=f"{path}:{number}") from error
                absent = _NEEDED - row.keys() if isinstance(row, dict) else _NEEDED
                if absent:
                    raise InputError(
                        f"a labelled material without {', '.join(sorted(absent))}", where=f"{path}:{number}"
                    )
                yield number, row
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the labelled materials cannot be read: {error}",
            where=str(path),
            hint="HTC_DATA or --data must name the folder that has epc/*.jsonl, or such a file",
        ) from error


def _reduced(row: dict[str, Any], where: str) -> str:
    from htc.materials.formulas import parse_formula

    try:
        return str(parse_formula(str(row["formula"])).reduced_formula)
    except HTCError as error:
        raise error.located(where) from None


def _case(key: str, reduced: str, lambda_ep: float, omega_log: float, row: dict[str, Any]) -> Case:
    return Case(
        label=f"{reduced} ({key})",
        formula=reduced,
        pressure_gpa=0.0,
        source=_SOURCE if "mat_id" in row else "labelled materials given by the user",
        doi=_DOI if "mat_id" in row else None,
        item=partial(crystal_of, key, str(row["poscar"])),
        pairs_of=partial(_pairs, lambda_ep, omega_log),
        facts={"lambda_ep": lambda_ep, "omega_log": omega_log, "key": key},
    )


def crystal_of(key: str, poscar: str) -> InputItem:
    """The crystal of a row, or why it is none."""
    from pymatgen.core.structure import Structure

    try:
        return InputItem(key, "structure", Structure.from_str(poscar, fmt="poscar"))
    except Exception as error:  # noqa: BLE001  # pymatgen raises what its parsers meet
        return InputItem(key, "error", StructureError(f"the crystal cannot be read: {error}", where=key))


def _pairs(lambda_ep: float, omega_log: float, prediction: Prediction) -> list[Pair]:
    from htc.theory.empirical import allen_dynes_f1

    if prediction.tc_predicted is None or prediction.lambda_ep is None or prediction.omega_log is None:
        return []
    # The same formula on both sides, whatever more a model may know.
    tc = float(allen_dynes_f1(lambda_ep, omega_log, MU_STAR))
    groups = {
        "calculated Tc": next((name for end, name in _BINS if tc < end), "above 10 K"),
        "family": prediction.family or "none",
        "confidence": prediction.confidence_level or "none",
    }
    return [
        Pair(
            view="tc",
            known=tc,
            predicted=float(allen_dynes_f1(prediction.lambda_ep, prediction.omega_log, MU_STAR)),
            lower_95=prediction.tc_lower_95ci,
            upper_95=prediction.tc_upper_95ci,
            groups=groups,
        ),
        Pair(view="lambda", known=lambda_ep, predicted=prediction.lambda_ep, groups=groups),
        Pair(view="omega_log", known=omega_log, predicted=prediction.omega_log, groups=groups),
    ]
