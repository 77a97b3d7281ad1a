"""Mend what is weak at 003 without losing a row, and hold everything a prediction knows about itself.

What becomes of rows that are there already:

- Text booleans become booleans ('true'/'t'/'yes'/'1' and their opposites, any case). Any other text becomes
  NULL and is kept in ``provenance -> 'before_004'``; the view of the 003 shape still shows it.
- Times without a zone are read as UTC.
- Every new rule is a CHECK that excuses a row by name: ``legacy_defects`` lists the rules an old row broke
  on the day of the upgrade. Old rows are kept as they were, may be updated, and can be found; new rows are
  bound by every rule, because they come with an empty list.
- Equal ``bete_runs.input_hash`` values get ``#<id>`` appended on all rows but the newest, so that the column
  can be unique.
- Each value of ``experiment_id`` and ``parent_batch_id`` gets a row of kind 'legacy' in ``runs``.
"""

from __future__ import annotations

from alembic import op

revision = "004_checks_runs_provenance"
down_revision = "003_htc_predictions"
branch_labels = None
depends_on = None

FINITE = "{0} IS NULL OR ({0} >= 0 AND {0} < 'Infinity')"
"""NaN counts as larger than infinity in PostgreSQL, so this refuses it too."""

PREDICTION_RULES = {
    "composition_given": "composition IS NOT NULL AND composition <> ''",
    "reduced_formula_given": "reduced_formula IS NOT NULL AND reduced_formula <> ''",
    "created_given": "created_at IS NOT NULL AND created_by IS NOT NULL",
    "method_given": "prediction_method IS NOT NULL",
    "extrapolation_given": "extrapolation_warning IS NOT NULL",
    "tc_or_reason": "CASE WHEN applicable THEN tc_predicted IS NOT NULL"
    " ELSE tc_predicted IS NULL AND reason IS NOT NULL END",
    "tc_valid": FINITE.format("tc_predicted"),
    "interval_ordered": "(tc_lower_95ci IS NULL) = (tc_upper_95ci IS NULL) AND (tc_lower_95ci IS NULL OR"
    " (tc_predicted IS NOT NULL AND 0 <= tc_lower_95ci AND tc_lower_95ci <= tc_predicted"
    " AND tc_predicted <= tc_upper_95ci AND tc_upper_95ci < 'Infinity'))",
    "uncertainties_valid": " AND ".join(
        f"({FINITE.format(column)})"
        for column in (
            "tc_uncertainty",
            "lambda_ep_uncertainty",
            "omega_log_uncertainty",
            "pressure_uncertainty_gpa",
        )
    ),
    "lambda_valid": FINITE.format("lambda_ep"),
    "omega_valid": f"({FINITE.format('omega_log')}) AND ({FINITE.format('omega_2')})",
    "mu_star_valid": FINITE.format("mu_star"),
    "xi_valid": "xi_parameter IS NULL OR (xi_parameter >= 0 AND xi_parameter <= 1)",
    "pressure_valid": "pressure_required_gpa IS NULL"
    " OR (pressure_required_gpa > '-Infinity' AND pressure_required_gpa < 'Infinity')",
    "confidence_known": "confidence_level IS NULL OR confidence_level IN ('low', 'medium', 'high')",
    "imaginary_modes_valid": "imaginary_modes_count IS NULL OR imaginary_modes_count >= 0",
}

BETE_RULES = {
    "formula_given": "structure_formula IS NOT NULL AND structure_formula <> ''",
    "created_given": "created_at IS NOT NULL AND created_by IS NOT NULL",
    "hash_given": "input_hash IS NOT NULL",
    "tc_valid": f"tc_kelvin IS NOT NULL AND ({FINITE.format('tc_kelvin')})",
    "lambda_valid": FINITE.format("lambda_ep"),
    "omega_valid": FINITE.format("omega_log"),
    "mu_star_valid": FINITE.format("mu_star"),
    "run_type_known": "run_type IS NOT NULL AND run_type IN ('single', 'batch')",
    "spectrum_whole": "cardinality(alpha2f_omega) IS NOT DISTINCT FROM cardinality(alpha2f_alpha2f)",
}

TEXT_BOOLEANS = ("phonon_stable", "thermo_stable", "extrapolation_warning")
UUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

