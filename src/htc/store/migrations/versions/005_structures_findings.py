"""Structures stored once, campaigns over runs, rows that can be set aside, indexed filters, findings.

What becomes of rows that are there already:

- Each crystal in ``bete_runs.structure_json`` (and in ``structure_info`` of refusals) gets a row of
  ``structures``, stored once however often it was predicted, and a link to it. The columns it came from stay
  as they were.
- ``htc_predictions.elements`` is read from the composition, else from the reduced formula; a text with
  anything that is not an element in it gives NULL.
- A document that cannot be JSONB (NUL, half a surrogate pair, a number beyond every float) stays as it is,
  without a link.
- ``created_given`` asks for a time within the years 1 to 9999, infinity is none: programs cannot read it.
  Old rows that break it are excused by name and keep what they hold; averages and refreshes pass it over.
  A run whose only known time is such a one begins at the upgrade.
- Each ``model_id`` gets a row of ``models``, each run a status: finished where it has an end.
- Indexes are rebuilt for the order and the filters of the ranking. ``deleted_at`` is empty everywhere:
  nothing is set aside.

The downgrade brings back structure_json where only ``structures`` held it.
"""

from __future__ import annotations

from alembic import op

revision = "005_structures_findings"
down_revision = "004_checks_runs_provenance"
branch_labels = None
depends_on = None

SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br"
    " Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho"
    " Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es"
    " Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og D T"
)

LIVE = "deleted_at IS NULL AND tc_predicted >= 0 AND tc_predicted < 'Infinity'"
RANKED = "deleted_at IS NULL AND tc_predicted >= 1 AND tc_predicted < 'Infinity'"
"""What the filters are indexed for: the view's bound of 1 K keeps three rows of four out of these indexes."""

SET_ASIDE = "deleted_at IS NOT NULL AND tc_predicted >= 0 AND tc_predicted < 'Infinity'"

ORDER = "tc_predicted DESC NULLS LAST, id"

PRESSURE_BAND = (
    "width_bucket(pressure_required_gpa,"
    " '{0.0001,1.0001,5.0001,10.0001,20.0001,50.0001,100.0001,150.0001,200.0001,300.0001}'::float8[])"
)
HULL_BAND = "width_bucket(\"hull_distance_eV\", '{0.0001,0.0251,0.0501,0.1001,0.2001}'::float8[])"
ELEMENT_SLOTS = 6

INDEXES = {
    "ix_htc_predictions_ranking": f"({ORDER}) WHERE {LIVE}",
    "ix_htc_predictions_reduced_formula": "(reduced_formula)",
    "ix_htc_predictions_run": f"(experiment_id, {ORDER})",
    "ix_htc_predictions_model": f"(model_id, {ORDER}) WHERE {RANKED} AND model_id IS NOT NULL",
    "ix_htc_predictions_confidence": f"(confidence_level, {ORDER}) WHERE {RANKED}",
    "ix_htc_predictions_pressure": f"(({PRESSURE_BAND}), {ORDER}) WHERE {RANKED}",
    "ix_htc_predictions_phonon": f"(phonon_stable, {ORDER}) WHERE {RANKED} AND phonon_stable IS NOT NULL",
    "ix_htc_predictions_thermo": f"(thermo_stable, {ORDER}) WHERE {RANKED} AND thermo_stable IS NOT NULL",
    "ix_htc_predictions_hull": f'(({HULL_BAND}), {ORDER}) WHERE {RANKED} AND "hull_distance_eV" IS NOT NULL',
    **{
        f"ix_htc_predictions_element_{n}": (
            f"((elements[{n}]), {ORDER}) WHERE {RANKED} AND elements[{n}] IS NOT NULL"
        )
        for n in range(1, ELEMENT_SLOTS + 1)
    },
    "ix_htc_predictions_many_elements": (
        f"({ORDER}) WHERE {RANKED} AND cardinality(elements) > {ELEMENT_SLOTS}"
    ),
    "ix_htc_predictions_system": f"(elements, {ORDER}) WHERE {RANKED} AND elements IS NOT NULL",
    "ix_htc_predictions_set_aside": f"({ORDER}) WHERE {SET_ASIDE}",
    "ix_htc_predictions_bete_run_id": "(bete_run_id) WHERE bete_run_id IS NOT NULL",
    "ix_htc_predictions_structure_hash": "(structure_hash) WHERE structure_hash IS NOT NULL",
}

OLD_INDEXES = {
    "ix_htc_predictions_ranking": f"({ORDER})",
    "ix_htc_predictions_reduced_formula": "(reduced_formula)",
    "ix_htc_predictions_experiment_id": "(experiment_id)",
    "ix_htc_predictions_bete_run_id": "(bete_run_id)",
}

