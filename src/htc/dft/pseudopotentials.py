"""Pseudopotentials in UPF: what their headers say, and one of each element that go together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from htc.errors import InputError

__all__ = ["Cutoffs", "Pseudopotential", "choose_pseudopotentials", "cutoffs_for", "read_pseudopotential"]

Kind = Literal["NC", "US", "PAW"]

_FUNCTIONALS: Final[dict[str, str]] = {
    "SLA PZ NOGX NOGC": "LDA",
    "PZ": "LDA",
    "SLA PW NOGX NOGC": "LDA-PW",
    "SLA PW PBX PBC": "PBE",
    "SLA PW PBE PBE": "PBE",
    "PBE": "PBE",
    "SLA PW PSX PSC": "PBEsol",
    "PBESOL": "PBEsol",
}
_PREFERRED: Final = ("PBE", "PBEsol", "LDA-PW", "LDA")
_HEADER_BYTES: Final = 400_000
"""The human-readable part of a file with GIPAW data can be long; the header always lies within this."""
_KINDS: Final[dict[str, Kind]] = {"NC": "NC", "SL": "NC", "US": "US", "USPP": "US", "PAW": "PAW"}

_HARD: Final = frozenset(["H", "B", "C", "N", "O", "F", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"])
"""First row and late 3d: their states have no core states of the same angular momentum to be screened by."""
_ASSUMED_RY: Final[dict[tuple[Kind, bool], float]] = {
    ("NC", True): 90.0,
    ("NC", False): 60.0,
    ("US", True): 50.0,
    ("US", False): 40.0,
    ("PAW", True): 55.0,
    ("PAW", False): 45.0,
}
"""Cutoff of the wave functions by kind and hardness, where a file suggests none: to be converged."""
_DENSITY_FACTOR: Final[dict[Kind, float]] = {"NC": 4.0, "US": 10.0, "PAW": 8.0}
_ROUND_TO_RY: Final = 5.0


@dataclass(frozen=True, slots=True)
class Pseudopotential:
    """What the header of a UPF file says."""

    path: Path
    element: str
    kind: Kind
    """Norm-conserving, ultrasoft or PAW."""
    functional: str
    """``PBE``, ``PBEsol``, ``LDA``, ``LDA-PW``, or the header's own words."""
    z_valence: float
    wavefunction_ry: float | None
    """Suggested least cutoff of the wave functions, Ry; None where the file suggests none."""
    density_ry: float | None
    """Likewise of the charge density."""
    spin_orbit: bool
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the file's name in place of its path."""
        return {k: v for k, v in asdict(self).items() if k != "path"} | {"file": self.path.name}


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Plane-wave cutoffs of a calculation, Ry, and where they come from."""

    wavefunction_ry: float
    density_ry: float
    origin: str


def read_pseudopotential(path: Path) -> Pseudopotential:
    """Read the header of a UPF file, of version 1 or 2.

    Raises:
        InputError: the file cannot be read, or is no UPF file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    text = content[:_HEADER_BYTES].decode("latin-1")
    attributes = _header(text)
    element = attributes.get("element", "").strip().capitalize()
    kind = _KINDS.get(attributes.get("pseudo_type", "").strip().upper())
    if not re.fullmatch("[A-Z][a-z]?", element) or kind is None:
        raise InputError(
            "its header names no element or no kind of pseudopotential",
            where=str(path),
            hint="UPF files are read; upfconv.x of Quantum ESPRESSO converts older formats",
        )
    words = " ".join(attributes.get("functional", "").upper().split())
    return Pseudopotential(
        path=path,
        element=element,
        kind=kind,
        functional=_FUNCTIONALS.get(words, words or "unknown"),
        z_valence=_number(attributes.get("z_valence")) or 0.0,
        wavefunction_ry=_suggested(attributes.get("wfc_cutoff"), text, "wavefunctions"),
        density_ry=_suggested(attributes.get("rho_cutoff"), text, "charge density"),
        spin_orbit=attributes.get("has_so", "f").strip(".").lower().startswith("t"),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def choose_pseudopotentials(
    elements: Sequence[str],
    folder: Path,
    *,
    files: Mapping[str, str] | None = None,
    functional: str | None = None,
    kind: Kind | None = None,
) -> dict[str, Pseudopotential]:
    """One pseudopotential for every element, all of one functional.

    Of several the scalar-relativistic come before those with spin-orbit coupling, those that suggest cutoffs
    before those that do not, lower cutoffs before higher ones, and then names in order.

    Args:
        elements: symbols.
        folder: where the UPF files are.
        files: file names by symbol, for elements that are to have a certain one.
        functional: one of PBE, PBEsol, LDA-PW, LDA; None: the first of these that all elements have.
        kind: only such; EPW 5 needs norm-conserving ones.

    Raises:
        InputError: no such folder, or no set of one functional in it.
    """
    if not folder.is_dir():
        raise InputError(
            "there is no such folder of pseudopotentials",
            where=str(folder),
            hint="name one with --pseudo-dir, or in ESPRESSO_PSEUDO",
        )
    fixed = {symbol: read_pseudopotential(folder / name) for symbol, name in (files or {}).items()}
    for symbol, pseudo in fixed.items():
        if pseudo.element != symbol:
            raise InputError(f"is for {pseudo.element}, not for {symbol}", where=str(pseudo.path))
    known: dict[str, list[Pseudopotential]] = {s: [fixed[s]] if s in fixed else [] for s in elements}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() == ".upf"):
        # Names begin with the symbol by convention; the header then decides.
        named = re.match("[A-Za-z]+", path.name)
        if named and named.group().capitalize() in known and named.group().capitalize() not in fixed:
            known[named.group().capitalize()] += _readable(path, named.group().capitalize(), kind)
    for symbol, found in known.items():
        if not found:
            kinds = "" if kind is None else f"{kind} "
            raise InputError(
                f"no {kinds}pseudopotential of {symbol}",
                where=str(folder),
                hint=f"put a UPF file whose name begins with {symbol} there, or name one: "
                f"--pseudo {symbol}=FILE",
            )
    wanted: tuple[str, ...] = _PREFERRED if functional is None else (functional,)
    if functional is None and fixed:
        wanted = tuple(dict.fromkeys(p.functional for p in fixed.values()))
    for name in wanted:
        chosen = {s: [p for p in found if p.functional == name] for s, found in known.items()}
        if all(chosen.values()):
            return {s: min(found, key=_worth) for s, found in chosen.items()}
    have = "; ".join(f"{s}: {', '.join(sorted({p.functional for p in f}))}" for s, f in known.items())
    raise InputError(
        "the elements have no pseudopotentials of one functional"
        if functional is None
        else f"not every element has a pseudopotential for {functional}",
        where=str(folder),
        hint=f"there are {have}",
    )


