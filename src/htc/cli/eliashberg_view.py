"""How ``htc eliashberg`` shows what it found: tables and the entries of its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from htc.cli.console import out

if TYPE_CHECKING:
    from htc.spectra import Spectrum
    from htc.theory.eliashberg.account import Account, RealAxisAccount

__all__ = ["Entry", "entry_as_dict", "print_tables"]

_HEADS = ("lambda", "mu*", "mu* at\ncutoff", "cutoff\n(meV)", "Tc\n(K)", "d lnTc/\nd ln cutoff")
_MORE_HEADS = (
    "Delta0\n(meV)",
    "2 Delta0/\nk Tc",
    "dC/gamma Tc\nat Tc",
    "gamma Tc²/\nHc²",
    "isotope\nalpha",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A spectrum with what was found of it under one convention."""

    source: str
    spectrum: Spectrum
    account: Account


def entry_as_dict(entry: Entry) -> dict[str, Any]:
    """The entry of the JSON contract, ``docs/schemas/eliashberg.schema.json``."""
    from htc.spectra import check

    return {
        "source": entry.source,
        "format": entry.spectrum.provenance.get("format", ""),
        "label": entry.spectrum.label,
        **entry.account.as_dict(),
        "flags": [str(flag) for flag in check(entry.spectrum)],
    }


def print_tables(entries: Sequence[Entry], *, side_by_side: bool) -> None:
    """A table for each file; of a single spectrum, its gap over temperature too."""
    by_source: dict[str, list[Entry]] = {}
    for entry in entries:
        by_source.setdefault(entry.source, []).append(entry)
    for source, members in by_source.items():
        _print_table(source, members, side_by_side=side_by_side)


def _print_table(source: str, entries: Sequence[Entry], *, side_by_side: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from htc.spectra import check

    full = any(entry.account.gap is not None for entry in entries)
    table = Table(
        title=f"{escape(source)}  [dim]{entries[0].spectrum.provenance.get('format', '')}[/]",
        title_justify="left",
        box=None,
        padding=(0, 1),
        pad_edge=False,
    )
    table.add_column("label", no_wrap=True)
    table.add_column("convention")
    with_dos = any(entry.account.variable_dos is not None for entry in entries)
    for head in _HEADS + (_MORE_HEADS if full else ()) + (("Tc, N(E)\n(K)",) if with_dos else ()):
        table.add_column(head, justify="right")
    notes: dict[str, tuple[str, int]] = {}

    def note(about: str, text: str) -> None:
        """Keep each code once, in full for the first it is about, and count the others."""
        code, _, words = text.partition(": ")
        first, count = notes.get(code, (f"{about.strip()}: {words}", 0))
        notes[code] = (first, count + 1)

    for entry in entries:
        found, more = entry.account.transition, entry.account
        cells = [
            escape(entry.spectrum.label),
            found.convention,
            f"{found.lambda_ep:.4f}",
            f"{found.mu_star:g}",
            _number(found.mu_star_at_cutoff, 3),
            _number(found.omega_c_mev, 1),
            _kelvin(found.tc_k),
            _number(found.cutoff_sensitivity, 3),
        ]
        if full:
            cells += [
                _number(more.gap.zero_temperature_mev if more.gap else None, 4),
                _number(more.gap.ratio_2delta_ktc if more.gap else None, 3),
                _number(more.thermodynamics.jump_ratio if more.thermodynamics else None, 3),
                _number(more.thermodynamics.gamma_tc2_over_hc2 if more.thermodynamics else None, 4),
                _number(more.response.isotope_coefficient if more.response else None, 3),
            ]
        if with_dos:
            cells.append(_number(more.variable_dos.tc_k if more.variable_dos else None, 3))
        table.add_row(*cells)
        for text in more.remarks:
            note(f"{entry.spectrum.label} {found.convention}", text)
    for spectrum in {id(entry.spectrum): entry.spectrum for entry in entries}.values():
        for flag in check(spectrum):
            note(spectrum.label, str(flag))
    out.print(table)
    for code, (text, count) in notes.items():
        others = f" (and {count - 1} more)" if count > 1 else ""
        out.print(f"  {code}: {text}{others}", style="yellow", markup=False, soft_wrap=True)
    for entry in entries:
        if entry.account.real_axis is not None:
            _print_real_axis(entry.spectrum.label, entry.account.real_axis)
    if full and not side_by_side and len(entries) == 1:
        _print_gap(entries[0])
    out.print()


def _print_real_axis(label: str, found: RealAxisAccount) -> None:
    parts = []
    for part in (found.exact, found.pade):
        edge = part.edges_mev[0]
        trust = "everywhere" if part.trustworthy else f"to {part.trusted_to_mev:.4g} meV"
        parts.append(f"{part.method} {'none' if edge is None else f'{edge:.5g} meV'}, trusted {trust}")
    out.print(
        f"  {label} gap edge at {found.temperature_k:.4g} K: {'; '.join(parts)}", markup=False, soft_wrap=True
    )


def _print_gap(entry: Entry) -> None:
    from rich.table import Table

    gap = entry.account.gap
    if gap is None or not gap.temperature_k.size:
        return
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for head in ("T\n(K)", "Delta(i w0)\n(meV)", "gap edge\n(meV)", "Z(i w0)"):
        table.add_column(head, justify="right")
    rows = zip(gap.temperature_k, gap.delta0_mev, gap.edge_mev, gap.z0, strict=True)
    for kelvin, delta, edge, z in rows:
        table.add_row(f"{kelvin:.4g}", f"{delta:.5f}", _number(float(edge), 5), f"{z:.4f}")
    out.print(table)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _kelvin(value: float) -> str:
    return f"{value:.3f}" if value >= 1.0 or value == 0.0 else f"{value:.3g}"