# As seconds since 1970: the text of a rule is then the same in every time zone.
IN_CALENDAR = (
    "created_at > to_timestamp('-62135510400'::float8) AND created_at < to_timestamp('253402214400'::float8)"
)
GIVEN = "created_at IS NOT NULL AND created_by IS NOT NULL"

TEXT_BOOLEANS = ("phonon_stable", "thermo_stable", "extrapolation_warning")


def upgrade() -> None:
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    _create_findings()
    _create_functions()
    op.execute(AS_JSONB)
    _create_structures()
    _extend_runs()
    _create_models()
    _extend_bete_runs()
    _extend_predictions()
    op.execute("DROP FUNCTION htc_as_jsonb(json)")
    _create_views(
        "tc_kelvin > 1.0 AND tc_kelvin < 'Infinity' AND deleted_at IS NULL",
        "WHERE deleted_at IS NULL",
        f"max(created_at) FILTER (WHERE {IN_CALENDAR})",
    )
    op.execute(BETE_VIEW)


def downgrade() -> None:
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.execute("DROP VIEW bete_runs_v003")
    op.execute("DROP VIEW htc_predictions_v003")
    op.execute("DROP MATERIALIZED VIEW top_superconductors")
    op.execute(AS_JSONB)
    _shrink_predictions()
    op.execute("DROP FUNCTION htc_as_jsonb(json)")
    _shrink_bete_runs()
    op.execute("DROP TABLE models")
    _shrink_runs()
    op.execute("DROP TABLE structures")
    op.execute("DROP FUNCTION htc_fill_elements()")
    op.execute("DROP FUNCTION htc_elements(text)")
    op.execute("DROP FUNCTION htc_document_hash(jsonb)")
    _create_views("tc_kelvin > 1.0 AND tc_kelvin < 'Infinity'", "", "max(created_at)")
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


def _create_functions() -> None:
    # The server's own text of a JSONB document is canonical: key order, spaces and number forms are settled.
    op.execute(
        """
        CREATE FUNCTION htc_document_hash(document jsonb) RETURNS varchar
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $$ SELECT encode(sha256(convert_to(document::text, 'UTF8')), 'hex') $$
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION htc_elements(formula text) RETURNS text[]
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $$
            SELECT CASE WHEN bool_and(m[1] = ANY ('{{{SYMBOLS.replace(" ", ",")}}}'))
                        THEN array_agg(DISTINCT m[1] ORDER BY m[1]) END
            FROM regexp_matches(formula, '[A-Z][a-z]*', 'g') AS m
        $$
        """  # noqa: S608 - symbols from this file
    )
    op.execute(
        """
        CREATE FUNCTION htc_fill_elements() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.elements := coalesce(htc_elements(NEW.composition), htc_elements(NEW.reduced_formula));
            RETURN NEW;
        END
        $$
        """
    )


def _create_structures() -> None:
    op.execute(
        """
        CREATE TABLE structures (
            hash VARCHAR GENERATED ALWAYS AS (htc_document_hash(structure)) STORED NOT NULL,
            structure JSONB NOT NULL,
            reduced_formula VARCHAR NOT NULL,
            anonymous_formula VARCHAR,
            elements TEXT[] NOT NULL,
            nelements INTEGER GENERATED ALWAYS AS (cardinality(elements)) STORED NOT NULL,
            nsites INTEGER NOT NULL,
            volume DOUBLE PRECISION,
            spacegroup_number INTEGER,
            created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            CONSTRAINT structures_pkey PRIMARY KEY (hash),
            CONSTRAINT ck_structures_elements_given CHECK (cardinality(elements) > 0),
            CONSTRAINT ck_structures_nsites_positive CHECK (nsites > 0),
            CONSTRAINT ck_structures_volume_positive CHECK (volume > 0 AND volume < 'Infinity'),
            CONSTRAINT ck_structures_spacegroup_known CHECK (spacegroup_number BETWEEN 1 AND 230)
        )
        """
    )
    op.execute("CREATE INDEX ix_structures_elements ON structures USING gin (elements)")
    op.execute("CREATE INDEX ix_structures_reduced_formula ON structures (reduced_formula)")
    op.execute("CREATE INDEX ix_structures_anonymous_formula ON structures (anonymous_formula)")
    op.execute("CREATE INDEX ix_structures_spacegroup ON structures (spacegroup_number)")


