from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.engine.material import counting
from v2vcli.engine.pipeline import Pipeline


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("v2v-")}


def doubled(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield 2 * item


def test_order_is_kept_and_no_thread_is_left() -> None:
    with Pipeline[int](lambda: counting(500), [doubled, doubled], room=1) as pipeline:
        items = iter(pipeline)
        assert next(items) == 0
        assert len(names()) > 0
        assert list(items) == [4 * n for n in range(1, 500)]
    assert names() == set()


def test_stages_run_at_the_same_time() -> None:
    # three stages of 20 x 10 ms: 0.6 s one after the other, a little over 0.2 s together
    def slow(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            time.sleep(0.01)
            yield item

    began = time.monotonic()
    with Pipeline[int](lambda: slow(counting(20)), [slow, slow]) as pipeline:
        assert list(pipeline) == list(range(20))
    assert time.monotonic() - began < 0.5


def test_a_slow_consumer_holds_the_source_back() -> None:
    made = []

    def source() -> Iterator[int]:
        for n in range(1000):
            made.append(n)
            yield n

    with Pipeline[int](source, [doubled], room=2) as pipeline:
        taken = iter(pipeline)
        for _ in range(10):
            next(taken)
        time.sleep(0.05)
        # 10 taken, 2 + 2 queued, one in the hands of each of the two threads
        assert len(made) <= 10 + 2 * 2 + 2
    assert names() == set()


@pytest.mark.parametrize("where", ["source", "stage"])
def test_an_error_comes_out_where_the_items_do(where: str) -> None:
    def broken(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if where == "stage" and item == 3:
                raise KeyError("three")
            yield item

    source = (lambda: counting(9, lambda: KeyError("nine"))) if where == "source" else lambda: counting(10**9)
    with pytest.raises(KeyError), Pipeline[int](source, [broken, doubled]) as pipeline:
        for _ in pipeline:
            pass
    assert names() == set()


def test_leaving_early_stops_every_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from counting(10**9)
        finally:
            closed.set()

    with pytest.raises(KeyboardInterrupt), Pipeline[int](source, [doubled]) as pipeline:
        for item in pipeline:
            if item == 10:
                raise KeyboardInterrupt
    assert closed.is_set()
    assert names() == set()
