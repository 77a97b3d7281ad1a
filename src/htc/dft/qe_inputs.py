"""Input files of Quantum ESPRESSO's pw.x, ph.x, q2r.x, matdyn.x and EPW for one calculation.

The cell comes last in every input of pw.x, so that the driving script can put the relaxed one in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from htc.dft.meshes import Mesh, Meshes
from htc.dft.pseudopotentials import Cutoffs, Pseudopotential
from htc.dft.settings import DftSettings

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["DEFAULT_SIGMAS", "DYN", "PREFIX", "input_files", "namelist"]

PREFIX: Final = "crystal"
DYN: Final = "el.dyn"
OUTDIR: Final = "./out"
EPW_OUTDIR: Final = "./epw_out/"
KBAR_PER_GPA: Final = 10.0
DEFAULT_SIGMAS: Final = 10
"""``el_ph_nsigma`` where none is given. It is then left out, for versions of q2r.x that lack it."""

Values = Mapping[str, Any]


def namelist(name: str, values: Values) -> str:
    """A Fortran namelist; None leaves a variable out."""
    lines = [f"  {key} = {_fortran(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"&{name}", *lines, "/"]) + "\n"


def input_files(
    structure: Structure,
    pseudopotentials: Mapping[str, Pseudopotential],
    cutoffs: Cutoffs,
    meshes: Meshes,
    settings: DftSettings,
) -> dict[str, str]:
    """All input files by name.

    Args:
        structure: primitive standard cell.
        pseudopotentials: by symbol.
        cutoffs: plane-wave cutoffs.
        meshes: wave vectors.
        settings: everything else.
    """
    parts = (structure, pseudopotentials, cutoffs, settings)
    files = {}
    if settings.relax:
        files["relax.in"] = _pw(
            *parts,
            meshes.k,
            control={
                "calculation": "vc-relax",
                "forc_conv_thr": 1e-5,
                "etot_conv_thr": 1e-6,
                "nstep": 100,
            },
            more=namelist("ions", {"ion_dynamics": "bfgs"})
            + namelist(
                "cell",
                {
                    "cell_dynamics": "bfgs",
                    "press": KBAR_PER_GPA * settings.pressure_gpa,
                    "press_conv_thr": 0.2,
                },
            ),
        )
    files["dense.in"] = _pw(*parts, meshes.dense, system={"la2F": True})
    files["scf.in"] = _pw(*parts, meshes.k)
    sigmas = None if settings.n_sigma == DEFAULT_SIGMAS else settings.n_sigma
    files["ph.in"] = "electron-phonon coupling of one q point\n" + namelist(
        "inputph",
        {
            "prefix": PREFIX,
            "outdir": OUTDIR,
            "fildyn": DYN,
            "fildvscf": "dvscf",
            "tr2_ph": settings.phonon_threshold,
            "ldisp": True,
            "nq1": meshes.q[0],
            "nq2": meshes.q[1],
            "nq3": meshes.q[2],
            # Displacements anew for every q and never recovered: ph.x takes linewidths from what an
            # interrupted run left behind and says nothing, see docs/howto/dft.md.
            "trans": True,
            "recover": False,
            "electron_phonon": "interpolated",
            "el_ph_sigma": settings.sigma_ry,
            "el_ph_nsigma": settings.n_sigma,
            "start_q": 1,
            "last_q": 1,
        },
    )
    files["q2r.in"] = namelist(
        "input",
        {"fildyn": DYN, "flfrc": "el.fc", "zasr": "simple", "la2F": True, "el_ph_nsigma": sigmas},
    )
    files["matdyn.in"] = namelist(
        "input",
        {
            "flfrc": "el.fc",
            "flfrq": "el.freq",
            "fldos": "phonon.dos",
            "asr": "simple",
            "la2F": True,
            "dos": True,
            "nk1": meshes.fine[0],
            "nk2": meshes.fine[1],
            "nk3": meshes.fine[2],
            "ndos": 500,
            "el_ph_nsigma": sigmas,
        },
    )
    if settings.epw:
        files |= _epw(*parts, meshes)
    return files


def _pw(
    structure: Structure,
    pseudopotentials: Mapping[str, Pseudopotential],
    cutoffs: Cutoffs,
    settings: DftSettings,
    mesh: Mesh | str,
    *,
    control: Values | None = None,
    system: Values | None = None,
    more: str = "",
) -> str:
    symbols = list(dict.fromkeys(site.specie.symbol for site in structure))
    text = namelist(
        "control",
        {
            "calculation": "scf",
            "prefix": PREFIX,
            "outdir": OUTDIR,
            "pseudo_dir": "./pseudo",
            "tprnfor": True,
            "tstress": True,
        }
        | dict(control or {}),
    )
    text += namelist(
        "system",
        {
            "ibrav": 0,
            "nat": len(structure),
            "ntyp": len(symbols),
            "ecutwfc": cutoffs.wavefunction_ry,
            "ecutrho": cutoffs.density_ry,
            "occupations": "smearing",
            "smearing": "marzari-vanderbilt",
            "degauss": settings.degauss_ry,
        }
        | dict(system or {}),
    )
    text += namelist("electrons", {"conv_thr": settings.scf_threshold_ry, "mixing_beta": 0.7})
    text += more
    masses = {site.specie.symbol: float(site.specie.atomic_mass) for site in structure}
    species = [f"  {s} {masses[s]:.6f} {pseudopotentials[s].path.name}" for s in symbols]
    points = mesh if isinstance(mesh, str) else "K_POINTS automatic\n  {} {} {} 0 0 0".format(*mesh)
    cell = ["  " + " ".join(f"{x:18.12f}" for x in row) for row in structure.lattice.matrix]
    atoms = [
        f"  {site.specie.symbol:<2} " + " ".join(f"{x:15.12f}" for x in site.frac_coords)
        for site in structure
    ]
    return text + "\n".join(
        [
            "ATOMIC_SPECIES",
            *species,
            points,
            "CELL_PARAMETERS angstrom",
            *cell,
            "ATOMIC_POSITIONS crystal",
            *atoms,
            "",
        ]
    )


def _epw(
    structure: Structure,
    pseudopotentials: Mapping[str, Pseudopotential],
    cutoffs: Cutoffs,
    settings: DftSettings,
    meshes: Meshes,
) -> dict[str, str]:
    """Inputs for EPW: what cannot be known beforehand, the Wannier functions, is a first guess."""
    points = [
        (i / meshes.k[0], j / meshes.k[1], k / meshes.k[2])
        for i in range(meshes.k[0])
        for j in range(meshes.k[1])
        for k in range(meshes.k[2])
    ]
    listed = "\n".join(
        ["K_POINTS crystal", f"  {len(points)}", *(f"  {a:.10f} {b:.10f} {c:.10f} 1.0" for a, b, c in points)]
    )
    electrons = sum(pseudopotentials[site.specie.symbol].z_valence for site in structure)
    wannier = max(4 * len(structure), round(electrons / 2) + 2 * len(structure))
    nscf = _pw(
        structure,
        pseudopotentials,
        cutoffs,
        settings,
        listed,
        control={"calculation": "nscf", "outdir": EPW_OUTDIR, "tprnfor": None, "tstress": None},
        system={"nbnd": round(electrons / 2) + 2 * wannier},
    )
    fine = {f"nkf{n}": m for n, m in enumerate(meshes.dense, 1)}
    fine |= {f"nqf{n}": m for n, m in enumerate(meshes.k, 1)}
    epw = namelist(
        "inputepw",
        {
            "prefix": PREFIX,
            "outdir": EPW_OUTDIR,
            "dvscf_dir": "./save",
            "ep_coupling": True,
            "elph": True,
            "epwwrite": True,
            "epwread": False,
            "etf_mem": 0,
            "nbndsub": wannier,
            "wannierize": True,
            "num_iter": 500,
            "auto_projections": True,
            "scdm_proj": True,
            "scdm_entanglement": "erfc",
            # run_epw.sh puts the Fermi level here.
            "scdm_mu": 0.0,
            "scdm_sigma": 5.0,
            "iverbosity": 0,
            "fsthick": 0.4,
            "degaussw": 0.10,
            "degaussq": 0.5,
            "nqstep": 500,
            "ephwrite": True,
            "mp_mesh_k": True,
            "nstemp": 1,
            "temps": 5.0,
            "eliashberg": True,
            "liso": True,
            "limag": True,
            "conv_thr_iaxis": 1e-4,
            "wscut": 0.5,
            "nsiter": 500,
            "muc": settings.mu_star,
        }
        | {f"nk{n}": m for n, m in enumerate(meshes.k, 1)}
        | {f"nq{n}": m for n, m in enumerate(meshes.q, 1)}
        | fine,
    )
    return {"epw_nscf.in": nscf, "epw.in": "--\n" + epw}


def _fortran(value: Any) -> str:
    if isinstance(value, bool):
        return ".true." if value else ".false."
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, float):
        return f"{value:.6g}".replace("e", "d") if "e" in f"{value:.6g}" else f"{value:.8g}"
    return str(value)
