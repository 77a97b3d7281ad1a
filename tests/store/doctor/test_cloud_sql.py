"""Google's two logins: a proxy that listens, drops every connection, and logs why as cloud-sql-proxy does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from htc.settings import Settings
from htc.store.doctor.cloud_sql import Circumstances, check_cloud_sql
from htc.store.doctor.finding import Finding
from htc.store.doctor.sequence import examine

NOW = datetime(2026, 11, 22, 12, 0, 0)
INSTANCE = "project:region:instance"
DROPPED = Circumstances(INSTANCE, connected=False, dropped=True)
CONNECTED = Circumstances(INSTANCE, connected=True, dropped=False)

ADC_LINE = "Authorizing with Application Default Credentials"
USER_LINE = "Authorizing with gcloud user credentials"

_REFRESH = (
    "failed to connect to instance: failed to get instance: Refresh error: failed to get instance metadata "
    f'(connection name = "{INSTANCE}"): '
)
RAPT = (
    _REFRESH + 'Get "https://sqladmin.googleapis.com/sql/v1beta4/projects/project/instances/instance'
    '/connectSettings?alt=json&prettyPrint=false": oauth2: "invalid_grant" '
    '"reauth related error (invalid_rapt)" "https://support.google.com/a/answer/9368756"'
)
REVOKED = (
    _REFRESH + "oauth2: cannot fetch token: 400 Bad Request\nResponse: {\n"
    '  "error": "invalid_grant",\n  "error_description": "Token has been expired or revoked."\n}'
)
GCLOUD = (
    _REFRESH
    + "error reading config: exit status 1; stderr was:\nERROR: (gcloud.config.config-helper) There was a "
    "problem refreshing your current auth tokens: Reauthentication failed. cannot prompt during "
    "non-interactive execution.\nPlease run:\n\n  $ gcloud auth login\n\nto obtain new credentials."
)
FORBIDDEN = (
    _REFRESH
    + "googleapi: Error 403: boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing "
    "permission cloudsql.instances.connect on resource instances/instance., forbidden"
)

# The proxy as a process of its own: it says whose credentials it uses, takes connections, fails, drops them.
PROXY = """
import datetime, json, socket, sys
log, source, error, structured = sys.argv[1:5]
listener = socket.create_server(("127.0.0.1", 0))
out = open(log, "a", buffering=1)
def say(severity, text):
    now = datetime.datetime.now()
    if structured == "yes":
        entry = {"severity": severity, "timestamp": now.isoformat() + "+0000", "message": text}
        print(json.dumps(entry), file=out)
    else:
        print(now.strftime("%Y/%m/%d %H:%M:%S"), text, file=out)
say("INFO", source)
say("INFO", "[project:region:instance] Listening on 127.0.0.1:5432")
say("INFO", "The proxy has started successfully and is ready for new connections!")
print(listener.getsockname()[1], flush=True)
while True:
    client, address = listener.accept()
    say("INFO", "[project:region:instance] Accepted connection from %s:%d" % address)
    say("ERROR", "[project:region:instance] " + error)
    client.close()
"""


@pytest.fixture(autouse=True)
def gcloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the gcloud settings of the person who runs the tests."""
    folder = tmp_path / "gcloud"
    folder.mkdir()
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "K_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    return folder


def aged(path: Path, age: timedelta, content: object = "", now: datetime = NOW) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    then = (now - age).timestamp()
    os.utime(path, (then, then))
    return path


def user_login(gcloud: Path, age: timedelta, now: datetime = NOW) -> None:
    aged(gcloud / "credentials.db", age, now=now)


def default_login(gcloud: Path, age: timedelta, now: datetime = NOW) -> None:
    content = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "secret",
    }
    aged(gcloud / "application_default_credentials.json", age, content, now)


def log_of(tmp_path: Path, *lines: str, start: datetime = NOW - timedelta(hours=3)) -> Path:
    """A log whose lines are a minute apart."""
    path = tmp_path / "proxy.log"
    stamped = [f"{start + timedelta(minutes=i):%Y/%m/%d %H:%M:%S} {line}" for i, line in enumerate(lines)]
    path.write_text("\n".join(stamped) + "\n")
    return path


