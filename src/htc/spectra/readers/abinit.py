"""ABINIT netCDF: ``A2F.nc`` of the EPH code and ``ISOME.nc``; Hartree.

Variables (m_phgamma.F90, m_migdal_eliashberg.F90): ``a2f_mesh*`` ``(nomega,)`` and ``a2f_values*``, either
``(nsppol, 3 natom + 1, nomega)`` with the sum over modes first, or ``(nomega,)``. The suffix names the q
sampling (``_qcoarse``, ``_qintp``); ``a2f_lambdaw*`` is the running lambda.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from htc.spectra.energy import mev_per
from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import SourceFile
from htc.units import K_PER_MEV

__all__ = ["FORMAT"]

_LABELS = {"qcoarse": "ab initio q mesh", "qintp": "interpolated q mesh", "": "total"}


def detects(file: SourceFile) -> bool:
    """Any netCDF file: ABINIT is the only code of ours that writes one."""
    return file.is_netcdf


def holds_alpha2f(file: SourceFile) -> bool:
    """Whether a netCDF file can be opened and has a frequency mesh of alpha2F."""
    import netCDF4  # slow to import, and this format only needs it

    try:
        with netCDF4.Dataset(str(file.path)) as data:
            return any(name.startswith("a2f_mesh") for name in data.variables)
    except (OSError, RuntimeError):
        return False


def parse(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (ABINIT writes Hartree only)
    """Read a spectrum for every q sampling, summed over modes and spins."""
    import netCDF4  # slow to import, and this format only needs it

    try:
        with netCDF4.Dataset(str(file.path)) as data:
            variables = {
                name: _values(data.variables[name])
                for name in data.variables
                if name.startswith(("a2f_mesh", "a2f_values", "a2f_lambdaw", "omega_2"))
                and not name.startswith("a2f_values_raw")
            }
    except (OSError, RuntimeError) as error:
        raise file.error(f"is not a readable netCDF file: {error}", hint="it may be truncated") from error

    columns: list[Column] = []
    meshes: list[NDArray[np.float64]] = []
    for name in sorted(variables):
        if not name.startswith("a2f_mesh"):
            continue
        suffix = name.removeprefix("a2f_mesh")
        values = variables.get("a2f_values" + suffix)
        if values is None:
            continue
        sampling = suffix.strip("_")
        reported = {}
        running = variables.get("a2f_lambdaw" + suffix)
        if running is not None:
            reported["lambda_ep"] = float(_total(running)[-1])
        if "omega_2" in variables and variables["omega_2"].size == 1:
            reported["omega_2_k"] = float(variables["omega_2"].item()) * mev_per("Ha") * K_PER_MEV
        total = _total(values)
        if total.shape != variables[name].shape:
            raise file.error(f"{name} has {variables[name].size} points, a2f_values{suffix} {total.size}")
        meshes.append(variables[name])
        columns.append(Column(total, _LABELS.get(sampling, sampling), None, reported))
    if not columns:
        raise file.error(
            "is netCDF, but holds no a2f_mesh with its a2f_values",
            hint="ABINIT writes alpha2F to the file named *_A2F.nc",
        )
    if any(mesh.shape != meshes[0].shape or not np.array_equal(mesh, meshes[0]) for mesh in meshes[1:]):
        # One grid a file is what a Parsed can hold; zero outside a sampling's own grid is what it means.
        grid = np.unique(np.concatenate(meshes))
        columns = [
            Column(np.interp(grid, mesh, column.alpha2f, 0.0, 0.0), column.label, None, column.reported)
            for mesh, column in zip(meshes, columns, strict=True)
        ]
        return Parsed(grid, "Ha", columns, notes={"note": "q samplings brought to one common grid"})
    return Parsed(meshes[0], "Ha", columns)


def _total(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over spins of the sum over modes, shape ``(nomega,)``."""
    return values if values.ndim == 1 else values.reshape(-1, *values.shape[-2:])[:, 0, :].sum(axis=0)


def _values(variable: Any) -> NDArray[np.float64]:
    """Values of a netCDF variable; missing ones become NaN and are refused later."""
    return np.ma.filled(np.ma.asarray(variable[...], dtype=np.float64), np.nan)


FORMAT = FileFormat("abinit", "ABINIT A2F.nc", "Ha", detects, parse)
