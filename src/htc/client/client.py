"""``Client``: a method for every route."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import httpx

from htc.client.streams import Event, events_of
from htc.client.transport import Transport
from htc.service.schemas import (
    BatchLine,
    BetePrediction,
    BeteRun,
    FormulaRanking,
    Health,
    MaterialAnswer,
    ModelCard,
    ModelList,
    PredictionAnswer,
    PredictionDetail,
    RankedRow,
    Ranking,
    SpectrumAnswer,
    StructureAnswer,
)
from htc.service.schemas.runs import (
    ResultsAnswer,
    RunAnswer,
    RunItemAnswer,
    RunListAnswer,
    ValidationAnswer,
    ValidationSuites,
)

__all__ = ["DEFAULT_URL", "Client"]

DEFAULT_URL: Final = "http://127.0.0.1:8000"


class Client:
    """The HTTP API of a running service. Use as a context manager, or call :meth:`close`.

    Every method raises the error that the service tells of, one of ``htc.errors`` (an unknown element is a
    ``FormulaError``, a missing key an ``UnauthenticatedError``), and ``SourceUnavailableError`` where the
    service cannot be reached. After 429 and 503 a request is sent again when the service says so; after a
    lost connection only what may be carried out twice: reading, and POSTs with an ``Idempotency-Key``.

    Args:
        base_url: address of the service.
        key: access key, ``htc_<prefix>_<secret>``; None where the service needs none.
        timeout_s: longest silence of the service, s.
        retries: how often a request is sent again.
        transport: another transport of httpx.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open no connection yet."""
        self._http = Transport(base_url, key, timeout_s, retries, transport)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Client:
        """The client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def health(self) -> Health:
        """Whether predictions can be made and stored; an error with the reason where not."""
        return Health.model_validate(self._get("/api/htc/health"))

    def predict(
        self,
        composition: str | None = None,
        *,
        structure: str | None = None,
        structure_format: str | None = None,
        structure_id: str | None = None,
        pressure_gpa: float = 0.0,
        mu_star: float | None = None,
    ) -> PredictionAnswer:
        """Predict the Tc of a material and store it; the same question gets the stored answer.

        Args:
            composition: chemical formula.
            structure: or the content of a CIF, POSCAR or pymatgen JSON file.
            structure_format: ``cif``, ``poscar`` or ``json``; None to find out.
            structure_id: or the id of a stored crystal.
            pressure_gpa: pressure, GPa.
            mu_star: Coulomb pseudopotential; None takes the service's default.
        """
        body = _without_none(
            composition=composition,
            structure=structure,
            structure_format=structure_format,
            structure_id=structure_id,
            pressure_gpa=pressure_gpa,
            mu_star=mu_star,
        )
        # Equal questions have one answer, so nothing is lost by sending one twice.
        return PredictionAnswer.model_validate(self._post("/api/htc/predict", body))

    def predict_batch(
        self,
        items: Iterable[str | Mapping[str, Any]],
        *,
        pressure_gpa: float = 0.0,
        mu_star: float | None = None,
        label: str | None = None,
        idempotency_key: str | None = None,
    ) -> Iterator[BatchLine]:
        """Predict up to 1000 materials as one run; a line each, in order, as they come.

        Args:
            items: formulas, or the fields of :class:`~htc.service.schemas.BatchItem`.
            pressure_gpa: pressure of items that state none, GPa.
            mu_star: Coulomb pseudopotential of items that state none.
            label: a name for the run.
            idempotency_key: the same key for the same batch: it is carried out once. None makes one.
        """
        listed = [{"composition": item} if isinstance(item, str) else dict(item) for item in items]
        body = _without_none(items=listed, pressure_gpa=pressure_gpa, mu_star=mu_star, label=label)
        with self._http.stream(
            "POST", "/api/htc/predict/batch", json=body, headers=_once(idempotency_key)
        ) as answer:
            for line in answer.iter_lines():
                if line:
                    yield BatchLine.model_validate_json(line)

    def prediction(self, prediction_id: str) -> PredictionDetail:
        """A stored prediction with crystal, spectrum and provenance."""
        return PredictionDetail.model_validate(self._get(f"/api/htc/predictions/{_part(prediction_id)}"))

    def rankings(self, n: int = 50, *, after: str | None = None, **filters: Any) -> Ranking:
        """A page of the predictions of highest Tc.

        Args:
            n: rows a page, 1 to 1000.
            after: ``next_cursor`` of the page before.
            filters: fields of :class:`~htc.service.schemas.RankingQuery`; lists may be given as such.
        """
        query = {name: _query_value(value) for name, value in filters.items() if value is not None}
        return Ranking.model_validate(self._get("/api/htc/rankings", _without_none(n=n, after=after) | query))

    def each_ranked(self, page: int = 200, **filters: Any) -> Iterator[RankedRow]:
        """All predictions that pass the filters, best first, fetched page by page."""
        after: str | None = None
        while True:
            found = self.rankings(page, after=after, **filters)
            yield from found.rows
            after = found.next_cursor
            if after is None:
                return

    def formula_rankings(
        self, n: int = 50, *, after: str | None = None, min_avg_tc: float | None = None
    ) -> FormulaRanking:
        """A page of the formulas of highest average Tc (K)."""
        return FormulaRanking.model_validate(
            self._get("/api/htc/rankings/formulas", _without_none(n=n, after=after, min_avg_tc=min_avg_tc))
        )

    def material(self, formula: str) -> MaterialAnswer:
        """Everything known of a formula."""
        return MaterialAnswer.model_validate(self._get(f"/api/htc/materials/{_part(formula)}"))

    def models(self) -> ModelList:
        """The models in use, and those that once spoke there."""
        return ModelList.model_validate(self._get("/api/htc/models"))

    def model(self, model_id: str) -> ModelCard:
        """The card of a model."""
        return ModelCard.model_validate(self._get(f"/api/htc/models/{_part(model_id)}"))

    def structure(self, structure_hash: str) -> StructureAnswer:
        """A stored crystal."""
        return StructureAnswer.model_validate(self._get(f"/api/htc/structures/{_part(structure_hash)}"))

    def structure_file(self, structure_hash: str, fmt: str = "cif") -> str:
        """A stored crystal as the text of a file, ``cif`` or ``poscar``."""
        path = f"/api/htc/structures/{_part(structure_hash)}"
        return self._http.request("GET", path, params={"format": fmt}).text

    def spectrum(self, text: str | None = None, **fields: Any) -> SpectrumAnswer:
        """Everything that follows from an alpha2F.

        Args:
            text: content of a file; or give ``omega``, ``alpha2f`` and ``unit``.
            fields: fields of :class:`~htc.service.schemas.SpectrumRequest`.
        """
        body = _without_none(text=text, **fields)
        return SpectrumAnswer.model_validate(self._post("/api/htc/spectrum", body))

    def spectrum_file(self, path: str | PathLike[str], **fields: Any) -> SpectrumAnswer:
        """The same of a file; ``fields`` are those of :class:`~htc.service.schemas.SpectrumOptions`."""
        file = Path(path)
        form = {name: _query_value(value) for name, value in fields.items() if value is not None}
        answer = self._http.request(
            "POST", "/api/htc/spectrum/file", data=form, files={"file": (file.name, file.read_bytes())}
        )
        return SpectrumAnswer.model_validate(answer.json())

    def bete_predict(
        self,
        structure: str | None = None,
        *,
        structure_format: str | None = None,
        structure_id: str | None = None,
        pressure_gpa: float = 0.0,
        mu_star: float | None = None,
    ) -> BetePrediction:
        """Predict coupling, surrogate spectrum and Tc of a crystal; arguments as of :meth:`predict`."""
        body = _without_none(
            structure=structure,
            structure_format=structure_format,
            structure_id=structure_id,
            pressure_gpa=pressure_gpa,
            mu_star=mu_star,
        )
        return BetePrediction.model_validate(self._post("/api/bete/predict", body))

    def bete_run(self, run_id: str) -> BeteRun:
        """A stored electron-phonon run with its spectrum."""
        return BeteRun.model_validate(self._get(f"/api/bete/runs/{_part(run_id)}"))

    def bete_report(self, report_id: str) -> bytes:
        """The evidence pack of an electron-phonon run, a zip file."""
        return self._http.request("GET", f"/api/bete/report/{_part(report_id)}").content

    def screen(
        self, candidates: Mapping[str, Any], *, idempotency_key: str | None = None, **fields: Any
    ) -> RunAnswer:
        """Start a screening; a worker does it.

        Args:
            candidates: e.g. ``{"formulas": ["NbC", "NbN"]}``; see the schema ``CandidateRequest``.
            idempotency_key: the same key for the same request: it is started once. None makes one.
            fields: the other fields of the schema ``ScreenRequest``.
        """
        return self._start("/api/htc/screen", {"candidates": dict(candidates), **fields}, idempotency_key)

    def optimize(self, *, idempotency_key: str | None = None, **fields: Any) -> RunAnswer:
        """Start an optimisation; ``fields`` are those of the schema ``OptimizeRequest``."""
        return self._start("/api/htc/optimize", fields, idempotency_key)

    def validate(self, *, idempotency_key: str | None = None, **fields: Any) -> RunAnswer:
        """Start a validation; ``fields`` are those of the schema ``ValidateRequest``."""
        return self._start("/api/htc/validate", fields, idempotency_key)

    def bete_screen(
        self, structures: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None, **fields: Any
    ) -> RunAnswer:
        """Start a screening of crystals; ``structures`` are texts of files with their names."""
        body = {"structures": [dict(structure) for structure in structures], **fields}
        return self._start("/api/bete/screen", body, idempotency_key)

    def runs(
        self, n: int = 30, *, kind: str | None = None, state: str | None = None, after: str | None = None
    ) -> RunListAnswer:
        """A page of the runs, newest first."""
        query = _without_none(n=n, kind=kind, state=state, after=after)
        return RunListAnswer.model_validate(self._get("/api/htc/runs", query))

    def run(self, run_id: str) -> RunAnswer:
        """One run: what was asked for, how far it is, what came out as a whole."""
        return RunAnswer.model_validate(self._get(f"/api/htc/runs/{_part(run_id)}"))

    def results(
        self,
        run_id: str,
        n: int = 100,
        *,
        after: str | None = None,
        state: str | None = None,
        pareto: bool = True,
    ) -> ResultsAnswer:
        """Items of a run so far, a page by position, after the ``next_cursor`` of the page before."""
        query = _without_none(n=n, after=after, state=state, pareto=_query_value(pareto))
        return ResultsAnswer.model_validate(self._get(f"/api/htc/results/{_part(run_id)}", query))

    def each_result(self, run_id: str, page: int = 500) -> Iterator[RunItemAnswer]:
        """All items of a run so far, by position."""
        after: str | None = None
        while True:
            found = self.results(run_id, page, after=after, pareto=False)
            yield from found.items
            after = found.next_cursor
            if after is None:
                return

    def cancel(self, run_id: str) -> RunAnswer:
        """Call a run off."""
        return RunAnswer.model_validate(self._post(f"/api/htc/runs/{_part(run_id)}/cancel", {}))

    def events(self, run_id: str, *, last_event_id: str | None = None) -> Iterator[Event]:
        """A run's progress as it comes, to its end; goes on after ``last_event_id``."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else None
        with self._http.stream("GET", f"/api/htc/runs/{_part(run_id)}/events", headers=headers) as answer:
            yield from events_of(answer.iter_lines())

    def validations(self) -> ValidationSuites:
        """All suites of validation, each with the figures of its last run."""
        return ValidationSuites.model_validate(self._get("/api/htc/validations"))

    def last_validation(self, suite: str) -> ValidationAnswer:
        """The last finished validation by a suite."""
        return ValidationAnswer.model_validate(self._get(f"/api/htc/validations/{_part(suite)}"))

    def _start(self, path: str, body: Mapping[str, Any], key: str | None) -> RunAnswer:
        return RunAnswer.model_validate(self._post(path, body, _once(key)))

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self._http.request("GET", path, params=query).json()

    def _post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        return self._http.request("POST", path, json=body, headers=headers).json()


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _query_value(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else value


def _part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def _once(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}
