"""The wheel as its image would run it: another user, a read-only root, a small /tmp, PostgreSQL 15 by socket.

No container engine is needed: a mount namespace does the same. It takes root, and is skipped without.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fastapi
import pytest

from htc.store.embedded.installed import installed_folders

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = ("LICENSE", "README.md", "hatch_build.py", "pyproject.toml", "src")
SOCKETS = "/srv/cloudsql/lab:europe-west1:htc"

# Everything that the process needs is bound to where it may be seen by another user; folders that only root
# may enter are replaced by empty ones that hold just these. Then nothing is writable but /tmp.
NAMESPACE = r"""
set -eu
image=$1 sockets=$2 prefix=$3 packages=$4; shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/image /mnt/sockets /mnt/prefix /mnt/packages
mount --bind "$image" /mnt/image
mount --bind "$sockets" /mnt/sockets
mount --bind "$prefix" /mnt/prefix
mount --bind "$packages" /mnt/packages
for top in $(printf '%s\n' "$prefix" "$packages" | cut -d/ -f2 | sort -u); do
  case $top in usr|mnt|srv|tmp) ;; *) mount -t tmpfs -o mode=755 tmpfs "/$top" ;; esac
done
mount -t tmpfs -o mode=755 tmpfs /srv
mount -t tmpfs -o mode=1777,size=256m tmpfs /tmp
mkdir -p /srv/htc /srv/packages "/srv/cloudsql/lab:europe-west1:htc" "$prefix"
mount --bind /mnt/image /srv/htc
mount --bind /mnt/packages /srv/packages
mount --bind /mnt/sockets "/srv/cloudsql/lab:europe-west1:htc"
[ -e "$prefix/bin" ] || mount --bind /mnt/prefix "$prefix"
for each in /srv/htc /srv/packages "$prefix" /srv /; do
  mount -o remount,bind,ro "$each" 2>/dev/null || :
done
for each in / /srv /srv/htc; do
  if touch "$each/written" 2>/dev/null; then echo "$each can be written" >&2; exit 99; fi
done
cd /tmp
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all "$@"
"""

Htc = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="htc-container-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("unshare") is None:
        pytest.skip("a mount namespace with another user in it takes root")
    tried = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs tmpfs /mnt"],
        capture_output=True,
        check=False,
    )
    if tried.returncode != 0:
        pytest.skip("mounting is not permitted here")


@pytest.fixture(scope="module")
def image(scratch: Path) -> Path:
    """A virtual environment with the wheel, made from what is let into the image and from nothing else."""
    context, wheels, image = scratch / "context", scratch / "wheels", scratch / "image"
    context.mkdir()
    for name in CONTEXT:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.pyc")
            shutil.copytree(source, context / name, ignore=ignore)
        else:
            shutil.copy(source, context / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    built = subprocess.run(
        [*build, "--disable-pip-version-check", "--wheel-dir", str(wheels), str(context)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(image)], check=True)
    (site,) = image.glob("lib/python*/site-packages")
    (wheel,) = wheels.glob("htc-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The packages that the image installs by their pins are those of this environment; its htc is not seen.
    (site / "packages.pth").write_text("/srv/packages\n")
    return image


@pytest.fixture(scope="module")
def sockets(scratch: Path) -> Iterator[Path]:
    """A PostgreSQL 15 that is reached by a unix socket and asks for passwords, with the roles of deploy/."""
    programs = next((f for f in installed_folders(15) if (f / "initdb").exists()), None)
    if programs is None or shutil.which("psql") is None:
        pytest.skip("PostgreSQL 15 is not installed (Debian: apt install postgresql-15)")
    import pwd

    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no user postgres")
    data, folder, secret = scratch / "data", scratch / "sockets", scratch / "secret"
    for each in (data, folder):
        each.mkdir()
        shutil.chown(each, "postgres")
    secret.write_text("of-the-administrator")

    def as_postgres(*command: object) -> None:
        subprocess.run([str(c) for c in command], user="postgres", check=True, capture_output=True, cwd="/")

    as_postgres(programs / "initdb", "-D", data, "-A", "scram-sha-256", f"--pwfile={secret}", "-N")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    start = [programs / "pg_ctl", "-D", data, "-w", "-l", data / "log", "-o", options, "start"]
    as_postgres(*start)
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": "of-the-administrator"}
    psql = ["psql", "-h", str(folder), "-U", "postgres", "--quiet", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*psql, "-c", "CREATE DATABASE htc"], env=environment, check=True, capture_output=True)
    roles = ["-d", "htc", "-v", "owner_password=of-the-owner", "-v", "app_password=of-the-app"]
    for _ in range(2):  # it may be run again
        subprocess.run(
            [*psql, *roles, "-f", str(ROOT / "deploy/roles.sql")],
            env=environment,
            check=True,
            capture_output=True,
        )
    yield folder
    as_postgres(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@pytest.fixture
def htc(image: Path, sockets: Path) -> Iterator[Htc]:
    """``htc("serve", user="app", PORT="8080")``: a process of the image."""
    started: list[subprocess.Popen[str]] = []
    packages = str(Path(fastapi.__file__).parents[1])

    def start(*arguments: str, user: str | None = None, **environment: str) -> subprocess.Popen[str]:
        given = {
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "HOME": "/tmp",
            "MPLCONFIGDIR": "/tmp/matplotlib",
            "HTC_HOME": "/tmp/htc",
            "HTC_HOST": "0.0.0.0",
            "HTC_EMBEDDED_DATABASE": "false",
            "HTC_LOG_FORMAT": "json",
        }
        if user is not None:
            given["HTC_DATABASE_URL"] = f"postgresql+psycopg://htc_{user}@/htc?host={SOCKETS}"
            given["HTC_DATABASE_PASSWORD"] = f"of-the-{user}"
        places = [str(image), str(sockets), sys.base_prefix, packages]
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", NAMESPACE, "sh", *places,
             "/srv/htc/bin/python", "-m", "htc", *arguments],
            env=given | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def run(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_migrate_then_serve(htc: Htc) -> None:
    port = str(free_port())
    code, _, err = run(htc("serve", PORT=port))
    assert code == 2
    assert "HTC_DATABASE_URL" in err, "the embedded database must not take the place of the one that is meant"

    code, _, err = run(htc("serve", user="app", PORT=port))
    assert code == 4
    assert "may not create tables" in err, "the service does not migrate"

    code, out, err = run(htc("db", "upgrade", user="owner"))
    assert code == 0, err
    code, out, err = run(htc("db", "upgrade", user="owner"))
    assert code == 0, "the job may run again"

    code, _, err = run(htc("serve", user="app", PORT=port))
    assert code == 2
    assert "no access key" in err

    code, key, err = run(htc("keys", "create", "smoke", "--scope", "predict", user="app"))
    assert code == 0, err
    service = htc("serve", "--workers", "2", "--job-workers", "1", user="app", PORT=port)
    url = f"http://127.0.0.1:{port}"
    code, out, err = run(htc("smoke", url, "--wait", "180", "--json", HTC_API_KEY=key.strip()))
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 0, checks
    assert list(checks) == ["live", "ready", "health", "locked", "predict", "stored", "ranked"]

    service.send_signal(signal.SIGTERM)
    code, _, err = run(service)
    assert code in {0, 143}, err
    logged = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert {"severity", "message", "time"} <= set.intersection(*(set(line) for line in logged))
    assert any(line.get("key") for line in logged), "who predicted is known"
    assert key.strip() not in err
    assert "of-the-app" not in err
