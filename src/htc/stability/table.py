"""Hull distances that somebody computed already, looked up by composition in a table the user imported.

Needs no potential. The energies are of the table's functional, named in every answer: they are never put into
one hull with a potential's.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.errors import FormulaError, InputError, NotFoundError, StorageError
from htc.materials.formulas import formula_amounts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableAnswer", "TableInfo", "import_table", "look_up", "tables"]

_FOLDER: Final = "tables"
_METADATA: Final = b"htc"
_BATCH: Final = 65_536


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the columns of a table are called, and what its publisher says of all of it."""

    entry_id: str
    formula: str
    formation: str
    hull: str
    name: str | None = None
    functional: str | None = None
    source: str | None = None


_LAYOUTS: Final = (
    _Layout(
        "jid",
        "formula",
        "formation_energy_per_atom",
        "ehull",
        "jarvis-dft-3d",
        "OptB88vdW",
        "JARVIS-DFT, Choudhary et al., npj Comput. Mater. 6, 173 (2020), doi:10.1038/s41524-020-00440-1",
    ),
    _Layout("id", "formula", "formation_energy_ev", "hull_distance_ev"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """An imported table."""

    name: str
    functional: str
    """Exchange-correlation functional of every energy in it."""
    source: str
    """Its publication, or the file it came from."""
    rows: int
    rejected: int
    """Lines without a formula or without finite numbers."""
    sha256: str
    """Of the file it was imported from."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAnswer:
    """The lowest crystal of a composition in a table."""

    table: str
    functional: str
    source: str
    formula: str
    entry_id: str
    hull_distance_ev: float
    """Of that crystal to the table's own hull, eV/atom."""
    formation_ev: float
    """eV/atom."""
    crystals: int
    """How many crystals of this composition the table holds; which of them is yours it cannot tell."""

    @property
    def says(self) -> str:
        """The answer in a sentence, with the functional."""
        of = "the only crystal" if self.crystals == 1 else f"the lowest of {self.crystals} crystals"
        return (
            f"{self.hull_distance_ev:.3f} eV/atom above the hull of {self.table} ({self.functional}):"
            f" {self.entry_id}, {of} of {self.formula} there"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self) | {"says": self.says}


def import_table(
    file: Path, folder: Path, *, name: str | None = None, functional: str | None = None
) -> TableInfo:
    """Import a table of formation energies and hull distances.

    Columns are either JARVIS-DFT's (``jid, formula, formation_energy_per_atom, ehull``), whose functional is
    known, or ``id, formula, formation_energy_ev, hull_distance_ev`` (eV/atom). Others are passed over.

    Args:
        file: CSV, as it is or compressed with gzip.
        folder: where stability results are kept; the table goes into a folder below.
        name: name to keep it under; None for the layout's, else the file's.
        functional: functional of its energies; None for the layout's.

    Raises:
        InputError: no such file, not such a table, no functional given or known, or no usable line.
        StorageError: the folder cannot be written.
    """
    import pyarrow as pa

    where = str(file)
    layout, raw, digest = _read(file)
    functional = functional or layout.functional
    if functional is None:
        raise InputError(
            "the table does not say which functional its energies are of",
            where=where,
            hint="name it with --functional, e.g. PBE",
        )
    name = name or layout.name or file.name.split(".")[0]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise InputError(
            f"'{name}' cannot be a table's name", where="name", hint="letters, digits, dots and dashes"
        )
    columns: dict[str, list[Any]] = {c: [] for c in ("key", "formula", "entry_id", "formation", "hull")}
    rejected = 0
    for row in _rows(raw, layout):
        if row is None:
            rejected += 1
            continue
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    rows = len(columns["key"])
    if rows == 0:
        raise InputError("no line has a formula and finite numbers", where=where)
    info = TableInfo(
        name=name,
        functional=functional,
        source=layout.source or file.name,
        rows=rows,
        rejected=rejected,
        sha256=digest,
    )
    table = pa.table(columns).sort_by("key")
    _write(table, info, folder / _FOLDER / f"{name}.parquet")
    return info


def tables(folder: Path) -> list[TableInfo]:
    """The tables imported into a folder, by name.

    Raises:
        InputError: a file there that is not such a table.
    """
    return [_info(path) for path in sorted((folder / _FOLDER).glob("*.parquet"))]


def look_up(formula: str, folder: Path) -> list[TableAnswer]:
    """What the imported tables say of a composition, one answer for each table that knows it.

    Args:
        formula: any way of writing it: ``"MgB2"``, ``"B4Mg2"``.
        folder: where stability results are kept.

    Raises:
        FormulaError: not a formula.
        NotFoundError: no table has been imported.
        InputError: an imported table is damaged.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    key = _key(formula)
    known = tables(folder)
    if not known:
        raise NotFoundError(
            "no table of hull distances has been imported",
            where=str(folder / _FOLDER),
            hint="import one with `htc stability import-table FILE`",
        )
    answers: list[TableAnswer] = []
    for info in known:
        found = pq.read_table(folder / _FOLDER / f"{info.name}.parquet", filters=pc.field("key") == key)
        if found.num_rows == 0:
            continue
        lowest = found.sort_by([("hull", "ascending"), ("formation", "ascending"), ("entry_id", "ascending")])
        row = lowest.slice(0, 1).to_pylist()[0]
        answers.append(
            TableAnswer(
                table=info.name,
                functional=info.functional,
                source=info.source,
                formula=row["formula"],
                entry_id=row["entry_id"],
                hull_distance_ev=row["hull"],
                formation_ev=row["formation"],
                crystals=found.num_rows,
            )
        )
    return answers


def _read(file: Path) -> tuple[_Layout, pa.Table, str]:
    import pyarrow as pa
    from pyarrow import csv

    where = str(file)
    try:
        content = file.read_bytes()
        stream = pa.input_stream(str(file), compression="detect")
        # Everything as text: a column guessed as numbers would fail on its first odd line.
        reader = csv.read_csv(stream, csv.ReadOptions(block_size=1 << 22), convert_options=_as_text(file))
    except FileNotFoundError as error:
        raise InputError("no such file", where=where) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=where) from error
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InputError(
            "not a table of comma-separated values", where=where, hint="CSV or CSV.GZ with a header is read"
        ) from error
    for layout in _LAYOUTS:
        if {layout.entry_id, layout.formula, layout.formation, layout.hull} <= set(reader.column_names):
            return layout, reader, hashlib.sha256(content).hexdigest()
    raise InputError(
        f"the columns are {', '.join(reader.column_names[:8])}",
        where=where,
        hint="id, formula, formation_energy_ev and hull_distance_ev are needed, or JARVIS-DFT's columns",
    )


def _as_text(file: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    with pa.input_stream(str(file), compression="detect") as stream:
        header = csv.open_csv(stream).schema.names
    return csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()))


def _rows(table: pa.Table, layout: _Layout) -> Iterator[tuple[str, str, str, float, float] | None]:
    """Key, formula, id, formation energy and hull distance of every line; None for one that is none."""
    columns = (layout.formula, layout.entry_id, layout.formation, layout.hull)
    keys: dict[str, str | None] = {}
    for batch in table.select(columns).to_batches(max_chunksize=_BATCH):
        for formula, entry_id, formation, hull in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            if formula not in keys:
                keys[formula] = _key_or_none(formula)
            key, numbers = keys[formula], _numbers(formation, hull)
            yield None if key is None or numbers is None else (key, formula, entry_id, *numbers)


def _numbers(*texts: str | None) -> tuple[float, float] | None:
    try:
        formation, hull = (float(text or "nan") for text in texts)
    except ValueError:
        return None
    return (formation, hull) if math.isfinite(formation) and math.isfinite(hull) else None


def _key_or_none(formula: str | None) -> str | None:
    try:
        return None if not formula else _key(formula)
    except FormulaError:
        return None


def _key(formula: str) -> str:
    """The same text for all formulas of one composition."""
    amounts = formula_amounts(formula)
    total = sum(amounts.values())
    return " ".join(f"{symbol}{n / total:.6f}" for symbol, n in sorted(amounts.items()))


def _write(table: pa.Table, info: TableInfo, path: Path) -> None:
    import pyarrow.parquet as pq

    document = json.dumps(info.as_dict()).encode()
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata({_METADATA: document}), unfinished)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StorageError(
            f"the table cannot be kept: {error.strerror or error}",
            where=str(path.parent),
            hint="make room, or set HTC_HOME to a folder that can be written",
        ) from error


def _info(path: Path) -> TableInfo:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        return TableInfo(**json.loads(metadata[_METADATA]))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "not an imported table of hull distances",
            where=str(path),
            hint="delete it and import it again with `htc stability import-table FILE`",
        ) from error
