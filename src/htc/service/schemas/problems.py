"""What went wrong with a request."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field, field_validator

__all__ = ["Problem"]

_LONGEST: Final = 1000
"""Most characters of a part of a problem."""


class Problem(BaseModel):
    """What went wrong, for people (`detail`, `hint`) and programs (`code`)."""

    type: str = Field(default="about:blank", description="Identifier of the kind of problem.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="HTTP status code.")
    code: str = Field(description="Stable machine-readable name of the problem.")
    detail: str = Field(description="What is wrong with this request.")
    where: str | None = Field(default=None, description="Field or place it was found in.")
    hint: str | None = Field(default=None, description="What can be done about it.")
    request_id: str | None = Field(
        default=None, description="Id of this request, as in X-Request-ID; the server's log has it too."
    )

    @field_validator("detail", "where", "hint", mode="before")
    @classmethod
    def _sendable(cls, text: object) -> object:
        """What callers sent is quoted here: it may be endless, and it may have no UTF-8."""
        if not isinstance(text, str):
            return text
        whole = text.encode("utf-8", "replace").decode()
        return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}..."