def _extend_runs() -> None:
    op.execute(
        """
        CREATE TABLE campaigns (
            id VARCHAR NOT NULL,
            name VARCHAR NOT NULL,
            description VARCHAR,
            definition JSONB DEFAULT '{}' NOT NULL,
            created_by VARCHAR NOT NULL,
            created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            deleted_at TIMESTAMPTZ,
            CONSTRAINT campaigns_pkey PRIMARY KEY (id),
            CONSTRAINT uq_campaigns_name UNIQUE (name),
            CONSTRAINT ck_campaigns_name_given CHECK (name <> '')
        )
        """
    )
    op.execute(
        """
        ALTER TABLE runs
            ADD COLUMN campaign_id VARCHAR,
            ADD COLUMN parent_id VARCHAR,
            ADD COLUMN status VARCHAR DEFAULT 'running' NOT NULL,
            ADD COLUMN settings_hash VARCHAR GENERATED ALWAYS AS (htc_document_hash(settings)) STORED,
            ADD COLUMN program_version VARCHAR,
            ADD COLUMN deleted_at TIMESTAMPTZ
        """
    )
    op.execute("UPDATE runs SET status = 'finished' WHERE finished_at IS NOT NULL OR kind = 'legacy'")
    op.execute(f"UPDATE runs SET created_at = now() WHERE NOT ({IN_CALENDAR})")  # noqa: S608 - own text
    op.execute(
        """
        ALTER TABLE runs
            ADD CONSTRAINT fk_runs_campaign_id FOREIGN KEY (campaign_id) REFERENCES campaigns (id),
            ADD CONSTRAINT fk_runs_parent_id FOREIGN KEY (parent_id) REFERENCES runs (id),
            ADD CONSTRAINT ck_runs_status_known
                CHECK (status IN ('running', 'finished', 'failed', 'cancelled')),
            ADD CONSTRAINT ck_runs_not_its_own_parent CHECK (parent_id <> id)
        """
    )
    op.execute("CREATE INDEX ix_runs_campaign_id ON runs (campaign_id) WHERE campaign_id IS NOT NULL")
    op.execute("CREATE INDEX ix_runs_parent_id ON runs (parent_id) WHERE parent_id IS NOT NULL")


def _create_models() -> None:
    op.execute(
        """
        CREATE TABLE models (
            id VARCHAR NOT NULL,
            card JSONB DEFAULT '{}' NOT NULL,
            first_used_at TIMESTAMPTZ DEFAULT now() NOT NULL,
            CONSTRAINT models_pkey PRIMARY KEY (id),
            CONSTRAINT ck_models_id_given CHECK (id <> '')
        )
        """
    )
    op.execute(
        f"""
        INSERT INTO models (id, first_used_at)
        SELECT model_id, coalesce(min(created_at) FILTER (WHERE {IN_CALENDAR}), now()) FROM htc_predictions
        WHERE model_id IS NOT NULL AND model_id <> '' GROUP BY model_id
        """  # noqa: S608 - conditions from this file
    )


def _extend_bete_runs() -> None:
    # The view has to go before the columns it reads change, and is filled anew at the end.
    op.execute("DROP MATERIALIZED VIEW top_superconductors")
    op.execute(
        """
        ALTER TABLE bete_runs
            ADD COLUMN structure_hash VARCHAR,
            ADD COLUMN deleted_at TIMESTAMPTZ
        """
    )
    _ask_for_readable_times("bete_runs")
    _store_structures("bete_runs", "structure_json", "structure_formula")
    op.execute(
        """
        ALTER TABLE bete_runs
            ADD CONSTRAINT fk_bete_runs_structure_hash
                FOREIGN KEY (structure_hash) REFERENCES structures (hash)
        """
    )
    op.execute(
        "CREATE INDEX ix_bete_runs_structure_hash ON bete_runs (structure_hash)"
        " WHERE structure_hash IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ix_bete_runs_parent_batch_id ON bete_runs (parent_batch_id)"
        " WHERE parent_batch_id IS NOT NULL"
    )


def _ask_for_readable_times(table: str) -> None:
    op.execute(
        f"""
        UPDATE {table} SET legacy_defects = array_append(legacy_defects, 'created_given')
        WHERE NOT ({IN_CALENDAR}) AND 'created_given' <> ALL (legacy_defects)
        """  # noqa: S608 - names from this file
    )
    _lay_created_given(table, f"{GIVEN} AND {IN_CALENDAR}")


def _lay_created_given(table: str, rule: str) -> None:
    name = f"ck_{table}_created_given"
    op.execute(
        f"ALTER TABLE {table} DROP CONSTRAINT {name},"
        f" ADD CONSTRAINT {name} CHECK ('created_given' = ANY (legacy_defects) OR ({rule}))"
    )


