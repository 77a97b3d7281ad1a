"""Room for what a prediction says besides Tc: the tier of the model, omega_2, experiment, stability.

Rows that are there already hold NULL in every new column: nobody knows which tier spoke, or whether a
spectrum of theirs was computed or formed from moments. Nothing is written into them: the upgrade reads each
table once, for the rules, and rewrites none. The views of the 003 shape name their columns and stay as they
are.
"""

from __future__ import annotations

from alembic import op

revision = "006_model_tiers"
down_revision = "005_structures_findings"
branch_labels = None
depends_on = None

COLUMNS = {
    "htc_predictions": {
        "omega_2_uncertainty": "DOUBLE PRECISION",
        "tc_experiment": "DOUBLE PRECISION",
        "tc_experiment_lower_95ci": "DOUBLE PRECISION",
        "tc_experiment_upper_95ci": "DOUBLE PRECISION",
        "model_tier": "VARCHAR",
        "phonon_verdict": "VARCHAR",
        "lowest_frequency_thz": "DOUBLE PRECISION",
        "hull_competitors": "INTEGER",
        "stability_potential": "VARCHAR",
    },
    "bete_runs": {"spectrum_origin": "VARCHAR"},
}

# NaN counts as larger than infinity in PostgreSQL, so these refuse it too.
RULES = {
    "htc_predictions": {
        "omega_2_uncertainty_valid": "omega_2_uncertainty >= 0 AND omega_2_uncertainty < 'Infinity'",
        "experiment_valid": "tc_experiment >= 0 AND tc_experiment < 'Infinity'",
        "experiment_interval_ordered": (
            "(tc_experiment_lower_95ci IS NULL) = (tc_experiment_upper_95ci IS NULL)"
            " AND (tc_experiment_lower_95ci IS NULL OR (tc_experiment IS NOT NULL"
            " AND 0 <= tc_experiment_lower_95ci AND tc_experiment_lower_95ci <= tc_experiment"
            " AND tc_experiment <= tc_experiment_upper_95ci AND tc_experiment_upper_95ci < 'Infinity'))"
        ),
        "tier_known": "model_tier IN ('fast', 'default', 'best')",
        "phonon_verdict_known": "phonon_verdict IN ('stable', 'unstable', 'undecided')",
        "phonon_verdict_agrees": (
            "phonon_verdict IS NULL OR phonon_stable IS NOT DISTINCT FROM"
            " CASE phonon_verdict WHEN 'stable' THEN true WHEN 'unstable' THEN false END"
        ),
        "lowest_frequency_valid": "lowest_frequency_thz > '-Infinity' AND lowest_frequency_thz < 'Infinity'",
        "hull_competitors_valid": "hull_competitors >= 0",
        "stability_potential_named": "stability_potential <> ''",
    },
    "bete_runs": {
        "spectrum_origin_known": "spectrum_origin IN ('measured', 'surrogate')",
        "spectrum_origin_of_one": "spectrum_origin IS NULL OR alpha2f_omega IS NOT NULL",
    },
}
"""A CHECK passes where it is NULL: an empty column breaks none of them."""


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        # One statement a table, so that all its rules are checked in one reading.
        parts = [f"ADD COLUMN {name} {type_}" for name, type_ in columns.items()]
        parts += [f"ADD CONSTRAINT ck_{table}_{name} CHECK ({rule})" for name, rule in RULES[table].items()]
        op.execute(f"ALTER TABLE {table}\n    " + ",\n    ".join(parts))


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        parts = [f"DROP CONSTRAINT ck_{table}_{name}" for name in RULES[table]]
        parts += [f"DROP COLUMN {name}" for name in columns]
        op.execute(f"ALTER TABLE {table}\n    " + ",\n    ".join(parts))
