"""Compile the inner loops of the Eliashberg solver when HTC is installed, if there is a C compiler.

Without one the package is complete as well: numpy does the same work.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src/htc/theory/eliashberg/native/kernel.c")


class KernelBuildHook(BuildHookInterface[Any]):
    """Build hook of hatchling."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and put the library into the wheel."""
        if self.target_name != "wheel":
            return
        library = compile_kernel(Path(self.root))
        if library is None:
            self.app.display_info("no C compiler: the Eliashberg solver will run on numpy alone")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version == "standard":
            # An editable installation finds the library beside its source.
            build_data["force_include"][str(library)] = str(library.relative_to(Path(self.root) / "src"))


def compile_kernel(root: Path) -> Path | None:
    """Compile ``kernel.c`` beside its source; None where that is not possible."""
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    library = root / SOURCE.with_name(f"_kernel{suffix}")
    library.unlink(missing_ok=True)
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        compiler = ["cc"]
    if shutil.which(compiler[0]) is None or sys.platform == "win32":
        return None
    finished = library.with_suffix(".tmp")
    command = [
        *compiler,
        "-O3",
        "-fPIC",
        "-shared",
        "-fvisibility=hidden",
        "-ffp-contract=off",
        "-fno-math-errno",
    ]
    command += [str(root / SOURCE), "-o", str(finished), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        return None
    finished.replace(library)
    return library


if __name__ == "__main__":
    sys.stdout.write(f"{compile_kernel(Path(__file__).resolve().parent)}\n")
