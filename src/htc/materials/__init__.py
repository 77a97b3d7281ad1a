"""Formulas and structures in, the family they belong to, and whether electron-phonon theory applies."""
