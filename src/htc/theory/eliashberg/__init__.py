"""Isotropic and multiband Migdal-Eliashberg theory: Tc, gap, thermodynamics, real axis."""

from __future__ import annotations
