"""Photos go on the day that was told, with all that is theirs; what became of each file goes later. By a set clock."""

import math
import os
import signal

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.urls import reverse
from django.utils import timezone

from classifier.intake import storage
from classifier.models import AuditEvent, Collection, Explanation, Face, Photo, Prediction, State, Upload, UploadItem
from classifier.services import audit, deletion, doctor, retention, summaries
from tests import factories
from tests.clock import Clock, utc
from tests.services.submissions import stored_files

DAYS = 30
RECEIVED, LAST_MINUTE, DAY = utc(2026, 3, 1, 15), (2026, 3, 31, 23, 59, 59), (2026, 4, 1)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch, at=utc(2026, 3, 10, 12))


@pytest.fixture
def keeping(collection) -> Collection:
    """A collection that keeps photos for 30 days."""
    collection.retention_days = DAYS
    collection.save()
    return collection


def receive(collection, *, at=RECEIVED, **values) -> Photo:
    return factories.make_photo(collection, received_at=at, **values)


def sweep() -> bool:
    return retention.delete_overdue(until=math.inf)


@pytest.mark.django_db
def test_a_photo_goes_on_the_day_that_was_told_and_not_before(keeping, clock, media):
    receive(keeping)
    told = retention.foresee([keeping])[keeping.pk]
    assert str(told) == "1 photo is deleted on 1 April 2026"
    clock.set(*LAST_MINUTE)
    assert sweep()
    assert Photo.objects.count() == 1
    assert retention.foresee([keeping])[keeping.pk] == told
    clock.set(*DAY)
    assert sweep()
    assert not Photo.objects.exists()
    assert stored_files(media) == set()
    assert retention.foresee([keeping]) == {}


@pytest.mark.django_db
def test_a_photo_of_midnight_has_whole_days(keeping, clock):
    receive(keeping, at=utc(2026, 3, 1))
    assert str(retention.foresee([keeping])[keeping.pk].on) == "2026-03-31"
    clock.set(2026, 3, 30, 23, 59)
    sweep()
    assert Photo.objects.exists()
    clock.set(2026, 3, 31)
    sweep()
    assert not Photo.objects.exists()


@pytest.mark.django_db
def test_all_that_is_a_photos_goes_with_it_and_the_rest_stays(keeping, clock, media, alice):
    old, young = receive(keeping, name="old.jpg"), receive(keeping, at=utc(2026, 3, 9), name="young.jpg")
    for_ever = receive(factories.CollectionFactory(owner=alice))
    factories.make_explanation(factories.make_face(old))
    factories.make_face(young)
    upload = Upload.objects.create(owner=alice, collection=keeping)
    for number, (outcome, name) in enumerate([("accepted", "old.jpg"), ("duplicate", "again.jpg")], start=1):
        upload.items.create(number=number, name=name, outcome=outcome, photo=old, message="as “old.jpg”")
    counted_before = summaries.count_photos([keeping])[keeping.pk].photos
    clock.set(*DAY)
    sweep()
    assert set(Photo.objects.all()) == {young, for_ever}
    assert (Face.objects.count(), Prediction.objects.count(), Explanation.objects.count()) == (1, 1, 0)
    assert len(stored_files(media)) == 4
    assert list(upload.items.values_list("name", "message", "outcome")) == [("", "", "accepted"), ("", "", "duplicate")]
    keeping.refresh_from_db()
    assert (counted_before, summaries.count_photos([keeping])[keeping.pk].photos) == (2, 1)
    event = AuditEvent.objects.get()
    assert (event.action, event.target) == ("photos deleted after their days", f"collection {keeping.uid}")
    assert event.details == {"photos": 1, "days": DAYS}
    assert event.actor is None
    assert audit.verify() == []


