"""Tight binding after Harrison: what a crystal's bands say about its electrons at the Fermi level."""

from htc.models.features.tight_binding.features import (
    SITE_TIGHT_BINDING_FEATURES,
    TIGHT_BINDING_FEATURES,
    TightBinding,
    site_tight_binding_features,
    tight_binding,
    tight_binding_features,
)

__all__ = [
    "SITE_TIGHT_BINDING_FEATURES",
    "TIGHT_BINDING_FEATURES",
    "TightBinding",
    "site_tight_binding_features",
    "tight_binding",
    "tight_binding_features",
]
