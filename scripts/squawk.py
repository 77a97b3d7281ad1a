"""Lint the SQL that `htc db upgrade --sql` prints with squawk. Needs no database and no network.

    python scripts/squawk.py            every revision that may still be changed
    python scripts/squawk.py FILE.sql   a file

Revisions 001 to 004 are in databases already: they are history, and no lint can change it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
HISTORY = "004_checks_runs_provenance"

EXCUSED = {
    "005_structures_findings": {
        "ban-drop-view": "each dropped view is made again in the same transaction, over more columns",
        "ban-drop-constraint": "the unique constraint on input_hash becomes a partial unique index",
        "prefer-bigint-over-int": "positions, atoms of a cell and numbers of space groups stay small",
        "ban-drop-function": "the dropped function is the migration's own, temporary one",
        "adding-field-with-default": "the generated hash of a run's settings; runs are few",
    },
    "006_model_tiers": {"prefer-bigint-over-int": "no hull knows two thousand million phases"},
    "008_campaigns": {
        "ban-drop-constraint": "the kinds a job can have are one more, checked again in the same statement",
        "prefer-bigint-over-int": "a run has fewer than two thousand million candidates",
    },
    "007_service": {"prefer-bigint-over-int": "no run has two thousand million items; the rest stays small"},
}
"""Rules that a revision breaks, and why that is right."""


def main(files: list[str]) -> int:
    """Lint ``files``, or the revisions after HISTORY; the exit code is 1 when squawk finds something."""
    squawk = shutil.which("squawk", path=f"{Path(sys.executable).parent}") or shutil.which("squawk")
    if squawk is None:
        sys.stderr.write("squawk is not installed: it comes with the development packages (make lint)\n")
        return 1
    if files:
        return _lint(squawk, files, [])
    from htc.store.migrating import upgrade_sql
    from htc.store.schema import REVISIONS

    code = 0
    with tempfile.TemporaryDirectory() as folder:
        for revision in REVISIONS[REVISIONS.index(HISTORY) + 1 :]:
            script = Path(folder) / f"{revision}.sql"
            before = REVISIONS[REVISIONS.index(revision) - 1]
            script.write_text(upgrade_sql(before, revision), encoding="utf-8")
            code |= _lint(squawk, [str(script)], list(EXCUSED.get(revision, ())))
    return code


def _lint(squawk: str, files: list[str], excused: list[str]) -> int:
    config = ROOT / ".squawk.toml"
    # What is excluded on the command line takes the place of what the file excludes.
    general = tomllib.loads(config.read_text("utf-8"))["excluded_rules"]
    rules = [f"--exclude={rule}" for rule in (*general, *excused)]
    command = [squawk, "--config", str(config), "--reporter=gcc", *rules, *files]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stdout.write(done.stdout + done.stderr)
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
