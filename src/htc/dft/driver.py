"""The scripts that run a prepared calculation, step by step and from where they were stopped."""

from __future__ import annotations

from typing import Final

from htc.dft.qe_inputs import DYN

__all__ = ["epw_script", "run_script", "slurm_script"]

_RUN: Final = r"""#!/bin/sh
# Runs the calculation of this folder; started again, it goes on after the last finished step.
#   MPIRUN   how to start a parallel program, e.g. "mpirun -np 16"; unset: serial
#   NPOOL    pools of k points of pw.x and ph.x, a divisor of the number of processes
#   QE_BIN   folder of the programs; unset: where the shell finds them
set -eu
cd "$(dirname "$0")"
MPIRUN=${MPIRUN:-}
POOLS=${NPOOL:+-nk $NPOOL}
BIN=${QE_BIN:+$QE_BIN/}
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OMP_NUM_THREADS
stale=0

finished() { [ -f "$1" ] && grep -q "JOB DONE" "$1"; }

stop() {
  echo "stopped: $1" >&2
  grep -h -A 3 "Error in routine" "$2" 2>/dev/null | head -n 4 >&2 || true
  echo "see $2, mend it, and start run.sh again: finished steps are kept" >&2
  exit 1
}

# step NAME PROGRAM [ARGUMENT...]: unless NAME.out is that of a finished run
step() {
  name=$1; program=$2; shift 2
  if [ "$stale" = 0 ] && finished "$name.out"; then echo "finished before: $name"; return; fi
  stale=1
  rm -f "$name.out"
  echo "$(date '+%F %T') $name"
  $MPIRUN "${BIN}$program" "$@" -in "$name.in" > "$name.part" 2>&1 \
    || stop "$name: $program failed" "$name.part"
  if grep -q -i -e "convergence NOT achieved" -e "No convergence has been achieved" "$name.part"; then
    stop "$name: did not converge" "$name.part"
  fi
  finished "$name.part" || stop "$name: $program ended early" "$name.part"
  mv "$name.part" "$name.out"
}

# The cell that vc-relax ended with takes the place of the one that the inputs came with.
if [ -f relax.in ]; then
  step relax pw.x $POOLS
  if [ "$stale" = 1 ] || [ ! -f cell.txt ]; then
    sed -n '/Begin final coordinates/,/End final coordinates/p' relax.out \
      | sed -n '/^CELL_PARAMETERS/,/^End final/p' | sed -e '/^End final/d' -e '/^ *$/d' > cell.part
    grep -q "^ATOMIC_POSITIONS" cell.part || stop "relax: there are no final coordinates" relax.out
    mv cell.part cell.txt
    for input in dense scf@EPW_INPUT@; do
      [ -f "$input.asgiven" ] || cp "$input.in" "$input.asgiven"
      sed '/^CELL_PARAMETERS/,$d' "$input.asgiven" > "$input.part"
      cat cell.txt >> "$input.part"
      mv "$input.part" "$input.in"
    done
  fi
fi

step dense pw.x $POOLS
step scf pw.x $POOLS

# One q point a run of ph.x. Each starts from the ground state: ph.x that recovers in the middle of a q point
# can write linewidths that are wrong by orders of magnitude.
ground=$stale
if [ "$ground" = 1 ]; then rm -rf ph.q*.out elph_dir @DYN@*; fi
nq=1
q=1
again=0
while [ "$q" -le "$nq" ]; do
  stale=$ground
  if ! finished "ph.q$q.out" || [ ! -s "elph_dir/elph.inp_lambda.$q" ] || [ ! -s "@DYN@$q" ]; then
    stale=1
    again=1
    rm -rf out/_ph0 "elph_dir/elph.inp_lambda.$q" "@DYN@$q"
    sed -e "s/start_q = 1\$/start_q = $q/" -e "s/last_q = 1\$/last_q = $q/" ph.in > "ph.q$q.in"
  fi
  step "ph.q$q" ph.x $POOLS
@SAVE@  nq=$(awk 'NR == 2 { print $1 + 0 }' @DYN@0)
  q=$((q + 1))
done
stale=$again

# What lambda.x needs of the phonons: its highest frequency, and every q point with the size of its star.
if [ "$stale" = 1 ] || [ ! -s lambda.in ]; then
  cat @DYN@[0-9]* | awk -v nq="$nq" '/\[THz\]/ { split($0, a, "="); f = a[2] + 0; if (f > top) top = f }
    END { printf "%d  0.12  0\n%5d\n", int(1.1 * top) + 2, nq }' > lambda.part
  q=1
  while [ "$q" -le "$nq" ]; do
    weight=$(grep -c "Dynamical  Matrix in cartesian axes" "@DYN@$q")
    echo "$(sed -n "$((q + 2))p" @DYN@0 | sed 's/E+/e+/g; s/E-/e-/g') $weight"
    q=$((q + 1))
  done | awk '{ printf "%14.9f %14.9f %14.9f %8.2f\n", $1, $2, $3, $4 }' >> lambda.part
  q=1
  while [ "$q" -le "$nq" ]; do echo "elph_dir/elph.inp_lambda.$q"; q=$((q + 1)); done >> lambda.part
  echo "@MU_STAR@" >> lambda.part
  mv lambda.part lambda.in
fi

# Linewidths interpolated in reciprocal space. A mesh of one point has nothing to interpolate between.
step q2r q2r.x
step matdyn matdyn.x

# Serial, and without a word at its end.
"${BIN}lambda.x" < lambda.in > lambda.part 2>&1 || stop "lambda: lambda.x failed" lambda.part
[ -s alpha2F.dat ] || stop "lambda: lambda.x wrote no alpha2F.dat" lambda.part
mv lambda.part lambda.out
echo "$(date '+%F %T') done: htc dft parse $(pwd)"
"""