OLD_VIEW = """
CREATE VIEW htc_predictions_v003 AS
SELECT id, composition, reduced_formula, structure_info, tc_predicted, tc_lower_95ci, tc_upper_95ci,
       tc_uncertainty, pressure_required_gpa, pressure_uncertainty_gpa, lambda_ep, omega_log, mu_star,
       xi_parameter, {phonon_stable}, {thermo_stable}, "hull_distance_eV", imaginary_modes_count,
       prediction_method, confidence_level, {extrapolation_warning}, experiment_id, created_by,
       created_at AT TIME ZONE 'UTC' AS created_at
FROM htc_predictions
"""


def upgrade() -> None:
    # Naive times are UTC whatever the session thinks, and stay right where a column already has a zone.
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    _create_runs()
    op.execute("DROP MATERIALIZED VIEW top_superconductors")
    _mend_bete_runs()
    _mend_predictions()
    _mend_telemetry()
    _create_rankings()


def downgrade() -> None:
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.execute("DROP VIEW htc_predictions_v003")
    op.execute("DROP MATERIALIZED VIEW top_superconductors")
    op.execute("DROP TABLE ranking_refreshes")
    _restore_telemetry()
    _restore_predictions()
    _restore_bete_runs()
    op.execute("DROP TABLE runs")
    _create_top_superconductors("tc_kelvin > 1.0")


def _create_runs() -> None:
    op.execute(
        """
        CREATE TABLE runs (
            id VARCHAR NOT NULL,
            kind VARCHAR NOT NULL,
            label VARCHAR,
            settings JSONB DEFAULT '{}' NOT NULL,
            created_by VARCHAR NOT NULL,
            created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            finished_at TIMESTAMPTZ,
            CONSTRAINT runs_pkey PRIMARY KEY (id),
            CONSTRAINT ck_runs_kind_given CHECK (kind <> '')
        )
        """
    )
    op.execute("CREATE INDEX ix_runs_created_at ON runs (created_at DESC)")
    op.execute(
        """
        INSERT INTO runs (id, kind, label, created_by, created_at)
        SELECT id, 'legacy', 'run of an earlier version, known by its id only', coalesce(max(by), 'unknown'),
               coalesce(min(at) AT TIME ZONE 'UTC', now())
        FROM (SELECT experiment_id AS id, created_by AS by, created_at::timestamp AS at FROM htc_predictions
              UNION ALL
              SELECT parent_batch_id::varchar, created_by, created_at::timestamp FROM bete_runs) AS mentioned
        WHERE id IS NOT NULL
        GROUP BY id
        """
    )


def _mend_bete_runs() -> None:
    op.execute(
        """
        UPDATE bete_runs AS older SET input_hash = older.input_hash || '#' || older.id
        FROM (SELECT id, row_number() OVER (PARTITION BY input_hash
                                            ORDER BY created_at DESC NULLS LAST, id) AS n
              FROM bete_runs WHERE input_hash IS NOT NULL) AS ranked
        WHERE ranked.id = older.id AND ranked.n > 1
        """
    )
    op.execute(
        """
        ALTER TABLE bete_runs
            ALTER COLUMN created_at TYPE TIMESTAMPTZ USING created_at::timestamp AT TIME ZONE 'UTC',
            ALTER COLUMN created_at SET DEFAULT now(),
            ALTER COLUMN parent_batch_id TYPE VARCHAR USING parent_batch_id::varchar,
            ALTER COLUMN input_hash TYPE VARCHAR,
            ADD COLUMN legacy_defects VARCHAR[] DEFAULT '{}' NOT NULL
        """
    )
    _lay_rules("bete_runs", BETE_RULES)
    op.execute(
        """
        ALTER TABLE bete_runs
            ADD CONSTRAINT uq_bete_runs_input_hash UNIQUE (input_hash),
            ADD CONSTRAINT fk_bete_runs_parent_batch_id FOREIGN KEY (parent_batch_id) REFERENCES runs (id)
        """
    )


