"""The whole way with the real code: prepare, run.sh, parse, a stored Tc."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from htc.cli import app
from htc.dft import parse
from htc.store import Database, top

PSEUDOPOTENTIALS = Path(os.environ.get("ESPRESSO_PSEUDO", "/usr/share/espresso/pseudo"))


@pytest.mark.slow
def test_aluminium(database_in_settings: Database, tmp_path: Path) -> None:
    """A minute of one core on 2 x 2 x 2 q points: lambda 0.34, a fifth below the converged 0.43."""
    missing = [p for p in ("pw.x", "ph.x", "q2r.x", "matdyn.x", "lambda.x") if shutil.which(p) is None]
    if missing:
        pytest.skip(f"Quantum ESPRESSO is not installed: no {', '.join(missing)}")
    if not (PSEUDOPOTENTIALS / "Al.pz-vbc.UPF").is_file():
        pytest.skip(f"{PSEUDOPOTENTIALS} has no Al.pz-vbc.UPF")
    folder = tmp_path / "al"
    prepared = CliRunner().invoke(
        app,
        f"dft prepare Al --out {folder} --pseudo-dir {PSEUDOPOTENTIALS} --pseudo Al=Al.pz-vbc.UPF "
        "--qmesh 2 --kmesh 8 --ecutwfc 16 --mu-star 0.10",
    )
    assert prepared.exit_code == 0, prepared.output
    # Killed in the middle, it goes on and ends with the same numbers as undisturbed.
    with subprocess.Popen(
        [folder / "run.sh"], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if "ph.q2" in line:
                os.killpg(first.pid, signal.SIGKILL)
                break
    again = subprocess.run([folder / "run.sh"], capture_output=True, text=True, check=True)
    assert "finished before: ph.q1" in again.stdout
    found = parse(folder)
    assert found.prediction.lambda_ep == pytest.approx(0.344, abs=0.005)
    assert found.prediction.confidence_level == "low"
    stored = CliRunner().invoke(app, ["dft", "parse", str(folder), "--store"])
    assert stored.exit_code == 0, stored.output
    (row,) = top(database_in_settings).rows
    assert row.tc_predicted == pytest.approx(found.prediction.tc_predicted)
    assert "first principles (Quantum ESPRESSO" in (row.prediction_method or "")
