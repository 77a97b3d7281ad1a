"""Requests for predictions: answered from the store where it knows the answer, else predicted together.

A question goes through three rooms. Reading its material is done in threads, so that a file that takes long
holds nobody up. One thread asks the model, about all materials that came meanwhile at once: the networks
take twice as long for each crystal alone. Another stores what it said, in one transaction.

What was asked before is known by its words: a formula of the library or the text of a file always means the
same crystal. Whether its answer is still there is asked of the database every time.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Response

from htc.errors import DatabaseUnavailableError, InputError, SchemaError, StorageError, StoreError
from htc.prediction import Failure, Material, Prediction
from htc.service.answers import dumps
from htc.service.batching import MicroBatcher
from htc.service.metrics import Outcome
from htc.service.sharing import SharedLooks
from htc.store import save
from htc.store.records import Record, prediction_records, records_by_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from htc.materials.inputs import InputItem
    from htc.service.schemas import MaterialRequest
    from htc.service.state import Service

__all__ = ["PredictionDesk", "Question", "material_of"]

T = TypeVar("T")

TOGETHER: Final = 32
"""Materials the model sees at once."""
WAITING: Final = 512
"""Materials that may wait for it: some fifteen seconds of work."""
_READERS: Final = 4
"""Threads that read structures."""
_ASKERS: Final = 8
"""Threads that ask the database."""
_READ_AT_ONCE: Final = 64
"""Stored predictions read by one statement."""
_LOOKERS: Final = 4
"""Threads that look at pages which many may ask for."""
_REMEMBERED: Final = 20_000
"""Questions whose hash is known without reading their material again."""


@dataclass(frozen=True, slots=True)
class Question:
    """One material under given conditions, and for whom."""

    request: MaterialRequest
    pressure_gpa: float
    mu_star: float
    source: str
    """Name of the input, stored with the answer."""
    created_by: str
    run: str | None = None
    with_spectrum: bool = False
    """Form a surrogate alpha2F, too."""

    @property
    def words(self) -> Hashable:
        """The same for questions in the same words."""
        r = self.request
        text = (
            None if r.structure is None else hashlib.sha256(r.structure.encode("utf-8", "replace")).digest()
        )
        return (
            r.composition,
            text,
            r.structure_format,
            r.structure_id,
            self.pressure_gpa,
            self.mu_star,
            self.with_spectrum,
        )


def material_of(service: Service, request: MaterialRequest, source: str) -> InputItem:
    """The material a request names.

    Raises:
        InputError: none, or several ways to name one; or it cannot be read.
        NotFoundError: nothing stored has that id.
        StoreError: the database does not answer.
    """
    from htc.materials.formulas import parse_formula
    from htc.materials.inputs import InputItem
    from htc.materials.reading import as_structure, parse_structure
    from htc.store.records import structure_id_of, structure_record

    given = [name for name in _WAYS if getattr(request, name) is not None]
    if len(given) != 1:
        raise InputError(
            "exactly one of them is required" if given else "one of them is required",
            where=", ".join(given or _WAYS),
            hint="a formula, the text of a structure file, or the id of a stored crystal",
        )
    if request.composition is not None:
        return InputItem(source, "formula", parse_formula(request.composition))
    if request.structure is not None:
        loaded = parse_structure(request.structure, request.structure_format, source="structure")
        return InputItem(source, "structure", loaded.structure, loaded.notes)
    found = structure_record(service.database, structure_id_of(service.database, request.structure_id or ""))
    return InputItem(source, "structure", as_structure(found["structure"], source="structure_id"))


_WAYS: Final = ("composition", "structure", "structure_id")


class PredictionDesk:
    """Answers questions, many at a time. One for each process, over one database.

    Args:
        service: whose model and database are asked.
    """

    def __init__(self, service: Service) -> None:
        """Start the threads that predict and store."""
        self._service = service
        self._predictor = service.predictor()
        self._readers = CapacityLimiter(_READERS)
        self._askers = CapacityLimiter(_ASKERS)
        self._looks = SharedLooks(_LOOKERS)
        self._on_the_way = 0
        """Materials that are being read, and will be handed to the model."""
        self._known: OrderedDict[Hashable, str] = OrderedDict()
        self._lookup: MicroBatcher[str, Record | None] = MicroBatcher(
            self._look_up, most=_READ_AT_ONCE, waiting=100 * WAITING, name="htc-read", together=(StoreError,)
        )
        self._model: MicroBatcher[tuple[Material, float, bool], Prediction] = MicroBatcher(
            self._predict,
            most=TOGETHER,
            waiting=WAITING,
            name="htc-predict",
            expected=lambda: self._on_the_way,
        )
        self._store: MicroBatcher[tuple[Prediction, Question], tuple[Record, bool]] = MicroBatcher(
            self._save,
            most=100,
            waiting=10 * WAITING,
            name="htc-save",
            together=(DatabaseUnavailableError, SchemaError, StorageError),
        )

    def close(self) -> None:
        """Finish what waits and end the threads."""
        self._model.close()
        self._store.close()
        self._lookup.close()

    async def ask(self, question: Question) -> tuple[Record, bool]:
        """The stored prediction that answers a question, and whether it was made for it.

        Raises:
            HTCError: whatever is wrong with the material, the model or the database.
        """
        (answer,) = await self.ask_all([question], bulk=False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask_all(
        self, questions: Sequence[Question], *, bulk: bool = True
    ) -> list[tuple[Record, bool] | Exception]:
        """Answers to several questions, in order; what is wrong with one does not stop the others.

        An exception that is no ``HTCError`` is a fault of the program.

        Args:
            questions: a few dozens: they are in memory together.
            bulk: let single questions of others go first.
        """
        began = time.perf_counter()
        try:
            known = await self._from_store({i: self._known.get(q.words) for i, q in enumerate(questions)})
        except StoreError as error:
            answers: list[tuple[Record, bool] | Exception] = [error] * len(questions)
        else:
            left = [i for i in range(len(questions)) if i not in known]
            found = await asyncio.gather(
                *(self._answer(questions[i], bulk) for i in left), return_exceptions=True
            )
            by_place = {i: (record, False) for i, record in known.items()} | dict(
                zip(left, found, strict=True)
            )
            answers = []
            for i in range(len(questions)):
                answer = by_place[i]
                if isinstance(answer, BaseException) and not isinstance(answer, Exception):
                    raise answer
                answers.append(answer)
        tier, seconds = self._service.settings.tier, time.perf_counter() - began
        for answer in answers:
            self._service.metrics.count_prediction(_outcome(answer), tier, seconds)
        return answers

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run a look into the database in a thread."""
        return await to_thread.run_sync(work, limiter=self._askers)

    async def page(self, key: Hashable, look: Callable[[], object]) -> Response:
        """The answer with what a look into the database finds; many who ask for the same share it."""
        body = await self._looks.take(key, lambda: dumps(look()))
        return Response(body, media_type="application/json")

    async def _from_store(self, hashes: dict[int, str | None]) -> dict[int, Record]:
        """What is stored under hashes, by the same numbers."""
        wanted = {i: found for i, found in hashes.items() if found is not None}
        looked = [asyncio.wrap_future(self._lookup.submit(found)) for found in wanted.values()]
        records = await asyncio.gather(*looked)
        return {i: record for i, record in zip(wanted, records, strict=True) if record is not None}

    def _look_up(self, hashes: Sequence[str]) -> list[Record | None]:
        found = records_by_hash(self._service.database, list(dict.fromkeys(hashes)))
        return [found.get(one) for one in hashes]

    async def _answer(self, question: Question, bulk: bool) -> tuple[Record, bool]:
        self._on_the_way += 1
        try:
            material = await to_thread.run_sync(self._prepared, question, limiter=self._readers)
            # Other words for what was asked before.
            meaning = (*material.identity, question.pressure_gpa, question.mu_star, question.with_spectrum)
            known = await self._from_store({0: self._known.get(meaning)})
        finally:
            self._on_the_way -= 1
        if known:
            self._remember(question, material, known[0]["input_hash"], meaning)
            return known[0], False
        prediction = await asyncio.wrap_future(
            self._model.submit((material, question.mu_star, question.with_spectrum), bulk=bulk)
        )
        answer = await asyncio.wrap_future(self._store.submit((prediction, question), bulk=bulk))
        self._remember(question, material, prediction.input_hash, meaning)
        return answer

    def _prepared(self, question: Question) -> Material:
        item = material_of(self._service, question.request, question.source)
        material = self._predictor.prepare(item, question.pressure_gpa)
        if isinstance(material, Failure):
            raise material.error
        material.identity  # noqa: B018  # found out here, where it holds nobody up
        return material

    def _predict(self, asked: Sequence[tuple[Material, float, bool]]) -> list[Prediction]:
        from htc.prediction.surrogate import with_surrogate_spectrum

        found = self._predictor.predict_prepared([(material, mu_star) for material, mu_star, _ in asked])
        return [
            with_surrogate_spectrum(prediction) if wanted else prediction
            for prediction, (_, _, wanted) in zip(found, asked, strict=True)
        ]

    def _save(self, given: Sequence[tuple[Prediction, Question]]) -> list[tuple[Record, bool] | Exception]:
        ids: list[tuple[str, bool] | None] = [None] * len(given)
        by_owner: dict[tuple[str | None, str], list[int]] = {}
        for i, (_, question) in enumerate(given):
            by_owner.setdefault((question.run, question.created_by), []).append(i)
        for (run, created_by), members in by_owner.items():
            saved = save(
                self._service.database, [given[i][0] for i in members], run=run, created_by=created_by
            )
            for i, one in zip(members, saved, strict=True):
                ids[i] = one.id, one.is_new
        if any(one is not None and one[1] for one in ids):
            self._service.rankings.note_new_row()
        records = prediction_records(self._service.database, [one[0] for one in ids if one is not None])
        return [
            (records[one[0]], one[1])
            if one is not None and one[0] in records
            else StoreError("the prediction was removed as it was being stored")
            for one in ids
        ]

    def _remember(self, question: Question, material: Material, input_hash: str, meaning: Hashable) -> None:
        keys = [meaning]
        # Which crystal a formula means may change as people store crystals and providers learn of others.
        if question.request.composition is None or (material.origin or "").startswith("library"):
            keys.append(question.words)
        for key in keys:
            self._known[key] = input_hash
            self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def _outcome(answer: tuple[Record, bool] | Exception) -> Outcome:
    if isinstance(answer, Exception):
        return "rejected" if isinstance(answer, InputError) else "failed"
    record, is_new = answer
    if not is_new:
        return "repeated"
    return "predicted" if record["applicable"] else "outside_theory"
