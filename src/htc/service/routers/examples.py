"""``/api/htc/examples``: the bundled inputs."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse

from htc.service import examples
from htc.service.access import Requires
from htc.service.problems import problem_responses
from htc.service.schemas.examples import ExampleList

__all__ = ["router"]

router = APIRouter(prefix="/api/htc/examples", tags=["htc"], dependencies=[Requires("read")])


@router.get("", operation_id="list_examples")
def list_examples() -> ExampleList:
    """The structures and spectra that come with HTC, with measured Tc and its source."""
    return ExampleList(examples=examples.example_list())


@router.get(
    "/{name}",
    operation_id="get_example",
    response_class=PlainTextResponse,
    responses=problem_responses(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def get_example(
    name: str = Path(min_length=1, max_length=80, description="Name of the input.", examples=["mgb2_epw"]),
) -> PlainTextResponse:
    """One of them, as the file is."""
    info, text = examples.example_file(name)
    return PlainTextResponse(
        text, headers={"Content-Disposition": f'attachment; filename="{info.file_name}"'}
    )