# Numbers so long are no crystal's, and neither a float nor Python's reader of JSON takes all of them.
AS_JSONB = """
CREATE FUNCTION htc_as_jsonb(document json) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    found jsonb;
BEGIN
    found := document::text::jsonb;
    RETURN CASE WHEN found::text !~ '[0-9]{250}' THEN found END;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$
"""


def _store_structures(table: str, document: str, formula: str, path: str = "") -> None:
    """A row of ``structures`` for each whole pymatgen document in a column, and the links to it.

    What does not look like one (no sites, no species, unknown symbols) is left where it is, without a link.
    """
    crystals = f"""
        SELECT t.id, t.document, {formula} AS formula,
               array(SELECT DISTINCT regexp_replace(e #>> '{{}}', '[0-9+-].*$', '')
                     FROM jsonb_path_query(t.document, '$.sites[*].species[*].element') AS e
                     ORDER BY 1) AS elements,
               jsonb_array_length(t.document -> 'sites') AS nsites
        FROM (SELECT *, htc_as_jsonb({document}) {path} AS document FROM {table}) AS t
        WHERE jsonb_typeof(t.document -> 'sites') = 'array'
    """  # noqa: S608 - names from this file
    whole = (
        "crystals.nsites > 0 AND coalesce(crystals.formula, '') <> ''"
        " AND htc_elements(array_to_string(crystals.elements, '')) IS NOT NULL"
    )
    op.execute(
        f"""
        INSERT INTO structures (structure, reduced_formula, elements, nsites, volume)
        SELECT DISTINCT ON (htc_document_hash(document)) document, formula, crystals.elements, nsites,
               CASE WHEN jsonb_typeof(document #> '{{lattice,volume}}') = 'number'
                         AND (document #>> '{{lattice,volume}}')::numeric BETWEEN 1e-100 AND 1e100
                    THEN (document #>> '{{lattice,volume}}')::float8 END
        FROM ({crystals}) AS crystals
        WHERE {whole}
        ORDER BY htc_document_hash(document)
        ON CONFLICT (hash) DO NOTHING
        """  # noqa: S608 - names from this file
    )
    op.execute(
        f"""
        UPDATE {table} SET structure_hash = htc_document_hash(document)
        FROM ({crystals}) AS crystals WHERE {table}.id = crystals.id AND {whole}
        """  # noqa: S608 - names from this file
    )


def _extend_predictions() -> None:
    op.execute("DROP VIEW htc_predictions_v003")
    for name in OLD_INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("ALTER TABLE htc_predictions DROP CONSTRAINT uq_htc_predictions_input_hash")
    op.execute(
        """
        ALTER TABLE htc_predictions
            ADD COLUMN elements TEXT[],
            ADD COLUMN structure_hash VARCHAR,
            ADD COLUMN deleted_at TIMESTAMPTZ
        """
    )
    op.execute(
        "UPDATE htc_predictions"
        " SET elements = coalesce(htc_elements(composition), htc_elements(reduced_formula))"
    )
    _ask_for_readable_times("htc_predictions")
    _store_structures("htc_predictions", "structure_info", "t.reduced_formula", "-> 'structure'")
    op.execute(
        """
        UPDATE htc_predictions SET structure_hash = bete_runs.structure_hash
        FROM bete_runs WHERE bete_runs.id = bete_run_id AND bete_runs.structure_hash IS NOT NULL
        """
    )
    op.execute("UPDATE htc_predictions SET model_id = NULL WHERE model_id = ''")
    op.execute(
        """
        ALTER TABLE htc_predictions
            ADD CONSTRAINT fk_htc_predictions_structure_hash
                FOREIGN KEY (structure_hash) REFERENCES structures (hash),
            ADD CONSTRAINT fk_htc_predictions_model_id FOREIGN KEY (model_id) REFERENCES models (id)
        """
    )
    op.execute(
        """
        CREATE TRIGGER htc_predictions_elements BEFORE INSERT ON htc_predictions
        FOR EACH ROW WHEN (NEW.elements IS NULL) EXECUTE FUNCTION htc_fill_elements()
        """
    )
    # Unique where there is a hash: rows without one, of the 003 shape, then cost this index nothing.
    op.execute(
        "CREATE UNIQUE INDEX uq_htc_predictions_input_hash ON htc_predictions (input_hash)"
        " WHERE input_hash IS NOT NULL"
    )
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON htc_predictions {definition}")
    op.execute("CREATE INDEX ix_htc_predictions_created_at ON htc_predictions USING brin (created_at)")