def judge(circumstances: Circumstances, log: Path | None = None) -> dict[str, Finding]:
    found = {f.check_id.removeprefix("cloud_sql."): f for f in check_cloud_sql(circumstances, log, now=NOW)}
    assert list(found) == ["proxy", "user_login", "application_default"]
    assert "secret" not in repr([f.result + f.action + repr(f.details) for f in found.values()])
    return found


def failed(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.verdict == "failure"}


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Callable[..., tuple[int, Path]]]:
    """``proxy(source, error)`` -> port and log of a fake proxy in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, error: str, *, structured: bool = False) -> tuple[int, Path]:
        log = tmp_path / "proxy.log"
        arguments = [str(log), source, error, "yes" if structured else "no"]
        process = subprocess.Popen(
            [sys.executable, "-c", PROXY, *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline()), log

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("structured", [False, True], ids=["text", "json"])
@pytest.mark.parametrize(
    ("source", "error", "blamed", "other", "command"),
    [
        (USER_LINE, GCLOUD, "user_login", "application_default", "`gcloud auth login`"),
        (ADC_LINE, RAPT, "application_default", "user_login", "`gcloud auth application-default login`"),
        (ADC_LINE, REVOKED, "application_default", "user_login", "`gcloud auth application-default login`"),
    ],
    ids=["user login", "default credentials", "revoked"],
)
def test_a_proxy_that_lost_its_login(
    proxy: Callable[..., tuple[int, Path]],
    gcloud: Path,
    tmp_path: Path,
    structured: bool,
    source: str,
    error: str,
    blamed: str,
    other: str,
    command: str,
) -> None:
    user_login(gcloud, timedelta(hours=2), datetime.now())
    default_login(gcloud, timedelta(hours=2), datetime.now())
    port, log = proxy(source, error, structured=structured)
    settings = Settings(
        home=tmp_path / "home", database_url=f"postgresql://me:secret@127.0.0.1:{port}/x", sql_proxy_log=log
    )
    with examine(settings) as examination:
        found = {f.check_id: f for f in examination.findings}
    bad = {name for name, finding in found.items() if finding.verdict == "failure"}
    assert bad == {"login.authentication", "cloud_sql.proxy", f"cloud_sql.{blamed}"}
    guilty = found[f"cloud_sql.{blamed}"]
    assert guilty.action.startswith(f"run {command}, then restart the proxy")
    assert "looks fresh (2 h)" in guilty.action
    assert found[f"cloud_sql.{other}"].verdict == "ok"
    assert found["network.port"].verdict == "ok"


def test_without_its_log_a_proxy_is_suspected(proxy: Callable[..., tuple[int, Path]], tmp_path: Path) -> None:
    port, _ = proxy(ADC_LINE, RAPT)
    settings = Settings(home=tmp_path / "home", database_url=f"postgresql://me@127.0.0.1:{port}/x")
    with examine(settings) as examination:
        found = {f.check_id: f for f in examination.findings}
    assert "--proxy-log" in found["login.authentication"].action
    assert "--proxy-log" in found["cloud_sql.proxy"].action
    assert found["cloud_sql.application_default"].verdict == "warning"


def test_count_and_times_of_the_errors(tmp_path: Path, gcloud: Path) -> None:
    default_login(gcloud, timedelta(days=4))
    taken = f"[{INSTANCE}] Accepted connection from 127.0.0.1:5000"
    lines = [ADC_LINE, taken, f"[{INSTANCE}] client closed the connection"]
    lines += [part for _ in range(14) for part in (taken, f"[{INSTANCE}] {RAPT}")]
    guilty = judge(DROPPED, log_of(tmp_path, *lines))["application_default"]
    assert "invalid_rapt, 14 times since 09:04, last success 09:02" in guilty.result
    assert "written 4 days ago" in guilty.result
    assert "does not exist here" in guilty.action


@pytest.mark.parametrize("first_line", ["", ADC_LINE], ids=["nothing", "application default"])
@pytest.mark.parametrize(
    ("command", "blamed"),
    [
        ("auth.print-access-token", "user_login"),
        ("sql.connect", "user_login"),
        ("config.config-helper", "user_login"),
        ("auth.application-default.print-access-token", "application_default"),
    ],
)
def test_the_command_that_gcloud_names_tells_whose_login_it_was(
    tmp_path: Path, gcloud: Path, command: str, blamed: str, first_line: str
) -> None:
    error = f"ERROR: (gcloud.{command}) There was a problem: Reauthentication failed."
    found = judge(DROPPED, log_of(tmp_path, first_line, error))
    assert failed(found) - {"proxy"} == {blamed}
    login = "gcloud auth login" if blamed == "user_login" else "gcloud auth application-default login"
    assert f"`{login}`" in found[blamed].action


def test_errors_that_are_over(tmp_path: Path, gcloud: Path) -> None:
    default_login(gcloud, timedelta(hours=1))
    taken, closed = f"[{INSTANCE}] Accepted connection from x", f"[{INSTANCE}] client closed the connection"
    broken = [ADC_LINE, taken, f"[{INSTANCE}] {RAPT}"]
    # An older connection that closes is no sign of health.
    assert failed(judge(DROPPED, log_of(tmp_path, *broken, closed))) == {"proxy", "application_default"}
    assert failed(judge(CONNECTED, log_of(tmp_path, *broken, taken, closed))) == set()
    restarted = judge(CONNECTED, log_of(tmp_path, *broken, ADC_LINE))
    assert failed(restarted) == set()
    assert "1 errors before that are over" in restarted["proxy"].result


@pytest.mark.parametrize(
    ("error", "says", "advises"),
    [
        (FORBIDDEN, "may not connect to the instance", "roles/cloudsql.client"),
        (
            _REFRESH
            + "googleapi: Error 403: The client is not authorized to make this request., notAuthorized",
            "may not connect to the instance",
            "roles/cloudsql.client",
        ),
        (
            _REFRESH
            + "googleapi: Error 403: Access Not Configured. Cloud SQL Admin API has not been used in "
            "project 1 before or it is disabled., accessNotConfigured",
            "API is not enabled",
            "gcloud services enable",
        ),
        (
            _REFRESH
            + "googleapi: Error 400: Invalid request: Invalid request since instance is not running.",
            "not running",
            "--activation-policy",
        ),
        (
            _REFRESH + "googleapi: Error 404: The Cloud SQL instance does not exist., instanceDoesNotExist",
            "no such instance",
            "instances list",
        ),
        (
            "failed to connect to instance: Dial error: failed to dial (connection name = "
            f'"{INSTANCE}"): dial tcp 10.0.0.2:3307: i/o timeout',
            "over the network",
            "3307",
        ),
    ],
)
def test_what_is_not_a_matter_of_logins(
    tmp_path: Path, gcloud: Path, error: str, says: str, advises: str
) -> None:
    user_login(gcloud, timedelta(hours=1))
    default_login(gcloud, timedelta(hours=1))
    found = judge(DROPPED, log_of(tmp_path, ADC_LINE, f"[{INSTANCE}] {error}"))
    assert failed(found) == {"proxy"}
    assert says in found["proxy"].result
    assert advises in found["proxy"].action


def test_credentials_that_were_never_there(tmp_path: Path, gcloud: Path) -> None:
    user_login(gcloud, timedelta(hours=1))
    line = (
        "The proxy has encountered a terminal error: unable to start: error initializing dialer: google: "
        "could not find default credentials. See https://cloud.google.com/docs/authentication/external/set-up-adc"
    )
    found = judge(DROPPED, log_of(tmp_path, ADC_LINE, line))
    assert failed(found) == {"proxy", "application_default"}
    assert "finds no Application Default Credentials" in found["application_default"].result
    assert found["user_login"].verdict == "ok"


def test_a_fixed_token_lives_one_hour(tmp_path: Path, gcloud: Path) -> None:
    default_login(gcloud, timedelta(hours=1))
    error = _REFRESH + "googleapi: Error 401: Request had invalid authentication credentials."
    found = judge(DROPPED, log_of(tmp_path, "Authorizing with OAuth2 token", f"[{INSTANCE}] {error}"))
    assert failed(found) == {"proxy", "user_login"}
    assert "one hour" in found["user_login"].result


def test_a_key_file_of_the_proxy(tmp_path: Path, gcloud: Path) -> None:
    source = 'Authorizing with the credentials file at "/keys/proxy.json"'
    found = judge(DROPPED, log_of(tmp_path, source, f"[{INSTANCE}] {REVOKED}"))
    assert failed(found) == {"proxy"}
    assert "clock" in found["proxy"].action


def test_the_first_generation_of_the_proxy(tmp_path: Path, gcloud: Path) -> None:
    default_login(gcloud, timedelta(days=1))
    path = tmp_path / "proxy.log"
    path.write_text(
        "2026/11/22 09:00:00 Ready for new connections\n"
        f'2026/11/22 09:12:00 New connection for "{INSTANCE}"\n'
        f'2026/11/22 09:12:01 couldn\'t connect to "{INSTANCE}": Post https://www.googleapis.com/sql/v1beta4/'
        "createEphemeral?alt=json: oauth2: cannot fetch token: 400 Bad Request\nResponse: {\n"
        '  "error" : "invalid_grant"\n}\n'
    )
    found = judge(DROPPED, path)
    assert failed(found) == {"proxy", "application_default"}
    assert "09:12" in found["application_default"].result
    assert "if the proxy was started with --gcloud-auth" in found["application_default"].action


def test_the_end_of_a_long_log_is_enough(tmp_path: Path, gcloud: Path) -> None:
    user_login(gcloud, timedelta(hours=1))
    path = log_of(tmp_path, USER_LINE)
    with path.open("a") as file:
        for _ in range(30_000):
            file.write(f"2026/11/22 09:30:00 [{INSTANCE}] Accepted connection from 127.0.0.1:5000\n")
        file.write(f"2026/11/22 11:59:00 [{INSTANCE}] {GCLOUD}\n")
    assert failed(judge(DROPPED, path)) == {"proxy", "user_login"}


def test_a_log_that_is_not_one(tmp_path: Path, gcloud: Path) -> None:
    missing = judge(DROPPED, tmp_path / "none.log")
    assert missing["proxy"].verdict == "warning"
    assert "--proxy-log" in missing["proxy"].action
    noise = tmp_path / "noise"
    noise.write_bytes(bytes(range(256)) * 10 + b'\n{"message"\n{"a": 1}\n9999/99/99 99:99:99 x\n')
    assert judge(CONNECTED, noise)["proxy"].verdict == "ok"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{cut short", "not valid JSON"),
        ("[]", "does not say of which type"),
        ({"client_secret": "secret"}, "does not say of which type"),
    ],
)
def test_damaged_default_credentials(gcloud: Path, content: object, says: str) -> None:
    aged(gcloud / "application_default_credentials.json", timedelta(hours=1), content)
    found = judge(DROPPED)
    assert found["application_default"].verdict == "failure"
    assert says in found["application_default"].result
    assert judge(CONNECTED)["application_default"].verdict == "note"


def test_an_explicit_credentials_file(gcloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default_login(gcloud, timedelta(hours=1))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    gone = judge(DROPPED)["application_default"]
    assert gone.verdict == "failure"
    assert "GOOGLE_APPLICATION_CREDENTIALS" in gone.result
    aged(tmp_path / "key.json", timedelta(days=300), {"type": "service_account", "private_key": "secret"})
    key = judge(DROPPED)["application_default"]
    assert (key.verdict, key.details["type"]) == ("ok", "service_account")
    refused = judge(DROPPED, log_of(tmp_path, ADC_LINE, f"[{INSTANCE}] {REVOKED}"))["application_default"]
    assert "new key" in refused.action


def test_age_alone_is_a_suspicion_only_where_something_is_wrong(gcloud: Path) -> None:
    default_login(gcloud, timedelta(days=3))
    user_login(gcloud, timedelta(days=3))
    assert {f.verdict for f in judge(CONNECTED).values()} == {"skipped", "ok"}
    dropped = judge(DROPPED)
    assert dropped["application_default"].verdict == "warning"
    assert dropped["user_login"].verdict == "note"


def test_on_cloud_run_no_file_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "htc")
    found = judge(DROPPED)
    assert failed(found) == {"proxy"}
    assert "service's own account" in found["proxy"].action
    assert found["application_default"].verdict == "skipped"


def test_elsewhere_nothing_of_google_is_looked_at(gcloud: Path) -> None:
    (gcloud / "application_default_credentials.json").write_text("{broken")
    found = judge(Circumstances(None, connected=False, dropped=False))
    assert {f.verdict for f in found.values()} == {"skipped"}
