"""Predictions held against what is known."""
