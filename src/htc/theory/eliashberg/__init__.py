"""Isotropic and multiband Migdal-Eliashberg theory: Tc, gap, thermodynamics, real axis.

What to call, and the file it lives in:

| | |
|---|---|
| ``transition.transition``, ``batch.transitions`` | Tc of a spectrum, of thousands |
| ``conventions.CONVENTIONS``, ``conventions.Convention`` | what mu* means in which code |
| ``gap_curve.gap`` | the gap over temperature |
| ``thermodynamics.thermodynamics`` | free energy, critical field, specific heat |
| ``response.response`` | d Tc/d alpha2F, isotope coefficients |
| ``account.account`` | all of these in one record |
| ``real_axis`` | continuation, density of states, gap edge |
| ``multiband``, ``multiband_file`` | several bands |
| ``variable_dos`` | a density of states that varies with energy |

`htc.critical_temperature`, `htc.gap` and `htc.thermodynamics` are the short way. Nothing is imported here:
``htc tc`` pays for what it runs.
"""

from __future__ import annotations
