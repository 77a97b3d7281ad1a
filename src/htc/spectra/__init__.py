"""Electron-phonon spectra: alpha2F(omega), its moments and its sanity, read from any code's files."""

from __future__ import annotations

from htc.spectra.checks import Flag, check
from htc.spectra.density_of_states import DensityOfStates, read_density_of_states
from htc.spectra.multiband import MultibandSpectrum
from htc.spectra.readers import find_spectra, read_spectra
from htc.spectra.readers.multiband import read_multiband
from htc.spectra.smearing import Plateau, find_plateau
from htc.spectra.spectrum import NegativeWeight, Spectrum

__all__ = [
    "DensityOfStates",
    "Flag",
    "MultibandSpectrum",
    "NegativeWeight",
    "Plateau",
    "Spectrum",
    "check",
    "find_plateau",
    "find_spectra",
    "read_density_of_states",
    "read_multiband",
    "read_spectra",
]
