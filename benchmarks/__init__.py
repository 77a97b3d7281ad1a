"""Measurements: ``python -m benchmarks`` prints a table, nothing here asserts a time."""
