import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.seeing.read_ahead import read_ahead

LIMITS = {"most": 3, "pixels": 10, "pixels_ahead": 20}


def test_groups_keep_the_order_and_the_limits():
    released: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        groups = list(read_ahead([1, 2, 3, 4, 9, 1, 1], read=int, release=released.append, pool=pool, **LIMITS))
        assert list(read_ahead([], read=int, release=released.append, pool=pool, **LIMITS)) == []
    assert groups == [[1, 2, 3], [4, 9], [1, 1]]
    assert released == [1, 2, 3, 4, 9, 1, 1]


def test_photos_are_read_while_others_are_used_but_not_all_of_them():
    read: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        groups = read_ahead(
            list(range(100)), read=lambda n: read.append(n) or 5, release=lambda _: None, pool=pool, **LIMITS
        )
        assert next(groups) == [0, 1]
        give_up = time.monotonic() + 30
        while len(read) < 4 and time.monotonic() < give_up:
            time.sleep(0.001)
        groups.close()
    assert 4 <= len(read) <= 5  # 20 pixels, and what a second thread had begun


def test_each_thread_may_hold_one_photo_beyond_the_limit():
    """How large a photo is shows only when it was read: all threads pass as long as nobody has read one."""
    begun = threading.Barrier(3)
    read: list[int] = []

    def read_large(number: int) -> int:
        read.append(number)
        if number < 3:
            begun.wait(timeout=30)
        return 100

    with ThreadPoolExecutor(3) as pool:
        groups = read_ahead(list(range(6)), read=read_large, release=lambda _: None, pool=pool, **LIMITS)
        assert next(groups) == [0]
        groups.close()
    assert sorted(read) == [0, 1, 2]


def test_what_reading_raises_reaches_the_user_and_ends_the_threads():
    def fail(number: int) -> int:
        if number == 3:
            raise MemoryError
        return 5

    with ThreadPoolExecutor(2) as pool:
        groups = read_ahead(list(range(50)), read=fail, release=lambda _: None, pool=pool, **LIMITS)
        with pytest.raises(MemoryError):
            list(groups)
        assert pool.submit(threading.get_ident).result(timeout=5)
