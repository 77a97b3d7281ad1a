"""The tables as queries see them; a test holds them equal to what the migrations make."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

__all__ = [
    "bete_runs",
    "findings",
    "htc_predictions",
    "metadata",
    "ranking_refreshes",
    "runs",
    "test_telemetry",
    "top_superconductors",
]

metadata = sa.MetaData()
_TIME = sa.DateTime(timezone=True)
_TEXTS = pg.ARRAY(sa.String)
_EMPTY_ARRAY = sa.text("'{}'")

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
    sa.Column("settings", pg.JSONB, nullable=False, server_default=_EMPTY_ARRAY),
    sa.Column("created_by", sa.String, nullable=False),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", _TIME),
    sa.Index("ix_runs_created_at", sa.text("created_at DESC")),
)
"""What ``experiment_id`` and ``parent_batch_id`` refer to: a batch, a screening, an optimisation."""

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
    sa.Column("legacy_defects", _TEXTS, nullable=False, server_default=_EMPTY_ARRAY),
    sa.UniqueConstraint("input_hash", name="uq_bete_runs_input_hash"),
    sa.ForeignKeyConstraint(["parent_batch_id"], ["runs.id"], name="fk_bete_runs_parent_batch_id"),
    sa.Index("idx_bete_tc_desc", sa.text("tc_kelvin DESC")),
    sa.Index("idx_bete_created", sa.text("created_at DESC")),
    sa.Index("idx_bete_formula", "structure_formula"),
)
"""Structure or spectrum -> electron-phonon prediction. alpha2f_omega in meV, omega_log in K."""

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
    sa.Column("extrapolation_reasons", _TEXTS, nullable=False, server_default=_EMPTY_ARRAY),
    sa.Column("structure_origin", sa.String),
    sa.Column("model_id", sa.String),
    sa.Column("input_hash", sa.String),
    sa.Column("bete_run_id", pg.UUID(as_uuid=False)),
    sa.Column("provenance", pg.JSONB, nullable=False, server_default=_EMPTY_ARRAY),
    sa.Column("legacy_defects", _TEXTS, nullable=False, server_default=_EMPTY_ARRAY),
    sa.PrimaryKeyConstraint("id", name="htc_predictions_pkey"),
    sa.UniqueConstraint("input_hash", name="uq_htc_predictions_input_hash"),
    sa.ForeignKeyConstraint(["experiment_id"], ["runs.id"], name="fk_htc_predictions_experiment_id"),
    sa.ForeignKeyConstraint(["bete_run_id"], ["bete_runs.id"], name="fk_htc_predictions_bete_run_id"),
    sa.Index("ix_htc_predictions_composition", "composition"),
    sa.Index("ix_htc_predictions_ranking", sa.text("tc_predicted DESC NULLS LAST"), "id"),
    sa.Index("ix_htc_predictions_reduced_formula", "reduced_formula"),
    sa.Index("ix_htc_predictions_experiment_id", "experiment_id"),
    sa.Index("ix_htc_predictions_bete_run_id", "bete_run_id"),
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
    sa.Column("details", pg.JSONB, nullable=False, server_default=_EMPTY_ARRAY),
    sa.Column("program_version", sa.String, nullable=False),
    sa.Column("recorded_by", sa.String, nullable=False),
    sa.Column("recorded_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.UniqueConstraint("entry_id", name="uq_findings_entry_id"),
    sa.Index("ix_findings_recorded_at", sa.text("recorded_at DESC"), "id"),
    sa.Index("ix_findings_report_id", "report_id", "position"),
)
"""The numbered log of what was examined and done: hypothesis, test, result, verdict, action."""

top_superconductors = sa.table(
    "top_superconductors",
    sa.column("structure_formula", sa.String),
    sa.column("avg_tc", sa.Double),
    sa.column("prediction_count", sa.BigInteger),
    sa.column("last_prediction", _TIME),
)
"""Materialized view: average Tc by formula over bete_runs with Tc > 1 K. Not part of the metadata."""
