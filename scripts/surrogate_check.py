"""Compare surrogate spectra with real ones, and write the tables and the figure of their page.

    HTC_DATA=... python scripts/surrogate_check.py [--phonons FILE.json] [--compounds N]

renews the tables of docs/explanation/surrogate-spectrum.md and docs/images/surrogate-spectrum.png. The
spectra and the calculated compounds lie in the laboratory's data folder. ``--phonons`` names a file of phonon
densities of states; those it lacks, of the metals below and of N compounds, are computed with SevenNet-0
(extra ``[mlip]``) and added to it. Without it the figures that need a density of states are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htc.errors import HTCError
from htc.models.surrogate_spectrum import TYPICAL_EXPONENT, TYPICAL_RATIO, surrogate_spectrum
from htc.spectra import Spectrum, read_spectra
from htc.theory.eliashberg.transition import transition
from htc.units import KB_MEV_PER_K

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    Dos = tuple[NDArray[np.float64], NDArray[np.float64]]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "surrogate-spectrum.md"
IMAGE = ROOT / "docs" / "images" / "surrogate-spectrum.png"

MU_STAR = 0.10
BETE_MU_STAR = 0.1293
"""mu* of the Tc in the BETE-NET set, at ten times the highest phonon frequency."""
VISIBLE_TC_K = 0.5
PUBLIC_TEST = 3
"""Fold that nothing here was chosen on."""

CHOSEN_ON = (10, 52, 187, 250, 256, 289, 400, 609, 686, 702, 771, 796, 821)
"""Ids of the compounds that TYPICAL_EXPONENT was chosen on."""

RANGES = ((1.0, 1.15), (1.15, 1.3), (1.3, 1.5), (1.5, 4.0))
"""Of omega_2/omega_log."""

REAL = (
    ("Al, QE", "own/qe_al_dense/alpha2F.dat", None, "degauss 0.03 Ry", "Al"),
    ("Al, Elk", "peers/elk_Al/ALPHA2F.OUT", None, "", "Al"),
    ("Nb, Elk", "peers/elk_Nb/ALPHA2F.OUT", None, "", "Nb"),
    ("Nb, QE", "peers/isome_nb/Nb.a2F", None, "degauss 0.03 Ry", "Nb"),
    ("Pb, Elk", "peers/elk_Pb/ALPHA2F.OUT", None, "", "Pb"),
    ("Pb, QE", "peers/nepal_pb/alpha2F.dat", None, "degauss 0.02 Ry", "Pb"),
    ("MgB2, EPW", "own/epw_mgb2/MgB2.a2f_iso", None, "", "MgB2"),
    ("MgB2, Elk", "peers/elk_MgB2/ALPHA2F.OUT", None, "", "MgB2"),
    ("Nb3Sn", "peers/gitgreg_Nb3Sn/a2f_s1,5_r1000_g5.csv", None, "", "Nb3Sn"),
    ("CaH6, 130 GPa", "peers/gitgreg_CaH6_130GPa/a2f_s3_r1000_g5.csv", None, "", None),
    ("La2H20", "peers/gitgreg_La2H20/a2f_s3_r1000_g5.csv", None, "", None),
    ("ThH9, 100 GPa", "peers/gitgreg_ThH9_100GPa/a2f_s3_r1000_g5.csv", None, "", None),
    ("La hydride, Elk", "peers/miicck_la/elk/ALPHA2F.OUT", "Ha", "", None),
)
"""Name, file, unit it does not state, part of the label, structure that the potential is asked about."""

Form = Callable[[float, float, float], Spectrum]
"""lambda, omega_log (K) and omega_2 (K) to a spectrum."""


@dataclass(frozen=True)
class Case:
    """A spectrum that was calculated, or of which moments and Tc were."""

    name: str
    lambda_ep: float
    omega_log_k: float
    omega_2_k: float
    dos: Dos | None = None
    spectrum: Spectrum | None = None
    tc_k: float = float("nan")
    fold: int = -1
    key: int = -1
    group: str = ""

    @property
    def ratio(self) -> float:
        """omega_2/omega_log."""
        return self.omega_2_k / self.omega_log_k


def scaled(
    omega: NDArray[np.float64], alpha2f: NDArray[np.float64], lambda_ep: float, log_k: float
) -> Spectrum:
    """A shape with lambda and omega_log."""
    raw = Spectrum(omega, alpha2f)
    return Spectrum(omega * (log_k * KB_MEV_PER_K / raw.omega_log_mev), alpha2f * (lambda_ep / raw.lambda_ep))


def einstein(lambda_ep: float, omega_log_k: float, _: float) -> Spectrum:
    """A line, 1 % wide."""
    x = np.linspace(0.96, 1.04, 81)
    weight = np.exp(-0.5 * ((x - 1.0) / 0.01) ** 2)
    weight[[0, -1]] = 0.0
    return scaled(x, weight, lambda_ep, omega_log_k)


def debye(lambda_ep: float, omega_log_k: float, _: float) -> Spectrum:
    """alpha2F ~ w^2 up to an edge."""
    x = np.linspace(0.0, 1.0, 400)[1:]
    return scaled(np.append(x, 1.001), np.append(x**2, 0.0), lambda_ep, omega_log_k)


def log_normal(lambda_ep: float, omega_log_k: float, omega_2_k: float) -> Spectrum:
    """A bell over ln w between two standard deviations."""
    return solved(_bell, 0.02, 3.0, lambda_ep, omega_log_k, omega_2_k)


def _bell(width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y = np.linspace(-2.0, 2.0, 600)
    bell = np.exp(-0.5 * y * y)
    bell[[0, -1]] = 0.0
    return np.exp(width * y), bell


def edged(edge: float) -> Form:
    """w^a (1 - w/w_max)^edge."""
    x = np.linspace(0.0, 1.0, 501)[1:] ** 2

    def shape(rise: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        with np.errstate(divide="ignore"):
            log = rise * np.log(x) + edge * np.log1p(-x)
        return x, np.exp(log - log.max())

    return lambda lam, log_k, second_k: solved(shape, 0.2, 200.0, lam, log_k, second_k)


def solved(
    shape: Callable[[float], tuple[NDArray[np.float64], NDArray[np.float64]]],
    low: float,
    high: float,
    lambda_ep: float,
    omega_log_k: float,
    omega_2_k: float,
) -> Spectrum:
    """The member of a family with these moments."""
    from scipy.optimize import brentq

    def off(parameter: float) -> float:
        spectrum = Spectrum(*shape(parameter))
        return spectrum.omega_2_mev / spectrum.omega_log_mev - omega_2_k / omega_log_k

    return scaled(*shape(float(brentq(off, low, high))), lambda_ep, omega_log_k)


def closed(lambda_ep: float, omega_log_k: float, omega_2_k: float) -> Spectrum:
    """Ours with omega_2."""
    return surrogate_spectrum(lambda_ep, omega_log_k, omega_2_k=omega_2_k)


def closed_typical(lambda_ep: float, omega_log_k: float, _: float) -> Spectrum:
    """Ours without omega_2."""
    return surrogate_spectrum(lambda_ep, omega_log_k)


EINSTEIN = "Einstein line"
OURS = "**w^a (1 - w/w_max)^2**"
LEGEND = {EINSTEIN: "Einstein line", OURS: "surrogate, closed form"}
FORMS: dict[str, Form] = {
    EINSTEIN: einstein,
    "Debye": debye,
    "log-normal, cut at 2 σ": log_normal,
    "w^a (1 - w/w_max)": edged(1.0),
    "w^a (1 - w/w_max)^3": edged(3.0),
    OURS: closed,
    "the same, omega_2 not given": closed_typical,
}


def on_dos(case: Case, *, second: bool) -> Spectrum | None:
    """Ours with the density of states; None where there is none or it does not fit."""
    if case.dos is None:
        return None
    try:
        return surrogate_spectrum(
            case.lambda_ep, case.omega_log_k, omega_2_k=case.omega_2_k if second else None, dos=case.dos
        )
    except HTCError as error:
        say(f"{case.name}: {error}")
        return None


def real_cases(folder: Path, densities: dict[str, Dos]) -> Iterator[Case]:
    """The real spectra, without their negative weight."""
    for name, file, unit, label, group in REAL:
        found = next(s for s in read_spectra(folder / "spectra" / file, unit=unit) if label in s.label)
        spectrum = found.clipped() if (found.alpha2f < 0.0).any() else found
        material = group or name
        yield Case(
            name,
            spectrum.lambda_ep,
            spectrum.omega_log_k,
            spectrum.omega_2_k,
            densities.get(material),
            spectrum,
            group=material,
        )


def bete_rows(folder: Path) -> list[dict[str, Any]]:
    """Compounds of the BETE-NET set whose Tc can be seen."""
    lines = (folder / "epc" / "betenet.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["Tc_ME_K"] > VISIBLE_TC_K]


def bete_cases(rows: Iterable[dict[str, Any]], densities: dict[str, Dos]) -> list[Case]:
    """The same as cases."""
    return [
        Case(
            f"{row['formula']} ({row['betenet_id']})",
            row["lam"],
            row["wlog_K"],
            row["w2_K"],
            densities.get(f"b{row['betenet_id']}"),
            tc_k=row["Tc_ME_K"],
            fold=row["fold"],
            key=row["betenet_id"],
        )
        for row in rows
    ]


def log_error(spectrum: Spectrum, tc_k: float, mu_star: float, convention: str) -> float:
    """ln Tc/Tc of the real one."""
    found = transition(spectrum, mu_star, convention, edge="smooth").tc_k
    return float(np.log(found / tc_k)) if found > 0.0 else float("-inf")


def summary(errors: Sequence[float] | NDArray[np.float64]) -> str:
    """Bias, mean size and 90th percentile of relative errors, in per cent."""
    e = 100.0 * np.array(errors)
    if not e.size:
        return "- | - | -"
    return f"{np.median(e):+.1f} | {np.abs(e).mean():.1f} | {np.quantile(np.abs(e), 0.9):.1f}"


def bete_errors(cases: list[Case]) -> dict[str, NDArray[np.float64]]:
    """ln of Tc over the set's, by form, shape ``(n_cases,)``."""
    return {
        name: np.array(
            [
                log_error(form(c.lambda_ep, c.omega_log_k, c.omega_2_k), c.tc_k, BETE_MU_STAR, "asis")
                for c in cases
            ]
        )
        for name, form in FORMS.items()
    }


