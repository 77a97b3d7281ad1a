"""All that follows from one spectrum under one convention, in one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import ArrayLike

from htc.errors import ConvergenceError
from htc.spectra import Flag, Spectrum
from htc.theory.eliashberg.conventions import Convention
from htc.theory.eliashberg.gap_curve import Gap, gap
from htc.theory.eliashberg.response import Response, response
from htc.theory.eliashberg.thermodynamics import Thermodynamics, thermodynamics
from htc.theory.eliashberg.transition import Transition, transition
from htc.units import K_PER_MEV

if TYPE_CHECKING:
    from htc.theory.eliashberg.real_axis import DensityOfStates, RealAxis
    from htc.theory.eliashberg.variable_dos import VariableDosTransition

__all__ = ["Account", "RealAxisAccount", "account"]

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealAxisAccount:
    """The gap function at real energies at one temperature, twice over."""

    temperature_k: float
    pade: RealAxis
    exact: RealAxis
    dos: DensityOfStates
    """Density of states by the exact continuation, or by Pade where only that is to be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Account:
    """What the Eliashberg equations say of a spectrum; parts not asked for, or not there, are None."""

    transition: Transition
    gap: Gap | None = None
    thermodynamics: Thermodynamics | None = None
    response: Response | None = None
    real_axis: RealAxisAccount | None = None
    variable_dos: VariableDosTransition | None = None
    """Tc with a density of states that varies with energy; everything else here has a constant one."""
    failures: tuple[str, ...] = ()
    """What did not converge, each ``part: why``."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Everything to know about these numbers, each ``code: text``."""
        flags: list[Flag] = list(self.transition.warnings)
        if self.transition.reason is not None:
            flags.append(Flag("tc-zero", self.transition.reason))
        if self.gap is not None:
            flags += self.gap.warnings
        texts = [*(str(flag) for flag in flags), *self.failures]
        if self.thermodynamics is not None:
            texts += [f"thermodynamics: {text}" for text in self.thermodynamics.warnings]
        if self.real_axis is not None:
            # Approximants never resolve the phonons' structure: what they are doubted for is in their record.
            texts += [f"real-axis: {text}" for text in self.real_axis.exact.reasons]
        if self.variable_dos is not None and self.variable_dos.reason is not None:
            texts.append(f"variable-dos: {self.variable_dos.reason}")
        return tuple(texts)

    def as_dict(self) -> dict[str, Any]:
        """The record as plain numbers, units in the names."""
        found = self.transition
        entry: dict[str, Any] = {
            "mu_star": found.mu_star,
            "convention": found.convention,
            "mu_star_at_cutoff": found.mu_star_at_cutoff,
            "omega_c_mev": found.omega_c_mev,
            "coulomb_cutoff_mev": found.coulomb_cutoff_mev,
            "frequencies": found.frequencies,
            "lambda_ep": found.lambda_ep,
            "tc_k": found.tc_k,
            "converged": found.converged,
            "cutoff_sensitivity": found.cutoff_sensitivity,
            "warnings": list(self.remarks),
        }
        if self.gap is not None:
            entry["gap"] = {
                "temperature_k": self.gap.temperature_k.tolist(),
                "delta0_mev": self.gap.delta0_mev.tolist(),
                "edge_mev": self.gap.edge_mev.tolist(),
                "z0": self.gap.z0.tolist(),
            }
            entry["gap_zero_temperature_mev"] = self.gap.zero_temperature_mev
            entry["ratio_2delta_ktc"] = self.gap.ratio_2delta_ktc
        if self.thermodynamics is not None:
            heat = self.thermodynamics
            entry["thermodynamics"] = {
                "tc_k": heat.tc_k,
                "jump_ratio": heat.jump_ratio,
                "gamma_tc2_over_hc2": heat.gamma_tc2_over_hc2,
                "temperature_k": heat.temperature_k.tolist(),
                "free_energy_difference_mev2": heat.free_energy_difference_mev2.tolist(),
                "critical_field_ratio": heat.critical_field_ratio.tolist(),
                "deviation": heat.deviation.tolist(),
                "specific_heat_ratio": heat.specific_heat_ratio.tolist(),
            }
        if self.response is not None:
            entry["isotope_coefficient"] = self.response.isotope_coefficient
            entry["response"] = {
                "omega_mev": self.response.omega_mev.tolist(),
                "dtc_da2f_k_per_mev": self.response.dtc_da2f_k_per_mev.tolist(),
            }
        if self.real_axis is not None:
            entry["real_axis"] = _real_axis_dict(self.real_axis)
        if self.variable_dos is not None:
            varied = self.variable_dos
            entry["variable_dos"] = {
                "tc_k": varied.tc_k,
                "chemical_potential_shift_mev": varied.chemical_potential_shift_mev,
                "z0": varied.z0,
                "converged": varied.converged,
            }
        return entry


