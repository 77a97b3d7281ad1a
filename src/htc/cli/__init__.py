"""The command line: one Typer application, one small module a verb group.

Modules of this room hold no logic: they read arguments, call the rooms below and lay out what comes back.
Heavy imports stay inside the functions that need them: ``htc --help`` and ``htc tc`` start fast.
"""

from __future__ import annotations

from htc.cli.app import app, main

__all__ = ["app", "main"]
