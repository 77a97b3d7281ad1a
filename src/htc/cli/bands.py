"""The part of ``htc eliashberg`` for several bands: matrices of mu* and alpha2F_ij in ebmb's layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htc.cli.console import out
from htc.errors import HTCError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from htc.theory.eliashberg.multiband import MultibandGap

    FloatArray = NDArray[np.float64]

__all__ = ["BandsEntry", "print_bands", "solve_bands_of_files"]


@dataclass(frozen=True, slots=True)
class BandsEntry:
    """A file with what was found of its bands under one convention."""

    source: str
    label: str
    gap: MultibandGap

    def as_dict(self) -> dict[str, Any]:
        """The entry of the JSON contract, ``docs/schemas/eliashberg.schema.json``."""
        gap, found = self.gap, self.gap.transition
        at_cutoff = found.mu_star_at_cutoff
        ratio, at_tc = gap.ratio_2delta_ktc, found.gap_ratio
        warnings = [str(flag) for flag in found.warnings]
        if found.reason is not None:
            warnings.append(f"tc-zero: {found.reason}")
        return {
            "source": self.source,
            "format": "multiband",
            "label": self.label,
            "mu_star": None,
            "convention": found.convention,
            "mu_star_at_cutoff": None,
            "omega_c_mev": found.omega_c_mev,
            "coulomb_cutoff_mev": found.coulomb_cutoff_mev,
            "frequencies": found.frequencies,
            "lambda_ep": None,
            "tc_k": found.tc_k,
            "converged": found.converged and gap.converged,
            "cutoff_sensitivity": None,
            "warnings": warnings,
            "bands": {
                "mu_star": found.mu_star.tolist(),
                "mu_star_at_cutoff": None if at_cutoff is None else at_cutoff.tolist(),
                "lambda_ep": found.lambda_matrix.tolist(),
                "gap_ratio_at_tc": None if at_tc is None else at_tc.tolist(),
                "temperature_k": gap.temperature_k.tolist(),
                "delta0_mev": gap.delta0_mev.T.tolist(),
                "ground_state_gap_mev": gap.ground_state_gap_mev.tolist(),
                "ratio_2delta_ktc": None if ratio is None else ratio.tolist(),
            },
            "flags": [],
        }


def solve_bands_of_files(
    paths: Sequence[Path],
    matrix: FloatArray,
    names: Sequence[str],
    *,
    unit: str | None,
    cutoff: float | None,
    kelvin: Sequence[float] | None,
    errors: list[HTCError],
) -> list[BandsEntry]:
    """Tc and gaps of each file under each convention; a bad file is reported and passed over."""
    from htc.cli.app import report
    from htc.spectra import read_multiband
    from htc.theory.eliashberg.gap_curve import default_temperatures
    from htc.theory.eliashberg.multiband import multiband_critical_temperature, multiband_gap

    entries = []
    for path in paths:
        try:
            spectrum = read_multiband(path, unit=unit, bands=len(matrix))
        except HTCError as error:
            report(error.located(str(path)))
            errors.append(error)
            continue
        for name in names:
            try:
                found = multiband_critical_temperature(spectrum, matrix, name, cutoff_mev=cutoff)
                default: Sequence[float] = (
                    default_temperatures(found.tc_k).tolist() if found.tc_k > 0.0 else []
                )
                temperatures = default if kelvin is None else kelvin
                gap = multiband_gap(spectrum, matrix, temperatures, name, cutoff_mev=cutoff)
            except HTCError as error:
                error.where = str(path) if error.where is None else f"{path}, {error.where}"
                report(error)
                errors.append(error)
            else:
                entries.append(BandsEntry(str(path), spectrum.label, gap))
    return entries


def print_bands(entries: Sequence[BandsEntry], *, curve: bool) -> None:
    """A table of bands for each file, and with ``curve`` their gaps over temperature."""
    from rich.markup import escape
    from rich.table import Table

    for entry in entries:
        gap, found = entry.gap, entry.gap.transition
        bands = range(1, len(found.lambda_matrix) + 1)
        out.print(
            f"{escape(entry.source)}  Tc {found.tc_k:.4g} K  [dim]{found.convention}, cutoff "
            f"{found.omega_c_mev:.1f} meV[/]"
        )
        table = Table(box=None, padding=(0, 1), pad_edge=False)
        heads = ["band", *(f"lambda_i{j}" for j in bands), *(f"mu*_i{j}" for j in bands)]
        for head in [*heads, "Delta0\n(meV)", "2 Delta0/\nk Tc"]:
            table.add_column(head, justify="right")
        for i in bands:
            ratio = "-" if gap.ratio_2delta_ktc is None else f"{gap.ratio_2delta_ktc[i - 1]:.3f}"
            table.add_row(
                str(i),
                *(f"{value:.4f}" for value in found.lambda_matrix[i - 1]),
                *(f"{value:.3f}" for value in found.mu_star[i - 1]),
                f"{gap.ground_state_gap_mev[i - 1]:.4f}",
                ratio,
            )
        out.print(table)
        for text in entry.as_dict()["warnings"]:
            out.print(f"  {text}", style="yellow", markup=False, soft_wrap=True)
        if curve and len(entries) == 1 and gap.temperature_k.size:
            table = Table(box=None, padding=(0, 1), pad_edge=False)
            for head in ("T\n(K)", *(f"Delta_{i}(i w0)\n(meV)" for i in bands)):
                table.add_column(head, justify="right")
            for kelvin, deltas in zip(gap.temperature_k, gap.delta0_mev, strict=True):
                table.add_row(f"{kelvin:.4g}", *(f"{delta:.5f}" for delta in deltas))
            out.print(table)
        out.print()