def bete_table(cases: list[Case], errors: dict[str, NDArray[np.float64]]) -> str:
    """Error of Tc over the BETE-NET set by form."""
    test = np.array([c.fold == PUBLIC_TEST for c in cases])
    rows = [f"{name} | {summary(found[~test])} | {summary(found[test])}" for name, found in errors.items()]
    head = (
        f"form | {(~test).sum()} compounds: median (%) | mean size (%) | 90 % below (%) "
        f"| fold 3, {test.sum()} compounds: median (%) | mean size (%) | 90 % below (%)"
    )
    return table(head, rows)


def range_table(cases: list[Case], errors: dict[str, NDArray[np.float64]]) -> str:
    """Error of Tc over the BETE-NET set by omega_2/omega_log."""
    ratio = np.array([c.ratio for c in cases])
    rows = []
    for low, high in RANGES:
        inside = (low <= ratio) & (ratio < high)
        cells = [summary(errors[name][inside]) for name in (EINSTEIN, OURS)]
        rows.append(f"{low:g} to {high:g} | {inside.sum()} | {' | '.join(cells)}")
    columns = "median (%) | mean size (%) | 90 % below (%)"
    return table(f"ω₂/ω_log | compounds | Einstein: {columns} | w^a (1 - w/w_max)^2: {columns}", rows)


