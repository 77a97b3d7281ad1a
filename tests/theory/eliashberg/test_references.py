"""Published and measured values: other codes' Tc and gaps on the same alpha2F.

Where a reference is printed with fewer digits than the tolerance asks for, half its last digit is allowed.
"""

from __future__ import annotations

import numpy as np
import pytest

from htc.spectra import read_spectra
from htc.theory import critical_temperature
from htc.theory.eliashberg.conventions import resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import Interaction, gap_below
from htc.theory.eliashberg.transition import find_transition, transition
from htc.units import KB_MEV_PER_K

PEERS = [
    ("elk_Al/ALPHA2F.OUT", None, 0.15, "asis", 1.519, 5e-4),
    ("elk_Al/ALPHA2F.OUT", None, 0.15, "elk", 0.827, 5e-4),
    ("elk_Nb/ALPHA2F.OUT", None, 0.15, "asis", 19.253, 5e-4),
    ("elk_Nb/ALPHA2F.OUT", None, 0.15, "elk", 17.93, 5e-3),
    ("elk_Pb/ALPHA2F.OUT", None, 0.15, "asis", 6.349, 5e-4),
    ("elk_Pb/ALPHA2F.OUT", None, 0.15, "elk", 5.955, 5e-4),
    ("elk_MgB2/ALPHA2F.OUT", None, 0.15, "asis", 26.864, 5e-4),
    ("elk_MgB2/ALPHA2F.OUT", None, 0.15, "elk", 22.55, 5e-3),
    ("miicck_la/elk/ALPHA2F.OUT", "Ha", 0.15, "asis", 259.65, 5e-3),
    ("miicck_la/elk/ALPHA2F.OUT", "Ha", 0.15, "elk", 254.0, 5e-2),
    ("gitgreg_CaH6_130GPa/a2f_s3_r1000_g5.csv", None, 0.10, "asis", 251.07, 5e-3),
    ("gitgreg_Nb3Sn/a2f_s1,5_r1000_g5.csv", None, 0.10, "asis", 21.40, 5e-3),
]


@pytest.mark.data
@pytest.mark.parametrize(("file", "unit", "mu_star", "convention", "expected", "printed"), PEERS)
def test_tc_of_published_spectra(data_folder, file, unit, mu_star, convention, expected, printed):
    spectrum = read_spectra(data_folder / "spectra/peers" / file, unit=unit)[0]
    record = critical_temperature(spectrum, mu_star, "eliashberg", convention)
    assert record.converged
    assert record.tc_k == pytest.approx(expected, rel=1e-4, abs=printed)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "expected"),
    [("elk_Al", 2.783743), ("elk_Nb", 21.948341), ("elk_Pb", 7.147434), ("elk_MgB2", 33.759206)],
)
def test_tc_of_ebmb_without_rescaling(data_folder, folder, expected):
    # ebmb bisects to 1e-5 K.
    spectrum = read_spectra(data_folder / "spectra/peers" / folder / "ALPHA2F.OUT")[0]
    record = critical_temperature(spectrum, 0.10, "eliashberg", "asis")
    assert record.tc_k == pytest.approx(expected, rel=1e-6, abs=1e-5)


@pytest.mark.data
@pytest.mark.parametrize("folder", ["elk_Al", "elk_Nb", "miicck_la/elk"])
def test_tc_lies_where_elks_own_gap_vanishes(data_folder, folder):
    place = data_folder / "spectra/peers" / folder
    unit = "Ha" if "la" in folder else None
    spectrum = read_spectra(place / "ALPHA2F.OUT", unit=unit)[0]
    temperature, gap, _ = np.loadtxt(place / "ELIASHBERG_GAP_T.OUT").T
    last = np.flatnonzero(gap > 1e-3 * gap[0])[-1]
    tc = critical_temperature(spectrum, 0.15, "eliashberg", "elk").tc_k
    assert temperature[last - 1] < tc < temperature[last + 1]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "temperatures", "expected"),
    [
        ("elk_Pb", [6.4, 7.0, 7.1], [0.74392, 0.37922, 0.25762]),
        ("elk_MgB2", [31.0, 33.5], [2.74127, 1.10648]),
    ],
)
def test_gaps_of_epw_from_a_given_spectrum(data_folder, name, temperatures, expected):
    spectrum = read_spectra(data_folder / f"spectra/peers/epw_fila2f/{name}.a2f")[0]
    # Within 3 % of Tc a gap moves 40 times as much as Tc, and EPW stops its iteration at 1e-5.
    assert gaps(spectrum, 0.10, temperatures) == pytest.approx(expected, rel=3e-4)


def gaps(spectrum, mu_star, temperatures_k, cutoff_mev=None):
    cutoffs = resolve("epw", spectrum, mu_star, cutoff_mev=cutoff_mev)
    coupling = Coupling.of(spectrum)
    interaction = Interaction.of_one_band(coupling, cutoffs)
    kt_c = find_transition(coupling, cutoffs).kt_mev
    solutions = gap_below(interaction, kt_c, KB_MEV_PER_K * np.array(temperatures_k))
    return [s.delta_mev[0, 0] for s in solutions]


def test_gaps_and_tc_of_our_own_epw_run_for_mgb2(own_spectra):
    (spectrum,) = read_spectra(own_spectra.mgb2_iso)
    found = gaps(spectrum, 0.16, [5.0, 12.0, 19.0, 26.0, 33.0], cutoff_mev=500.0)
    assert found == pytest.approx([5.4748, 5.4333, 5.1206, 4.2121, 1.6978], rel=2e-4)
    tc = transition(spectrum, 0.16, "epw", cutoff_mev=500.0).tc_k
    assert tc == pytest.approx(34.07, rel=1e-4, abs=5e-3)


@pytest.mark.parametrize(("mu_star", "expected"), [(0.10, 9.2785), (0.0, 13.3010)])
def test_an_einstein_mode(einstein, mu_star, expected):
    # How wide the mode is drawn decides on the highest frequency and with it on the number of Matsubara
    # frequencies below ten times it, 20 here: a step of some 0.1 %.
    assert transition(einstein(), mu_star).tc_k == pytest.approx(expected, rel=1e-3)


def test_all_conventions_side_by_side(own_spectra):
    # Regression values of this solver, each checked against dense diagonalisation to 1e-6.
    spectrum = read_spectra(own_spectra.mgb2)[-1]
    found = {
        name: critical_temperature(spectrum, 0.10, "eliashberg", name)
        for name in ("asis", "epw", "ebmb", "elk", "isome")
    }
    assert all(record.convention == name for name, record in found.items())
    assert (
        found["ebmb"].tc_k < found["isome"].tc_k < found["elk"].tc_k < found["asis"].tc_k < found["epw"].tc_k
    )