@pytest.mark.django_db
def test_a_photo_that_a_worker_has_goes_all_the_same(keeping, clock, media):
    receive(keeping, state=State.QUEUED)
    clock.set(*DAY)
    [claimed] = Photo.objects.claim(limit=1)
    sweep()
    assert not Photo.objects.finish(pk=claimed.pk, token=claimed.token, face_count=1)
    assert not Photo.objects.exists()
    assert stored_files(media) == set()


@pytest.mark.django_db
def test_many_photos_go_in_batches_each_with_its_line_in_the_log(keeping, clock, monkeypatch):
    monkeypatch.setattr(retention, "BATCH_PHOTOS", 2)
    for _ in range(5):
        receive(keeping)
    clock.set(*DAY)
    assert sweep()
    assert not Photo.objects.exists()
    assert [event.details["photos"] for event in AuditEvent.objects.all()] == [2, 2, 1]


@pytest.mark.django_db
def test_a_sweep_that_takes_long_makes_way_and_is_taken_up_again(keeping, clock, monkeypatch):
    receive(keeping)
    clock.set(*DAY)
    assert not retention.delete_overdue(until=0)
    assert Photo.objects.exists()
    assert sweep()
    assert not Photo.objects.exists()


@pytest.mark.django_db
def test_days_that_are_changed_at_the_last_moment_hold(keeping, clock, monkeypatch):
    receive(keeping)
    clock.set(*DAY)
    find = retention.overdue_photos

    def find_and_change(collection, **options):
        found = find(collection, **options)
        Collection.objects.update(retention_days=60)
        return found

    monkeypatch.setattr(retention, "overdue_photos", find_and_change)
    assert sweep()
    assert Photo.objects.count() == 1
    assert not AuditEvent.objects.exists()