def cutoffs_for(
    pseudopotentials: Iterable[Pseudopotential],
    wavefunction_ry: float | None = None,
    density_ry: float | None = None,
) -> Cutoffs:
    """Cutoffs that suit all pseudopotentials: the largest that any of them suggests, rounded up to 5 Ry.

    Args:
        pseudopotentials: of the calculation.
        wavefunction_ry: what the user wants instead.
        density_ry: likewise.

    Raises:
        InputError: a cutoff that is no positive number, or one of the density below four times the other.
    """
    chosen = list(pseudopotentials)
    silent = sorted({p.element for p in chosen if p.wavefunction_ry is None})
    factor = max(_DENSITY_FACTOR[p.kind] for p in chosen)
    if wavefunction_ry is None:
        largest = max(p.wavefunction_ry or _ASSUMED_RY[p.kind, p.element in _HARD] for p in chosen)
        wave = -(-largest // _ROUND_TO_RY) * _ROUND_TO_RY
        origin = "suggested by the pseudopotentials" if not silent else "assumed for " + ", ".join(silent)
    else:
        wave, origin = float(wavefunction_ry), "given"
    density = float(density_ry) if density_ry is not None else 0.0
    if density_ry is None:
        density = max([4.0 * wave, *(p.density_ry or 0.0 for p in chosen)])
        if any(p.kind != "NC" and p.density_ry is None for p in chosen):
            density = max(density, factor * wave)
        density = -(-density // _ROUND_TO_RY) * _ROUND_TO_RY
    if not (0.0 < wave < 1000.0 and density < 10_000.0):
        raise InputError(f"{wave:g} and {density:g} Ry are no cutoffs", where="ecutwfc, ecutrho")
    if density < 4.0 * wave:
        raise InputError(
            f"a density cutoff of {density:g} Ry is below four times that of the wave functions, {wave:g} Ry",
            where="ecutrho",
            hint="the density of such waves has components up to four times their energy",
        )
    return Cutoffs(wave, density, origin)


def _readable(path: Path, symbol: str, kind: Kind | None) -> list[Pseudopotential]:
    """The file, where it is one of this element and kind; folders of pseudopotentials hold odd files, too."""
    try:
        pseudo = read_pseudopotential(path)
    except InputError:
        return []
    return [pseudo] if pseudo.element == symbol and kind in (None, pseudo.kind) else []


def _worth(pseudo: Pseudopotential) -> tuple[Any, ...]:
    cutoff = pseudo.wavefunction_ry
    return (pseudo.spin_orbit, cutoff is None, cutoff or 0.0, pseudo.path.name)


def _header(text: str) -> dict[str, str]:
    second = re.search(r"<PP_HEADER\s([^<]*?)/?>", text)
    if second and "=" in second.group(1):
        pairs = re.findall(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", second.group(1))
        found = {name: double or single for name, double, single in pairs}
        if found.get("is_paw", "f").strip(".").lower().startswith("t"):
            found["pseudo_type"] = "PAW"
        return found
    first = re.search(r"<PP_HEADER>(.*?)</PP_HEADER>", text, re.DOTALL)
    if first is None:
        return {}
    return _first_version(first.group(1).strip("\n").splitlines())


def _first_version(lines: list[str]) -> dict[str, str]:
    """Version 1: values, then words that say what they are."""
    found: dict[str, str] = {}
    for line in lines:
        tokens = line.split()
        if not tokens:
            continue
        if tokens[-1] == "Element":
            found["element"] = tokens[0]
        elif "Exchange-Correlation" in line:
            found["functional"] = " ".join(tokens[:4])
        elif "Z valence" in line:
            found["z_valence"] = tokens[0]
        elif "cutoff for wfc and rho" in line:
            found["wfc_cutoff"], found["rho_cutoff"] = tokens[:2]
        elif tokens[0] in _KINDS:
            found["pseudo_type"] = tokens[0]
    return found


def _suggested(value: str | None, text: str, what: str) -> float | None:
    number = _number(value)
    if number is None:
        said = re.search(rf"Suggested minimum cutoff for {what}:\s*([\d.]+)", text)
        number = _number(said.group(1)) if said else None
    return number


def _number(value: str | None) -> float | None:
    """A positive number; generators write 0 where they know none."""
    try:
        number = float((value or "").lower().replace("d", "e"))
    except ValueError:
        return None
    return number if 0.0 < number < 1e5 else None
