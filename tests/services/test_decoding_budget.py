"""What reading photos may cost: for a submission, and for a person over all submissions and processes."""

from collections import Counter

import pytest

from classifier.intake import storage
from classifier.models import RateBucket
from classifier.services import rates, uploads
from tests import factories
from tests.services.submissions import files_of, outcomes, sent, stored_files

pytestmark = pytest.mark.django_db

COST = 5.0  # seconds of CPU time that each photo is said to take


class OneAfterTheOther:
    """Stands in for the decoding threads: none begins before what the last one spent is written down."""

    def __init__(self, *_, **__) -> None:
        pass

    def __enter__(self) -> "OneAfterTheOther":
        return self

    def __exit__(self, *_) -> None:
        pass

    map = staticmethod(map)


@pytest.fixture(autouse=True)
def exact_numbers(settings, monkeypatch) -> None:
    settings.REDIS_URL = ""  # the database counts
    monkeypatch.setattr(uploads, "ThreadPoolExecutor", OneAfterTheOther)


@pytest.fixture
def slow(monkeypatch) -> None:
    """Photos are stored as always, and each is said to have taken `COST`."""
    store = storage.store_photo

    def store_slowly(file, *, uid, payer, **options):
        payer.spend(COST)
        return store(file, uid=uid)

    monkeypatch.setattr(storage, "store_photo", store_slowly)


def test_when_a_submission_has_used_its_time_up_the_rest_is_told_as_not_read(alice, collection, media, settings, slow):
    settings.DECODE_REQUEST_SECONDS = 2 * COST
    files = [sent(f"{n}.jpg", seed=n) for n in range(5)]
    upload = uploads.submit_photos(alice, collection=collection, files=files)
    assert outcomes(upload) == ["accepted", "accepted", "not_read", "not_read", "not_read"]
    told = upload.items.last()
    assert told.name == "4.jpg"
    assert "took all the time that one upload may. Send this file again." in told.message
    assert stored_files(media) == files_of(collection.photos.all())
    again = uploads.submit_photos(alice, collection=collection, files=files[2:])
    assert outcomes(again) == ["accepted", "accepted", "not_read"]


def test_when_a_person_s_time_is_used_up_the_rest_is_not_read_and_the_next_upload_waits(
    alice, bob, collection, settings, slow
):
    settings.DECODE_RATE = "60/hour"
    upload = uploads.submit_photos(alice, collection=collection, files=[sent(seed=n) for n in range(15)])
    counts = Counter(outcomes(upload))
    assert counts == {"accepted": 13, "not_read": 2}, "60 s hold twelve photos, and the thirteenth is begun"
    assert "Send this file again in 5 min." in upload.items.last().message
    assert 290 < rates.take_upload(alice, files=1) <= 300
    assert rates.take_upload(bob, files=1) == 0.0


def test_time_that_refused_files_took_counts_as_well(alice, collection, settings, monkeypatch):
    settings.DECODE_RATE = "5/hour"

    def refuse(file, *, uid, payer, **options):
        payer.spend(COST)
        raise storage.pool.BadImage("damaged")

    monkeypatch.setattr(storage, "store_photo", refuse)
    uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert rates.charge_decoding(alice, seconds=0.01) > 0


def test_time_counts_when_the_submission_ends_in_an_error(alice, collection, monkeypatch, slow):
    monkeypatch.setattr(uploads, "_create_rows", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert RateBucket.objects.filter(key=f"decode:{alice.pk}").exists()


def test_real_photos_cost_a_person_little_and_few_queries(alice, collection, settings, django_assert_max_num_queries):
    settings.DECODE_RATE, settings.UPLOAD_RATE = "5/day", "off"
    files = [sent(seed=n) for n in range(20)]
    with django_assert_max_num_queries(24):
        upload = uploads.submit_photos(alice, collection=collection, files=files)
    assert outcomes(upload) == ["accepted"] * 20
    assert rates.charge_decoding(alice, seconds=0) == 0.0
    assert rates.charge_decoding(alice, seconds=4.99) > 0, "and yet they were counted"


def test_without_a_limit_nobody_waits(alice, collection, settings, slow):
    settings.DECODE_RATE = "off"
    uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert not RateBucket.objects.filter(key__startswith="decode:").exists()
    assert rates.charge_decoding(alice, seconds=10**6) == 0.0


def test_people_without_anything_to_read_are_not_charged(alice, settings):
    factories.CollectionFactory(owner=alice)
    assert rates.take_upload(alice, files=1) == 0.0
    assert not RateBucket.objects.filter(key__startswith="decode:").exists()
