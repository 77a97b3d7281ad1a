"""``/metrics``: a valid page whatever happens, and names as Prometheus wants them."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import Client
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from htc.service import create_app
from htc.service.metrics import OUTCOMES, Metrics
from htc.settings import Settings
from htc.store import Database
from htc.store.database import embedded_url
from htc.store.embedded import EmbeddedServer
from htc.store.metrics import DatabaseCollector
from htc.store.stats import stats
from htc.store.tables import metadata
from htc.version import __version__

Serving = Callable[[FastAPI], AbstractContextManager[Client]]
MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def scrape(client: Client) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in parse_text(answer.text)}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    found = [
        s.value
        for family in families.values()
        for s in family.samples
        if s.name == sample and labels.items() <= s.labels.items()
    ]
    assert len(found) == 1, (sample, labels, found)
    return float(found[0])


def page_of(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in parse_text(metrics.page()[0].decode())}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scrape looks anew."""
    monkeypatch.setattr(
        DatabaseCollector.__init__, "__kwdefaults__", {"fresh_for_s": 0.0, "patience_s": 5.0, "process": None}
    )


def test_the_page_has_what_it_promises(client: Client, database: Database) -> None:
    families = scrape(client)
    assert value(families, "htc_db_up") == 1
    assert value(families, "htc_build_info", version=__version__) == 1
    assert value(families, "htc_db_info") == 1
    tables = {s.labels["table"] for s in families["htc_db_table_bytes"].samples}
    assert tables == {*metadata.tables, "alembic_version"}
    found = {t.name: t for t in stats(database).tables}
    assert value(families, "htc_db_table_bytes", table="structures", part="indexes") == (
        found["structures"].indexes_bytes
    )
    assert value(families, "htc_db_index_scans_total", table="runs", index="runs_pkey") >= 0
    assert value(families, "htc_db_view_age_seconds", view="top_superconductors") >= 0
    assert value(families, "htc_db_view_newer_rows", view="top_superconductors") == 0
    assert value(families, "htc_db_pool_max_connections") == 15
    assert value(families, "htc_db_part_known", part="tables") == 1
    assert {"checked_out", "idle"} == {s.labels["state"] for s in families["htc_db_pool_connections"].samples}
    assert {
        s.labels["outcome"] for s in families["htc_predictions"].samples if s.name.endswith("_total")
    } == set(OUTCOMES)


