"""How near a test file is to a changed file: by what it imports, and by name. Reads source, runs nothing."""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["Imports", "shares_name"]

MAX_DISTANCE: Final = 4
_MAX_FILES: Final = 5000
_TEST_AFFIX: Final = re.compile(r"^(?:test_|tests_)|(?:_test|_tests)$")
_MEANINGLESS: Final = frozenset({"", "__init__", "conftest", "test", "tests", "src"})


class Imports:
    """Who imports whom in a project, found file by file as it is asked for.

    Paths are relative to the root, with ``/``. A module is looked for in the root, in ``src/``, beside the
    importing file and in the folders above it.
    """

    def __init__(self, root: Path) -> None:
        """Nothing is read yet."""
        self._root = root
        self._known: dict[str, tuple[str, ...]] = {}

    def distances(self, test_file: str) -> dict[str, int]:
        """Files that a test file reaches by imports, and over how many: 1 for what it imports itself.

        The ``conftest.py`` files that pytest loads for it are at 1 as well.
        """
        found: dict[str, int] = {}
        edge = [test_file]
        for distance in range(1, MAX_DISTANCE + 1):
            following: list[str] = []
            for path in edge:
                near = self.of(path)
                if distance == 1:
                    near = (*near, *self._conftests(path))
                following += [p for p in dict.fromkeys(near) if p not in found and p != test_file]
                found.update(dict.fromkeys(following, distance))
            edge = following
        return found

    def of(self, path: str) -> tuple[str, ...]:
        """Files of the project that one of its files imports; none when it cannot be parsed."""
        if path not in self._known:
            full = len(self._known) >= _MAX_FILES
            self._known[path] = () if full or not path.endswith(".py") else tuple(self._read(path))
        return self._known[path]

    def _read(self, path: str) -> list[str]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse((self._root / path).read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return []
        here = posixpath.dirname(path)
        out: dict[str, None] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names: Iterable[str] = (alias.name for alias in node.names)
                above: str | None = None
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                names = [module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)]
                above = posixpath.normpath(posixpath.join(here, *[".."] * (node.level - 1)))
                above = above if node.level else None
            else:
                continue
            for name in names:
                for file in self._files(name, here, above):
                    out[file] = None
        out.pop(path, None)
        return list(out)

    def _files(self, module: str, here: str, above: str | None) -> list[str]:
        """The file of a module and the ``__init__`` files that importing it runs."""
        parts = [p for p in module.split(".") if p]
        for base in [above] if above is not None else self._bases(here):
            stem = posixpath.normpath(posixpath.join(base, *parts))
            # A name imported from a module need not be a module.
            for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
                if self._is_file(candidate):
                    packages = [
                        posixpath.normpath(posixpath.join(base, *parts[:i], "__init__.py"))
                        for i in range(1, len(parts))
                    ]
                    return [candidate, *(p for p in packages if self._is_file(p))]
        return []

    def _bases(self, here: str) -> list[str]:
        above = [here]
        while above[-1] not in {"", "."}:
            above.append(posixpath.dirname(above[-1]))
        return list(dict.fromkeys(["", "src", *above]))

    def _conftests(self, path: str) -> list[str]:
        folders = [f for f in self._bases(posixpath.dirname(path)) if f != "src"]
        return [p for f in folders if self._is_file(p := posixpath.join(f, "conftest.py")) and p != path]

    def _is_file(self, path: str) -> bool:
        return not path.startswith("..") and (self._root / path).is_file()


def shares_name(test_file: str, changed: str) -> bool:
    """Whether a test file is named after a file: ``tests/test_gap.py`` after ``src/gap.py``.

    So is ``tests/gap/test_solver.py`` after ``gap.py``, and either after ``gap/__init__.py``.
    """
    *folders, name = changed.split("/")
    stem = _bare(name)
    *test_folders, test_name = test_file.split("/")
    tested = _bare(test_name)
    if stem not in _MEANINGLESS:
        return tested == stem or stem in test_folders
    # __init__.py and the like stand for their folder.
    return bool(folders) and folders[-1] not in _MEANINGLESS and folders[-1] in {tested, *test_folders[-1:]}


def _bare(name: str) -> str:
    return _TEST_AFFIX.sub("", name.partition(".")[0])
