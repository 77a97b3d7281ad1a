"""One row for every executed test."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "001_test_telemetry"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "test_telemetry",
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
        sa.Column("created_at", sa.DateTime),
    )
    op.create_index("idx_test_telemetry_name_created", "test_telemetry", ["test_name", "created_at"])
    op.create_index("idx_test_telemetry_commit", "test_telemetry", ["commit_sha"])
    op.create_index("idx_test_telemetry_passed_created", "test_telemetry", ["passed", "created_at"])


def downgrade() -> None:
    op.drop_table("test_telemetry")
