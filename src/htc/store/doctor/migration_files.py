"""Whether the migration files form the one chain they should, without a database and without running them.

A ``down_revision`` that names a file instead of a revision id once cost a deployment a day: Alembic answers
it with a bare ``KeyError``, a doubled id with a warning only, and an id unlike its file name with nothing.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding
from htc.store.schema import REVISIONS

__all__ = ["VERSIONS", "check_migration_files"]

VERSIONS: Final = Path(__file__).parent.parent / "migrations" / "versions"

LONGEST_ID: Final = 32
"""alembic_version.version_num is VARCHAR(32)."""

_READABLE: Final = Check(
    "migrations.files",
    "a migration file cannot be used",
    "each file parsed: `revision`, `down_revision`, `upgrade()` and `downgrade()`",
)
_IDS: Final = Check(
    "migrations.ids",
    "a revision id is doubled, too long, or not the name of its file",
    f"ids compared with each other, with the file names and with {LONGEST_ID} characters",
)
_LINKS: Final = Check(
    "migrations.links",
    "a down_revision names a revision that does not exist",
    "each down_revision looked up among the ids",
)
_CHAIN: Final = Check(
    "migrations.chain",
    "the revisions are not one line from the first to the last",
    "bases, heads and branches counted; the chain compared with the one this program knows",
)
_ALEMBIC: Final = Check(
    "migrations.alembic",
    "Alembic reads the files otherwise than the doctor",
    "the chain read through Alembic's ScriptDirectory",
)


@dataclass(frozen=True, slots=True)
class _Value:
    value: object
    line: int


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    revision: str
    revision_line: int
    down: str | None
    down_line: int

    @property
    def at_revision(self) -> str:
        return f"{self.path}:{self.revision_line}"

    @property
    def at_down(self) -> str:
        return f"{self.path}:{self.down_line}"


def check_migration_files(folder: Path = VERSIONS, known: Sequence[str] = REVISIONS) -> list[Finding]:
    """Examine the migration files.

    Args:
        folder: where the files lie.
        known: the chain as the program knows it, oldest first.
    """
    if not folder.is_dir():
        return [_READABLE.failure(f"there is no folder {folder}", "install htc again")]
    files: list[_File] = []
    found: list[Finding] = []
    for path in sorted(folder.glob("*.py")):
        if path.name == "__init__.py" or path.name.startswith(".#"):
            continue
        one, troubles = _parse(path)
        found += [_READABLE.failure(trouble, action) for trouble, action in troubles]
        if one is not None:
            files.append(one)
    if not found:
        found.append(_READABLE.ok(f"{len(files)} files can be read"))
    found += list(_ids(files, known)) or [_IDS.ok(f"{len(files)} ids, each the name of its file")]
    links = list(_links(files))
    found += links or [_LINKS.ok("every down_revision exists")]
    found += list(_chain(files, known)) or [_CHAIN.ok(" -> ".join(known))]
    # Alembic stumbles over the same faults with less to say.
    if any(f.verdict == "failure" for f in found):
        found.append(_ALEMBIC.skipped("the faults above come first"))
    else:
        found.append(_alembic(folder, known))
    return found


def _parse(path: Path) -> tuple[_File | None, list[tuple[str, str]]]:
    try:
        # tokenize's rules for the encoding, so that a file Python can run is one we can read.
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        return None, [
            (
                f"{path}:{line or 1}: Python cannot read it: {said}",
                "correct the file; nothing can be upgraded",
            )
        ]
    except OSError as error:
        return None, [(f"{path}: {error.strerror or error}", "make the file readable, or install htc again")]
    values = _assignments(tree)
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    troubles = [
        (f"{path}:1: it has no function {name}()", "write it")
        for name in ("upgrade", "downgrade")
        if name not in functions
    ]
    troubles += [
        (
            f"{path}:{given.line}: it says {name} = {_shown(given)}",
            f"set {name} = None: the chain has no branches",
        )
        for name in ("branch_labels", "depends_on")
        if (given := values.get(name)) is not None and given.value not in (None, "", ())
    ]
    revision, down = values.get("revision"), values.get("down_revision")
    if revision is None or not isinstance(revision.value, str):
        says = f"revision = {_shown(revision)}" if revision else "no revision"
        line = revision.line if revision else 1
        troubles.append((f"{path}:{line}: it says {says}", f'write revision = "{path.stem}"'))
        return None, troubles
    if down is None or not (down.value is None or isinstance(down.value, str)):
        says = f"down_revision = {_shown(down)}" if down else "no down_revision"
        line = down.line if down else 1
        troubles.append(
            (f"{path}:{line}: it says {says}", "write the id of the one revision before it, as a plain text")
        )
        return None, troubles
    return _File(path, revision.value, revision.line, down.value, down.line), troubles


class _NotPlain:
    """A value that only running the file would tell."""

    def __init__(self, node: ast.expr) -> None:
        self.source = ast.unparse(node)


def _assignments(tree: ast.Module) -> dict[str, _Value]:
    out: dict[str, _Value] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        try:
            plain: object = ast.literal_eval(value)
        except ValueError:
            plain = _NotPlain(value)
        out[name] = _Value(plain, node.lineno)
    return out


def _shown(given: _Value) -> str:
    return given.value.source if isinstance(given.value, _NotPlain) else repr(given.value)


def _ids(files: Sequence[_File], known: Sequence[str]) -> Iterator[Finding]:
    for revision, times in Counter(f.revision for f in files).items():
        if times > 1:
            same = [f for f in files if f.revision == revision]
            where = " and ".join(f.at_revision for f in same)
            yield _IDS.failure(
                f"{where}: {times} files have the id {revision!r}",
                _for_doubled(same),
                revision=revision,
                files=[str(f.path) for f in same],
            )
    for file in files:
        if file.revision != file.path.stem:
            yield _IDS.failure(
                f'{file.at_revision}: it says revision = "{file.revision}", its file is called'
                f" {file.path.name}",
                _for_other_name(file, known),
                revision=file.revision,
                file=str(file.path),
            )
        if not 0 < len(file.revision) <= LONGEST_ID:
            yield _IDS.failure(
                f"{file.at_revision}: the id {file.revision!r} has {len(file.revision)} characters;"
                f" alembic_version holds 1 to {LONGEST_ID}",
                "give the revision a shorter id and its file the same name",
                revision=file.revision,
                length=len(file.revision),
            )


def _for_doubled(same: Sequence[_File]) -> str:
    keeps = [f for f in same if f.path.stem == f.revision]
    others = [f for f in same if f not in keeps]
    if len(keeps) == 1:
        return f"{_listed(f.path.name for f in others)}: write its own name as id, and put it into the chain"
    return "give each file an id of its own, equal to its name"


def _for_other_name(file: _File, known: Sequence[str]) -> str:
    if file.path.stem in known:
        return f'write revision = "{file.path.stem}": databases carry this id, and the program knows it'
    if file.path.with_name(f"{file.revision}.py").exists():
        return (
            f'write revision = "{file.path.stem}", and put it into the chain:'
            f" {file.revision}.py has the other id already"
        )
    return f"rename the file to {file.revision}.py: databases may carry the id already"


def _links(files: Sequence[_File]) -> Iterator[Finding]:
    ids = {f.revision for f in files}
    for file in files:
        if file.down is None or file.down in ids:
            continue
        nearest, why = _nearest(file, files)
        yield _LINKS.failure(
            f'{file.at_down}: it says down_revision = "{file.down}"; no revision has this id{why}',
            f'write down_revision = "{nearest}"' if nearest else "write the id of the revision before it",
            file=str(file.path),
            line=file.down_line,
            says=file.down,
            nearest=nearest,
        )


def _nearest(file: _File, files: Sequence[_File]) -> tuple[str | None, str]:
    """The id that was probably meant, and how the mistake came about where that is clear."""
    others = [f for f in files if f is not file]
    said = (file.down or "").removesuffix(".py")
    for other in others:
        if other.path.stem == said:
            return other.revision, f": it is the name of a file, whose id is {other.revision!r}"
    close = difflib.get_close_matches(said, [f.revision for f in others], n=1, cutoff=0.5)
    return (close[0] if close else None), ""


def _chain(files: Sequence[_File], known: Sequence[str]) -> Iterator[Finding]:
    ids = {f.revision for f in files}
    bases = [f for f in files if f.down is None]
    heads = [f for f in files if f.revision not in {g.down for g in files}]
    if len(bases) != 1:
        yield _CHAIN.failure(
            f"{len(bases)} files say down_revision = None: {_listed(f.at_down for f in bases)}",
            "only the first revision has none before it",
            bases=[f.revision for f in bases],
        )
    if len(heads) != 1:
        yield _CHAIN.failure(
            f"{len(heads)} revisions have none after them: {_listed(f.at_revision for f in heads)}",
            "each revision but the last is the down_revision of exactly one other",
            heads=[f.revision for f in heads],
        )
    for down, times in Counter(f.down for f in files if f.down is not None).items():
        if times > 1:
            same = _listed(f.at_down for f in files if f.down == down)
            yield _CHAIN.failure(
                f"{times} files say down_revision = {down!r}: {same}",
                "put one after the other",
                down_revision=down,
            )
    walked = _walk(files)
    if ids - set(walked) and len(bases) == 1 and len(heads) == 1:
        yield _CHAIN.failure(
            f"from {walked[0]} on, these revisions are never reached: {_listed(sorted(ids - set(walked)))}",
            "their down_revisions must lead back to the first revision",
        )
    if ids != set(known):
        lacks = [r for r in known if r not in ids]
        more = sorted(ids - set(known))
        yield _CHAIN.failure(
            "; ".join(
                part
                for part in (
                    f"without a file: {_listed(lacks)}" if lacks else "",
                    f"files the program does not know: {_listed(more)}" if more else "",
                )
                if part
            ),
            "install htc again; in a checkout, list every file's id in REVISIONS of htc/store/schema.py",
            missing=lacks,
            unknown=more,
        )
    elif len(walked) == len(files) and tuple(walked) != tuple(known):
        yield _CHAIN.failure(
            f"the files say {' -> '.join(walked)}, the program {' -> '.join(known)}",
            "put REVISIONS of htc/store/schema.py into the order of the files",
        )


def _walk(files: Sequence[_File]) -> list[str]:
    """From the first revision onwards as far as it is clear which comes next."""
    after: dict[str | None, str] = {f.down: f.revision for f in files}
    out: list[str] = []
    step = after.get(None)
    while step is not None and step not in out:
        out.append(step)
        step = after.get(step)
    return out


def _alembic(folder: Path, known: Sequence[str]) -> Finding:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(folder.parent), version_locations=[str(folder)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            walked = tuple(script.revision for script in scripts.walk_revisions())[::-1]
            heads = scripts.get_heads()
    # A migration file is code, and Alembic runs it: whatever it raises is what is wrong with it.
    except Exception as error:  # noqa: BLE001 - see above
        return _ALEMBIC.failure(
            f"{type(error).__name__}: {error}",
            "correct the migration file that it names",
        )
    if walked != tuple(known) or heads != [known[-1]]:
        return _ALEMBIC.failure(f"Alembic reads {' -> '.join(walked)}", "see the findings above")
    return _ALEMBIC.ok(f"Alembic reads the same chain; its head is {heads[0]}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