def account(
    spectrum: Spectrum,
    mu_star: float = 0.10,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
    temperatures_k: ArrayLike | Sequence[float] | None = None,
    real_axis: bool = False,
) -> Account:
    """Tc, gap, thermodynamics, isotope effect and, if asked for, the real axis of a spectrum.

    Arguments and errors are those of `htc.theory.eliashberg.gap_curve.gap`; but where Tc is known and a part
    beyond it does not converge, that part is None and `Account.failures` says why.
    """
    failures: list[str] = []

    def attempt(name: str, solve: Callable[[], Part]) -> Part | None:
        try:
            return solve()
        except ConvergenceError as error:
            failures.append(f"{name}: {error.what}")
            return None

    found = transition(spectrum, mu_star, convention, cutoff_mev=cutoff_mev)
    curve = attempt(
        "gap",
        lambda: gap(spectrum, mu_star, convention, temperatures_k=temperatures_k, cutoff_mev=cutoff_mev),
    )
    if not found.tc_k > 0.0:
        return Account(transition=found, gap=curve, failures=tuple(failures))
    heat = attempt(
        "thermodynamics", lambda: thermodynamics(spectrum, mu_star, convention, cutoff_mev=cutoff_mev)
    )
    answer = attempt("response", lambda: response(spectrum, mu_star, convention, cutoff_mev=cutoff_mev))
    axis = attempt("real-axis", lambda: _real_axis(spectrum, curve)) if real_axis and curve else None
    return Account(
        transition=found,
        gap=curve,
        thermodynamics=heat,
        response=answer,
        real_axis=axis,
        failures=tuple(failures),
    )


def _real_axis(spectrum: Spectrum, curve: Gap) -> RealAxisAccount | None:
    from htc.theory.eliashberg.real_axis import continue_exact, continue_pade, density_of_states

    solution = next((s for s in curve.solutions if s.superconducting), None)
    if solution is None:
        return None
    pade = continue_pade(solution)
    exact = continue_exact(solution, spectrum)
    believed = pade if pade.trustworthy and not exact.trustworthy else exact
    return RealAxisAccount(
        temperature_k=solution.kt_mev * K_PER_MEV, pade=pade, exact=exact, dos=density_of_states(believed)
    )


def _real_axis_dict(found: RealAxisAccount) -> dict[str, Any]:
    entry: dict[str, Any] = {"temperature_k": found.temperature_k}
    for part in (found.pade, found.exact):
        entry[part.method] = {
            "omega_mev": part.omega_mev.tolist(),
            "delta_real_mev": part.delta_mev[0].real.tolist(),
            "delta_imag_mev": part.delta_mev[0].imag.tolist(),
            "z_real": part.z[0].real.tolist(),
            "z_imag": part.z[0].imag.tolist(),
            "edge_mev": part.edges_mev[0],
            "trustworthy": part.trustworthy,
            "trusted_to_mev": part.trusted_to_mev,
            "reasons": list(part.reasons),
        }
    entry["dos"] = {"omega_mev": found.dos.omega_mev.tolist(), "ratio": found.dos.total.tolist()}
    return entry
