"""The bundled inputs, for the samples of the pages and for trying the API."""

from __future__ import annotations

from functools import lru_cache

from htc.errors import NotFoundError
from htc.examples import Example, examples
from htc.service.schemas.examples import ExampleInfo

__all__ = ["example_file", "example_list"]


def example_list() -> list[ExampleInfo]:
    """What there is, structures first."""
    return [info for info, _ in _contents().values()]


def example_file(name: str) -> tuple[ExampleInfo, str]:
    """One of them with the text of its file.

    Raises:
        NotFoundError: none has this name.
    """
    found = _contents().get(name)
    if found is None:
        raise NotFoundError(
            f"no bundled input is called {name[:80]!r}", hint="there are: " + ", ".join(_contents())
        )
    return found


@lru_cache(maxsize=1)
def _contents() -> dict[str, tuple[ExampleInfo, str]]:
    with examples() as bundled:
        return {_name(example): (_info(example), example.path.read_text("utf-8")) for example in bundled}


def _name(example: Example) -> str:
    """Of a spectrum the folder tells more than the file, which every run calls the same."""
    return example.path.parent.name if example.kind == "spectrum" else example.path.name


def _info(example: Example) -> ExampleInfo:
    return ExampleInfo(
        name=_name(example),
        file_name=example.path.name,
        kind="spectrum" if example.kind == "spectrum" else "structure",
        formula=example.formula,
        pressure_gpa=example.pressure_gpa,
        tc_measured=example.tc_measured_k,
        source=example.source,
    )
