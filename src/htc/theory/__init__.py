"""Critical temperatures from spectra and their moments."""

from __future__ import annotations
