"""Tables of the service: jobs and what became of each of their items, access keys, repeated requests, writes.

New tables only: nothing that is there is read or changed. A run of an earlier version has no job and no
items; it stays what it was. The downgrade drops the five tables with what they hold; the runs and the
predictions that jobs made stay.
"""

from __future__ import annotations

from alembic import op

revision = "007_service"
down_revision = "006_model_tiers"
branch_labels = None
depends_on = None

TABLES = ("audit_log", "idempotency_keys", "api_keys", "run_items", "jobs")
"""In the order in which they can be dropped."""

SCOPES = "ARRAY['read', 'predict', 'run', 'admin']"


def upgrade() -> None:
    _create_jobs()
    _create_run_items()
    _create_api_keys()
    _create_idempotency_keys()
    _create_audit_log()


def downgrade() -> None:
    for name in TABLES:
        op.execute(f"DROP TABLE {name}")


def _create_jobs() -> None:
    # A lease is whole or absent, and only a job at work has one: a half-taken job would never be taken again.
    op.execute(
        """
        CREATE TABLE jobs (
            run_id VARCHAR NOT NULL,
            kind VARCHAR NOT NULL,
            request JSONB NOT NULL,
            state VARCHAR DEFAULT 'queued' NOT NULL,
            done INTEGER DEFAULT 0 NOT NULL,
            failed INTEGER DEFAULT 0 NOT NULL,
            total INTEGER,
            message VARCHAR,
            error JSONB,
            result JSONB,
            attempts INTEGER DEFAULT 0 NOT NULL,
            trying JSONB,
            lease_owner VARCHAR,
            lease_until TIMESTAMPTZ,
            heartbeat_at TIMESTAMPTZ,
            cancel_requested BOOLEAN DEFAULT false NOT NULL,
            not_before TIMESTAMPTZ DEFAULT now() NOT NULL,
            requested_by VARCHAR NOT NULL,
            created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            started_at TIMESTAMPTZ,
            finished_at TIMESTAMPTZ,
            CONSTRAINT jobs_pkey PRIMARY KEY (run_id),
            CONSTRAINT fk_jobs_run_id FOREIGN KEY (run_id) REFERENCES runs (id),
            CONSTRAINT ck_jobs_kind_known CHECK (kind IN ('screen', 'optimize', 'validate')),
            CONSTRAINT ck_jobs_request_an_object CHECK (jsonb_typeof(request) = 'object'),
            CONSTRAINT ck_jobs_state_known
                CHECK (state IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
            CONSTRAINT ck_jobs_counts_valid
                CHECK (0 <= failed AND failed <= done AND attempts >= 0 AND (total IS NULL OR done <= total)),
            CONSTRAINT ck_jobs_leased_while_running
                CHECK ((state = 'running') = (lease_owner IS NOT NULL)
                    AND (lease_owner IS NULL) = (lease_until IS NULL)),
            CONSTRAINT ck_jobs_ended_with_a_time
                CHECK ((state IN ('finished', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
            CONSTRAINT ck_jobs_failed_with_a_reason CHECK (state <> 'failed' OR error IS NOT NULL)
        )
        """
    )
    op.execute("CREATE INDEX ix_jobs_queued ON jobs (not_before, created_at, run_id) WHERE state = 'queued'")
    op.execute("CREATE INDEX ix_jobs_leased ON jobs (lease_until) WHERE state = 'running'")


def _create_run_items() -> None:
    op.execute(
        """
        CREATE TABLE run_items (
            run_id VARCHAR NOT NULL,
            position INTEGER NOT NULL,
            label VARCHAR NOT NULL,
            state VARCHAR NOT NULL,
            prediction_id VARCHAR,
            error JSONB,
            values JSONB DEFAULT '{}' NOT NULL,
            created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            CONSTRAINT run_items_pkey PRIMARY KEY (run_id, position),
            CONSTRAINT fk_run_items_run_id FOREIGN KEY (run_id) REFERENCES runs (id),
            CONSTRAINT fk_run_items_prediction_id FOREIGN KEY (prediction_id) REFERENCES htc_predictions (id),
            CONSTRAINT ck_run_items_position_valid CHECK (position >= 0),
            CONSTRAINT ck_run_items_state_known CHECK (state IN ('done', 'failed')),
            CONSTRAINT ck_run_items_failed_with_a_reason CHECK ((state = 'failed') = (error IS NOT NULL)),
            CONSTRAINT ck_run_items_values_an_object CHECK (jsonb_typeof(values) = 'object')
        )
        """
    )
    op.execute(
        "CREATE INDEX ix_run_items_prediction_id ON run_items (prediction_id) WHERE prediction_id IS NOT NULL"
    )


def _create_api_keys() -> None:
    op.execute(
        f"""
        CREATE TABLE api_keys (
            id VARCHAR NOT NULL,
            name VARCHAR NOT NULL,
            prefix VARCHAR NOT NULL,
            key_hash VARCHAR NOT NULL,
            scopes TEXT[] NOT NULL,
            created_by VARCHAR NOT NULL,
            created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            expires_at TIMESTAMPTZ,
            revoked_at TIMESTAMPTZ,
            last_used_at TIMESTAMPTZ,
            requests_per_minute INTEGER,
            CONSTRAINT api_keys_pkey PRIMARY KEY (id),
            CONSTRAINT uq_api_keys_prefix UNIQUE (prefix),
            CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash),
            CONSTRAINT ck_api_keys_name_given CHECK (name <> ''),
            CONSTRAINT ck_api_keys_hash_a_sha256 CHECK (key_hash ~ '^[0-9a-f]{{64}}$'),
            CONSTRAINT ck_api_keys_scopes_known CHECK (cardinality(scopes) > 0 AND scopes <@ {SCOPES}),
            CONSTRAINT ck_api_keys_rate_valid CHECK (requests_per_minute > 0)
        )
        """
    )


def _create_idempotency_keys() -> None:
    op.execute(
        """
        CREATE TABLE idempotency_keys (
            owner VARCHAR NOT NULL,
            key VARCHAR NOT NULL,
            route VARCHAR NOT NULL,
            request_hash VARCHAR NOT NULL,
            state VARCHAR DEFAULT 'running' NOT NULL,
            status INTEGER,
            headers JSONB DEFAULT '{}' NOT NULL,
            body BYTEA,
            created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL,
            CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner, key),
            CONSTRAINT ck_idempotency_keys_key_given CHECK (key <> ''),
            CONSTRAINT ck_idempotency_keys_state_known CHECK (state IN ('running', 'done')),
            CONSTRAINT ck_idempotency_keys_done_with_a_status CHECK ((state = 'done') = (status IS NOT NULL))
        )
        """
    )
    op.execute("CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at)")


def _create_audit_log() -> None:
    # Without a reference to api_keys: what a key did is kept whatever becomes of the key.
    op.execute(
        """
        CREATE TABLE audit_log (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            at TIMESTAMPTZ DEFAULT now() NOT NULL,
            request_id VARCHAR NOT NULL,
            key_id VARCHAR,
            actor VARCHAR NOT NULL,
            method VARCHAR NOT NULL,
            route VARCHAR NOT NULL,
            path VARCHAR NOT NULL,
            status INTEGER NOT NULL,
            client VARCHAR,
            details JSONB DEFAULT '{}' NOT NULL,
            CONSTRAINT audit_log_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX ix_audit_log_at ON audit_log (at DESC, id)")
