"""The loop closed with first principles: inputs for chosen crystals, and finished runs read back."""

from __future__ import annotations

from htc.dft.manifest import Manifest, read_manifest
from htc.dft.prepare import Prepared, prepare
from htc.dft.settings import DftSettings

__all__ = ["DftSettings", "Manifest", "Prepared", "prepare", "read_manifest"]
