"""Electron-phonon predictions for structures, and their ranking by formula."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "002_bete_runs"
down_revision = "001_test_telemetry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bete_runs",
        sa.Column("id", pg.UUID, primary_key=True),
        sa.Column("tc_kelvin", sa.Double),
        sa.Column("structure_formula", sa.String(255)),
        sa.Column("structure_json", sa.JSON),
        sa.Column("alpha2f_omega", pg.ARRAY(sa.Double)),
        sa.Column("alpha2f_alpha2f", pg.ARRAY(sa.Double)),
        sa.Column("lambda_ep", sa.Double),
        sa.Column("omega_log", sa.Double),
        sa.Column("mu_star", sa.Double),
        sa.Column("input_hash", sa.String(128)),
        sa.Column("run_type", sa.String(20), server_default="single"),
        sa.Column("parent_batch_id", pg.UUID),
        sa.Column("created_at", sa.DateTime),
        sa.Column("created_by", sa.String(255)),
    )
    op.create_index("idx_bete_tc_desc", "bete_runs", [sa.text("tc_kelvin DESC")])
    op.create_index("idx_bete_created", "bete_runs", [sa.text("created_at DESC")])
    op.create_index("idx_bete_formula", "bete_runs", ["structure_formula"])
    op.execute(
        """
        CREATE MATERIALIZED VIEW top_superconductors AS
        SELECT structure_formula,
               avg(tc_kelvin) AS avg_tc,
               count(*) AS prediction_count,
               max(created_at) AS last_prediction
        FROM bete_runs
        WHERE tc_kelvin > 1.0
        GROUP BY structure_formula
        """
    )
    # REFRESH ... CONCURRENTLY needs a unique index over plain columns.
    op.execute(
        "CREATE UNIQUE INDEX idx_top_superconductors_formula ON top_superconductors (structure_formula)"
    )
    op.execute("CREATE INDEX idx_top_superconductors_avg_tc ON top_superconductors (avg_tc DESC)")


def downgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW top_superconductors")
    op.drop_table("bete_runs")
