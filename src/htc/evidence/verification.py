"""Whether a pack still holds: everything in it recomputed, number by number."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htc.errors import HTCError, InputError
from htc.evidence.checks.again import check_again, check_card
from htc.evidence.checks.check import GROUPS, Check, Status, differs, unchecked
from htc.evidence.checks.files import check_crate, check_environment, check_files, check_parts
from htc.evidence.checks.inputs import check_spectrum, check_structure, spectrum_in, structure_in
from htc.evidence.checks.numbers import check_arithmetic, check_record, check_theory, check_worksheet
from htc.evidence.checks.words import check_words
from htc.evidence.crate import CRATE_FILE, licence_in
from htc.evidence.pack import Ingredients, files_of
from htc.evidence.reading import OpenedPack, open_pack, read_json
from htc.evidence.worksheet import worksheet_of
from htc.version import __version__

__all__ = ["Group", "Verification", "verify_pack"]


@dataclass(frozen=True, slots=True)
class Group:
    """The checks of one subject."""

    name: str
    checks: tuple[Check, ...]

    @property
    def title(self) -> str:
        """The subject in words."""
        return GROUPS[self.name]

    @property
    def status(self) -> Status:
        """The worst of its checks."""
        found = {check.status for check in self.checks}
        return "differs" if "differs" in found else "unchecked" if found == {"unchecked"} else "ok"


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out."""

    source: str
    made_by: str | None
    """Version of HTC that made the pack, as it says."""
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether everything that could be checked comes out."""
        return not any(check.status == "differs" for check in self.checks)

    @property
    def wrong_files(self) -> tuple[str, ...]:
        """Files of the pack in which something does not come out."""
        return tuple(sorted({c.where for c in self.checks if c.status == "differs" and c.where}))

    @property
    def summary(self) -> str:
        """One sentence."""
        n = {s: sum(c.status == s for c in self.checks) for s in ("ok", "differs", "unchecked")}
        rest = f"; {n['unchecked']} could not be checked" if n["unchecked"] else ""
        if self.holds:
            return f"everything comes out: {n['ok']} checks{rest}"
        named = ", ".join(self.wrong_files)
        return f"{n['differs']} of {n['ok'] + n['differs']} checks do not come out{rest}: {named}"

    def groups(self) -> list[Group]:
        """The checks by subject."""
        found = [Group(name, tuple(c for c in self.checks if c.group == name)) for name in GROUPS]
        return [group for group in found if group.checks]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "source": self.source,
            "holds": self.holds,
            "summary": self.summary,
            "made_by": self.made_by,
            "verified_by": __version__,
            "wrong_files": list(self.wrong_files),
            "checks": [check.as_dict() for check in self.checks],
        }


def verify_pack(
    source: Path | bytes, *, with_model: bool = True, model_folder: Path | None = None
) -> Verification:
    """Recompute a pack. No database is needed, and nothing is written anywhere.

    Args:
        source: a file, or its content.
        with_model: predict again, where the model that spoke is installed.
        model_folder: where other models than the package's are, see the setting ``HTC_MODEL``.

    Raises:
        InputError: it is no zip, or one that no pack ever is (see :func:`htc.evidence.reading.open_pack`).
    """
    pack = open_pack(source)
    checks = tuple(_checks(pack, with_model=with_model, model_folder=model_folder))
    made_by = None
    try:
        environment = read_json(pack.files["environment.json"], "environment.json")
        made_by = str(environment["htc"])[:40]
    except (KeyError, TypeError, InputError):
        pass  # told among the checks
    name = str(source) if isinstance(source, Path) else "pack"
    return Verification(name, made_by, checks)


def _checks(pack: OpenedPack, *, with_model: bool, model_folder: Path | None) -> Iterator[Check]:
    yield from check_files(pack)
    record = yield from _json(pack, "prediction.json", "record")
    found = list(check_record(record)) if record is not None else []
    yield from found
    if record is None or any(c.status == "differs" and c.what == "follows its schema" for c in found):
        for group in ("worksheet", "theory"):
            yield unchecked(group, "everything", note="without a record there is nothing to compare with")
        return
    yield from check_parts(record, pack)
    card = yield from _json(pack, "model/card.json", "files")
    experiment = yield from _json(pack, "model/experiment.json", "files")
    environment = yield from _json(pack, "environment.json", "files")
    crate = yield from _json(pack, CRATE_FILE, "files")
    if crate is not None:
        yield from check_crate(crate, pack)
    if environment is not None:
        yield from check_environment(environment)
    spectrum, whole_spectrum = yield from _attempt("spectrum", lambda: spectrum_in(pack), None)
    (document, structure), whole_structure = yield from _attempt(
        "structure", lambda: structure_in(pack), (None, None)
    )
    if spectrum is not None:
        yield from check_spectrum(record, pack, spectrum)
    if document is not None:
        yield from check_structure(record, pack, document, structure)
    stated = yield from _json(pack, "worksheet.json", "worksheet")
    mine, made = yield from _attempt("worksheet", lambda: worksheet_of(record, spectrum, experiment), None)
    if stated is not None:
        yield from check_arithmetic(stated)
    if mine is not None:
        if stated is not None:
            yield from check_worksheet(stated, mine)
        yield from check_theory(record, mine.formula)
    if card is not None:
        yield from check_card(record, card)
    elif record["model_id"] is not None:
        yield unchecked("model", "the card", None, "the pack has none: it was not kept with the prediction")
    if not with_model:
        yield unchecked("model", "the prediction", "prediction.json", "not asked for")
    elif whole_structure and whole_spectrum:
        yield from check_again(record, structure, spectrum, card, experiment, model_folder)
    if not (made and whole_spectrum and whole_structure and isinstance(environment, dict)):
        yield unchecked("words", "everything", note="what they follow from cannot be read")
        return
    again, _ = yield from _attempt(
        "words",
        lambda: files_of(
            Ingredients(
                record=record,
                structure=document,
                spectrum=spectrum,
                card=card,
                experiment=experiment,
                environment=environment,
                licence=licence_in(crate),
            )
        ),
        None,
    )
    if again is not None:
        yield from check_words(pack.files, again, environment)


def _json(pack: OpenedPack, path: str, group: str) -> Generator[Check, None, Any]:
    """Read a JSON object of the pack; None, and a check, where that fails."""
    if path not in pack.files:
        return None
    try:
        value = read_json(pack.files[path], path)
    except InputError as error:
        yield differs(group, "can be read", path, error.what)
        return None
    if not isinstance(value, dict):
        yield differs(group, "can be read", path, "it is no object")
        return None
    return value


def _attempt(group: str, make: Callable[[], Any], otherwise: Any) -> Generator[Check, None, tuple[Any, bool]]:
    """What ``make`` makes, and whether it could; a check where it could not."""
    try:
        return make(), True
    except HTCError as error:
        yield differs(group, "can be read", error.where, error.what)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        # A stranger's JSON of a form that no pack has; its values are not to be trusted either.
        yield differs(group, "has the form of a pack", None, f"{type(error).__name__}: {str(error)[:100]}")
    return otherwise, False