def _mend_predictions() -> None:
    op.execute(
        """
        ALTER TABLE htc_predictions
            ADD COLUMN source VARCHAR,
            ADD COLUMN family VARCHAR,
            ADD COLUMN applicable BOOLEAN DEFAULT true NOT NULL,
            ADD COLUMN reason VARCHAR,
            ADD COLUMN omega_2 DOUBLE PRECISION,
            ADD COLUMN lambda_ep_uncertainty DOUBLE PRECISION,
            ADD COLUMN omega_log_uncertainty DOUBLE PRECISION,
            ADD COLUMN extrapolation_reasons VARCHAR[] DEFAULT '{}' NOT NULL,
            ADD COLUMN structure_origin VARCHAR,
            ADD COLUMN model_id VARCHAR,
            ADD COLUMN input_hash VARCHAR,
            ADD COLUMN bete_run_id UUID,
            ADD COLUMN provenance JSONB DEFAULT '{}' NOT NULL,
            ADD COLUMN legacy_defects VARCHAR[] DEFAULT '{}' NOT NULL
        """
    )
    for column in TEXT_BOOLEANS:
        op.execute(
            f"""
            UPDATE htc_predictions
            SET provenance = jsonb_set(
                jsonb_build_object('before_004', '{{}}'::jsonb) || provenance,
                '{{before_004,{column}}}', to_jsonb({column}))
            WHERE {column} IS NOT NULL AND ({_as_boolean(column)}) IS NULL
            """  # noqa: S608 - column names from this file
        )
    conversions = ",\n".join(
        f"ALTER COLUMN {column} TYPE BOOLEAN USING {_as_boolean(column)}" for column in TEXT_BOOLEANS
    )
    op.execute(
        f"""
        ALTER TABLE htc_predictions
            {conversions},
            ALTER COLUMN created_at TYPE TIMESTAMPTZ USING created_at::timestamp AT TIME ZONE 'UTC',
            ALTER COLUMN created_at SET DEFAULT now(),
            ALTER COLUMN tc_predicted DROP NOT NULL,
            ALTER COLUMN tc_lower_95ci DROP NOT NULL,
            ALTER COLUMN tc_upper_95ci DROP NOT NULL,
            ALTER COLUMN tc_uncertainty DROP NOT NULL,
            ALTER COLUMN lambda_ep DROP NOT NULL,
            ALTER COLUMN omega_log DROP NOT NULL,
            ALTER COLUMN mu_star DROP NOT NULL,
            ALTER COLUMN xi_parameter DROP NOT NULL,
            ALTER COLUMN confidence_level DROP NOT NULL
        """
    )
    _lay_rules("htc_predictions", PREDICTION_RULES)
    op.execute(
        """
        ALTER TABLE htc_predictions
            ADD CONSTRAINT uq_htc_predictions_input_hash UNIQUE (input_hash),
            ADD CONSTRAINT fk_htc_predictions_experiment_id FOREIGN KEY (experiment_id) REFERENCES runs (id),
            ADD CONSTRAINT fk_htc_predictions_bete_run_id FOREIGN KEY (bete_run_id) REFERENCES bete_runs (id)
        """
    )
    op.execute(
        "CREATE INDEX ix_htc_predictions_ranking ON htc_predictions (tc_predicted DESC NULLS LAST, id)"
    )
    op.execute("CREATE INDEX ix_htc_predictions_reduced_formula ON htc_predictions (reduced_formula)")
    op.execute("CREATE INDEX ix_htc_predictions_experiment_id ON htc_predictions (experiment_id)")
    op.execute("CREATE INDEX ix_htc_predictions_bete_run_id ON htc_predictions (bete_run_id)")
    op.execute(OLD_VIEW.format(**{column: _as_old_text(column) for column in TEXT_BOOLEANS}))


def _mend_telemetry() -> None:
    op.execute(
        """
        ALTER TABLE test_telemetry
            ALTER COLUMN created_at TYPE TIMESTAMPTZ USING created_at::timestamp AT TIME ZONE 'UTC',
            ALTER COLUMN created_at SET DEFAULT now()
        """
    )


