"""The suites: which cases there are, and what is known of each.

| suite | what is held against what | needs |
|---|---|---|
| `reference` | predictions of the bundled crystals against their measured Tc | |
| `formulas` | closed formulas on published lambda, omega_log, mu* against published and measured Tc | |
| `eliashberg` | the Eliashberg solver against other codes on the same alpha2F | more with the data folder |
| `fold3` | the model against calculated rows that took no part in training | the data folder, or a file |
| `experiment` | predictions against the measured Tc of tables | the data folder |
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final, get_args

from htc.errors import InputError
from htc.validation.cases import Suite, SuiteName

__all__ = ["NEEDS_DATA", "SUITES", "suite"]

SUITES: Final[tuple[SuiteName, ...]] = get_args(SuiteName)
NEEDS_DATA: Final[frozenset[SuiteName]] = frozenset({"fold3", "experiment"})
"""Suites that cannot run without the laboratory's data."""


def suite(name: str, data: Path | None = None) -> Suite:
    """A suite by name.

    Args:
        name: one of :data:`SUITES`.
        data: folder of the laboratory's data; for ``fold3`` also a file of labelled materials.

    Raises:
        InputError: there is none of this name, or its data are not there or cannot be read.
    """
    if name not in SUITES:
        raise InputError(
            f"no suite is called {name!r}", where="suite", hint=f"there are: {', '.join(SUITES)}"
        )
    if name in NEEDS_DATA and data is None:
        raise InputError(
            f"the suite {name} needs the laboratory's data, and no folder is named",
            where=f"suite {name}",
            hint="set HTC_DATA to the folder, or give --data",
        )
    # Each brings its own part of the program along.
    module = importlib.import_module(f"htc.validation.suites.{name}")
    made: Suite = module.make(data)
    return made
