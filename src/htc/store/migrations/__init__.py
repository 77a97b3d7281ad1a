"""The Alembic environment: one linear chain of revisions, each file named as its revision id."""
