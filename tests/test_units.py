"""The conversion factors are those of the CODATA constants, to the last digit."""

from __future__ import annotations

import pytest
from scipy import constants

from htc import units

CODATA = {
    "KB_MEV_PER_K": constants.k / constants.e * 1e3,
    "MEV_PER_THZ": constants.h * 1e12 / constants.e * 1e3,
    "MEV_PER_INVERSE_CM": constants.h * constants.c * 100.0 / constants.e * 1e3,
}


@pytest.mark.parametrize("name", CODATA)
def test_factors_of_exact_constants_are_those_of_scipy(name: str) -> None:
    assert getattr(units, name) == CODATA[name]


def test_hartree_is_that_of_codata_2022() -> None:
    value, unit, spread = constants.physical_constants["Hartree energy in eV"]
    assert unit == "eV"
    # A later adjustment than that of 2022 moves the value by a few of its standard deviations.
    assert abs(units.MEV_PER_HARTREE / 1e3 - value) <= 5.0 * spread
    if spread == 3e-11:
        assert value * 1e3 == units.MEV_PER_HARTREE
