"""One thing that was checked, and how numbers are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from htc.evidence.arithmetic import is_number

__all__ = [
    "GROUPS",
    "Check",
    "Status",
    "alike",
    "compare",
    "differs",
    "is_number",
    "leaves",
    "ok",
    "same",
    "unchecked",
]

Status = Literal["ok", "differs", "unchecked"]

GROUPS: Final = {
    "files": "the files are those that were packed",
    "record": "the record makes sense",
    "worksheet": "the worksheet's arithmetic",
    "theory": "Tc from the numbers of the record",
    "spectrum": "moments and Tc from the spectrum",
    "structure": "the crystal",
    "model": "the prediction, made again",
    "words": "what the files say in words",
}
"""Subjects by name, in the order they are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison."""

    group: str
    """Key of `GROUPS`."""
    what: str
    status: Status
    where: str | None = None
    """File of the pack."""
    stated: Any = None
    """What the pack says."""
    again: Any = None
    """What comes out now."""
    tolerance: float | None = None
    """How far numbers may be apart, absolute; None where they must be the same, or are no numbers."""
    note: str | None = None

    @property
    def stated_text(self) -> str:
        """`stated` for a table."""
        return _text(self.stated)

    @property
    def again_text(self) -> str:
        """`again` for a table."""
        return _text(self.again)

    @property
    def tolerance_text(self) -> str:
        """`tolerance` for a table."""
        return "" if self.tolerance is None else f"{self.tolerance:.2g}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.8g}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def ok(group: str, what: str, where: str | None = None, note: str | None = None) -> Check:
    """It comes out."""
    return Check(group=group, what=what, status="ok", where=where, note=note)


def differs(group: str, what: str, where: str | None = None, note: str | None = None) -> Check:
    """It does not."""
    return Check(group=group, what=what, status="differs", where=where, note=note)


def unchecked(group: str, what: str, where: str | None = None, note: str | None = None) -> Check:
    """It could not be checked; ``note`` says why."""
    return Check(group=group, what=what, status="unchecked", where=where, note=note)


def compare(
    group: str,
    what: str,
    stated: Any,
    again: Any,
    *,
    relative: float = 0.0,
    absolute: float = 0.0,
    where: str | None = None,
    note: str | None = None,
) -> Check:
    """Two numbers to a tolerance: ``absolute`` plus ``relative`` times the larger of them."""
    numbers = is_number(stated) and is_number(again)
    tolerance = absolute + relative * max(abs(stated), abs(again)) if numbers else None
    fits = abs(stated - again) <= (tolerance or 0.0) if numbers else stated is None and again is None
    return Check(
        group=group,
        what=what,
        status="ok" if fits else "differs",
        where=where,
        stated=stated,
        again=again,
        tolerance=tolerance,
        note=note,
    )


def same(
    group: str, what: str, stated: Any, again: Any, *, where: str | None = None, note: str | None = None
) -> Check:
    """Two things that must be equal."""
    return Check(
        group=group,
        what=what,
        status="ok" if stated == again and type(stated) is type(again) else "differs",
        where=where,
        stated=stated,
        again=again,
        note=note,
    )


def leaves(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Values of two trees of the same form, and the places where the form differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from leaves(a.get(key), b.get(key), f"{path}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from leaves(x, y, f"{path}/{i}")
    else:
        yield path.lstrip("/"), a, b


def alike(a: Any, b: Any, relative: float = 3e-6) -> bool:
    """Equal, or numbers that differ by the last printed digits."""
    if is_number(a) and is_number(b):
        return bool(abs(a - b) <= relative * max(abs(a), abs(b)) + 1e-12)
    return bool(a == b)
