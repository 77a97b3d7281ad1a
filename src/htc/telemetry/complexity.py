"""McCabe's cyclomatic complexity of Python source, by its syntax tree."""

from __future__ import annotations

import ast
import warnings

__all__ = ["complexity"]

_DECISIONS = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.comprehension)


def complexity(source: str | bytes) -> int | None:
    """Sum over the functions of a file, each one plus its decisions; decisions outside functions count too.

    Decisions are ``if`` (also in expressions and comprehensions), ``for``, ``while``, ``except``, each
    further operand of ``and`` and ``or``, and each ``case`` that does not match everything. McCabe 1976,
    DOI 10.1109/TSE.1976.233837, for structured programs: decisions + 1.

    Returns:
        None when it is not Python that this interpreter can parse.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the project's literals; not ours to raise
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return sum(_weight(node) for node in ast.walk(tree))


def _weight(node: ast.AST) -> int:
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.match_case):
        matches_all = isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None
        return 0 if matches_all and node.guard is None else 1
    return int(isinstance(node, (*_DECISIONS, ast.FunctionDef, ast.AsyncFunctionDef)))
