"""Campaigns: candidates, screening, optimisation, Pareto fronts."""
