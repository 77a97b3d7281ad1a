"""What git knows about the code under test: commit, branch, what has changed, and since when.

Git is only read (no locks, no hooks, no pager), within a few seconds, and is allowed not to be there.
"""

from __future__ import annotations

import os
import posixpath
import subprocess
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from htc.telemetry.complexity import complexity

__all__ = ["CodeState", "code_state", "last_changes"]

PATIENCE_S: Final = 3.0
"""For all questions of one kind together; what is not answered by then stays unknown."""

MAX_SOURCES: Final = 200
MAX_SOURCE_BYTES: Final = 2_000_000
"""Beyond these the complexity of a change is not measured, and new files are not counted in lines."""

# Set while git runs a hook: they would point every git command at the hook's repository.
_LOCAL_VARIABLES: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
)
_DEFAULT_BRANCHES: Final = (
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeState:
    """The code as it is in the work tree, against the base it is compared with. None: unknown."""

    commit_sha: str | None = None
    branch: str | None = None
    """None also when HEAD is detached."""
    base: str | None = None
    changed_files: tuple[str, ...] | None = None
    """Relative to the folder asked about, with ``/``; ``../`` leads out of it."""
    uncommitted: frozenset[str] = frozenset()
    """Those of them that differ from HEAD."""
    lines_added: int | None = None
    lines_deleted: int | None = None
    note: str | None = None
    """Why nothing is known, if so."""
    _sources: tuple[tuple[bytes | None, bytes | None], ...] | None = field(default=None, repr=False)

    def complexity_delta(self) -> float | None:
        """Complexity of the changed Python files now, less that at the base, see
        :func:`htc.telemetry.complexity.complexity`; None when one of them cannot be parsed.
        """
        if self._sources is None:
            return None
        total = 0
        for before, now in self._sources:
            old, new = (0 if source is None else complexity(source) for source in (before, now))
            if old is None or new is None:
                return None
            total += new - old
        return float(total)


class _Git:
    """``git`` in one folder, with one deadline for all calls."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._deadline = time.monotonic() + PATIENCE_S
        self.said = ""

    def __call__(self, *arguments: str, given: bytes | None = None) -> bytes | None:
        """Output of a command, or None when it failed, was too slow or git is not there."""
        try:
            with self.start(*arguments, reads=given is not None) as process:
                try:
                    out, err = process.communicate(given, timeout=max(0.05, self.left_s))
                except BaseException:
                    process.kill()
                    raise
        except subprocess.TimeoutExpired:
            self.said = f"git was not done after {PATIENCE_S:.0f} s"
            return None
        except OSError as error:
            self.said = "there is no git" if isinstance(error, FileNotFoundError) else f"git: {error}"
            return None
        if process.returncode != 0:
            lines = err.decode("utf-8", "replace").strip().splitlines()
            self.said = lines[0] if lines else f"git {arguments[0]} failed"
            return None
        return out

    def start(self, *arguments: str, reads: bool = False) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if k not in _LOCAL_VARIABLES}
        options = ("-c", "core.quotepath=off", "-c", "core.fsmonitor=false", "--no-pager")
        return subprocess.Popen(
            ["git", *options, *arguments],  # noqa: S607 - the git a person calls
            cwd=self._folder,
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
        )

    @property
    def left_s(self) -> float:
        return self._deadline - time.monotonic()


def code_state(folder: Path, base: str | None = None) -> CodeState:
    """Describe the repository that ``folder`` lies in.

    The base is the merge base of HEAD with ``base``, or, when that is None, with the default branch
    (origin's, else main or master), else with the branch's upstream. Changed is what differs between the base
    and the work tree, new files that git does not ignore included. On the default branch itself the base
    is HEAD and changed is what is not committed; when all is committed, it is what the last commit changed.

    Never raises; a base that git does not know leaves ``changed_files`` None and says so in ``note``.
    """
    git = _Git(folder)
    found = git("rev-parse", "--show-toplevel", "--is-shallow-repository")
    if found is None:
        return CodeState(note=git.said)
    top, _, shallow = _text(found).strip().rpartition("\n")
    head = _word(git("rev-parse", "--verify", "--quiet", "HEAD"))
    branch = _word(git("symbolic-ref", "--quiet", "--short", "HEAD"))
    status = git("status", "--porcelain=v1", "-z", "-uall", "--ignore-submodules=dirty", "--no-renames")
    if status is None:
        return CodeState(commit_sha=head, branch=branch, note=git.said)
    entries = [(e[:2], e[3:]) for e in _split(status)]
    known = CodeState(commit_sha=head, branch=branch)
    against: str | None
    if base is not None:
        against = _word(git("merge-base", "HEAD", base))
        if against is None:
            return _with(known, note=f"git knows no common ancestor with {base}")
    elif head is None:
        against = _empty_tree(git)
    else:
        against = _merge_base(git, head)
        if against == head and not entries:
            against = _word(git("rev-parse", "--verify", "--quiet", "HEAD^"))
            if against is None:
                if shallow == "true":
                    return _with(known, note="the clone is shallow: what the last commit changed is unknown")
                against = _empty_tree(git)
    diff = ("diff", "--numstat", "-z", "-M", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
    numstat = git(*diff, against)
    if numstat is None:
        return _with(known, note=git.said)
    counts = _numstat(numstat)
    new = sorted(path for code, path in entries if code == "??")
    added = sum(a for a, _, _ in counts) + _new_lines(Path(top), new)
    paths = sorted({p for _, _, names in counts for p in names}.union(new))
    prefix = os.path.relpath(folder.resolve(), Path(top).resolve()).replace(os.sep, "/")

    def relative(path: str) -> str:
        return posixpath.relpath(path, prefix)

    return CodeState(
        commit_sha=head,
        branch=branch,
        base=against,
        changed_files=tuple(relative(p) for p in paths),
        uncommitted=frozenset(relative(path) for _, path in entries),
        lines_added=added,
        lines_deleted=sum(d for _, d, _ in counts),
        _sources=_sources(git, Path(top), against, [p for p in paths if p.endswith((".py", ".pyi"))]),
    )


def last_changes(folder: Path, commit: str, files: Collection[str]) -> dict[str, float]:
    """When each file was last changed by a commit up to ``commit``, from ``git log``, in seconds since 1970.

    Args:
        folder: what ``files`` are relative to.
        commit: where to look back from.
        files: paths with ``/``.

    Returns:
        Those that were found within three seconds.
    """
    wanted = {f for f in files if f and not f.startswith("../")}
    found: dict[str, float] = {}
    if not wanted:
        return found
    git = _Git(folder)
    # Pathspecs on the command line cost time by each commit and must fit into it.
    within = [f":(literal){f}" for f in sorted(wanted)] if len(wanted) <= 50 else ["."]
    log = ("log", "--format=%x01%ct", "--name-only", "--relative", "--no-renames", "-z", commit, "--")
    try:
        process = git.start(*log, *within)
    except OSError:
        return found
    with process:
        try:
            _read_log(process, git, wanted, found)
        finally:
            process.kill()
    return found


def _read_log(process: subprocess.Popen[bytes], git: _Git, wanted: set[str], found: dict[str, float]) -> None:
    import selectors

    if process.stdout is None:
        return
    when, rest = 0.0, b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while len(found) < len(wanted) and git.left_s > 0 and ready.select(git.left_s):
            block = os.read(process.stdout.fileno(), 1 << 16)
            *parts, rest = (rest + block).split(b"\0") if block else [*rest.split(b"\0"), b""]
            for part in parts:
                # The time of a commit stands before its first file, on a line of its own.
                name = part
                if part.startswith(b"\x01"):
                    stamp, _, name = part[1:].partition(b"\n")
                    with suppress(ValueError):
                        when = float(stamp)
                path = _text(name).strip("\n")
                if path in wanted:
                    found.setdefault(path, when)
            if not block:
                return


def _merge_base(git: _Git, head: str) -> str:
    listed = _text(git("for-each-ref", "--format=%(refname)", *_DEFAULT_BRANCHES)).split()
    for name in sorted(listed, key=_DEFAULT_BRANCHES.index):
        if (base := _word(git("merge-base", "HEAD", name))) is not None:
            return base
    return _word(git("merge-base", "HEAD", "@{upstream}")) or head


def _empty_tree(git: _Git) -> str:
    """What a first commit is compared with; its hash depends on the repository's kind of hashes."""
    return _word(git("hash-object", "-t", "tree", "--stdin", given=b"")) or "HEAD"


def _numstat(output: bytes) -> list[tuple[int, int, list[str]]]:
    """Lines added, deleted and the names (two of a renamed file) of each entry; binary has no lines."""
    out: list[tuple[int, int, list[str]]] = []
    parts = iter(_split(output))
    for part in parts:
        added, deleted, name = part.split("\t", 2)
        names = [name] if name else [next(parts), next(parts)]
        out.append((_count(added), _count(deleted), names))
    return out


def _count(text: str) -> int:
    return 0 if text == "-" else int(text)


def _new_lines(top: Path, paths: list[str]) -> int:
    lines, room = 0, MAX_SOURCE_BYTES
    for path in paths[:MAX_SOURCES]:
        content = _read(top / path, room)
        if content is not None and b"\0" not in content[:8000]:
            room -= len(content)
            lines += content.count(b"\n") + (content[-1:] not in {b"", b"\n"})
    return lines


def _sources(
    git: _Git, top: Path, base: str, paths: list[str]
) -> tuple[tuple[bytes | None, bytes | None], ...] | None:
    """Each file at the base and now, None where it was not there; None when that is too much to read."""
    if len(paths) > MAX_SOURCES or any("\n" in path for path in paths):
        return None
    if not paths:
        return ()
    asked = "".join(f"{base}:{path}\n" for path in paths)
    answer = git("cat-file", "--batch", given=os.fsencode(asked))
    if answer is None or len(answer) > MAX_SOURCE_BYTES:
        return None
    before: list[bytes | None] = []
    for _ in paths:
        header, _, answer = answer.partition(b"\n")
        if header.endswith(b" missing"):
            before.append(None)
            continue
        size = int(header.rsplit(b" ", 1)[1])
        before.append(answer[:size])
        answer = answer[size + 1 :]
    now, room = [], MAX_SOURCE_BYTES
    for path in paths:
        content = _read(top / path, room)
        if content is None and (top / path).is_file():
            return None
        room -= len(content or b"")
        now.append(content)
    return tuple(zip(before, now, strict=True))


def _read(path: Path, limit: int) -> bytes | None:
    try:
        if not path.is_file() or path.stat().st_size > limit:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _with(state: CodeState, *, note: str) -> CodeState:
    return CodeState(commit_sha=state.commit_sha, branch=state.branch, note=note)


def _split(output: bytes) -> list[str]:
    return [part for part in _text(output).split("\0") if part]


def _text(output: bytes | None) -> str:
    # As paths are in Python: bytes that are no UTF-8 become surrogates, and lead to the file.
    return os.fsdecode(output or b"")


def _word(output: bytes | None) -> str | None:
    return _text(output).strip() or None
