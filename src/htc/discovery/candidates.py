"""Candidates by number: the n-th is made when it is asked for, so that a run can go on where it stopped."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from htc.discovery.requests import MAX_CANDIDATES, CandidateRequest, StructureText, Substitution
from htc.discovery.substitution import Prototype
from htc.errors import HTCError, InputError, StoreError
from htc.materials.formulas import parse_formula
from htc.materials.inputs import InputItem

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.store.database import Database

__all__ = ["Candidates", "resolve"]

_LABEL: Final = 200


def resolve(database: Database, request: CandidateRequest) -> CandidateRequest:
    """The request with its stored selection replaced by the crystals that fulfil it now.

    What is stored may grow while a run goes on; its candidates must not. Names of prototypes and ids of
    crystals that prototypes come from are looked at too; a formula or a text that cannot be read is left to
    its own item.

    Raises:
        InputError: no prototype has that name, nothing fulfils the selection, or it is too much.
        NotFoundError: nothing stored has that id.
        StoreError: the database does not answer.
    """
    from htc.store import find_structures

    for number, one in enumerate(request.substitutions):
        try:
            _prototype(database, one)
        except InputError as error:
            raise error.located(f"candidates.substitutions.{number}") from error
    wanted = request.stored
    if wanted is None:
        return request
    formula = None if wanted.formula is None else parse_formula(wanted.formula).reduced_formula
    page = find_structures(
        database,
        wanted.limit,
        elements=wanted.elements,
        without=wanted.without,
        only=wanted.only,
        formula=formula,
        spacegroup=wanted.spacegroup_number,
    )
    chosen = request.model_copy(
        update={"stored": None, "structure_ids": [*request.structure_ids, *(row.hash for row in page.rows)]}
    )
    if chosen.count == 0:
        raise InputError("no stored crystal fulfils this", where="candidates.stored")
    if chosen.count > MAX_CANDIDATES:
        raise InputError(f"more than {MAX_CANDIDATES:,} candidates", where="candidates")
    return chosen


class Candidates:
    """The candidates of a run. Making one never fails: what is wrong with it is in the item.

    Args:
        request: without a stored selection, see :func:`resolve`.
        database: where stored crystals are read.
    """

    def __init__(self, request: CandidateRequest, database: Database) -> None:
        """Make none yet."""
        self._database = database
        parts: list[tuple[int, Callable[[int], InputItem]]] = [
            (len(request.formulas), lambda i: _of_formula(request.formulas[i])),
            (len(request.structures), lambda i: _of_text(request.structures[i], i)),
            (len(request.structure_ids), lambda i: self._stored(request.structure_ids[i])),
        ]
        parts += [(one.count, self._substituted(one)) for one in request.substitutions]
        self._parts = [make for n, make in parts if n]
        self._ends = list(accumulate(n for n, _ in parts if n))

    def __len__(self) -> int:
        """How many there are."""
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: int) -> InputItem:
        """The candidate of a number, 0 to ``len - 1``.

        Raises:
            IndexError: there is none.
            StoreError: the database does not answer.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        part = bisect_right(self._ends, number)
        return self._parts[part](number - (self._ends[part - 1] if part else 0))

    def _stored(self, given: str) -> InputItem:
        label = given[:12] if len(given) > 36 else given
        try:
            structure = _read_stored(self._database, given)
        except StoreError:
            raise
        except HTCError as error:
            return InputItem(label, "error", error.located(given[:80]))
        return InputItem(f"{structure.composition.reduced_formula} {label[:8]}", "structure", structure)

    def _substituted(self, one: Substitution) -> Callable[[int], InputItem]:
        @lru_cache(maxsize=1)
        def prototype() -> Prototype | HTCError:
            try:
                return _prototype(self._database, one)
            except StoreError:
                raise
            except HTCError as error:
                return error

        replace = {symbol: tuple(dict.fromkeys(others)) for symbol, others in one.replace.items()}

        def make(number: int) -> InputItem:
            # Like a number written in digits: the last replaced element changes fastest.
            choice: dict[str, str] = {}
            for symbol, others in reversed(replace.items()):
                number, digit = divmod(number, len(others))
                choice[symbol] = others[digit]
            choice = {symbol: choice[symbol] for symbol in replace}
            known = prototype()
            name = known.name if isinstance(known, Prototype) else "prototype"
            label = f"{name}: " + ", ".join(f"{old} to {new}" for old, new in choice.items())
            if not isinstance(known, Prototype):
                return InputItem(label, "error", known)
            try:
                structure, notes = known.with_elements(choice)
            except HTCError as error:
                return InputItem(label, "error", error.located(label))
            return InputItem(label, "structure", structure, notes)

        return make


def _of_formula(text: str) -> InputItem:
    try:
        return InputItem(text, "formula", parse_formula(text))
    except HTCError as error:
        return InputItem(text, "error", error.located(text))


def _of_text(given: StructureText, number: int) -> InputItem:
    from htc.materials.reading import parse_structure

    label = given.label or f"structure {number + 1}"
    try:
        loaded = parse_structure(given.text, given.format, source=label)
    except HTCError as error:
        return InputItem(label, "error", error.located(label))
    return InputItem(label, "structure", loaded.structure, loaded.notes)


def _read_stored(database: Database, given: str) -> Structure:
    from htc.materials.reading import as_structure
    from htc.store.records import structure_id_of, structure_record

    found = structure_record(database, structure_id_of(database, given))
    return as_structure(found["structure"], source=given[:80])


def _prototype(database: Database, one: Substitution) -> Prototype:
    from htc.materials.library import library_entries
    from htc.materials.reading import parse_structure

    if one.prototype is not None:
        entries = [e for e in library_entries() if one.prototype in {e.name, e.formula}]
        if not entries:
            known = sorted({e.name for e in library_entries()})
            raise InputError(
                f"no crystal of the library is called {one.prototype!r}",
                where="prototype",
                hint="there are: " + ", ".join(known[:12]) + f" and {len(known) - 12} more",
            )
        structure, name = entries[0].structure, entries[0].name
    elif one.structure_id is not None:
        structure = _read_stored(database, one.structure_id)
        name = f"{structure.composition.reduced_formula} {one.structure_id[:8]}"
    else:
        if one.structure is None:  # a request has exactly one of the three
            raise TypeError("a substitution without a crystal")
        text = one.structure
        structure = parse_structure(text.text, text.format, source=text.label or "prototype").structure
        name = text.label or f"{structure.composition.reduced_formula} {_short_hash(text.text)}"
    prototype = Prototype(name[:_LABEL], structure)
    prototype.check(list(one.replace))
    return prototype


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
