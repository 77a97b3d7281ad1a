"""Whether every revision can be turned into statements by the SQLAlchemy and Alembic that are installed.

An index option that one version of SQLAlchemy takes, another refuses with a ``TypeError`` in the middle of an
upgrade, or drops without a word. Here each revision writes its statements, both ways, without a database, and
the options of every index are compared with those that the PostgreSQL dialect knows.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding
from htc.store.doctor.migration_files import VERSIONS

__all__ = ["check_migration_statements"]

_STATEMENTS: Final = Check(
    "migrations.statements",
    "a migration asks for something that the installed SQLAlchemy or Alembic does not accept",
    "each revision written out as SQL, up and down, without a database",
)
_OPTIONS: Final = Check(
    "migrations.options",
    "an index has an option that is not PostgreSQL's, and would be refused or left out without a word",
    "the options of every index in the files compared with those of SQLAlchemy's PostgreSQL dialect",
)

_MAKERS: Final = frozenset({"create_index", "Index"})


def check_migration_statements(folder: Path = VERSIONS) -> list[Finding]:
    """Write out every revision in a folder; it needs no database.

    Files that cannot be parsed are left to :func:`~htc.store.doctor.migration_files.check_migration_files`.
    """
    files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    trouble = [line for path in files for line in _unknown_options(path)]
    options = (
        _OPTIONS.failure("; ".join(trouble), action="remove the option, or write the index as plain SQL")
        if trouble
        else _OPTIONS.ok(f"{len(files)} files, every option known")
    )
    trouble = [line for path in files for line in _refused(path)]
    if trouble:
        statements = _STATEMENTS.failure(
            "; ".join(trouble),
            action="mend the named line, or install the versions that requirements/base.txt pins",
        )
    else:
        statements = _STATEMENTS.ok(f"{len(files)} revisions, each written out up and down")
    return [options, statements]


def _unknown_options(path: Path) -> Iterator[str]:
    import inspect

    from alembic.operations import Operations
    from sqlalchemy import Index
    from sqlalchemy.dialects.postgresql.base import PGDialect

    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    of_index = next(spec for kind, spec in PGDialect.construct_arguments or () if kind is Index)
    known = {f"postgresql_{name}" for name in of_index}
    for callable_ in (Operations.create_index, Index.__init__):
        known |= set(inspect.signature(callable_).parameters)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in _MAKERS:
            for keyword in node.keywords:
                if keyword.arg is not None and keyword.arg not in known:
                    yield f"{path.name}, line {node.lineno}: the index option {keyword.arg!r} is not known"


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _refused(path: Path) -> Iterator[str]:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    try:
        module = _load(path)
    except Exception as error:  # noqa: BLE001 - the file may raise anything, and that is the finding
        yield f"{path.name}: {type(error).__name__}: {error}"
        return
    for way in ("upgrade", "downgrade"):
        offline = MigrationContext.configure(
            dialect_name="postgresql",
            opts={"as_sql": True, "literal_binds": True, "output_buffer": io.StringIO()},
        )
        try:
            with warnings.catch_warnings(), Operations.context(offline):
                warnings.simplefilter("error")
                getattr(module, way)()
        except Exception as error:  # noqa: BLE001 - likewise
            yield f"{path.name}, {way}() at line {_line(error, path)}: {type(error).__name__}: {error}"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_htc_revision_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line(error: Exception, path: Path) -> int:
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