def _create_rankings() -> None:
    op.execute(
        """
        CREATE TABLE ranking_refreshes (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            view_name VARCHAR NOT NULL,
            started_at TIMESTAMPTZ NOT NULL,
            finished_at TIMESTAMPTZ NOT NULL,
            covers_until TIMESTAMPTZ NOT NULL,
            row_count BIGINT NOT NULL,
            CONSTRAINT ranking_refreshes_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute("CREATE INDEX ix_ranking_refreshes_view ON ranking_refreshes (view_name, started_at DESC)")
    # One NaN or infinity of an earlier version would make its formula's average the highest of all.
    _create_top_superconductors("tc_kelvin > 1.0 AND tc_kelvin < 'Infinity'")
    op.execute(
        """
        INSERT INTO ranking_refreshes (view_name, started_at, finished_at, covers_until, row_count)
        SELECT 'top_superconductors', now(), clock_timestamp(), now(), count(*) FROM top_superconductors
        """
    )


def _create_top_superconductors(rankable: str) -> None:
    op.execute(
        f"""
        CREATE MATERIALIZED VIEW top_superconductors AS
        SELECT structure_formula,
               avg(tc_kelvin) AS avg_tc,
               count(*) AS prediction_count,
               max(created_at) AS last_prediction
        FROM bete_runs
        WHERE {rankable}
        GROUP BY structure_formula
        """  # noqa: S608 - conditions from this file
    )
    op.execute(
        "CREATE UNIQUE INDEX idx_top_superconductors_formula ON top_superconductors (structure_formula)"
    )
    op.execute("CREATE INDEX idx_top_superconductors_avg_tc ON top_superconductors (avg_tc DESC)")


def _lay_rules(table: str, rules: dict[str, str]) -> None:
    broken = ", ".join(f"CASE WHEN ({rule}) IS FALSE THEN '{name}' END" for name, rule in rules.items())
    any_broken = " OR ".join(f"({rule}) IS FALSE" for rule in rules.values())
    op.execute(
        f"UPDATE {table} SET legacy_defects = array_remove(ARRAY[{broken}]::varchar[], NULL)"  # noqa: S608 - as above
        f" WHERE {any_broken}"
    )
    checks = ",\n".join(
        f"ADD CONSTRAINT ck_{table}_{name} CHECK ('{name}' = ANY (legacy_defects) OR ({rule}))"
        for name, rule in rules.items()
    )
    op.execute(f"ALTER TABLE {table}\n{checks}")


def _lift_rules(table: str, rules: dict[str, str]) -> None:
    op.execute(f"ALTER TABLE {table} " + ", ".join(f"DROP CONSTRAINT ck_{table}_{name}" for name in rules))


def _restore_telemetry() -> None:
    op.execute(
        """
        ALTER TABLE test_telemetry
            ALTER COLUMN created_at DROP DEFAULT,
            ALTER COLUMN created_at TYPE TIMESTAMP USING created_at AT TIME ZONE 'UTC'
        """
    )


def _restore_predictions() -> None:
    _lift_rules("htc_predictions", PREDICTION_RULES)
    conversions = ",\n".join(
        f"ALTER COLUMN {column} TYPE VARCHAR USING {_as_old_text(column, name=False)}"
        for column in TEXT_BOOLEANS
    )
    op.execute(
        f"""
        ALTER TABLE htc_predictions
            {conversions},
            ALTER COLUMN created_at DROP DEFAULT,
            ALTER COLUMN created_at TYPE TIMESTAMP USING created_at AT TIME ZONE 'UTC'
        """
    )
    op.execute("DROP INDEX ix_htc_predictions_ranking")
    op.execute("DROP INDEX ix_htc_predictions_reduced_formula")
    op.execute("DROP INDEX ix_htc_predictions_experiment_id")
    op.execute(
        """
        ALTER TABLE htc_predictions
            DROP CONSTRAINT fk_htc_predictions_experiment_id,
            DROP COLUMN source, DROP COLUMN family, DROP COLUMN applicable, DROP COLUMN reason,
            DROP COLUMN omega_2, DROP COLUMN lambda_ep_uncertainty, DROP COLUMN omega_log_uncertainty,
            DROP COLUMN extrapolation_reasons, DROP COLUMN structure_origin, DROP COLUMN model_id,
            DROP COLUMN input_hash, DROP COLUMN bete_run_id, DROP COLUMN provenance,
            DROP COLUMN legacy_defects
        """
    )


def _restore_bete_runs() -> None:
    _lift_rules("bete_runs", BETE_RULES)
    op.execute(
        f"""
        ALTER TABLE bete_runs
            DROP CONSTRAINT uq_bete_runs_input_hash,
            DROP CONSTRAINT fk_bete_runs_parent_batch_id,
            DROP COLUMN legacy_defects,
            ALTER COLUMN input_hash TYPE VARCHAR(128) USING left(split_part(input_hash, '#', 1), 128),
            ALTER COLUMN parent_batch_id TYPE UUID
                USING CASE WHEN parent_batch_id ~ '{UUID_PATTERN}' THEN parent_batch_id::uuid END,
            ALTER COLUMN created_at DROP DEFAULT,
            ALTER COLUMN created_at TYPE TIMESTAMP USING created_at AT TIME ZONE 'UTC'
        """
    )


def _as_boolean(column: str) -> str:
    text = f"lower(btrim({column}::varchar))"
    return (
        f"CASE WHEN {text} IN ('true', 't', 'yes', '1') THEN true"
        f" WHEN {text} IN ('false', 'f', 'no', '0') THEN false END"
    )


def _as_old_text(column: str, *, name: bool = True) -> str:
    text = f"coalesce({column}::varchar, provenance -> 'before_004' ->> '{column}')::varchar"
    return f"{text} AS {column}" if name else text
