"""Run the commands of a page and write down what they really answer.

    python scripts/tutorial.py docs/tutorial.md

A line that starts with ``$`` in a ``console`` block is run; what follows it, up to the next such line, is
replaced by its output. A block with ``title="NAME"`` is first written to the file of that name. Everything
runs in one shell, in an empty home and with an empty database; that folder appears as ``~`` on the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
END = "--- end of output ---"
LONGEST = 50


class Shell:
    """A bash that answers one command at a time."""

    def __init__(self, home: Path) -> None:
        """Start it in ``home``."""
        for folder in ("src", "tests"):
            (home / folder).symlink_to(ROOT / folder)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HTC_") and k != "COLUMNS"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = kept | {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}
        self.home = home
        self.process = subprocess.Popen(
            ["/bin/bash"],
            cwd=home,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, command: str) -> str:
        """Run a command and return what it prints."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the shell has no pipes")
        self.process.stdin.write(f"{command}\necho '{END}'\n")
        self.process.stdin.flush()
        lines = []
        while END not in (line := self.process.stdout.readline()):
            if not line:
                raise RuntimeError(f"the shell ended in: {command}")
            lines.append(line.replace(str(self.home), "~").replace(str(ROOT), "~/htc").rstrip())
        return "\n".join(lines).strip("\n")

    def close(self) -> None:
        """End it."""
        self.process.communicate("exit\n", timeout=60)


def answered(block: str, shell: Shell) -> str:
    """A console block with fresh output."""
    out = []
    for command in (line for line in block.splitlines() if line.startswith("$ ")):
        out.append(command)
        said = shell.run(command[2:]).splitlines()
        if "Traceback (most recent call last):" in said:
            raise SystemExit("\n".join([command, *said]))
        if len(said) > LONGEST:
            said = [*said[: LONGEST - 5], "..."]
        out += said
    return "\n".join(out) + "\n"


def main() -> int:
    """Renew the pages named on the command line."""
    for name in sys.argv[1:]:
        page = Path(name)
        with tempfile.TemporaryDirectory() as folder:
            shell = Shell(Path(folder).resolve())

            def renewed(match: re.Match[str], shell: Shell = shell) -> str:
                language, title, body = match.groups()
                if title:
                    (shell.home / title).write_text(body, "utf-8")
                if language != "console":
                    return match.group()
                return f"```console\n{answered(body, shell)}```"

            page.write_text(BLOCK.sub(renewed, page.read_text("utf-8")), "utf-8")
            shell.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
