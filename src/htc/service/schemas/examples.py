"""The bundled inputs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["ExampleInfo", "ExampleList"]


class ExampleInfo(BaseModel):
    """A real input that comes with HTC, to try things out."""

    name: str = Field(description="Name to fetch it by.", examples=["mgb2_epw"])
    file_name: str = Field(description="Name of the file as its program wrote it.", examples=["MgB2.a2f"])
    kind: Literal["structure", "spectrum"] = Field(description="What the file holds.")
    formula: str | None = Field(description="What material it is; null where the file is a broken one.")
    pressure_gpa: float = Field(description="Pressure the file belongs to, GPa.")
    tc_measured: float | None = Field(description="Measured critical temperature, K; null if there is none.")
    source: str = Field(description="Where the measured value is from.")


class ExampleList(BaseModel):
    """The bundled inputs."""

    examples: list[ExampleInfo] = Field(description="Structures first, then spectra.")
