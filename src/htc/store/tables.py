"""The tables as queries see them; a test holds them equal to what the migrations make."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from htc.store.calendar import FIRST, LAST

__all__ = [
    "ELEMENT_SLOTS",
    "HULL_BAND",
    "HULL_BANDS",
    "LIVE",
    "PRESSURE_BAND",
    "PRESSURE_BANDS",
    "RANKED",
    "RANKED_FROM_K",
    "SET_ASIDE",
    "api_keys",
    "audit_log",
    "bete_runs",
    "campaign_candidates",
    "campaign_chunks",
    "campaign_sources",
    "campaign_stages",
    "campaigns",
    "findings",
    "htc_predictions",
    "idempotency_keys",
    "jobs",
    "metadata",
    "models",
    "optimisation_pool",
    "ranking_refreshes",
    "run_items",
    "runs",
    "structures",
    "test_telemetry",
    "top_superconductors",
]

metadata = sa.MetaData()


class _Time(sa.TypeDecorator[datetime]):
    """A time that the driver can read: one at infinity, or of a year beyond 1 to 9999, is read as NULL."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.case((sa.and_(column > sa.literal_column(FIRST), column < sa.literal_column(LAST)), column))


_TIME = _Time()
_TEXTS = pg.ARRAY(sa.String)
_EMPTY = sa.text("'{}'")
"""An empty array or an empty JSON object."""

RANKED_FROM_K = 1.0
"""The filters of the ranking are indexed from this Tc on, the bound of ``top_superconductors``, K."""

PRESSURE_BANDS = (0.0001, 1.0001, 5.0001, 10.0001, 20.0001, 50.0001, 100.0001, 150.0001, 200.0001, 300.0001)
"""Edges of the pressure bands, GPa: band 0 is below the first. A hair above round numbers, so that "at most
10 GPa" ends with a band."""

HULL_BANDS = (0.0001, 0.0251, 0.0501, 0.1001, 0.2001)
"""Edges of the bands of hull distance, eV/atom."""

ELEMENT_SLOTS = 6
"""Each of a row's first elements has an index of its own; rows with more share one more index."""

# As text, word for word the conditions of the partial indexes: bound as parameters they would not match.
LIVE = "deleted_at IS NULL AND tc_predicted >= 0 AND tc_predicted < 'Infinity'"
"""Rows that count and have a Tc. Rows of an earlier version may hold NaN, infinity or a negative Tc: kept,
shown by id, not ranked."""
RANKED = "deleted_at IS NULL AND tc_predicted >= 1 AND tc_predicted < 'Infinity'"
"""Rows that the filters are indexed for."""
SET_ASIDE = "deleted_at IS NOT NULL AND tc_predicted >= 0 AND tc_predicted < 'Infinity'"
"""Rows that would be ranked, had they not been set aside."""


def _bands(column: str, edges: tuple[float, ...]) -> str:
    return f"width_bucket({column}, '{{{','.join(str(e) for e in edges)}}}'::float8[])"


PRESSURE_BAND = _bands("pressure_required_gpa", PRESSURE_BANDS)
"""SQL expression of a row's pressure band, as its index has it."""
HULL_BAND = _bands('"hull_distance_eV"', HULL_BANDS)
"""SQL expression of a row's band of hull distance, as its index has it."""


def _ranked_index(name: str, *leading: str, where: str = RANKED) -> sa.Index:
    columns = [sa.text(part) for part in leading]
    return sa.Index(
        f"ix_htc_predictions_{name}",
        *columns,
        sa.text("tc_predicted DESC NULLS LAST"),
        sa.text("id"),
        postgresql_where=sa.text(where) if where else None,
    )