_SAVE: Final = r"""  if [ "$stale" = 1 ]; then
    # What EPW needs of each q point; the next one starts from nothing.
    mkdir -p save/crystal.phsave
    cp "@DYN@$q" "save/crystal.dyn_q$q"
    if [ "$q" = 1 ]; then cp out/_ph0/crystal.dvscf1 save/crystal.dvscf_q1
    else cp "out/_ph0/crystal.q_$q/crystal.dvscf1" "save/crystal.dvscf_q$q"; fi
    cp out/_ph0/crystal.phsave/patterns.* save/crystal.phsave/
  fi
"""

_EPW: Final = r"""#!/bin/sh
# EPW after run.sh has finished: look epw.in and epw_nscf.in through first. The Wannier functions in them are
# a guess; compare the bands they interpolate with pw.x's before you believe a number.
set -eu
cd "$(dirname "$0")"
MPIRUN=${MPIRUN:-}
BIN=${QE_BIN:+$QE_BIN/}
[ -f alpha2F.dat ] && [ -d save ] || { echo "run.sh has not finished" >&2; exit 1; }
rm -rf epw_out
mkdir -p epw_out/crystal.save
for file in out/crystal.save/*; do
  case $file in *wfc*) ;; *) cp "$file" epw_out/crystal.save/ ;; esac
done
$MPIRUN "${BIN}pw.x" -in epw_nscf.in > epw_nscf.out
fermi=$(awk '/the Fermi energy is/ { e = $(NF - 1) } END { print e }' scf.out)
sed "s/scdm_mu = 0\$/scdm_mu = $fermi/" epw.in > epw_run.in
# One pool a process is what EPW asks for.
$MPIRUN "${BIN}epw.x" ${NPOOL:+-nk $NPOOL} -in epw_run.in > epw.out
"""

_SLURM: Final = """#!/bin/sh
#SBATCH --job-name={name}
#SBATCH --nodes=1
#SBATCH --ntasks-per-node={tasks}
#SBATCH --cpus-per-task=1
#SBATCH --time={hours}:00:00
#SBATCH --output=slurm-%j.log
# Load Quantum ESPRESSO here, e.g.: module load quantum-espresso
# Out of time? Submit it again: run.sh goes on after the last finished step.
set -eu
cd "${{SLURM_SUBMIT_DIR:-.}}"
export MPIRUN="${{MPIRUN:-srun}}"
export NPOOL="${{NPOOL:-{pools}}}"
exec ./run.sh
"""


def run_script(mu_star: float, *, epw: bool = False) -> str:
    """The POSIX shell script that runs everything but EPW.

    Args:
        mu_star: last line of lambda.x's input.
        epw: whether inputs of EPW lie there, too, whose cell is to be the relaxed one.
    """
    return (
        _RUN.replace("@EPW_INPUT@", " epw_nscf" if epw else "")
        .replace("@SAVE@", _SAVE if epw else "")
        .replace("@MU_STAR@", f"{mu_star:g}")
        .replace("@DYN@", DYN)
    )


def epw_script() -> str:
    """The script that runs EPW on what ``run.sh`` left behind."""
    return _EPW


def slurm_script(name: str, *, tasks: int = 16, hours: int = 24, pools: int = 4) -> str:
    """A batch script for Slurm that starts ``run.sh``."""
    return _SLURM.format(name=name, tasks=tasks, hours=hours, pools=pools)
