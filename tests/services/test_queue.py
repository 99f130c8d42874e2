"""The lease queue: claimed by one, tried a bounded number of times, finished once."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from classifier.models import MAX_ATTEMPTS, MAX_LOST, Photo, State
from tests import factories

pytestmark = pytest.mark.django_db


def queued(collection, count=1):
    return [factories.make_photo(collection, state=State.QUEUED) for _ in range(count)]


def let_leases_run_out():
    Photo.objects.filter(state=State.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_claim_leases_rows_under_one_token_and_nobody_else_gets_them(collection):
    photos = queued(collection, 3)
    mine = Photo.objects.claim(limit=2)
    others = Photo.objects.claim(limit=2)
    assert [photo.pk for photo in mine] == [photo.pk for photo in photos[:2]]
    assert [photo.pk for photo in others] == [photos[2].pk]
    assert len({photo.token for photo in mine}) == 1
    assert mine[0].token != others[0].token
    assert Photo.objects.claim(limit=2) == []


def test_a_lease_that_ran_out_is_claimed_again_and_counted_as_lost_not_as_an_attempt(collection):
    queued(collection)
    Photo.objects.claim(limit=1)
    assert Photo.objects.claim(limit=1) == []
    let_leases_run_out()
    (again,) = Photo.objects.claim(limit=1)
    assert (again.lost, again.attempts) == (1, 0)


def test_a_row_that_was_tried_before_is_claimed_alone(collection):
    queued(collection, 3)
    Photo.objects.claim(limit=3)
    let_leases_run_out()
    assert [len(Photo.objects.claim(limit=8)) for _ in range(4)] == [1, 1, 1, 0]


def test_fresh_rows_do_not_wait_for_a_tried_one_behind_them(collection):
    first, tried, last = queued(collection, 3)
    Photo.objects.filter(pk=tried.pk).update(attempts=1)
    assert [photo.pk for photo in Photo.objects.claim(limit=8)] == [first.pk, last.pk]
    assert [photo.pk for photo in Photo.objects.claim(limit=8)] == [tried.pk]


def test_a_renewed_lease_does_not_run_out(collection):
    queued(collection)
    (photo,) = Photo.objects.claim(limit=1)
    let_leases_run_out()
    assert Photo.objects.renew(token=photo.token) == 1
    assert Photo.objects.claim(limit=1) == []


def test_after_the_last_attempt_a_row_has_failed_with_its_code(collection):
    queued(collection)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (photo,) = Photo.objects.claim(limit=1)
        assert Photo.objects.fail_attempt(pk=photo.pk, token=photo.token, code="crashed")
        photo.refresh_from_db()
        assert photo.attempts == attempt
        assert photo.state == (State.FAILED if attempt == MAX_ATTEMPTS else State.QUEUED)
    assert photo.code == "crashed"
    assert photo.finished_at is not None
    assert Photo.objects.claim(limit=1) == []


def test_a_row_whose_workers_keep_dying_fails_as_worker_lost(collection):
    (photo,) = queued(collection)
    for _ in range(MAX_LOST):
        assert len(Photo.objects.claim(limit=1)) == 1
        let_leases_run_out()
    assert Photo.objects.claim(limit=1) == []
    photo.refresh_from_db()
    assert (photo.state, photo.code, photo.lost) == (State.FAILED, "worker_lost", MAX_LOST)


def test_a_worker_that_lost_its_lease_can_neither_finish_nor_fail_the_row(collection):
    queued(collection)
    (old,) = Photo.objects.claim(limit=1)
    let_leases_run_out()
    (new,) = Photo.objects.claim(limit=1)
    assert not Photo.objects.finish(pk=old.pk, token=old.token)
    assert not Photo.objects.fail_attempt(pk=old.pk, token=old.token, code="crashed")
    assert not Photo.objects.fail(pk=old.pk, token=uuid.uuid4(), code="internal")
    assert Photo.objects.finish(pk=new.pk, token=new.token)


def test_owners_take_turns_however_much_one_of_them_sends(alice, bob):
    mine = factories.CollectionFactory(owner=alice)
    his = factories.CollectionFactory(owner=bob)
    for owner, collection, count in ((alice, mine, 6), (bob, his, 2)):
        for offset in range(count):
            photo = factories.make_photo(collection, state=State.QUEUED)
            turn = Photo.objects.exclude(pk=photo.pk).next_turn(owner.pk)
            Photo.objects.filter(pk=photo.pk).update(turn=turn)
            assert turn == offset
    order = [photo.owner_id for photo in Photo.objects.claim(limit=8)]
    assert order[:4].count(bob.pk) == 2


def test_running_again_starts_finished_rows_afresh_and_leaves_pending_ones(collection):
    failed = factories.make_photo(collection, state=State.FAILED, code="crashed", attempts=MAX_ATTEMPTS)
    done = factories.make_photo(collection, state=State.DONE)
    (waiting,) = queued(collection)
    assert Photo.objects.filter(collection=collection).restart() == 2
    for photo in (failed, done):
        photo.refresh_from_db()
        assert (photo.state, photo.code, photo.attempts, photo.finished_at) == (State.QUEUED, "", 0, None)
    assert len(Photo.objects.claim(limit=8)) == 3
    waiting.refresh_from_db()
    assert waiting.state == State.RUNNING


def test_a_photo_whose_deletion_began_is_not_claimed(collection):
    (photo,) = queued(collection)
    Photo.objects.filter(pk=photo.pk).update(deleting_at=timezone.now())
    assert Photo.objects.claim(limit=8) == []
