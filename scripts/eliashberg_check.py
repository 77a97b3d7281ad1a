"""Compare the Eliashberg engine with every reference there is, and write the tables of the page.

    HTC_DATA=... python scripts/eliashberg_check.py [--ebmb FOLDER]

renews the tables of docs/reference/eliashberg-check.md. The spectra lie in the laboratory's data folder, for
other groups' files may not be copied into the repository. With ``--ebmb``, the folder where the programs of
ebmb were built, its ``critical`` is run on the same spectra; without it that table stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from htc import gap, read_spectra
from htc.spectra import Spectrum
from htc.spectra.density_of_states import read_density_of_states
from htc.theory.eliashberg.conventions import CONVENTIONS, highest_phonon
from htc.theory.eliashberg.transition import transition
from htc.theory.eliashberg.variable_dos import variable_dos_critical_temperature
from htc.units import KB_MEV_PER_K, MEV_PER_EV

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "eliashberg-check.md"

ELK = {name: f"peers/elk_{name}/ALPHA2F.OUT" for name in ("Al", "Nb", "Pb", "MgB2")}
LA = "peers/miicck_la/elk/ALPHA2F.OUT"
OUR_MGB2 = "own/epw_mgb2/MgB2.a2f_iso"
OUR_AL = "own/qe_al_example03/a2F.dos5"
UNITS = {LA: "Ha", "peers/miicck_la/a2f": "Ry"}

TC = (
    (ELK["Al"], 0.15, "asis", None, "1.519"),
    (ELK["Al"], 0.15, "elk", None, ".827"),
    (ELK["Nb"], 0.15, "asis", None, "19.253"),
    (ELK["Nb"], 0.15, "elk", None, "17.93"),
    (ELK["Pb"], 0.15, "asis", None, "6.349"),
    (ELK["Pb"], 0.15, "elk", None, "5.955"),
    (ELK["MgB2"], 0.15, "asis", None, "26.864"),
    (ELK["MgB2"], 0.15, "elk", None, "22.55"),
    (LA, 0.15, "asis", None, "259.65"),
    (LA, 0.15, "elk", None, "254.0"),
    (OUR_MGB2, 0.16, "epw", 500.0, "34.07"),
    ("peers/gitgreg_CaH6_130GPa/a2f_s3_r1000_g5.csv", 0.10, "asis", None, "251.07"),
    ("peers/gitgreg_Nb3Sn/a2f_s1,5_r1000_g5.csv", 0.10, "asis", None, "21.40"),
)
"""File, mu*, convention, cutoff in meV, and Tc in K to the digits the reference has."""

EPW_GAPS = (
    (OUR_MGB2, 0.16, 500.0, {5.0: "5.4748", 12.0: "5.4333", 19.0: "5.1206", 26.0: "4.2121", 33.0: "1.6978"}),
    ("peers/epw_fila2f/elk_Pb.a2f", 0.10, None, {6.4: ".74392", 7.0: ".37922", 7.1: ".25762"}),
    ("peers/epw_fila2f/elk_MgB2.a2f", 0.10, None, {31.0: "2.74127", 33.5: "1.10648"}),
)
"""File, mu*, wscut in meV, and Delta(i omega_0) in meV by temperature in K, as EPW printed it."""

EBMB = (
    *((file, 0.10) for file in ELK.values()),
    (LA, 0.15),
    (OUR_MGB2, 0.16),
    (OUR_AL, 0.10),
)

ELK_BRACKETS = (("peers/elk_Al", None), ("peers/elk_Nb", None), ("peers/miicck_la/elk", "Ha"))

NOTHING = 0.1
"""Share of its gap at the lowest temperature below which Elk's gap counts as none: Tc is then 0.3 % away."""

ISOME_FILE = "peers/isome_nb/Nb.a2F"
ISOME_DOS = "peers/isome_nb/Nb.dos"
ISOME_COLUMN = 15
ISOME_MU = 0.38
ISOME_ELECTRONS_MEV = 10_000.0
ISOME_BRACKETS = {"constant": (9.0, 10.0), "variable": (8.0, 9.0)}
ISOME_VISIBLE = 0.01
"""What tests 1 and 2 of IsoME 1.0.3 to 1.0.5 ask of these files: smearing, mu, typical electronic energy, Tc;
and the alpha2F above which IsoME sees phonons."""

GITGREG = (
    "peers/gitgreg_CaH6_130GPa",
    "peers/gitgreg_La2H20",
    "peers/gitgreg_ThH9_100GPa",
    "peers/gitgreg_Nb3Sn",
)


class Spectra:
    """The laboratory's spectra."""

    def __init__(self, folder: Path) -> None:
        """Remember where they are."""
        self.folder = folder

    def first(self, file: str) -> Spectrum:
        """The first spectrum of a file."""
        return read_spectra(self.folder / file, unit=UNITS.get(file))[0]


def half_digit(text: str) -> float:
    """Half a unit in the last place of a printed number, relative."""
    decimals = len(text.partition(".")[2])
    return 0.5 * 10.0**-decimals / float(text)


