"""Whether a run is finished and sound: every reason not to read it, before a number is taken from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.dft.dynamical import DynamicalMatrix, QMesh, read_dynamical_matrix, read_q_mesh
from htc.dft.manifest import Manifest
from htc.dft.qe_outputs import ProgramOutput, read_output
from htc.errors import InputError, SpectrumError
from htc.spectra.readers import qe_run

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["FinishedRun", "examine"]

IMAGINARY_THZ: Final = 0.1
"""Frequencies below minus this are imaginary; nearer to zero they are numerical noise."""
ACOUSTIC_THZ: Final = 1.5
"""Acoustic modes at Gamma vanish but for the cutoffs' breach of translation; beyond this it is no breach."""
_STEPS: Final = ("dense", "scf", "q2r", "matdyn")


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run with all its parts."""

    folder: Path
    code: str
    """Name and version, e.g. ``Quantum ESPRESSO 6.7``."""
    q_mesh: QMesh | None
    """None for EPW, whose coarse phonons lie elsewhere."""
    matrices: tuple[DynamicalMatrix, ...]
    outputs: tuple[ProgramOutput, ...]
    notes: tuple[str, ...] = ()
    structure: Structure | None = None
    """The crystal that was calculated, where the files tell its lattice."""
    formula: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def epw(self) -> str:
        """EPW and its version."""
        version = next((o.version for o in self.outputs if o.program == "EPW" and o.version), None)
        return "EPW" + (f" {version}" if version else "")

    @property
    def lowest_frequency_thz(self) -> float | None:
        """Lowest frequency but for the acoustic modes at Gamma, THz."""
        found = [_but_acoustic(m) for m in self.matrices]
        values = np.concatenate(found) if found else np.array([])
        return float(values.min()) if values.size else None


def examine(folder: Path, manifest: Manifest | None) -> FinishedRun:
    """Look at everything a run left behind.

    Args:
        folder: with the files of Quantum ESPRESSO or EPW.
        manifest: its ``htc.json``, where it was prepared by `htc.dft.prepare`.

    Raises:
        InputError: there is no such folder, or no run in it.
        SpectrumError: the run is not finished, was aborted, or is broken, with what is wrong and what to do.
    """
    if not folder.is_dir():
        raise InputError("is not a folder", where=str(folder))
    heads = sorted(folder.glob("*dyn*0"))
    heads = [path for path in heads if re.fullmatch(r".*dyn\D?0", path.name)]
    outputs = tuple(read_output(path) for path in sorted(folder.glob("*.out"), key=_by_number))
    epw = sorted(folder.glob("*.a2f"))
    if manifest is None and not heads and epw:
        return _examine_epw(folder, outputs)
    _refuse_unfinished(folder, manifest, outputs)
    points = qe_run.q_points(folder)
    findings = qe_run.diagnose(points)
    if findings:
        raise SpectrumError(
            "the linewidths are wrong: " + "; ".join(findings), where=str(folder), hint=qe_run.RERUN
        )
    if not heads:
        raise SpectrumError(
            "there are no dynamical matrices: the list of q points (a file ending in dyn0) is missing",
            where=str(folder),
            hint="give the folder that ph.x ran in, with fildyn's files and elph_dir",
        )
    mesh = read_q_mesh(heads[0])
    matrices = _matrices(folder, mesh, points)
    _refuse_imaginary(matrices)
    versions = [o.version for o in outputs if o.version and o.program in {"PWSCF", "PHONON"}]
    symbols = matrices[0].symbols
    return FinishedRun(
        folder=folder,
        code="Quantum ESPRESSO" + (f" {versions[-1]}" if versions else ""),
        q_mesh=mesh,
        matrices=matrices,
        outputs=outputs,
        notes=(*_edited(folder, manifest), *_epw_notes(outputs)),
        structure=matrices[0].structure,
        formula=_formula(symbols),
        facts={
            "fermi_ev": next((o.fermi_ev for o in reversed(outputs) if o.fermi_ev is not None), None),
            "total_energy_ry": next(
                (o.total_energy_ry for o in reversed(outputs) if o.total_energy_ry is not None), None
            ),
        },
    )


def _refuse_unfinished(folder: Path, manifest: Manifest | None, outputs: Sequence[ProgramOutput]) -> None:
    hint = "see the end of this file, mend the cause, and start run.sh again" if manifest else None
    failed = next((o for o in outputs if o.failure and _matters(o, manifest)), None)
    if failed is not None:
        raise SpectrumError(f"the run {failed.failure}", where=str(failed.file), hint=hint)
    broken_off = sorted(folder.glob("*.part"))
    if broken_off and manifest is not None:
        left = read_output(broken_off[0])
        said = left.failure if left.error or not left.converged else "was broken off, or is still running"
        raise SpectrumError(f"the run {said}", where=str(broken_off[0]), hint=hint)
    if manifest is not None:
        there = {o.file.stem for o in outputs}
        steps = (*(["relax"] if manifest.settings.get("relax") else []), *_STEPS, "lambda")
        missing = [step for step in steps if step not in there]
        if missing:
            raise SpectrumError(
                f"the run is not finished: {', '.join(missing)} did not run",
                where=str(folder),
                hint="start run.sh; it goes on after the last finished step",
            )


def _matters(output: ProgramOutput, manifest: Manifest | None) -> bool:
    """lambda.x and batch systems write outputs without JOB DONE; EPW comes after everything."""
    if output.program == "EPW":
        return False
    if output.error is not None or not output.converged:
        return True
    return output.program is not None or (manifest is not None and output.file.stem in _STEPS)


def _matrices(folder: Path, mesh: QMesh, points: Sequence[qe_run.QPoint]) -> tuple[DynamicalMatrix, ...]:
    count = len(mesh.points)
    files = [folder / f"{mesh.prefix}{n}" for n in range(1, count + 1)]
    widths = {point.name for point in points}
    lacking = [
        n for n, file in enumerate(files, 1) if not file.is_file() or f"elph.inp_lambda.{n}" not in widths
    ]
    if lacking:
        raise SpectrumError(
            f"{len(lacking)} of {count} q points are missing or damaged: "
            + ", ".join(f"number {n}" for n in lacking[:8]),
            where=str(folder),
            hint="ph.x did not finish them; start run.sh again, or ph.x with start_q and last_q",
        )
    matrices = tuple(read_dynamical_matrix(file) for file in files)
    total, whole = sum(m.star for m in matrices), int(np.prod(mesh.mesh))
    if total != whole:
        raise SpectrumError(
            f"the stars of the q points hold {total} points, the mesh {whole}",
            where=str(folder),
            hint="files of two meshes lie in this folder; run it again in an empty one",
        )
    broadenings = {len(point.degauss) for point in points}
    if len(broadenings) > 1:
        raise SpectrumError("q points have different numbers of smearings", where=str(folder / "elph_dir"))
    return matrices


def _refuse_imaginary(matrices: Sequence[DynamicalMatrix]) -> None:
    bad = [(m, f) for m in matrices for f in _but_acoustic(m) if f < -IMAGINARY_THZ]
    for matrix in matrices:
        if not matrix.q.any():
            acoustic = np.sort(np.abs(matrix.frequencies_thz))[:3]
            bad += [(matrix, -float(f)) for f in acoustic if f > ACOUSTIC_THZ]
    if bad:
        worst, frequency = min(bad, key=lambda pair: pair[1])
        q = ", ".join(f"{x + 0.0:g}" for x in worst.q)
        raise SpectrumError(
            f"{len(bad)} modes are imaginary or, at Gamma, do not vanish: the worst has {frequency:.2f} THz "
            f"at q = ({q})",
            where=str(worst.file),
            hint="this lattice is dynamically unstable, or the run is not converged (cutoffs, k mesh, "
            "tr2_ph, a cell that is not relaxed): there is no Tc to be had from it",
        )


def _but_acoustic(matrix: DynamicalMatrix) -> np.ndarray[Any, np.dtype[np.float64]]:
    if matrix.q.any():
        return matrix.frequencies_thz
    # The three nearest to zero are the acoustic ones.
    order = np.argsort(np.abs(matrix.frequencies_thz))
    return matrix.frequencies_thz[order[3:]]


def _examine_epw(folder: Path, outputs: Sequence[ProgramOutput]) -> FinishedRun:
    version = next((o.version for o in outputs if o.version), None)
    return FinishedRun(
        folder=folder,
        code="EPW" + (f" {version}" if version else ""),
        q_mesh=None,
        matrices=(),
        outputs=tuple(outputs),
        notes=_epw_notes(outputs),
    )


def _epw_notes(outputs: Sequence[ProgramOutput]) -> tuple[str, ...]:
    # The spectrum is written before the gap equations are solved, which is where EPW often stops; whether it
    # is whole its own footer tells, which the reader looks for.
    return tuple(f"{o.file.name}: the run {o.failure}" for o in outputs if o.program == "EPW" and o.failure)


def _edited(folder: Path, manifest: Manifest | None) -> tuple[str, ...]:
    """Which inputs are no longer those that were prepared; the relaxed cell is put in by run.sh itself."""
    if manifest is None:
        return ()
    import hashlib

    changed = []
    for name, digest in manifest.inputs.items():
        file = folder / f"{Path(name).stem}.asgiven"
        file = file if file.is_file() else folder / name
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            changed.append(name)
    if not changed:
        return ()
    return (f"changed since it was prepared: {', '.join(changed)}",)


def _formula(symbols: Sequence[str]) -> str:
    from pymatgen.core.composition import Composition

    return Composition({s: symbols.count(s) for s in dict.fromkeys(symbols)}).reduced_formula


def _by_number(path: Path) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", path.name) if p]
