"""What the text output of Quantum ESPRESSO's programs says of how they ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from htc.errors import SpectrumError

__all__ = ["ProgramOutput", "read_output"]

_NOT_CONVERGED: Final = re.compile(
    r"convergence NOT achieved|No convergence has been achieved", re.IGNORECASE
)
_ERROR: Final = re.compile(r"Error in routine\s+(.+?)\s*\n\s*(.*)")
_VERSION: Final = re.compile(r"Program\s+(\w+)\s+v\.?\s*([\w.]+)")
_EPW_ENDS: Final = "Total program execution"
_MOST_BYTES: Final = 200_000_000


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """One output file."""

    file: Path
    program: str | None
    """``PWSCF``, ``PHONON``, ``EPW``, ...; None where it does not say."""
    version: str | None
    done: bool
    """Whether it says that the job is done."""
    error: str | None
    """The error that stopped it."""
    converged: bool
    """False where an iteration was given up."""
    total_energy_ry: float | None = None
    fermi_ev: float | None = None

    @property
    def failure(self) -> str | None:
        """Why what it computed cannot be used; None where it can."""
        if self.error is not None:
            return f"stopped with an error: {self.error}"
        if not self.converged:
            return "an iteration did not converge"
        return None if self.done else "did not run to its end"


def read_output(file: Path) -> ProgramOutput:
    """Read how a program ended.

    Raises:
        SpectrumError: the file cannot be read.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise SpectrumError("is too large for an output", where=str(file))
        text = file.read_text(encoding="latin-1")
    except OSError as error:
        raise SpectrumError(f"cannot be read: {error.strerror}", where=str(file)) from error
    version, failed = _VERSION.search(text), _ERROR.search(text)
    return ProgramOutput(
        file=file,
        program=version.group(1) if version else None,
        version=version.group(2) if version else None,
        done="JOB DONE" in text or _EPW_ENDS in text,
        error=" ".join(" ".join(failed.groups()).split()) if failed else None,
        converged=_NOT_CONVERGED.search(text) is None,
        total_energy_ry=_last(r"^!\s+total energy\s+=\s+(\S+) Ry", text),
        fermi_ev=_last(r"the Fermi energy is\s+(\S+) ev", text),
    )


def _last(pattern: str, text: str) -> float | None:
    found = re.findall(pattern, text, re.MULTILINE)
    try:
        return float(found[-1]) if found else None
    except ValueError:
        return None
