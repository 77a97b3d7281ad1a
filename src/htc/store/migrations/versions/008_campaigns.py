"""Tables of screening campaigns: their stages, the chunks that are done, what came of each candidate.

New tables, and one more kind of job. Nothing that is there is read or changed. A program of 007 reads all
that it knew; it must not be given campaigns to do. The downgrade drops the five tables with what they hold
and the jobs that carry campaigns out; the runs and the predictions that campaigns made stay.
"""

from __future__ import annotations

from alembic import op

revision = "008_campaigns"
down_revision = "007_service"
branch_labels = None
depends_on = None

TABLES = (
    "optimisation_pool",
    "campaign_sources",
    "campaign_candidates",
    "campaign_chunks",
    "campaign_stages",
)
"""In the order in which they can be dropped."""


def upgrade() -> None:
    _kinds("'screen', 'optimize', 'validate', 'campaign'")
    _create_stages()
    _create_chunks()
    _create_candidates()
    _create_sources()
    _create_pool()


def downgrade() -> None:
    for name in TABLES:
        op.execute(f"DROP TABLE {name}")
    op.execute("DELETE FROM jobs WHERE kind = 'campaign'")
    _kinds("'screen', 'optimize', 'validate'")


def _kinds(known: str) -> None:
    op.execute("ALTER TABLE jobs DROP CONSTRAINT ck_jobs_kind_known")
    op.execute(f"ALTER TABLE jobs ADD CONSTRAINT ck_jobs_kind_known CHECK (kind IN ({known}))")


def _create_stages() -> None:
    op.execute(
        """
        CREATE TABLE campaign_stages (
            id INTEGER GENERATED ALWAYS AS IDENTITY,
            run_id VARCHAR NOT NULL,
            stage INTEGER NOT NULL,
            kind VARCHAR NOT NULL,
            spec JSONB NOT NULL,
            state VARCHAR DEFAULT 'running' NOT NULL,
            entries BIGINT NOT NULL,
            passed BIGINT,
            duplicates BIGINT,
            costs JSONB DEFAULT '{}' NOT NULL,
            began_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            finished_at TIMESTAMPTZ,
            CONSTRAINT campaign_stages_pkey PRIMARY KEY (id),
            CONSTRAINT uq_campaign_stages_run_id_stage UNIQUE (run_id, stage),
            CONSTRAINT fk_campaign_stages_run_id FOREIGN KEY (run_id) REFERENCES runs (id),
            CONSTRAINT ck_campaign_stages_stage_valid CHECK (stage >= 0),
            CONSTRAINT ck_campaign_stages_kind_known
                CHECK (kind IN ('predict', 'relax', 'phonons', 'hull', 'eliashberg')),
            CONSTRAINT ck_campaign_stages_spec_an_object CHECK (jsonb_typeof(spec) = 'object'),
            CONSTRAINT ck_campaign_stages_state_known CHECK (state IN ('running', 'selected', 'finished')),
            CONSTRAINT ck_campaign_stages_counts_valid
                CHECK (entries >= 0 AND passed BETWEEN 0 AND entries AND duplicates >= 0),
            CONSTRAINT ck_campaign_stages_selected_with_counts
                CHECK ((state = 'running') = (passed IS NULL) AND (passed IS NULL) = (duplicates IS NULL)),
            CONSTRAINT ck_campaign_stages_finished_with_a_time
                CHECK ((state = 'finished') = (finished_at IS NOT NULL)),
            CONSTRAINT ck_campaign_stages_costs_an_object CHECK (jsonb_typeof(costs) = 'object')
        )
        """
    )


def _create_chunks() -> None:
    # A chunk that is done is here, written in one transaction with its candidates. One in hand is not.
    op.execute(
        """
        CREATE TABLE campaign_chunks (
            stage_id INTEGER NOT NULL,
            promoting BOOLEAN NOT NULL,
            starts_at BIGINT NOT NULL,
            ends_before BIGINT NOT NULL,
            done INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            rejected INTEGER NOT NULL,
            rejections JSONB DEFAULT '{}' NOT NULL,
            worker VARCHAR,
            worker_seconds DOUBLE PRECISION NOT NULL,
            written_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            CONSTRAINT campaign_chunks_pkey PRIMARY KEY (stage_id, promoting, starts_at),
            CONSTRAINT fk_campaign_chunks_stage_id FOREIGN KEY (stage_id) REFERENCES campaign_stages (id),
            CONSTRAINT ck_campaign_chunks_range_valid CHECK (starts_at >= 0 AND ends_before > starts_at),
            CONSTRAINT ck_campaign_chunks_counts_valid
                CHECK (done >= 0 AND failed >= 0 AND rejected >= 0
                    AND done + failed + rejected = ends_before - starts_at),
            CONSTRAINT ck_campaign_chunks_rejections_an_object CHECK (jsonb_typeof(rejections) = 'object'),
            CONSTRAINT ck_campaign_chunks_seconds_valid CHECK (worker_seconds >= 0)
        )
        """
    )