def real_table(cases: list[Case]) -> str:
    """Error of Tc by real spectrum, form and convention."""
    rows = []
    for case in cases:
        if case.spectrum is None:
            continue
        cells = [f"{case.lambda_ep:.2f}", f"{case.omega_log_k:.0f}", f"{case.ratio:.3f}"]
        for convention in ("ebmb", "asis"):
            real = transition(case.spectrum, MU_STAR, convention, edge="smooth").tc_k
            made: list[Spectrum | None] = [
                form(case.lambda_ep, case.omega_log_k, case.omega_2_k)
                for form in (einstein, debye, closed_typical, closed)
            ]
            made += [on_dos(case, second=False), on_dos(case, second=True)]
            cells.append(f"{real:.4g}")
            cells += [
                "-" if s is None else f"{100.0 * np.expm1(log_error(s, real, MU_STAR, convention)):+.1f}"
                for s in made
            ]
        rows.append(f"{case.name} | {' | '.join(cells)}")
    forms = "Einstein | Debye | no ω₂ | ω₂ | DOS | DOS, ω₂"
    head = f"spectrum | λ | ω_log (K) | ω₂/ω_log | Tc `ebmb` (K) | {forms} | Tc `asis` (K) | {forms}"
    return table(head, rows)


def ratio_table(real: list[Case], compounds: list[Case]) -> str:
    """Error of a guessed omega_2/omega_log."""
    metals = [c for c in real if c.dos is not None]
    rows = []
    for name, cases in (
        ("real spectra, all", real),
        ("real spectra with a density of states", metals),
        (
            "BETE-NET compounds that 1.25 was chosen on",
            [c for c in compounds if c.dos and c.key in CHOSEN_ON],
        ),
        ("BETE-NET compounds it was not", [c for c in compounds if c.dos and c.key not in CHOSEN_ON]),
        ("BETE-NET compounds, fold 3", [c for c in compounds if c.fold == PUBLIC_TEST]),
    ):
        if not cases:
            continue
        true = np.array([c.ratio for c in cases])
        cells = [
            f"{100.0 * np.abs(np.log(guess / true)).mean():.1f}"
            for guess in (1.0, np.sqrt(0.5) * np.exp(0.5))
        ]
        cells.append(f"{100.0 * np.abs(np.log(_left_out(cases, real) / true)).mean():.1f}")
        cells.append(f"{100.0 * np.abs(np.log(TYPICAL_RATIO / true)).mean():.1f}")
        made = [on_dos(c, second=False) for c in cases]
        if all(s is not None for s in made):
            guess = np.array([s.omega_2_k / s.omega_log_k for s in made if s is not None])
            cells.append(f"{100.0 * np.abs(np.log(guess / true)).mean():.1f}")
        else:
            cells.append("-")
        rows.append(f"{name} | {len(cases)} | {' | '.join(cells)}")
    head = (
        "what | number | Einstein (1) | Debye (1.166) | median of the other materials' real spectra "
        f"| {TYPICAL_RATIO:g} | α² ~ w^{TYPICAL_EXPONENT:g} on the density of states"
    )
    return table(head, rows)