def test_openmetrics_for_who_asks_for_it(client: Client) -> None:
    answer = client.get("/metrics", headers={"Accept": OPENMETRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "htc_db_up" in {family.name for family in parse_openmetrics(answer.text)}


def test_names_follow_the_practice(client: Client) -> None:
    client.post("/api/htc/predict", json={"composition": "Nb"})
    for family in parse_openmetrics(client.get("/metrics", headers={"Accept": OPENMETRICS}).text):
        if family.name.startswith("process_"):
            continue  # named by Prometheus itself
        name, words = family.name, family.name.split("_")
        assert re.fullmatch(r"htc(_[a-z]+)+", name), name
        assert family.documentation.endswith("."), name
        assert family.type in {"gauge", "counter", "histogram"}, name
        # base units at the end; counters end in _total, which the parser takes off, and nothing else does
        assert not {"total", "count", "sum", "bucket"} & {words[-1]}, name
        assert not {"ms", "milliseconds", "minutes", "hours", "kb", "mb", "percent"} & set(words), name
        for unit in {"seconds", "bytes"} & set(words):
            assert words[-1] == unit, name
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name in {f"{name}_total", f"{name}_created"}
                assert sample.value >= 0
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels), sample
            assert len(set(sample.labels) - {"le"}) <= 3


def test_requests_are_counted_by_route_and_status(client: Client) -> None:
    client.post("/api/htc/predict", json={"composition": "Nb"})
    client.post("/api/htc/predict", json={"composition": "Nb"})
    client.post("/api/htc/predict", json={"composition": "not a material"})
    client.get("/api/htc/health")
    for path in ("/api/htc/predict", "/nowhere/1", "/nowhere/2"):
        client.get(path)
    client.get("/api/htc/models", headers={"Host": "elsewhere.example"})
    client.request("PROPFIND", "/coffee")
    families = scrape(client)

    def count(**labels: str) -> float:
        return value(families, "htc_http_request_duration_seconds_count", **labels)

    assert count(route="/api/htc/predict", method="POST", status="200") == 2
    assert count(route="/api/htc/predict", method="POST", status="422") == 1
    assert count(route="/api/htc/predict", method="GET", status="405") == 1
    assert count(route="/api/htc/health", method="GET", status="200") == 1
    assert count(route="none", method="GET", status="404") == 2
    assert count(route="none", method="GET", status="421") == 1
    assert count(route="none", method="other") == 1
    assert value(families, "htc_http_requests_in_progress") == 1  # this one
    routes = {s.labels["route"] for s in families["htc_http_request_duration_seconds"].samples}
    described = set(client.get("/openapi.json").json()["paths"])
    assert routes - {"none"} <= described | {"/metrics"}


def test_predictions_are_counted_by_outcome(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for composition in ("MgB2", "MgB2", "B4Mg2", "YBa2Cu3O7", "Xx", "Nb"):
        client.post("/api/htc/predict", json={"composition": composition})
    with monkeypatch.context() as patched:

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        patched.setattr("htc.service.predictions.save", broken)
        assert client.post("/api/htc/predict", json={"composition": "V3Si"}).status_code == 500
    families = scrape(client)
    counted = {o: value(families, "htc_predictions_total", outcome=o) for o in OUTCOMES}
    assert counted == {"predicted": 2, "outside_theory": 1, "repeated": 2, "rejected": 1, "failed": 1}
    assert value(families, "htc_http_request_duration_seconds_count", status="500") == 1


def test_what_the_database_does_shows(impatient: None, client: Client, database: Database) -> None:
    first = scrape(client)
    assert value(first, "htc_db_oldest_transaction_age_seconds") == 0
    client.post("/api/htc/predict", json={"composition": "MgB2"})
    with database.engine.connect() as idle:
        idle.execute(sa.text("SELECT 1"))
        # What the service itself does after a prediction may take a moment longer.
        for _ in range(100):
            families = scrape(client)
            if value(families, "htc_db_connections", state="idle_in_transaction") == 1:
                break
            time.sleep(0.05)
        assert value(families, "htc_db_connections", state="idle_in_transaction") == 1
        assert value(families, "htc_db_oldest_transaction_age_seconds") > 0
    for _ in range(100):
        families = scrape(client)
        if value(families, "htc_db_table_rows", table="htc_predictions") == 1:
            break
        time.sleep(0.05)
    assert value(families, "htc_db_table_rows", table="htc_predictions") == 1


def test_an_exhausted_pool_is_seen_and_does_not_matter(
    database_in_settings: Database, serving: Serving, impatient: None
) -> None:
    app = create_app(Settings())
    with serving(app) as client:
        engine = app.state.service.database.engine
        held = [engine.connect() for _ in range(15)]
        try:
            families = scrape(client)
        finally:
            for connection in held:
                connection.close()
    assert value(families, "htc_db_up") == 1
    assert value(families, "htc_db_pool_connections", state="checked_out") == 15
    assert value(families, "htc_db_pool_max_connections") == 15


def test_scrapes_share_a_look(database: Database) -> None:
    looks = []
    collector = DatabaseCollector(database, fresh_for_s=60)
    sa.event.listen(collector._engine, "connect", lambda *_: looks.append(1))
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: list(collector.collect()), range(24)))
    assert len(looks) == 1
    assert all(page[0].samples[0].value == 1 for page in pages)


def test_applications_share_nothing(database_in_settings: Database, serving: Serving) -> None:
    first, second = create_app(Settings()), create_app(Settings())
    with serving(first) as one, serving(second) as two:
        one.post("/api/htc/predict", json={"composition": "Nb"})
        assert value(scrape(one), "htc_predictions_total", outcome="predicted") == 1
        assert value(scrape(two), "htc_predictions_total", outcome="predicted") == 0
    with serving(first) as again:
        assert value(scrape(again), "htc_db_up") == 1


def test_a_database_that_dies_and_comes_back(
    home: Path, monkeypatch: pytest.MonkeyPatch, serving: Serving, impatient: None
) -> None:
    server = EmbeddedServer(home)
    lease = server.acquire()
    monkeypatch.setenv("HTC_DATABASE_URL", embedded_url(lease).render_as_string(hide_password=False))
    with serving(create_app(Settings())) as client:
        assert value(scrape(client), "htc_db_up") == 1
        lease.close()
        server.stop(force=True)
        down = scrape(client)
        assert value(down, "htc_db_up") == 0
        assert "htc_db_table_bytes" not in down
        assert value(down, "htc_db_pool_max_connections") == 15
        assert "htc_predictions" in down
        again = server.acquire()
        try:
            assert value(scrape(client), "htc_db_up") == 1
        finally:
            again.close()


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_database_that_does_not_answer_holds_nobody_up(database: Database, deaf: int) -> None:
    lost = Database(sa.create_engine(f"postgresql+psycopg://htc@127.0.0.1:{deaf}/htc"))
    collector = DatabaseCollector(lost, patience_s=0.2)
    metrics = Metrics()
    metrics.registry.register(collector)
    assert value(page_of(metrics), "htc_db_up") == 0
    before = threading.active_count()
    for _ in range(5):
        assert value(page_of(metrics), "htc_db_up") == 0
    assert threading.active_count() <= before, "one look at a time"
    lost.close()


