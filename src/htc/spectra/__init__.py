from htc.spectra.spectrum import Spectrum

__all__ = ["Spectrum"]