test_telemetry = sa.Table(
    "test_telemetry",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("test_name", sa.String(500), nullable=False),
    sa.Column("test_file", sa.String(500)),
    sa.Column("duration_ms", sa.Double),
    sa.Column("passed", sa.Boolean),
    sa.Column("error_message", sa.Text),
    sa.Column("commit_sha", sa.String(40)),
    sa.Column("branch", sa.String(200)),
    sa.Column("changed_files", sa.JSON),
    sa.Column("lines_added", sa.Integer),
    sa.Column("lines_deleted", sa.Integer),
    sa.Column("files_changed", sa.Integer),
    sa.Column("complexity_delta", sa.Double),
    sa.Column("recent_failure_rate", sa.Double),
    sa.Column("avg_duration", sa.Double),
    sa.Column("days_since_last_change", sa.Double),
    sa.Column("created_at", _TIME, server_default=sa.func.now()),
    sa.Index("idx_test_telemetry_name_created", "test_name", "created_at"),
    sa.Index("idx_test_telemetry_commit", "commit_sha"),
    sa.Index("idx_test_telemetry_passed_created", "passed", "created_at"),
)
"""One row for every executed test."""

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("label", sa.String),
    sa.Column("settings", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("created_by", sa.String, nullable=False),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", _TIME),
    sa.Column("campaign_id", sa.String),
    sa.Column("parent_id", sa.String),
    sa.Column("status", sa.String, nullable=False, server_default="running"),
    sa.Column("settings_hash", sa.String, sa.Computed("htc_document_hash(settings)", persisted=True)),
    sa.Column("program_version", sa.String),
    sa.Column("deleted_at", _TIME),
    sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_runs_campaign_id"),
    sa.ForeignKeyConstraint(["parent_id"], ["runs.id"], name="fk_runs_parent_id"),
    sa.Index("ix_runs_created_at", sa.text("created_at DESC")),
    sa.Index("ix_runs_campaign_id", "campaign_id", postgresql_where=sa.text("campaign_id IS NOT NULL")),
    sa.Index("ix_runs_parent_id", "parent_id", postgresql_where=sa.text("parent_id IS NOT NULL")),
)
"""What ``experiment_id`` and ``parent_batch_id`` refer to: a batch, a screening, an optimisation."""

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("description", sa.String),
    sa.Column("definition", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("created_by", sa.String, nullable=False),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("deleted_at", _TIME),
    sa.UniqueConstraint("name", name="uq_campaigns_name"),
)
"""What several runs belong to: a search with a name and a definition."""

models = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("card", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("first_used_at", _TIME, nullable=False, server_default=sa.func.now()),
)
"""Each model that ever spoke: name, version and weight hash in its id, and its card."""

