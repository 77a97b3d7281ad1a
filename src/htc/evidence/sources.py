"""What a pack is made of: the stored prediction, and what is known of the model that spoke."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from htc.errors import HTCError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from htc.models import CouplingModel
    from htc.settings import Settings
    from htc.store import Database, StoredPrediction

__all__ = ["Sources", "gather", "installed_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that goes into a pack beside the program itself."""

    stored: StoredPrediction
    card: Mapping[str, Any] | None = None
    """Card of the model that spoke; None for a spectrum, and where nobody kept it."""
    experiment: Mapping[str, Any] | None = None
    """Its lines from predicted to measured Tc, where the model is installed and the record uses them."""
    database_revision: str | None = None
    licence: str | None = None
    """Under which the pack may be used; None where nobody said."""

    @property
    def etag(self) -> str:
        """Names the bytes of the pack without making it: equal sources and program, equal bytes."""
        from htc.evidence.environment import environment
        from htc.evidence.record import record_of

        stored = self.stored
        spectrum = stored.prediction.spectrum
        content = [
            record_of(stored),
            stored.prediction.structure,
            None if spectrum is None else [spectrum.label, dict(spectrum.provenance)],
            self.card,
            self.experiment,
            self.licence,
            environment(self.database_revision),
        ]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode())
        if spectrum is not None:
            for array in (spectrum.omega_mev, spectrum.alpha2f):
                digest.update(array.astype("<f8").tobytes())
        return digest.hexdigest()


def gather(database: Database, stored: StoredPrediction, settings: Settings) -> Sources:
    """What is known behind a stored prediction.

    Args:
        database: where it came from.
        stored: from :func:`htc.store.get` or :func:`htc.store.provenance.find_prediction`.
        settings: where the models are, and the licence.

    Raises:
        StoreError: the database does not answer.
    """
    from htc.store import schema
    from htc.store.provenance import model_card

    model_id = stored.prediction.model_id
    model = None if model_id is None else installed_model(model_id, settings.model)
    card: Mapping[str, Any] | None = None
    if model is not None:
        card = model.card
    elif model_id is not None:
        card = model_card(database, model_id)
    wanted = stored.prediction.tc_experiment is not None
    lines = model.experiment if model is not None and wanted else None
    with database.connect() as connection:
        revision = ", ".join(schema.standing(connection).revisions) or None
    return Sources(
        stored=stored,
        card=card,
        experiment=None if lines is None else lines.to_dict(),
        database_revision=revision,
        licence=settings.evidence_licence,
    )


def installed_model(model_id: str, folder: Path | None = None) -> CouplingModel | None:
    """The installed model of an id; None where it is not installed, or cannot be loaded.

    Args:
        model_id: name, version and beginning of the hash of the weights.
        folder: where other models than the package's are, see the setting ``HTC_MODEL``.
    """
    from htc.models import TIERS, load_model

    for place in dict.fromkeys((folder, None)):
        for tier in TIERS:
            # Loading a model costs seconds and much memory: the card says whose it is.
            if _id_on_card(place, tier) == model_id:
                try:
                    return load_model(place, tier)
                except HTCError:
                    continue  # damaged; another place may have it whole
    return None


def _id_on_card(folder: Path | None, tier: str) -> str | None:
    """Identity of the model of a tier, from its card alone."""
    from importlib.resources import files

    place: Traversable = files("htc.models").joinpath("weights") if folder is None else folder
    if folder is None or not (folder / "card.json").exists():
        place = place / tier
    try:
        card = json.loads((place / "card.json").read_text("utf-8"))
        return f"{card['name']}-{card['version']}+{card['weights']['sha256'][:12]}"
    except (OSError, ValueError, KeyError, TypeError):
        return None
