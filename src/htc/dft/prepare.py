"""From a crystal to a folder that a first-principles code can run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htc.dft.doubts import doubts_about
from htc.dft.driver import epw_script, run_script, slurm_script
from htc.dft.manifest import MANIFEST, Manifest, digests, write_manifest
from htc.dft.meshes import Meshes, choose_meshes
from htc.dft.pseudopotentials import Cutoffs, choose_pseudopotentials, cutoffs_for
from htc.dft.qe_inputs import input_files
from htc.dft.settings import DftSettings
from htc.errors import InputError, StorageError, StructureError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A folder that is ready to run."""

    folder: Path
    manifest: Manifest
    meshes: Meshes
    cutoffs: Cutoffs
    n_q: int
    """q points of the mesh that symmetry leaves."""
    n_k: int
    """k points of the phonons' mesh that symmetry leaves."""

    @property
    def warnings(self) -> list[str]:
        """What makes the calculation doubtful, a sentence each."""
        return self.manifest.warnings

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        m = self.manifest
        return {
            "folder": str(self.folder),
            "formula": m.reduced_formula,
            "spacegroup": m.spacegroup,
            "atoms": len(m.structure["sites"]),
            "pressure_gpa": m.pressure_gpa,
            "prediction_id": m.prediction_id,
            "run_id": m.run_id,
            "meshes": m.meshes,
            "q_points": self.n_q,
            "k_points": self.n_k,
            "cutoffs": m.cutoffs,
            "pseudopotentials": {s: p["file"] for s, p in m.pseudopotentials.items()},
            "warnings": m.warnings,
        }


def prepare(
    structure: Structure,
    folder: Path,
    *,
    pseudo_dir: Path,
    settings: DftSettings | None = None,
    pseudo_files: Mapping[str, str] | None = None,
    source: str = "structure",
    prediction_id: str | None = None,
    run_id: str | None = None,
    code: str = "qe",
) -> Prepared:
    """Write the inputs of an electron-phonon calculation of a crystal, and ``run.sh`` that runs it.

    The folder then holds ``relax.in`` (vc-relax at the pressure, unless turned off), ``dense.in`` and
    ``scf.in`` (ground states on the dense and the phonons' mesh), ``ph.in`` (run q point by q point, with
    ``electron_phonon = 'interpolated'``), ``q2r.in``, ``matdyn.in``, ``run.sh``, ``run.slurm``, the
    pseudopotentials, and ``htc.json`` with where all of it comes from. ``run.sh`` makes ``lambda.in`` of what
    ph.x found.

    Args:
        structure: ordered crystal; its primitive standard cell is calculated.
        folder: made if it is not there; must be empty otherwise.
        pseudo_dir: folder of UPF files.
        settings: meshes, cutoffs, smearings, pressure.
        pseudo_files: file names in ``pseudo_dir`` by symbol, to have certain ones.
        source: where the structure came from.
        prediction_id: stored prediction that this is to check.
        run_id: screening that it came from.
        code: ``qe``.

    Raises:
        InputError: a setting cannot be used, no pseudopotentials fit, or the folder is not empty.
        StructureError: the crystal is disordered.
        StorageError: the folder cannot be written.
    """
    from htc.materials.symmetry import primitive_standardised, structure_hash
    from htc.version import __version__

    settings = settings or DftSettings()
    if code != "qe":
        raise InputError(f"inputs for {code!r} are not written", where="code", hint="there is: qe")
    if not structure.is_ordered:
        raise StructureError("is disordered", where=source, hint="give an ordered approximant")
    if settings.epw and settings.pseudo_kind is None:
        settings = replace(settings, pseudo_kind="NC")
    standard = primitive_standardised(structure)
    cell = standard.structure
    symbols = sorted({site.specie.symbol for site in cell})
    chosen = choose_pseudopotentials(
        symbols,
        pseudo_dir,
        files=pseudo_files,
        functional=settings.functional,
        kind=settings.pseudo_kind,
    )
    cutoffs = cutoffs_for(chosen.values(), settings.ecutwfc_ry, settings.ecutrho_ry)
    meshes = choose_meshes(
        cell.lattice,
        q_mesh=settings.q_mesh,
        k_mesh=settings.k_mesh,
        dense_mesh=settings.dense_mesh,
        q_spacing=settings.q_spacing,
        k_spacing=settings.k_spacing,
    )
    files = input_files(cell, chosen, cutoffs, meshes, settings)
    warnings = list(doubts_about(cell, chosen.values()))
    if standard.note:
        warnings.append(standard.note)
    if cutoffs.origin.startswith("assumed"):
        warnings.append(
            f"cutoffs {cutoffs.origin}, whose files suggest none: converge "
            f"ecutwfc ({cutoffs.wavefunction_ry:g} Ry) before you believe the phonons"
        )
    files["run.sh"] = run_script(settings.mu_star, epw=settings.epw)
    if settings.epw:
        files["run_epw.sh"] = epw_script()
    formula = cell.composition.reduced_formula
    files["run.slurm"] = slurm_script(f"elph-{formula}")
    manifest = Manifest(
        code=code,
        reduced_formula=formula,
        structure=cell.as_dict(),
        structure_hash=structure_hash(cell, standard),
        spacegroup=standard.spacegroup,
        source=source,
        prediction_id=prediction_id,
        run_id=run_id,
        pressure_gpa=settings.pressure_gpa,
        mu_star=settings.mu_star,
        meshes={name: list(getattr(meshes, name)) for name in ("q", "k", "dense", "fine")},
        cutoffs={
            "wavefunction_ry": cutoffs.wavefunction_ry,
            "density_ry": cutoffs.density_ry,
            "origin": cutoffs.origin,
        },
        pseudopotentials={s: p.as_dict() for s, p in chosen.items()},
        settings=settings.as_dict(),
        warnings=warnings,
        inputs=digests(files),
        htc_version=__version__,
    )
    _write(folder, files, manifest, [p.path for p in chosen.values()])
    n_q, n_k = (_irreducible(cell, mesh) for mesh in (meshes.q, meshes.k))
    return Prepared(folder, manifest, meshes, cutoffs, n_q, n_k)


def _write(folder: Path, files: Mapping[str, str], manifest: Manifest, pseudopotentials: list[Path]) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                "is there already, and not empty",
                where=str(folder),
                hint="a calculation has a folder of its own; name another one",
            )
        (folder / "pseudo").mkdir(parents=True, exist_ok=True)
        for path in pseudopotentials:
            shutil.copyfile(path, folder / "pseudo" / path.name)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name in files:
            if name.startswith("run"):
                (folder / name).chmod(0o755)
        # Last: a folder with a manifest is whole.
        write_manifest(manifest, folder)
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", where=str(error.filename or folder / MANIFEST)
        ) from error


def _irreducible(cell: Structure, mesh: tuple[int, int, int]) -> int:
    """How many points of a mesh symmetry leaves, the crystal's and that of time."""
    import numpy as np
    import spglib

    numbers = [int(z) for z in cell.atomic_numbers]
    found: Any = spglib.get_ir_reciprocal_mesh(
        list(mesh),
        (cell.lattice.matrix.tolist(), cell.frac_coords.tolist(), numbers),
        is_shift=[0, 0, 0],
        symprec=1e-4,
    )
    return len(np.unique(found[0]))