def _left_out(cases: list[Case], real: list[Case]) -> NDArray[np.float64]:
    """Median ratio of the real spectra of other materials, for each case."""
    return np.array([np.median([r.ratio for r in real if r.group != c.group]) for c in cases])


def dos_table(compounds: list[Case]) -> str:
    """What the density of states brings to Tc of compounds."""
    chosen = [(c, on_dos(c, second=True), on_dos(c, second=False)) for c in compounds if c.dos is not None]
    fit = [(c, given, free) for c, given, free in chosen if given is not None and free is not None]
    makers: dict[str, Callable[[tuple[Case, Spectrum, Spectrum]], Spectrum]] = {
        "closed form, omega_2 not given": lambda row: surrogate_spectrum(
            row[0].lambda_ep, row[0].omega_log_k
        ),
        "closed form, omega_2 given": lambda row: closed(
            row[0].lambda_ep, row[0].omega_log_k, row[0].omega_2_k
        ),
        "density of states, omega_2 not given": lambda row: row[2],
        "density of states, omega_2 given": lambda row: row[1],
    }
    rows = []
    for name, make in makers.items():
        errors = [log_error(make(row), row[0].tc_k, BETE_MU_STAR, "asis") for row in fit]
        rows.append(f"{name} | {summary(errors)}")
    return table(f"{len(fit)} of {len(chosen)} compounds | median (%) | mean size (%) | 90 % below (%)", rows)