def is_killed(act) -> bool:
    """Do something in a child process and tell whether kill -9 ended it."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            connections.close_all()
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


STEPS = {
    "before the mark": (deletion, "_mark_photos"),
    "before names go": (deletion, "_forget_names"),
    "before the log": (audit, "record"),
    "after the mark": (deletion, "finish_photos"),
    "before files go": (storage, "remove_files"),
    "between two files": (storage.default_storage, "delete"),
    "before rows go": (deletion, "_forget_rest"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", STEPS)
def test_a_sweep_that_is_killed_anywhere_is_finished_later_and_told_once(keeping, clock, monkeypatch, media, step):
    for _ in range(3):
        factories.make_explanation(factories.make_face(receive(keeping)))
    clock.set(*DAY)

    def be_killed(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(*STEPS[step], be_killed)
        assert is_killed(sweep)
    deletion.finish_deletions()
    assert sweep()
    assert not Photo.objects.exists()
    assert stored_files(media) == set()
    assert sum(event.details["photos"] for event in AuditEvent.objects.all()) == 3
    assert audit.verify() == []


@pytest.mark.django_db
def test_what_goes_next_is_told_for_many_collections_at_once(alice, clock, django_assert_num_queries):
    keeping = [factories.CollectionFactory(owner=alice, retention_days=days) for days in (10, 20, None, 30)]
    for collection in keeping[:3]:
        for day in (1, 1, 2):
            receive(collection, at=utc(2026, 3, day, 8))
    with django_assert_num_queries(2):
        found = retention.foresee(keeping)
    assert {pk: str(told) for pk, told in found.items()} == {
        keeping[0].pk: "2 photos are deleted on 12 March 2026",
        keeping[1].pk: "2 photos are deleted on 22 March 2026",
    }


@pytest.mark.django_db
def test_the_page_and_the_api_tell_what_goes_next(keeping, clock, alice_client):
    address = reverse("collection-detail", args=[keeping.uid])
    api = reverse("api-collection-detail", args=[keeping.uid])
    assert alice_client.get(api).json()["next_deletion"] is None
    for _ in range(2):
        receive(keeping)
    receive(keeping, at=utc(2026, 3, 5))
    assert "2 photos are deleted on 1 April 2026" in alice_client.get(address).content.decode()
    assert alice_client.get(api).json()["next_deletion"] == {"on": "2026-04-01", "photos": 2}
    assert alice_client.get(reverse("api-collection-list")).json()["results"][0]["next_deletion"]["photos"] == 2


FORM = {"name": "Front pages", "purpose": "A study", "attributes": ["age"], "taxonomy": "fairface-7"}


@pytest.mark.django_db
def test_fewer_days_that_would_delete_photos_are_asked_about_first(keeping, clock, alice_client):
    receive(keeping)
    address = reverse("collection-edit", args=[keeping.uid])
    page = alice_client.post(address, FORM | {"retention_days": "5"})
    assert page.status_code == 200
    assert "With this, 1 photo is deleted on 10 March 2026." in page.content.decode()
    keeping.refresh_from_db()
    assert keeping.retention_days == DAYS
    assert alice_client.post(address, FORM | {"retention_days": "5", "confirms_deletion": "on"}).status_code == 302
    keeping.refresh_from_db()
    assert keeping.retention_days == 5
    assert Photo.objects.exists()
    sweep()
    assert not Photo.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("days", "said"), [("20", "1 photo is deleted on 22 March 2026"), ("", "Saved."), (str(DAYS), "Saved.")]
)
def test_days_that_leave_time_are_saved_and_told(keeping, clock, alice_client, days, said):
    receive(keeping)
    address = reverse("collection-edit", args=[keeping.uid])
    page = alice_client.post(address, FORM | {"retention_days": days}, follow=True)
    assert page.redirect_chain
    assert said in page.content.decode()


@pytest.mark.django_db
def test_the_doctor_finds_what_is_overdue_and_deletes_it(keeping, clock, capsys):
    receive(keeping)
    clock.set(*DAY)
    assert doctor.find_overdue_photos() is None  # the sweep of this day may be about to begin
    clock.go_on(days=1)
    finding = doctor.find_overdue_photos()
    assert finding.subjects == (f"collection {keeping.uid}: 1",)
    with pytest.raises(SystemExit):
        call_command("doctor", fix=True)
    assert "longer than their collections promise. Mended: 1." in capsys.readouterr().out
    assert doctor.find_overdue_photos() is None
    assert not Photo.objects.exists()


@pytest.mark.django_db
def test_what_became_of_old_files_is_pruned_in_batches_and_photos_stay(collection, clock, settings, monkeypatch):
    monkeypatch.setattr(deletion, "BATCH_UPLOADS", 2)
    settings.KEEP_UPLOADS_DAYS = 90
    photo = factories.make_photo(collection)
    for days in (1, 89, 91, 92, 93):
        received_at = timezone.now() - retention._span(days)
        upload = Upload.objects.create(owner=collection.owner, collection=collection, received_at=received_at)
        upload.items.create(number=1, name=f"{days}.jpg", outcome="accepted", photo=photo)
    assert not retention.prune_uploads(until=0)
    assert retention.prune_uploads(until=math.inf)
    assert sorted(UploadItem.objects.values_list("name", flat=True)) == ["1.jpg", "89.jpg"]
    assert Upload.objects.count() == 2
    assert Photo.objects.get() == photo


@pytest.mark.django_db
def test_uploads_are_kept_where_the_site_says_so(collection, clock, settings):
    settings.KEEP_UPLOADS_DAYS = 0
    Upload.objects.create(owner=collection.owner, collection=collection, received_at=utc(2001, 1, 1))
    assert retention.prune_uploads(until=math.inf)
    assert Upload.objects.exists()


@pytest.mark.django_db
def test_pruning_costs_the_same_few_questions_for_each_batch(collection, clock, django_assert_max_num_queries):
    for _ in range(20):
        upload = Upload.objects.create(owner=collection.owner, collection=collection, received_at=utc(2001, 1, 1))
        upload.items.create(number=1, name="a.jpg", outcome="unsupported")
    with django_assert_max_num_queries(9, connection=connection):
        retention.prune_uploads(until=math.inf)
    assert not Upload.objects.exists()