def against(ours: float, text: str) -> str:
    """Ours, theirs, the relative difference, and what theirs is rounded to."""
    shown = text if not text.startswith(".") else f"0{text}"
    digits = len(text.partition(".")[2]) + 1
    return f"{ours:.{digits}f} | {shown} | {ours / float(text) - 1.0:+.0e} | {half_digit(text):.0e}"


def table(head: str, rows: Iterable[str]) -> str:
    """Markdown."""
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1), *(f"| {row} |" for row in rows)]
    return "\n".join(lines)


def tc_table(spectra: Spectra) -> str:
    """Tc by convention against the reference table."""
    rows = []
    for file, mu, name, cutoff, text in TC:
        ours = transition(spectra.first(file), mu, name, cutoff_mev=cutoff).tc_k
        convention = f"`{name}`" + (f", {cutoff:g} meV" if cutoff else "")
        rows.append(f"{file} | {mu:.2f} | {convention} | {against(ours, text)}")
    return table("file | mu\\* | convention | ours (K) | reference (K) | difference | its half digit", rows)


def epw_table(spectra: Spectra) -> str:
    """Gaps against EPW."""
    rows = []
    for file, mu, cutoff, by_kelvin in EPW_GAPS:
        spectrum = spectra.first(file)
        found = gap(spectrum, mu, "epw", cutoff_mev=cutoff, temperatures_k=list(by_kelvin))
        wscut = found.transition.omega_c_mev or 0.0
        for kelvin, ours, text in zip(by_kelvin, found.delta0_mev, by_kelvin.values(), strict=True):
            near = kelvin / found.transition.tc_k
            rows.append(f"{file} | {mu:.2f} | {wscut:.2f} | {kelvin:g} | {near:.3f} | {against(ours, text)}")
    head = "file | mu\\* | wscut (meV) | T (K) | T/Tc | ours (meV) | EPW (meV) | difference | its half digit"
    return table(head, rows)


def ebmb_table(spectra: Spectra, program: Path) -> str:
    """Tc against ebmb, mu* as given at 10 omega_max and as ebmb rescales it by itself."""
    rows = []
    for file, mu in EBMB:
        spectrum = spectra.first(file)
        for name in ("asis", "ebmb"):
            found = transition(spectrum, mu, name)
            options = ["rescale=true"]
            if name == "asis":
                cutoff = (found.omega_c_mev or 0.0) / spectrum.omega_2_mev
                options = ["rescale=false", f"cutoff={cutoff:.17g}"]
            theirs = critical(program, spectrum, mu, found.tc_k, options)
            rows.append(
                f"{file} | {mu:.2f} | `{name}` | {found.tc_k:.6f} | {theirs:.6f} | "
                f"{found.tc_k / theirs - 1.0:+.0e}"
            )
    return table("file | mu\\* | convention | ours (K) | ebmb (K) | difference", rows)


def critical(program: Path, spectrum: Spectrum, mu: float, start_k: float, options: Sequence[str]) -> float:
    """Tc by ebmb's ``critical``, K."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a2f.dat"
        columns = np.column_stack([spectrum.omega_mev / MEV_PER_EV, spectrum.alpha2f])
        np.savetxt(file, columns, fmt="%.16e")
        command = [str(program), f"a2F={file}", f"muStar={mu}", f"T={-start_k:.3g}", "error=1e-9"]
        done = subprocess.run(
            [*command, "form=ES25.16", *options], capture_output=True, text=True, check=True
        )
    return float(done.stdout)


def elk_table(spectra: Spectra) -> str:
    """Tc between the temperatures at which Elk's own gap is and is not there."""
    rows = []
    for folder, unit in ELK_BRACKETS:
        place = spectra.folder / folder
        kelvin, delta, _ = np.loadtxt(place / "ELIASHBERG_GAP_T.OUT").T
        last = int(np.flatnonzero(delta > NOTHING * delta[0])[-1])
        spectrum = read_spectra(place / "ALPHA2F.OUT", unit=unit)[0]
        ours = transition(spectrum, 0.15, "elk").tc_k
        inside = "yes" if kelvin[last] < ours < kelvin[last + 1] else "no"
        rows.append(f"{folder} | 0.15 | {kelvin[last]:.3f} to {kelvin[last + 1]:.3f} | {ours:.3f} | {inside}")
    return table("folder | mu\\* | Elk's gap vanishes between (K) | ours, `elk` (K) | inside", rows)


