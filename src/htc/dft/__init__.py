"""The loop closed with first principles: inputs for chosen crystals, and finished runs read back.

`prepare` writes a folder that Quantum ESPRESSO runs, `parse` reads it once it has finished.
"""

from __future__ import annotations

from htc.dft.manifest import Manifest, read_manifest
from htc.dft.parse import Calculation, parse
from htc.dft.prepare import Prepared, prepare
from htc.dft.settings import DftSettings

__all__ = ["Calculation", "DftSettings", "Manifest", "Prepared", "parse", "prepare", "read_manifest"]
