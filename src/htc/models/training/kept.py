"""Whether a tier that lies in a folder is what a recipe would give: same data, settings and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from htc.models.coupling import Tier
from htc.models.model import CouplingModel
from htc.models.training.dataset import Dataset
from htc.models.training.members import members_wanted

if TYPE_CHECKING:
    from htc.models.training.pipeline import Recipe

__all__ = ["digest_of_formulas", "is_result_of", "parameters_of", "seeds_of"]


def digest_of_formulas(formulas: Collection[str]) -> str:
    """SHA-256 of reduced formulas, whatever their order."""
    return hashlib.sha256("\n".join(sorted(formulas)).encode("utf-8")).hexdigest()


def parameters_of(tier: Tier, recipe: Recipe) -> dict[str, Any]:
    """Settings of the members of a tier, as its card states them."""
    trees = asdict(recipe.trees) | {"spread": recipe.trees.for_spread()}
    if tier == "fast":
        return trees
    if tier == "default":
        return {
            "trees": trees,
            "tree_seeds": list(recipe.tree_seeds),
            "networks": recipe.networks.as_dict(),
        }
    return {"trees": trees, "networks": recipe.best_networks.as_dict()}


def seeds_of(tier: Tier, recipe: Recipe, training: Dataset) -> list[int]:
    """Seeds of the members of a tier, as its card states them."""
    if tier == "fast":
        return list(recipe.tree_seeds)
    per_fold, of_all = (
        (recipe.networks_per_fold, recipe.networks_of_all)
        if tier == "default"
        else (recipe.best_networks_per_fold, recipe.best_networks_of_all)
    )
    return [member.seed for member in members_wanted(training.fold, recipe.network_seed, per_fold, of_all)]


def is_result_of(
    model: CouplingModel, recipe: Recipe, training: Dataset, below: CouplingModel | None
) -> bool:
    """Whether training this tier anew could only give the same.

    Args:
        model: what lies there.
        recipe: what is asked for.
        training: the materials it would be trained on, from the same files.
        below: the tier below as it is now.
    """
    card = model.card
    method = card["method"]
    files = training.files[:1] if model.tier == "fast" else training.files
    excluded = digest_of_formulas(recipe.exclude_formulas) if recipe.exclude_formulas else None
    # As they come out of the card: JSON has no tuples.
    wanted = json.loads(json.dumps(parameters_of(model.tier, recipe)))
    return (
        {entry["sha256"] for entry in card["training_data"]} == {file.sha256 for file in files}
        and card["name"].startswith(f"{recipe.name}-")
        and card["version"] == recipe.version
        and all(method["parameters"].get(name) == value for name, value in wanted.items())
        and method["seeds"] == seeds_of(model.tier, recipe, training)
        and method.get("excluded_formulas_sha256") == excluded
        and (model.tier == "fast" or (below is not None and model.parts[1].model_id == below.model_id))
    )