def table(head: str, rows: Iterable[str]) -> str:
    """Markdown."""
    return "\n".join([f"| {head} |", "|" + "---|" * (head.count("|") + 1), *(f"| {row} |" for row in rows)])


def density_of_states(structure: Structure) -> dict[str, Any]:
    """Phonon density of states by SevenNet-0, a supercell of about 8 Å, the structure as it is."""
    import torch
    from ase import Atoms
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms
    from sevenn.calculator import SevenNetCalculator

    torch.set_num_threads(1)
    calculator = SevenNetCalculator("7net-0", device="cpu")
    lengths = np.array(structure.lattice.abc)
    times = np.maximum(1, np.ceil(8.0 / lengths)).astype(int)
    if len(structure) * times.prod() > 100:
        times = np.maximum(1, np.round(7.0 / lengths)).astype(int)
    cell = PhonopyAtoms(
        symbols=[site.specie.symbol for site in structure],
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
    )
    phonon = Phonopy(cell, supercell_matrix=np.diag(times), symprec=1e-3)
    phonon.generate_displacements(distance=0.02)
    forces = []
    for moved in phonon.supercells_with_displacements or []:
        atoms = Atoms(moved.symbols, scaled_positions=moved.scaled_positions, cell=moved.cell, pbc=True)
        atoms.calc = calculator
        forces.append(atoms.get_forces())
    phonon.forces = np.array(forces)
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    phonon.run_mesh(35.0)
    frequencies = phonon.mesh.frequencies
    top = float(frequencies.max())
    phonon.run_total_dos(
        freq_min=0.0, freq_max=1.02 * top, freq_pitch=top / 200.0, use_tetrahedron_method=True
    )
    return {
        "frequency_thz": phonon.total_dos.frequency_points.tolist(),
        "density": phonon.total_dos.dos.tolist(),
        "imaginary": float((frequencies < -0.1).mean()),
    }


def densities(path: Path | None, rows: list[dict[str, Any]], compounds: int) -> dict[str, Dos]:
    """Densities of states of stable lattices by name, those missing computed."""
    if path is None:
        return {}
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name, structure in crystals(rows, compounds):
        if name not in known:
            say(f"phonons of {name}")
            known[name] = density_of_states(structure)
            path.write_text(json.dumps(known), "utf-8")
    return {
        name: (np.array(found["frequency_thz"]), np.maximum(np.array(found["density"]), 0.0))
        for name, found in known.items()
        if found["imaginary"] < 0.01
    }


def crystals(rows: list[dict[str, Any]], compounds: int) -> Iterator[tuple[str, Structure]]:
    """The metals, and so many compounds of up to four atoms in an order of chance."""
    from pymatgen.core.structure import Structure

    from htc.examples import examples
    from htc.materials.symmetry import primitive_standardised

    metals = {group for *_, group in REAL if group}
    with examples() as inputs:
        for example in inputs:
            if example.kind == "structure" and example.formula in metals:
                yield example.formula, primitive_standardised(Structure.from_file(example.path)).structure
    found = 0
    for i in np.random.default_rng(0).permutation(len(rows)):
        structure = Structure.from_str(rows[i]["poscar"], fmt="poscar").get_primitive_structure()
        if len(structure) <= 4 and found < compounds:
            found += 1
            yield f"b{rows[i]['betenet_id']}", structure


