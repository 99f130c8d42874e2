"""Threads are left for pages, and for the upload of somebody else."""

from contextlib import ExitStack

import pytest

from classifier.services.refusals import Busy, TooManyUploads
from classifier.services.seats import Seats


def test_one_person_has_at_most_half_of_the_seats():
    seats = Seats(6)
    with ExitStack() as taken:
        for _ in range(3):
            taken.enter_context(seats.take("alice"))
        with pytest.raises(TooManyUploads), seats.take("alice"):
            pass
        for person in ("bob", "carol", "dave"):
            taken.enter_context(seats.take(person))
        with pytest.raises(Busy), seats.take("erin"):
            pass
    with seats.take("erin"):
        assert seats._free == 5


def test_waiting_leaves_a_seat_and_so_does_who_has_one():
    seats = Seats(6)
    with seats.take("alice"):
        assert [seats.take_spare() for _ in range(5)] == [True, True, True, True, False]
        with pytest.raises(TooManyUploads), seats.take("alice"):
            pass
        with seats.take("bob"):
            pass
    for _ in range(4):
        seats.leave()
    assert seats._free == 6


def test_a_seat_is_given_back_after_an_error():
    seats = Seats(1)
    with pytest.raises(ZeroDivisionError), seats.take("alice"):
        raise ZeroDivisionError
    with seats.take("bob"):
        pass


@pytest.mark.parametrize("count", [-1, 0, 1])
def test_a_site_with_few_threads_takes_uploads_too(count):
    seats = Seats(count)
    with seats.take("alice"), pytest.raises(Busy), seats.take("bob"):
        pass