def _create_candidates() -> None:
    # Ten million of them are nothing unusual: an integer for the stage, no index beyond the key and those of
    # the few that go on.
    op.execute(
        """
        CREATE TABLE campaign_candidates (
            stage_id INTEGER NOT NULL,
            position BIGINT NOT NULL,
            pressure_gpa DOUBLE PRECISION NOT NULL,
            state VARCHAR NOT NULL,
            label VARCHAR NOT NULL,
            formula VARCHAR,
            tc_predicted DOUBLE PRECISION,
            tc_lower_95ci DOUBLE PRECISION,
            tc_upper_95ci DOUBLE PRECISION,
            tc_uncertainty DOUBLE PRECISION,
            tc_experiment DOUBLE PRECISION,
            tc_experiment_lower_95ci DOUBLE PRECISION,
            tc_experiment_upper_95ci DOUBLE PRECISION,
            lambda_ep DOUBLE PRECISION,
            omega_log DOUBLE PRECISION,
            "hull_distance_eV" DOUBLE PRECISION,
            phonon_verdict VARCHAR,
            confidence_level VARCHAR,
            family VARCHAR,
            extrapolation_warning BOOLEAN,
            more JSONB,
            error JSONB,
            carry JSONB,
            prediction_id VARCHAR,
            rank INTEGER,
            duplicate_of BIGINT,
            CONSTRAINT campaign_candidates_pkey PRIMARY KEY (stage_id, position),
            CONSTRAINT fk_campaign_candidates_stage_id
                FOREIGN KEY (stage_id) REFERENCES campaign_stages (id),
            CONSTRAINT fk_campaign_candidates_prediction_id
                FOREIGN KEY (prediction_id) REFERENCES htc_predictions (id),
            CONSTRAINT ck_campaign_candidates_position_valid CHECK (position >= 0),
            CONSTRAINT ck_campaign_candidates_state_known
                CHECK (state IN ('done', 'failed', 'rejected', 'duplicate')),
            CONSTRAINT ck_campaign_candidates_failed_with_a_reason
                CHECK (state NOT IN ('failed', 'rejected') OR error IS NOT NULL),
            CONSTRAINT ck_campaign_candidates_duplicate_of_another
                CHECK ((state = 'duplicate') = (duplicate_of IS NOT NULL) AND duplicate_of <> position),
            CONSTRAINT ck_campaign_candidates_rank_valid
                CHECK (rank IS NULL OR (rank >= 0 AND state IN ('done', 'failed'))),
            CONSTRAINT ck_campaign_candidates_more_an_object CHECK (jsonb_typeof(more) = 'object')
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_campaign_candidates_rank ON campaign_candidates (stage_id, rank) "
        "WHERE rank IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ix_campaign_candidates_prediction_id ON campaign_candidates (prediction_id) "
        "WHERE prediction_id IS NOT NULL"
    )


def _create_sources() -> None:
    op.execute(
        """
        CREATE TABLE campaign_sources (
            run_id VARCHAR NOT NULL,
            position INTEGER NOT NULL,
            document JSONB NOT NULL,
            CONSTRAINT campaign_sources_pkey PRIMARY KEY (run_id, position),
            CONSTRAINT fk_campaign_sources_run_id FOREIGN KEY (run_id) REFERENCES runs (id),
            CONSTRAINT ck_campaign_sources_position_valid CHECK (position >= 0)
        )
        """
    )


def _create_pool() -> None:
    # What an optimisation can choose from where a laboratory or another code judges. It is kept with the run:
    # what was asked must mean the same weeks later. Asked, told and failed are states of one row, so that no
    # answer can be without its candidate.
    op.execute(
        """
        CREATE TABLE optimisation_pool (
            run_id VARCHAR NOT NULL,
            number INTEGER NOT NULL,
            label VARCHAR NOT NULL,
            pressure_gpa DOUBLE PRECISION NOT NULL,
            formula VARCHAR,
            structure JSONB,
            prior JSONB,
            state VARCHAR NOT NULL,
            batch INTEGER,
            asked_at TIMESTAMPTZ,
            measured JSONB,
            error JSONB,
            position INTEGER,
            told_by VARCHAR,
            told_at TIMESTAMPTZ,
            CONSTRAINT optimisation_pool_pkey PRIMARY KEY (run_id, number),
            CONSTRAINT fk_optimisation_pool_run_id FOREIGN KEY (run_id) REFERENCES runs (id),
            CONSTRAINT ck_optimisation_pool_number_valid CHECK (number >= 0),
            CONSTRAINT ck_optimisation_pool_state_known
                CHECK (state IN ('left_out', 'free', 'asked', 'done', 'failed')),
            CONSTRAINT ck_optimisation_pool_asked_in_a_batch
                CHECK ((batch IS NULL) = (asked_at IS NULL) AND batch >= 0
                    AND (state <> 'asked' OR batch IS NOT NULL)),
            CONSTRAINT ck_optimisation_pool_done_with_values
                CHECK ((state = 'done') = (measured IS NOT NULL)),
            CONSTRAINT ck_optimisation_pool_failed_with_a_reason
                CHECK ((state IN ('left_out', 'failed')) = (error IS NOT NULL)),
            CONSTRAINT ck_optimisation_pool_thought_of
                CHECK (state NOT IN ('free', 'asked') OR prior IS NOT NULL),
            CONSTRAINT ck_optimisation_pool_told_with_a_time
                CHECK ((state IN ('done', 'failed')) = (told_at IS NOT NULL)
                    AND (told_at IS NULL) = (position IS NULL) AND (told_at IS NULL) = (told_by IS NULL))
        )
        """
    )
    op.execute(
        "CREATE INDEX ix_optimisation_pool_batch ON optimisation_pool (run_id, batch) WHERE batch IS NOT NULL"
    )