def test_little_rights_are_no_fault(database: Database) -> None:
    role = f"little_{database.engine.url.database}"
    with database.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} NOLOGIN"))
        connection.execute(sa.text(f"GRANT USAGE ON SCHEMA public TO {role}"))
    url = database.engine.url.update_query_dict({"options": f"-c role={role}"})
    with Database.connect_to(url, ensure_schema=False) as little:
        metrics = Metrics()
        metrics.watch(little)
        families = page_of(metrics)
        metrics.unwatch()
    with database.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {role}"))
        connection.execute(sa.text(f"DROP ROLE {role}"))
    assert value(families, "htc_db_up") == 1
    assert value(families, "htc_db_part_known", part="wal_bytes") == 0
    assert "htc_db_wal_bytes" not in families
    assert value(families, "htc_db_table_rows", table="runs") == 0


def test_it_is_no_part_of_the_api(client: Client) -> None:
    assert "/metrics" not in client.get("/openapi.json").json()["paths"]
    assert client.get("/metrics", headers={"Host": "elsewhere.example"}).status_code == 421
    assert client.post("/metrics").status_code == 405


def expressions(kind: str) -> list[str]:
    if kind == "dashboard.json":
        board = json.loads((MONITORING / kind).read_text("utf-8"))
        panels = [p for p in board["panels"] if p["type"] != "row"]
        assert panels
        return [target["expr"] for panel in panels for target in panel["targets"]]
    rules: Any = yaml(kind)
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def yaml(name: str) -> Any:
    # pymatgen reads its files with it, so it is always there.
    from ruamel.yaml import YAML

    return YAML(typ="safe").load((MONITORING / name).read_text("utf-8"))


@pytest.mark.parametrize("kind", ["alerts.yml", "dashboard.json"])
def test_alerts_and_dashboard_use_what_there_is(kind: str, client: Client) -> None:
    client.post("/api/htc/predict", json={"composition": "Nb"})
    client.get("/metrics")
    families = scrape(client)
    samples: dict[str, set[str]] = {}
    for family in families.values():
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
        samples.setdefault(family.name, set())
    used = [re.findall(r"\b((?:htc|process)_\w+)(?:\{([^}]*)\})?", e) for e in expressions(kind)]
    assert all(used), "each expression is about us"
    for name, selectors in (pair for pairs in used for pair in pairs):
        assert name in samples, name
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selectors):
            assert label in samples[name] | {"job", "instance"}, (name, label)


def test_jobs_are_counted_where_they_are(impatient: None, client: Client, database: Database) -> None:
    from htc.store.jobs import claim, enqueue

    enqueue(database, "screen", {"formulas": ["Nb"]}, created_by="me")
    enqueue(database, "screen", {"formulas": ["V"]}, created_by="me")
    claim(database, owner="here:1")
    families = scrape(client)
    assert value(families, "htc_jobs", kind="screen", state="queued") == 1
    assert value(families, "htc_jobs", kind="screen", state="running") == 1
    assert value(families, "htc_jobs", kind="validate", state="failed") == 0
    assert value(families, "htc_job_workers") == 1
    assert value(families, "htc_jobs_expired_leases") == 0
    assert value(families, "htc_jobs_oldest_queued_seconds") >= 0
    with database.begin() as connection:
        connection.execute(
            sa.text("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        )
    families = scrape(client)
    assert value(families, "htc_jobs_expired_leases") == 1
    assert value(families, "htc_job_workers") == 0


def test_predictions_are_timed_by_tier(client: Client) -> None:
    client.post("/api/htc/predict", json={"composition": "Nb"})
    families = scrape(client)
    assert value(families, "htc_predictions_total", outcome="predicted", tier="default") == 1
    assert value(families, "htc_prediction_duration_seconds_count", outcome="predicted", tier="default") == 1
    assert value(families, "htc_prediction_duration_seconds_sum", outcome="predicted", tier="default") > 0
    model = families["htc_model_info"].samples[0].labels
    assert model["tier"] == "default"
    assert model["model_id"] == client.get("/api/htc/health").json()["model_id"]


def test_alerts_say_what_to_do() -> None:
    names = set()
    for group in yaml("alerts.yml")["groups"]:
        for rule in group["rules"]:
            names.add(rule["alert"])
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert rule["annotations"]["summary"]
            assert "htc " in rule["annotations"]["description"]
    assert {"HtcDatabaseDown", "HtcViewStale", "HtcPoolExhausted", "HtcNoJobWorker", "HtcJobsStuck"} <= names


def test_the_scrape_configuration_fits_the_service() -> None:
    (job,) = yaml("prometheus.yml")["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert yaml("prometheus.yml")["rule_files"] == ["alerts.yml"]