def _create_views(rankable: str, live: str, last: str) -> None:
    op.execute(
        f"""
        CREATE MATERIALIZED VIEW top_superconductors AS
        SELECT structure_formula,
               avg(tc_kelvin) AS avg_tc,
               count(*) AS prediction_count,
               {last} AS last_prediction
        FROM bete_runs
        WHERE {rankable}
        GROUP BY structure_formula
        """  # noqa: S608 - conditions from this file
    )
    op.execute(
        "CREATE UNIQUE INDEX idx_top_superconductors_formula ON top_superconductors (structure_formula)"
    )
    op.execute("CREATE INDEX idx_top_superconductors_avg_tc ON top_superconductors (avg_tc DESC)")
    op.execute(
        """
        INSERT INTO ranking_refreshes (view_name, started_at, finished_at, covers_until, row_count)
        SELECT 'top_superconductors', now(), clock_timestamp(), now(), count(*) FROM top_superconductors
        """
    )
    texts = {
        name: f"coalesce({name}::varchar, provenance -> 'before_004' ->> '{name}')::varchar AS {name}"
        for name in TEXT_BOOLEANS
    }
    op.execute(
        f"""
        CREATE VIEW htc_predictions_v003 AS
        SELECT id, composition, reduced_formula, structure_info, tc_predicted, tc_lower_95ci, tc_upper_95ci,
               tc_uncertainty, pressure_required_gpa, pressure_uncertainty_gpa, lambda_ep, omega_log, mu_star,
               xi_parameter, {texts["phonon_stable"]}, {texts["thermo_stable"]}, "hull_distance_eV",
               imaginary_modes_count, prediction_method, confidence_level, {texts["extrapolation_warning"]},
               experiment_id, created_by, created_at AT TIME ZONE 'UTC' AS created_at
        FROM htc_predictions {live}
        """  # noqa: S608 - conditions from this file
    )


BETE_VIEW = """
CREATE VIEW bete_runs_v003 AS
SELECT b.id, b.tc_kelvin, b.structure_formula,
       coalesce(b.structure_json, s.structure::json) AS structure_json,
       b.alpha2f_omega, b.alpha2f_alpha2f, b.lambda_ep, b.omega_log, b.mu_star, b.input_hash, b.run_type,
       b.parent_batch_id, b.created_at AT TIME ZONE 'UTC' AS created_at, b.created_by
FROM bete_runs AS b LEFT JOIN structures AS s ON s.hash = b.structure_hash
WHERE b.deleted_at IS NULL
"""


def _shrink_predictions() -> None:
    _lay_created_given("htc_predictions", GIVEN)
    op.execute("DROP TRIGGER htc_predictions_elements ON htc_predictions")
    op.execute("DROP INDEX ix_htc_predictions_created_at")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("DROP INDEX uq_htc_predictions_input_hash")
    op.execute(
        """
        UPDATE htc_predictions
        SET structure_info =
            jsonb_set(coalesce(htc_as_jsonb(structure_info), '{}'), '{structure}', s.structure)::json
        FROM structures AS s
        WHERE s.hash = structure_hash AND bete_run_id IS NULL
              AND (structure_info IS NULL OR htc_as_jsonb(structure_info) IS NOT NULL)
              AND htc_as_jsonb(structure_info) -> 'structure' IS NULL
        """
    )
    op.execute(
        """
        ALTER TABLE htc_predictions
            DROP CONSTRAINT fk_htc_predictions_model_id,
            DROP COLUMN elements, DROP COLUMN structure_hash, DROP COLUMN deleted_at,
            ADD CONSTRAINT uq_htc_predictions_input_hash UNIQUE (input_hash)
        """
    )
    for name, definition in OLD_INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON htc_predictions {definition}")


def _shrink_bete_runs() -> None:
    _lay_created_given("bete_runs", GIVEN)
    op.execute(
        """
        UPDATE bete_runs SET structure_json = s.structure::json
        FROM structures AS s WHERE s.hash = structure_hash AND structure_json IS NULL
        """
    )
    op.execute("DROP INDEX ix_bete_runs_parent_batch_id")
    op.execute("ALTER TABLE bete_runs DROP COLUMN structure_hash, DROP COLUMN deleted_at")


def _shrink_runs() -> None:
    op.execute(
        """
        ALTER TABLE runs
            DROP COLUMN campaign_id, DROP COLUMN parent_id, DROP COLUMN status, DROP COLUMN settings_hash,
            DROP COLUMN program_version, DROP COLUMN deleted_at
        """
    )
    op.execute("DROP TABLE campaigns")