def draw(real: list[Case], compounds: list[Case], errors: dict[str, NDArray[np.float64]]) -> None:
    """Two spectra of ours with their surrogates, and the errors of Tc over the compounds."""
    import matplotlib as mpl
    import PIL.Image
    from matplotlib.figure import Figure

    mpl.use("Agg")
    ours = [c for c in real if c.name in {"Al, QE", "MgB2, EPW"}]
    with mpl.rc_context({"font.size": 8, "axes.titlesize": 8, "legend.frameon": False, "legend.fontsize": 7}):
        figure = Figure(figsize=(9.0, 2.9), layout="constrained")
        panels = figure.subplots(1, 3)
        for axes, case in zip(panels, ours, strict=False):
            spectrum = case.spectrum
            if spectrum is None:
                continue
            axes.fill_between(spectrum.omega_mev, spectrum.alpha2f, color="0.8", lw=0, label="calculated")
            made = closed(case.lambda_ep, case.omega_log_k, case.omega_2_k)
            axes.plot(made.omega_mev, made.alpha2f, color="C0", lw=1.2, label="surrogate, closed form")
            on = on_dos(case, second=True)
            if on is not None:
                axes.plot(
                    on.omega_mev, on.alpha2f, color="C3", lw=1.0, label="surrogate on phonons of 7net-0"
                )
            axes.set(
                xlabel="ω (meV)",
                ylabel="α²F",
                title=f"{case.name}: λ {case.lambda_ep:.2f}, ω₂/ω_log {case.ratio:.2f}",
            )
            axes.set_xlim(left=0.0)
            axes.set_ylim(0.0, 1.35 * float(spectrum.alpha2f.max()))
            axes.legend(loc="upper left")
        axes = panels[-1]
        for name, colour in ((EINSTEIN, "0.6"), (OURS, "C0")):
            percent = 100.0 * np.expm1(errors[name])
            axes.plot([c.ratio for c in compounds], percent, ".", ms=3, color=colour, label=LEGEND[name])
        axes.axhline(0.0, color="k", lw=0.6)
        axes.set(
            xlabel="ω₂/ω_log", ylabel="error of Tc (%)", title="compounds of BETE-NET", ylim=(-25.0, 25.0)
        )
        axes.legend(loc="lower right")
        figure.savefig(IMAGE, dpi=150)
    PIL.Image.open(IMAGE).convert("RGB").quantize(256).save(IMAGE, optimize=True)
    say(f"written: {IMAGE}")


def renew(name: str, content: str) -> None:
    """Put a table into its place on the page."""
    start, end = f"<!-- table: {name} -->\n", "<!-- end -->"
    text, count = re.subn(
        re.escape(start) + ".*?" + re.escape(end),
        lambda _: f"{start}\n{content}\n\n{end}",
        PAGE.read_text("utf-8"),
        flags=re.DOTALL,
    )
    say(content if count == 1 else f"{PAGE.name} has no place for the table {name}:\n{content}")
    PAGE.write_text(text, "utf-8")


def say(text: str) -> None:
    """A line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Renew the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phonons", type=Path)
    parser.add_argument("--compounds", type=int, default=40)
    options = parser.parse_args()
    if "HTC_DATA" not in os.environ:
        parser.error("HTC_DATA does not name the data folder")
    folder = Path(os.environ["HTC_DATA"])
    rows = bete_rows(folder)
    known = densities(options.phonons, [r for r in rows if r["fold"] != PUBLIC_TEST], options.compounds)
    real, compounds = list(real_cases(folder, known)), bete_cases(rows, known)
    renew("ratio", ratio_table(real, compounds))
    renew("dos", dos_table(compounds))
    renew("real", real_table(real))
    errors = bete_errors(compounds)
    renew("compounds", bete_table(compounds, errors))
    renew("range", range_table(compounds, errors))
    draw(real, compounds, errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
