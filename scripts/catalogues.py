"""Write what every revision of the schema consists of, or check that what is committed is still true.

    python scripts/catalogues.py            write src/htc/store/catalogues/
    python scripts/catalogues.py --check    exit 1 if a file differs from what the migrations make

The migrations run one by one on an embedded server of their own, which is thrown away.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from htc.store import catalogue
from htc.store.schema import REVISIONS

if TYPE_CHECKING:
    from htc.store.database import Database


def made_by_the_chain(database: Database) -> dict[str, catalogue.Catalogue]:
    """Run the chain on an empty database and read the schema after every revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    migrations = Path(catalogue.__file__).parent / "migrations"
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    found = {}
    for revision in REVISIONS:
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            found[revision] = catalogue.read(connection)
    return found


def as_text(one: catalogue.Catalogue) -> str:
    """The content of a revision's file."""
    return json.dumps(one.as_dict(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(check: bool) -> int:
    """Write or compare all files."""
    from htc.settings import Settings
    from htc.store.database import Database

    with (
        tempfile.TemporaryDirectory() as home,
        Database.open(Settings(home=Path(home), database_url=None), ensure_schema=False) as database,
    ):
        made = made_by_the_chain(database)
    files = {catalogue.FOLDER / f"{revision}.json": as_text(one) for revision, one in made.items()}
    stale = [f for f, content in files.items() if not f.exists() or f.read_text(encoding="utf-8") != content]
    gone = sorted(set(catalogue.FOLDER.glob("*.json")) - set(files))
    if check:
        for file in [*stale, *gone]:
            sys.stderr.write(f"{file} is not what the migrations make; run python scripts/catalogues.py\n")
        return 1 if stale or gone else 0
    catalogue.FOLDER.mkdir(exist_ok=True)
    for file in stale:
        file.write_text(files[file], encoding="utf-8")
    for file in gone:
        file.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
