"""Names of the past as node ids that pytest still finds: one that is gone would stop the whole run."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from typing import Final

from htc.telemetry.text import is_shortened

__all__ = ["NodeIds"]

_CLOCK_S: Final = 2.0
"""Clocks of file systems tick by up to this."""


class NodeIds:
    """The tests that are in the files under a root now."""

    def __init__(self, root: Path) -> None:
        """Nothing is read yet."""
        self._root = root
        self._changed_at: dict[str, float | None] = {}
        self._names: dict[str, frozenset[str] | None] = {}

    def current(self, test_name: str, test_file: str, last_run: float) -> str | None:
        """The id to give to pytest, or None where the test is gone.

        As it was recorded while its file has not changed since; else as much of it as the file still has: the
        function without the values of its parameters, the class of an inherited method, the file where
        nothing better can be said. The same where white space would break the id apart in a shell.

        Args:
            test_name: of the table.
            test_file: of the table.
            last_run: when it ran last, seconds since the epoch.
        """
        changed_at = self._mtime(test_file)
        if changed_at is None:
            return None
        if is_shortened(test_name) or not test_name.startswith(f"{test_file}::"):
            return test_file
        if changed_at < last_run - _CLOCK_S:
            return test_name if not _breaks(test_name) else self._without_values(test_name)
        names = self._defined(test_file)
        if names is None:
            return test_file
        kept: list[str] = []
        for part in self._without_values(test_name).split("::")[1:]:
            if "::".join([*kept, part]) not in names:
                break
            kept.append(part)
        return "::".join([test_file, *kept]) if kept else None

    @staticmethod
    def _without_values(test_name: str) -> str:
        path, _, inside = test_name.partition("::")
        return f"{path}::{inside.partition('[')[0]}"

    def _mtime(self, test_file: str) -> float | None:
        if test_file not in self._changed_at:
            try:
                path = self._root / test_file
                self._changed_at[test_file] = path.stat().st_mtime if path.is_file() else None
            except (OSError, ValueError):
                self._changed_at[test_file] = None
        return self._changed_at[test_file]

    def _defined(self, test_file: str) -> frozenset[str] | None:
        """Functions and classes of a file, methods as ``Class::method``; None when it cannot be parsed."""
        if test_file not in self._names:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    tree = ast.parse((self._root / test_file).read_bytes())
                self._names[test_file] = frozenset(_definitions(tree, ""))
            except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
                self._names[test_file] = None
        return self._names[test_file]


def _definitions(node: ast.AST, prefix: str) -> list[str]:
    out: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            out += [prefix + child.name, *_definitions(child, f"{prefix}{child.name}::")]
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            out.append(prefix + child.name)
        elif isinstance(child, ast.If | ast.Try | ast.With):
            out += _definitions(child, prefix)
    return out


def _breaks(test_name: str) -> bool:
    return any(c.isspace() for c in test_name)
