"""Photos read ahead in threads, a bounded distance before what is done with them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from threading import Condition
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(
    items: Sequence[Item],
    *,
    read: Callable[[Item], int],
    release: Callable[[Item], None],
    pool: Executor,
    most: int,
    pixels: int,
    pixels_ahead: int,
) -> Iterator[list[Item]]:
    """Groups of items in their order, read by the pool while their user works; what was yielded is released after.

    A group has at most `most` items and is closed by the one with which it reaches `pixels`. `read` says how many an
    item takes; none is begun while `pixels_ahead`, at least `pixels`, are held. Those begun before count when they are
    read: as many items as the pool has threads may be held beyond. What `read` raises is raised here.
    """
    room = Condition()
    held, is_over = 0, False

    def read_in_turn(item: Item) -> int:
        nonlocal held
        with room:
            room.wait_for(lambda: held < pixels_ahead or is_over)
            if is_over:
                return 0
        taken = read(item)
        with room:
            held += taken
        return taken

    futures = [pool.submit(read_in_turn, item) for item in items]
    try:
        group: list[Item] = []
        taken = 0
        for number, future in enumerate(futures, start=1):
            taken += future.result()
            group.append(items[number - 1])
            if len(group) < most and taken < pixels and number < len(items):
                continue
            yield group
            for done in group:
                release(done)
            with room:
                held -= taken
                room.notify_all()
            group, taken = [], 0
    finally:
        with room:
            is_over = True
            room.notify_all()
        for future in futures:
            future.cancel()