def isome_table(spectra: Spectra) -> str:
    """Tc of IsoME's own tests, with omega_max as we and as IsoME see it."""
    spectrum = read_spectra(spectra.folder / ISOME_FILE)[ISOME_COLUMN - 1]
    dos = read_density_of_states(spectra.folder / ISOME_DOS)
    ours, theirs = highest_phonon(spectrum), float(spectrum.omega_mev[spectrum.alpha2f > ISOME_VISIBLE].max())
    allen_dynes = ISOME_MU / (1.0 + ISOME_MU * np.log(ISOME_ELECTRONS_MEV / theirs))
    rows = []
    for top, words in ((ours, "alpha2F > 0"), (theirs, f"alpha2F > {ISOME_VISIBLE}, as IsoME")):
        # To move omega_max is to move mu*: what counts is the value at 7 eV.
        given = 1.0 / (1.0 / allen_dynes + np.log(top / ours))
        constant = transition(spectrum, given, "isome")
        variable = variable_dos_critical_temperature(spectrum, dos, given, "isome")
        for kind, tc in (("constant", constant.tc_k), ("variable", variable.tc_k)):
            low, high = ISOME_BRACKETS[kind]
            inside = "yes" if low < tc < high else "no"
            rows.append(
                f"{kind} | {top:.2f}: {words} | {constant.mu_star_at_cutoff:.4f} | {low:g} to {high:g} | "
                f"{tc:.2f} | {inside}"
            )
    return table(
        "N(E) | omega_max (meV), last with | mu\\* at 7 eV | bracket (K) | ours, `isome` (K) | inside",
        sorted(rows),
    )


def gitgreg_table(spectra: Spectra) -> str:
    """Tc and gap ratio beside those that GitGreg's scripts report."""
    rows = []
    for folder in GITGREG:
        file = next((spectra.folder / folder).glob("a2f*.csv"))
        report = json.loads((spectra.folder / folder / "result.json").read_text("utf-8"))
        found = gap(read_spectra(file)[0], float(report["mu"]))
        theirs, ratio = report["Tc, K"]["Eliashberg"], report["Delta"]["2Delta/kBTc"]
        tc = found.transition.tc_k
        edge = f"{found.ratio_2delta_ktc:.3f}" if found.ratio_2delta_ktc is not None else "not trusted"
        matsubara = 2.0 * found.delta0_mev[0] / (KB_MEV_PER_K * tc)
        difference = f"{100.0 * (tc / theirs - 1.0):+.2f} %"
        rows.append(
            f"{folder} | {tc:.2f} | {theirs:.2f} | {difference} | {edge} | {matsubara:.3f} | {ratio:.3f}"
        )
    return table(
        "folder | Tc, `asis` (K) | Tc theirs (K) | difference | 2 Delta/k Tc: edge | Delta(i w0) | theirs",
        rows,
    )


def files_table(spectra: Spectra) -> str:
    """``htc eliashberg --convention all --tc-only --mu-star 0.10`` on every file."""
    entries: list[dict[str, object]] = []
    said = ""
    options = ("--mu-star", "0.10", "--convention", "all", "--tc-only", "--json")
    for arguments in (["own", "peers"], *([file, "--unit", unit] for file, unit in UNITS.items())):
        done = subprocess.run(
            [str(Path(sys.executable).parent / "htc"), "eliashberg", *arguments, *options],
            cwd=spectra.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        entries += json.loads(done.stdout)
        said += done.stderr
    rows = []
    for source in dict.fromkeys(str(entry["source"]) for entry in entries):
        own = [entry for entry in entries if entry["source"] == source]
        spans = [_span([e["tc_k"] for e in own if e["convention"] == name], 4) for name in CONVENTIONS]
        strength = [e["lambda_ep"] for e in own if e["convention"] == "asis"]
        rows.append(f"{source} | {len(strength)} | {_span(strength, 4)} | " + " | ".join(spans))
    refused = re.findall(r"^error ([^:\n]+): ([^:;\n]+)", said, re.MULTILINE)
    rows += [" | ".join([source, f"0: {why}", *[""] * (1 + len(CONVENTIONS))]) for source, why in refused]
    return table("file | spectra | lambda | " + " | ".join(f"`{n}`" for n in CONVENTIONS), sorted(rows))


def _span(values: Sequence[object], digits: int) -> str:
    numbers = [float(str(v)) for v in values]
    low, high = (f"{v:.{digits}g}" for v in (min(numbers), max(numbers)))
    return low if low == high else f"{low} to {high}"


def main() -> int:
    """Renew the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ebmb", type=Path, metavar="FOLDER", help="where ebmb was built")
    given = parser.parse_args()
    if not os.environ.get("HTC_DATA"):
        sys.stderr.write(
            "set HTC_DATA to the laboratory's data folder: it holds spectra/own and spectra/peers\n"
        )
        return 2
    spectra = Spectra(Path(os.environ["HTC_DATA"]).resolve() / "spectra")
    makers: dict[str, Callable[[], str]] = {
        "tc": lambda: tc_table(spectra),
        "epw": lambda: epw_table(spectra),
        "elk": lambda: elk_table(spectra),
        "isome": lambda: isome_table(spectra),
        "gitgreg": lambda: gitgreg_table(spectra),
        "files": lambda: files_table(spectra),
    }
    if given.ebmb is not None:
        folder = given.ebmb
        program = next(p.resolve() for p in (folder / "critical", folder / "bin" / "critical") if p.exists())
        makers["ebmb"] = lambda: ebmb_table(spectra, program)
    text = PAGE.read_text("utf-8")
    for name, make in makers.items():
        start, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{make()}\n\n{end}{after}"
    PAGE.write_text(text, "utf-8")
    sys.stdout.write(f"written: {PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
