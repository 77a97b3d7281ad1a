"""``/api/htc/spectrum``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from pydantic import Field

from htc.service import details, spectra
from htc.service.access import Requires, caller_of
from htc.service.answers import JSONAnswer
from htc.service.idempotency import IdempotentRoute
from htc.service.problems import problem_responses
from htc.service.schemas import SpectrumAnswer, SpectrumOptions, SpectrumRequest
from htc.service.state import ServiceState

__all__ = ["router"]

router = APIRouter(prefix="/api/htc", tags=["spectra"], route_class=IdempotentRoute)


class SpectrumFile(SpectrumOptions):
    """A file with alpha2F and what to compute, as the fields of a form."""

    file: UploadFile = Field(
        description="The file as its code wrote it; its format is found from the content."
    )


_ANSWERS = problem_responses(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


@router.post(
    "/spectrum",
    operation_id="analyse_spectrum",
    response_model=SpectrumAnswer,
    responses=_ANSWERS,
    dependencies=[Requires("predict")],
)
async def analyse_spectrum(service: ServiceState, request: Request, wish: SpectrumRequest) -> Response:
    """Everything that follows from an alpha2F: moments, checks, Tc by every formula and by Eliashberg.

    Give the text of a file of Quantum ESPRESSO, EPW, Elk, ABINIT or another code, or two arrays. Of a file
    with several smearings the middle of the plateau speaks, or the one named. Nothing is stored unless asked.
    """
    created_by = details.created_by(service, caller_of(request))
    return JSONAnswer(await spectra.analyse(service, wish, created_by))


@router.post(
    "/spectrum/file",
    operation_id="analyse_spectrum_file",
    response_model=SpectrumAnswer,
    responses=_ANSWERS,
    dependencies=[Requires("predict")],
)
async def analyse_spectrum_file(
    service: ServiceState, request: Request, form: Annotated[SpectrumFile, Form()]
) -> Response:
    """The same of an uploaded file, as a browser's form or `curl -F file=@alpha2F.dat` sends it.

    Files are read as text; netCDF files stay with `htc tc`.
    """
    wish = spectra.wish_of(await form.file.read(), form.file.filename, form)
    created_by = details.created_by(service, caller_of(request))
    return JSONAnswer(await spectra.analyse(service, wish, created_by))
