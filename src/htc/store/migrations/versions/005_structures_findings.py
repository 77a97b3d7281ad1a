"""A log of what was tried with the database."""

from __future__ import annotations

from alembic import op

revision = "005_structures_findings"
down_revision = "004_checks_runs_provenance"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_findings()


def downgrade() -> None:
    op.execute("DROP TABLE findings")


def _create_findings() -> None:
    op.execute(
        """
        CREATE TABLE findings (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            entry_id UUID NOT NULL,
            report_id UUID NOT NULL,
            position INTEGER NOT NULL,
            command VARCHAR NOT NULL,
            check_id VARCHAR NOT NULL,
            hypothesis VARCHAR NOT NULL,
            test VARCHAR NOT NULL,
            result VARCHAR NOT NULL,
            verdict VARCHAR NOT NULL,
            action VARCHAR NOT NULL,
            details JSONB DEFAULT '{}' NOT NULL,
            program_version VARCHAR NOT NULL,
            recorded_by VARCHAR NOT NULL,
            recorded_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            CONSTRAINT findings_pkey PRIMARY KEY (id),
            CONSTRAINT uq_findings_entry_id UNIQUE (entry_id),
            CONSTRAINT ck_findings_verdict_known
                CHECK (verdict IN ('ok', 'note', 'warning', 'failure', 'skipped'))
        )
        """
    )
    op.execute("CREATE INDEX ix_findings_recorded_at ON findings (recorded_at DESC, id)")
    op.execute("CREATE INDEX ix_findings_report_id ON findings (report_id, position)")