structures = sa.Table(
    "structures",
    metadata,
    sa.Column(
        "hash",
        sa.String,
        sa.Computed("htc_document_hash(structure)", persisted=True),
        primary_key=True,
    ),
    sa.Column("structure", pg.JSONB, nullable=False),
    sa.Column("reduced_formula", sa.String, nullable=False),
    sa.Column("anonymous_formula", sa.String),
    sa.Column("elements", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("nelements", sa.Integer, sa.Computed("cardinality(elements)", persisted=True), nullable=False),
    sa.Column("nsites", sa.Integer, nullable=False),
    sa.Column("volume", sa.Double),
    sa.Column("spacegroup_number", sa.Integer),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Index("ix_structures_elements", "elements", postgresql_using="gin"),
    sa.Index("ix_structures_reduced_formula", "reduced_formula"),
    sa.Index("ix_structures_anonymous_formula", "anonymous_formula"),
    sa.Index("ix_structures_spacegroup", "spacegroup_number"),
)
"""Each crystal once, as pymatgen's ``Structure.as_dict()``. Volume in cubic angstrom; elements in
alphabetical order. ``hash`` is the SHA-256 of the document in the server's canonical text."""

bete_runs = sa.Table(
    "bete_runs",
    metadata,
    sa.Column("id", pg.UUID(as_uuid=False), primary_key=True),
    sa.Column("tc_kelvin", sa.Double),
    sa.Column("structure_formula", sa.String(255)),
    sa.Column("structure_json", sa.JSON(none_as_null=True)),
    sa.Column("alpha2f_omega", pg.ARRAY(sa.Double)),
    sa.Column("alpha2f_alpha2f", pg.ARRAY(sa.Double)),
    sa.Column("lambda_ep", sa.Double),
    sa.Column("omega_log", sa.Double),
    sa.Column("mu_star", sa.Double),
    sa.Column("input_hash", sa.String),
    sa.Column("run_type", sa.String(20), server_default="single"),
    sa.Column("parent_batch_id", sa.String),
    sa.Column("created_at", _TIME, server_default=sa.func.now()),
    sa.Column("created_by", sa.String(255)),
    sa.Column("legacy_defects", _TEXTS, nullable=False, server_default=_EMPTY),
    sa.Column("structure_hash", sa.String),
    sa.Column("deleted_at", _TIME),
    sa.Column("spectrum_origin", sa.String),
    sa.UniqueConstraint("input_hash", name="uq_bete_runs_input_hash"),
    sa.ForeignKeyConstraint(["parent_batch_id"], ["runs.id"], name="fk_bete_runs_parent_batch_id"),
    sa.ForeignKeyConstraint(["structure_hash"], ["structures.hash"], name="fk_bete_runs_structure_hash"),
    sa.Index(
        "ix_bete_runs_structure_hash",
        "structure_hash",
        postgresql_where=sa.text("structure_hash IS NOT NULL"),
    ),
    sa.Index(
        "ix_bete_runs_parent_batch_id",
        "parent_batch_id",
        postgresql_where=sa.text("parent_batch_id IS NOT NULL"),
    ),
    sa.Index("idx_bete_tc_desc", sa.text("tc_kelvin DESC")),
    sa.Index("idx_bete_created", sa.text("created_at DESC")),
    sa.Index("idx_bete_formula", "structure_formula"),
)
"""Structure or spectrum -> electron-phonon prediction. alpha2f_omega in meV, omega_log in K. spectrum_origin
is 'measured' (or computed) or 'surrogate' (formed from moments); NULL without one, and in older rows."""

htc_predictions = sa.Table(
    "htc_predictions",
    metadata,
    sa.Column("id", sa.String),
    sa.Column("composition", sa.String),
    sa.Column("reduced_formula", sa.String),
    sa.Column("structure_info", sa.JSON(none_as_null=True)),
    sa.Column("tc_predicted", sa.Double),
    sa.Column("tc_lower_95ci", sa.Double),
    sa.Column("tc_upper_95ci", sa.Double),
    sa.Column("tc_uncertainty", sa.Double),
    sa.Column("pressure_required_gpa", sa.Double),
    sa.Column("pressure_uncertainty_gpa", sa.Double, server_default="0.0"),
    sa.Column("lambda_ep", sa.Double),
    sa.Column("omega_log", sa.Double),
    sa.Column("mu_star", sa.Double, server_default="0.13"),
    sa.Column("xi_parameter", sa.Double),
    sa.Column("phonon_stable", sa.Boolean),
    sa.Column("thermo_stable", sa.Boolean),
    sa.Column("hull_distance_eV", sa.Double),
    sa.Column("imaginary_modes_count", sa.Integer),
    sa.Column("prediction_method", sa.String, server_default="McMillan-Allen-Dynes"),
    sa.Column("confidence_level", sa.String),
    sa.Column("extrapolation_warning", sa.Boolean),
    sa.Column("experiment_id", sa.String),
    sa.Column("created_by", sa.String),
    sa.Column("created_at", _TIME, server_default=sa.func.now()),
    sa.Column("source", sa.String),
    sa.Column("family", sa.String),
    sa.Column("applicable", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("reason", sa.String),
    sa.Column("omega_2", sa.Double),
    sa.Column("lambda_ep_uncertainty", sa.Double),
    sa.Column("omega_log_uncertainty", sa.Double),
    sa.Column("extrapolation_reasons", _TEXTS, nullable=False, server_default=_EMPTY),
    sa.Column("structure_origin", sa.String),
    sa.Column("model_id", sa.String),
    sa.Column("input_hash", sa.String),
    sa.Column("bete_run_id", pg.UUID(as_uuid=False)),
    sa.Column("provenance", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("legacy_defects", _TEXTS, nullable=False, server_default=_EMPTY),
    sa.Column("elements", pg.ARRAY(sa.Text)),
    sa.Column("structure_hash", sa.String),
    sa.Column("deleted_at", _TIME),
    sa.Column("omega_2_uncertainty", sa.Double),
    sa.Column("tc_experiment", sa.Double),
    sa.Column("tc_experiment_lower_95ci", sa.Double),
    sa.Column("tc_experiment_upper_95ci", sa.Double),
    sa.Column("model_tier", sa.String),
    sa.Column("phonon_verdict", sa.String),
    sa.Column("lowest_frequency_thz", sa.Double),
    sa.Column("hull_competitors", sa.Integer),
    sa.Column("stability_potential", sa.String),
    sa.PrimaryKeyConstraint("id", name="htc_predictions_pkey"),
    sa.ForeignKeyConstraint(["experiment_id"], ["runs.id"], name="fk_htc_predictions_experiment_id"),
    sa.ForeignKeyConstraint(["bete_run_id"], ["bete_runs.id"], name="fk_htc_predictions_bete_run_id"),
    sa.ForeignKeyConstraint(
        ["structure_hash"], ["structures.hash"], name="fk_htc_predictions_structure_hash"
    ),
    sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_htc_predictions_model_id"),
    sa.Index(
        "uq_htc_predictions_input_hash",
        "input_hash",
        unique=True,
        postgresql_where=sa.text("input_hash IS NOT NULL"),
    ),
    sa.Index("ix_htc_predictions_composition", "composition"),
    sa.Index("ix_htc_predictions_reduced_formula", "reduced_formula"),
    _ranked_index("ranking", where=LIVE),
    _ranked_index("run", "experiment_id", where=""),
    _ranked_index("model", "model_id", where=f"{RANKED} AND model_id IS NOT NULL"),
    _ranked_index("confidence", "confidence_level"),
    _ranked_index("pressure", f"({PRESSURE_BAND})"),
    _ranked_index("phonon", "phonon_stable", where=f"{RANKED} AND phonon_stable IS NOT NULL"),
    _ranked_index("thermo", "thermo_stable", where=f"{RANKED} AND thermo_stable IS NOT NULL"),
    _ranked_index("hull", f"({HULL_BAND})", where=f'{RANKED} AND "hull_distance_eV" IS NOT NULL'),
    *(
        _ranked_index(f"element_{n}", f"(elements[{n}])", where=f"{RANKED} AND elements[{n}] IS NOT NULL")
        for n in range(1, ELEMENT_SLOTS + 1)
    ),
    _ranked_index("many_elements", where=f"{RANKED} AND cardinality(elements) > {ELEMENT_SLOTS}"),
    _ranked_index("system", "elements", where=f"{RANKED} AND elements IS NOT NULL"),
    _ranked_index("set_aside", where=SET_ASIDE),
    sa.Index(
        "ix_htc_predictions_bete_run_id",
        "bete_run_id",
        postgresql_where=sa.text("bete_run_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_htc_predictions_structure_hash",
        "structure_hash",
        postgresql_where=sa.text("structure_hash IS NOT NULL"),
    ),
    sa.Index("ix_htc_predictions_created_at", "created_at", postgresql_using="brin"),
)
"""One predicted critical temperature, or the reason why there is none."""

ranking_refreshes = sa.Table(
    "ranking_refreshes",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("view_name", sa.String, nullable=False),
    sa.Column("started_at", _TIME, nullable=False),
    sa.Column("finished_at", _TIME, nullable=False),
    sa.Column("covers_until", _TIME, nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Index("ix_ranking_refreshes_view", "view_name", sa.text("started_at DESC")),
)
"""Each refresh of a materialized view: it holds every row whose ``created_at`` is before ``covers_until``."""

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("entry_id", pg.UUID(as_uuid=False), nullable=False),
    sa.Column("report_id", pg.UUID(as_uuid=False), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("command", sa.String, nullable=False),
    sa.Column("check_id", sa.String, nullable=False),
    sa.Column("hypothesis", sa.String, nullable=False),
    sa.Column("test", sa.String, nullable=False),
    sa.Column("result", sa.String, nullable=False),
    sa.Column("verdict", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("details", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("program_version", sa.String, nullable=False),
    sa.Column("recorded_by", sa.String, nullable=False),
    sa.Column("recorded_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.UniqueConstraint("entry_id", name="uq_findings_entry_id"),
    sa.Index("ix_findings_recorded_at", sa.text("recorded_at DESC"), "id"),
    sa.Index("ix_findings_report_id", "report_id", "position"),
)
"""The numbered log of what was examined and done: hypothesis, test, result, verdict, action."""

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("request", pg.JSONB, nullable=False),
    sa.Column("state", sa.String, nullable=False, server_default="queued"),
    sa.Column("done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("total", sa.Integer),
    sa.Column("message", sa.String),
    sa.Column("error", pg.JSONB),
    sa.Column("result", pg.JSONB),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("trying", pg.JSONB),
    sa.Column("lease_owner", sa.String),
    sa.Column("lease_until", _TIME),
    sa.Column("heartbeat_at", _TIME),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("not_before", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("requested_by", sa.String, nullable=False),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("started_at", _TIME),
    sa.Column("finished_at", _TIME),
    sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_jobs_run_id"),
    sa.Index(
        "ix_jobs_queued",
        "not_before",
        "created_at",
        "run_id",
        postgresql_where=sa.text("state = 'queued'"),
    ),
    sa.Index("ix_jobs_leased", "lease_until", postgresql_where=sa.text("state = 'running'")),
)
"""The queue: a run that worker processes carry out. ``attempts`` counts how often it was taken up since it
last got on; ``trying`` is what the process at work has in hand, and what it was when that process died;
``result`` is what came out as a whole. ``error`` holds the parts of an HTCError."""

run_items = sa.Table(
    "run_items",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("prediction_id", sa.String),
    sa.Column("error", pg.JSONB),
    sa.Column("values", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_items_run_id"),
    sa.ForeignKeyConstraint(["prediction_id"], ["htc_predictions.id"], name="fk_run_items_prediction_id"),
    sa.Index(
        "ix_run_items_prediction_id",
        "prediction_id",
        postgresql_where=sa.text("prediction_id IS NOT NULL"),
    ),
)
"""What became of each item of a run, in the order in which they were done. A prediction that an earlier run
stored is linked here and not stored again; an item that failed has its reason in ``error``."""

campaign_stages = sa.Table(
    "campaign_stages",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("run_id", sa.String, nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("spec", pg.JSONB, nullable=False),
    sa.Column("state", sa.String, nullable=False, server_default="running"),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("passed", sa.BigInteger),
    sa.Column("duplicates", sa.BigInteger),
    sa.Column("costs", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("began_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", _TIME),
    sa.UniqueConstraint("run_id", "stage", name="uq_campaign_stages_run_id_stage"),
    sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_campaign_stages_run_id"),
)
"""The stages of a campaign's run. ``entries`` candidates at a pressure enter; ``running`` until all are
judged, ``selected`` when it is known who passes, ``finished`` when those are stored as predictions."""

campaign_chunks = sa.Table(
    "campaign_chunks",
    metadata,
    sa.Column("stage_id", sa.Integer, primary_key=True),
    sa.Column("promoting", sa.Boolean, primary_key=True),
    sa.Column("starts_at", sa.BigInteger, primary_key=True),
    sa.Column("ends_before", sa.BigInteger, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("rejected", sa.Integer, nullable=False),
    sa.Column("rejections", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("worker", sa.String),
    sa.Column("worker_seconds", sa.Double, nullable=False),
    sa.Column("written_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(["stage_id"], ["campaign_stages.id"], name="fk_campaign_chunks_stage_id"),
)
"""Which entries of a stage are done, as ranges of their places in it; with ``promoting``, which of those that
pass have been predicted once more in full. ``rejections`` counts by reason what has no row of its own."""

campaign_candidates = sa.Table(
    "campaign_candidates",
    metadata,
    sa.Column("stage_id", sa.Integer, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("pressure_gpa", sa.Double, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("formula", sa.String),
    sa.Column("tc_predicted", sa.Double),
    sa.Column("tc_lower_95ci", sa.Double),
    sa.Column("tc_upper_95ci", sa.Double),
    sa.Column("tc_uncertainty", sa.Double),
    sa.Column("tc_experiment", sa.Double),
    sa.Column("tc_experiment_lower_95ci", sa.Double),
    sa.Column("tc_experiment_upper_95ci", sa.Double),
    sa.Column("lambda_ep", sa.Double),
    sa.Column("omega_log", sa.Double),
    sa.Column("hull_distance_eV", sa.Double),
    sa.Column("phonon_verdict", sa.String),
    sa.Column("confidence_level", sa.String),
    sa.Column("family", sa.String),
    sa.Column("extrapolation_warning", sa.Boolean),
    sa.Column("more", pg.JSONB),
    sa.Column("error", pg.JSONB),
    sa.Column("carry", pg.JSONB),
    sa.Column("prediction_id", sa.String),
    sa.Column("rank", sa.Integer),
    sa.Column("duplicate_of", sa.BigInteger),
    sa.ForeignKeyConstraint(["stage_id"], ["campaign_stages.id"], name="fk_campaign_candidates_stage_id"),
    sa.ForeignKeyConstraint(
        ["prediction_id"], ["htc_predictions.id"], name="fk_campaign_candidates_prediction_id"
    ),
    sa.Index(
        "uq_campaign_candidates_rank",
        "stage_id",
        "rank",
        unique=True,
        postgresql_where=sa.text("rank IS NOT NULL"),
    ),
    sa.Index(
        "ix_campaign_candidates_prediction_id",
        "prediction_id",
        postgresql_where=sa.text("prediction_id IS NOT NULL"),
    ),
)
"""What came of one candidate at one pressure in one stage. ``position`` is the candidate's number times the
number of pressures plus the place of its pressure; ``rank`` its place among those that pass, NULL where it
does not. Temperatures in K, energies in eV/atom."""

campaign_sources = sa.Table(
    "campaign_sources",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("document", pg.JSONB, nullable=False),
    sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_campaign_sources_run_id"),
)
"""What a run took from files, the store and services when it began, so that it never changes under it."""

optimisation_pool = sa.Table(
    "optimisation_pool",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("pressure_gpa", sa.Double, nullable=False),
    sa.Column("formula", sa.String),
    sa.Column("structure", pg.JSONB),
    sa.Column("prior", pg.JSONB),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("batch", sa.Integer),
    sa.Column("asked_at", _TIME),
    sa.Column("measured", pg.JSONB),
    sa.Column("error", pg.JSONB),
    sa.Column("position", sa.Integer),
    sa.Column("told_by", sa.String),
    sa.Column("told_at", _TIME),
    sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_optimisation_pool_run_id"),
    sa.Index("ix_optimisation_pool_batch", "run_id", "batch", postgresql_where=sa.text("batch IS NOT NULL")),
)
"""What an optimisation with an evaluator outside can choose from, frozen with the run; ``prior`` is what the
cheap model thinks, ``measured`` what was told, ``position`` the item of ``run_items`` the answer made."""

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("prefix", sa.String, nullable=False),
    sa.Column("key_hash", sa.String, nullable=False),
    sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("created_by", sa.String, nullable=False),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", _TIME),
    sa.Column("revoked_at", _TIME),
    sa.Column("last_used_at", _TIME),
    sa.Column("requests_per_minute", sa.Integer),
    sa.UniqueConstraint("prefix", name="uq_api_keys_prefix"),
    sa.UniqueConstraint("key_hash", name="uq_api_keys_key_hash"),
)
"""Who may use the service. The key itself is nowhere: ``key_hash`` is the SHA-256 of 256 random bits."""

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("route", sa.String, nullable=False),
    sa.Column("request_hash", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False, server_default="running"),
    sa.Column("status", sa.Integer),
    sa.Column("headers", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Column("body", sa.LargeBinary),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", _TIME, nullable=False),
    sa.Index("ix_idempotency_keys_expires_at", "expires_at"),
)
"""Answers to requests that may be sent again under the same key; removed once they have expired."""

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("request_id", sa.String, nullable=False),
    sa.Column("key_id", sa.String),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("method", sa.String, nullable=False),
    sa.Column("route", sa.String, nullable=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("client", sa.String),
    sa.Column("details", pg.JSONB, nullable=False, server_default=_EMPTY),
    sa.Index("ix_audit_log_at", sa.text("at DESC"), "id"),
)
"""Each write that came by HTTP: who, what, when and how it was answered."""

top_superconductors = sa.table(
    "top_superconductors",
    sa.column("structure_formula", sa.String),
    sa.column("avg_tc", sa.Double),
    sa.column("prediction_count", sa.BigInteger),
    sa.column("last_prediction", _TIME),
)
"""Materialized view: average Tc by formula over bete_runs with Tc > 1 K. Not part of the metadata."""
