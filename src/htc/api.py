"""What ``import htc`` offers to a notebook: predictions without a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from htc.errors import HTCError
from htc.materials.inputs import InputItem, iter_inputs
from htc.materials.reading import as_structure
from htc.models import CouplingModel, load_model
from htc.prediction.predictor import Failure, Predictor
from htc.prediction.record import Prediction
from htc.prediction.sources import known_sources
from htc.settings import get_settings

__all__ = ["predict"]


def predict(
    materials: Any,
    *,
    pressure_gpa: float = 0.0,
    mu_star: float | None = None,
    model: CouplingModel | None = None,
) -> list[Prediction]:
    """Predict Tc of structures or formulas. Nothing is stored.

    >>> import htc
    >>> [p.reduced_formula for p in htc.predict(["MgB2", "YBa2Cu3O7"])]  # doctest: +SKIP
    ['MgB2', 'YBa2Cu3O7']

    Args:
        materials: one or several of: formula, path of a structure file, folder or zip archive, pymatgen
            ``Structure``, ``ase.Atoms``, dictionary as of ``Structure.as_dict()``.
        pressure_gpa: pressure of all of them, GPa.
        mu_star: Coulomb pseudopotential; None takes the setting ``HTC_MU_STAR``.
        model: another model than the one of the settings.

    Returns:
        One record for each material, in order; a folder or an archive gives one for each of its files.
        A material outside electron-phonon theory has ``applicable=False`` and a ``reason``.

    Raises:
        HTCError: the first material that cannot be read, or an unusable pressure or mu*.
    """
    settings = get_settings()
    predictor = Predictor(model or load_model(settings.model, settings.tier), known_sources(settings))
    several = (
        isinstance(materials, Iterable)
        and not isinstance(materials, str | Path | dict)
        and not _is_crystal(materials)
    )
    items = _items(materials if several else [materials])
    records = []
    for result in predictor.predict(
        items, pressure_gpa=pressure_gpa, mu_star=settings.mu_star if mu_star is None else mu_star
    ):
        if isinstance(result, Failure):
            raise result.error
        records.append(result)
    return records


def _is_crystal(obj: Any) -> bool:
    """pymatgen structures and ASE atoms are iterable, over their sites."""
    return hasattr(obj, "lattice") or hasattr(obj, "get_chemical_symbols")


def _items(materials: Iterable[Any]) -> Iterator[InputItem]:
    for i, material in enumerate(materials):
        if isinstance(material, str | Path):
            yield from iter_inputs([material])
            continue
        source = f"material {i}"
        try:
            yield InputItem(source, "structure", as_structure(material, source=source))
        except HTCError as error:
            yield InputItem(source, "error", error.located(source))
