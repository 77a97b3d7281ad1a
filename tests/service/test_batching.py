"""Work that is done together, and looks that are shared."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from htc.errors import BusyError, StoreError
from htc.service.batching import MicroBatcher
from htc.service.sharing import SharedLooks


class Gate:
    """Work that waits until it is let through, and notes what it was given."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.begun.set()
        self.open.wait(10)
        if any(item < 0 for item in items):
            raise ArithmeticError("one of them")
        return [ValueError(str(item)) if item == 99 else item * 10 for item in items]


def test_what_comes_meanwhile_is_worked_on_together() -> None:
    gate = Gate()
    batcher: MicroBatcher[int, int] = MicroBatcher(gate, most=3, waiting=100, name="test")
    first = batcher.submit(1)
    gate.begun.wait(10)
    bulk = [batcher.submit(i, bulk=True) for i in (20, 21)]
    single = [batcher.submit(i) for i in (2, 3, 4, 99)]
    gate.open.set()
    assert first.result(10) == 10
    assert [f.result(10) for f in single[:3]] == [20, 30, 40]
    with pytest.raises(ValueError, match="99"):
        single[3].result(10)
    assert [f.result(10) for f in bulk] == [200, 210]
    assert gate.batches == [[1], [2, 3, 4], [99], [20, 21]], "bulk stands behind"
    batcher.close()


def test_one_that_fails_spoils_no_other() -> None:
    gate = Gate()
    batcher: MicroBatcher[int, int] = MicroBatcher(gate, most=10, waiting=100, name="test")
    batcher.submit(0)
    gate.begun.wait(10)
    futures = [batcher.submit(i) for i in (1, -1, 2)]
    gate.open.set()
    assert (futures[0].result(10), futures[2].result(10)) == (10, 20)
    with pytest.raises(ArithmeticError):
        futures[1].result(10)
    batcher.close()


def test_a_fate_that_is_shared_is_not_tried_again() -> None:
    tried = []

    def away(items: Sequence[int]) -> list[int | Exception]:
        tried.append(len(items))
        raise StoreError("away")

    batcher: MicroBatcher[int, int] = MicroBatcher(
        away, most=10, waiting=100, name="test", together=(StoreError,)
    )
    futures = [batcher.submit(i) for i in range(5)]
    for future in futures:
        with pytest.raises(StoreError):
            future.result(10)
    assert sum(tried) == 5
    batcher.close()


def test_too_many_are_refused_and_what_waits_is_finished_at_the_end() -> None:
    gate = Gate()
    batcher: MicroBatcher[int, int] = MicroBatcher(gate, most=2, waiting=2, name="test")
    batcher.submit(0)
    gate.begun.wait(10)
    waiting: list[Future[int]] = [batcher.submit(1), batcher.submit(2)]
    with pytest.raises(BusyError, match="wait already"):
        batcher.submit(3)
    waiting[0].cancel()
    gate.open.set()
    batcher.close()
    assert waiting[1].result(0) == 20
    with pytest.raises(BusyError, match="being stopped"):
        batcher.submit(4)


def test_a_look_is_shared_by_those_who_came_before_it_began() -> None:
    async def story() -> None:
        looks = SharedLooks(2)
        began, go = threading.Event(), threading.Event()
        seen = [0]

        def look() -> int:
            seen[0] += 1
            mine = seen[0]
            began.set()
            go.wait(10)
            return mine

        first = asyncio.create_task(looks.take("page", look))
        await asyncio.to_thread(began.wait, 10)
        # They ask after the first look began: what it saw may be older than their question.
        later = [asyncio.create_task(looks.take("page", look)) for _ in range(10)]
        other = asyncio.create_task(looks.take("another page", lambda: "other"))
        assert await other == "other"
        await asyncio.sleep(0)
        later[0].cancel()
        go.set()
        assert await first == 1
        assert {await task for task in later[1:]} == {2}
        assert await looks.take("page", look) == 3
        assert not looks._taken
        assert not looks._next

    # In a thread: playwright keeps a loop running in that of the tests.

    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(story())).result()


def test_an_error_of_a_look_reaches_everybody() -> None:
    async def story() -> None:
        looks = SharedLooks(1)

        def look() -> None:
            raise StoreError("away")

        told = await asyncio.gather(*(looks.take(1, look) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in told] == [StoreError] * 3
        assert await looks.take(1, lambda: "again") == "again"

    # In a thread: playwright keeps a loop running in that of the tests.

    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(story())).result()
