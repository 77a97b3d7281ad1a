"""Requests that are sent again where that is safe and may help."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from htc.client.problems import error_of
from htc.errors import BusyError, SourceUnavailableError

__all__ = ["Transport"]

_AGAIN: Final = frozenset({429, 503})
_LONGEST_WAIT_S: Final = 30.0
_SOURCE: Final = "is `htc serve` running there?"


class Transport:
    """An ``httpx.Client`` that knows keys, problems and retries.

    Args:
        base_url: address of the service.
        key: access key, or None where the service needs none.
        timeout_s: longest silence of the service, s.
        retries: how often a request is sent again after 429, 503 or a lost connection.
        transport: another transport of httpx, e.g. over an ASGI application.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None,
        timeout_s: float,
        retries: int,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open no connection yet."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=base_url, headers=headers, timeout=timeout_s, transport=transport
        )
        self._retries = retries

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def request(self, method: str, path: str, *, safe: bool = True, **options: Any) -> httpx.Response:
        """An answer of success, read to its end.

        Args:
            method: of HTTP.
            path: below the base address.
            safe: whether it may be sent again although the first may have been carried out.
            options: as httpx takes them.

        Raises:
            HTCError: what the service said.
            SourceUnavailableError: it cannot be reached.
        """
        with self.stream(method, path, safe=safe, **options) as answer:
            answer.read()
            return answer

    @contextmanager
    def stream(
        self, method: str, path: str, *, safe: bool = True, **options: Any
    ) -> Iterator[httpx.Response]:
        """An answer of success, to be read as it comes. Same errors as :meth:`request`."""
        answer = self._sent(method, path, safe, options)
        try:
            yield answer
        except httpx.TransportError as error:
            raise SourceUnavailableError(
                f"the connection was lost in the middle of an answer: {error}", where=str(answer.url)
            ) from error
        finally:
            answer.close()

    def _sent(self, method: str, path: str, safe: bool, options: Mapping[str, Any]) -> httpx.Response:
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            request = self._client.build_request(method, path, **_given(options))
            try:
                answer = self._client.send(request, stream=True)
            except httpx.TransportError as error:
                # Where no connection was made, nothing was carried out.
                if not last and (safe or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)):
                    time.sleep(_pause(None, attempt))
                    continue
                raise SourceUnavailableError(
                    f"the service cannot be reached: {error}", where=str(request.url), hint=_SOURCE
                ) from error
            if answer.is_success:
                return answer
            try:
                answer.read()
            finally:
                answer.close()
            if last or answer.status_code not in _AGAIN:
                raise error_of(answer)
            time.sleep(_pause(answer.headers.get("Retry-After"), attempt))
        raise BusyError("no request was sent", hint="retries must be 0 or more")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _pause(said: str | None, attempt: int) -> float:
    """Seconds to wait: as the service says, else twice as long every time."""
    wanted = float(said) if said is not None and said.isdigit() else 0.25 * 2.0**attempt
    return min(wanted, _LONGEST_WAIT_S)
