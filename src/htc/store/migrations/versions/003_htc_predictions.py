"""The record of a predicted critical temperature, as the first deployments have it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "003_htc_predictions"
down_revision = "002_bete_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "htc_predictions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("composition", sa.String),
        sa.Column("reduced_formula", sa.String),
        sa.Column("structure_info", sa.JSON),
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
        sa.Column("phonon_stable", sa.String),
        sa.Column("thermo_stable", sa.String),
        sa.Column("hull_distance_eV", sa.Double),
        sa.Column("imaginary_modes_count", sa.Integer),
        sa.Column("prediction_method", sa.String, server_default="McMillan-Allen-Dynes"),
        sa.Column("confidence_level", sa.String),
        sa.Column("extrapolation_warning", sa.String),
        sa.Column("experiment_id", sa.String),
        sa.Column("created_by", sa.String),
        sa.Column("created_at", sa.DateTime),
        sa.PrimaryKeyConstraint("id", name="htc_predictions_pkey"),
    )
    op.create_index("ix_htc_predictions_composition", "htc_predictions", ["composition"])


def downgrade() -> None:
    op.drop_table("htc_predictions")
