"""Submissions: every file ends in one row of the answer, and what is accepted is stored and queued."""

import hashlib

import pytest
from django.core.files.uploadedfile import TemporaryUploadedFile
from kombu.exceptions import OperationalError as BrokerDown
from PIL import Image

from classifier import tasks
from classifier.models import Collection, Photo, State
from classifier.running import hints
from classifier.services import received, uploads
from tests import factories, pictures
from tests.services.submissions import files_of, outcomes, sent, stored_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch) -> list[bool]:
    """Wake-up calls are counted, not sent."""
    calls: list[bool] = []
    monkeypatch.setattr(hints, "count_waiting", lambda *_, **__: 0)  # what earlier tests sent nobody took
    monkeypatch.setattr(tasks.analyze, "apply_async", lambda **_: calls.append(True))
    return calls


def test_an_accepted_photo_is_stored_and_queued(alice, collection, media, woken, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        upload = uploads.submit_photos(alice, collection=collection, files=[sent("holiday.jpg")])
    [item] = upload.items.all()
    photo = item.photo
    assert (item.number, item.name, item.outcome, item.message) == (1, "holiday.jpg", "accepted", "")
    assert (photo.owner, photo.collection, photo.name) == (alice, collection, "holiday.jpg")
    assert (photo.state, photo.code, photo.width, photo.height) == (State.QUEUED, "", 320, 240)
    assert photo.sha256 == hashlib.sha256(pictures.jpeg()).hexdigest()
    assert photo.stored_bytes == photo.image.size + photo.thumbnail.size
    assert stored_files(media) == files_of([photo])
    assert woken == [True]
    assert Photo.objects.claim(limit=5) == [photo]


BAD_INPUT = [
    ("text.jpg", b"This is a text.", "unsupported"),
    ("broken.jpg", pictures.jpeg(400, 300)[:3000], "damaged"),
    ("huge.png", pictures.png_bytes(30_000, 30_000), "too_many_pixels"),
    ("empty.jpg", b"", "empty"),
    ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported"),
    ("drawing.jpg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported"),
    ("scan.jpg", pictures.encode(pictures.picture(16, 16), "TIFF"), "unsupported"),
    ("paper.png", pictures.encode(pictures.picture(16, 16), "PDF"), "unsupported"),
    ("figure.gif", pictures.encode(pictures.picture(16, 16), "EPS"), "unsupported"),
    ("icon.png", pictures.encode(pictures.picture(16, 16), "ICO"), "unsupported"),
    ("large.bmp", b"BM" + b"\0" * 2_000_000, "too_large"),
]
UNUSUAL = [
    ("animated.gif", pictures.animation("GIF")),
    ("print.jpg", pictures.encode(pictures.picture(32, 32).convert("CMYK"), "JPEG")),
    ("sixteen.png", pictures.encode(Image.new("I;16", (16, 16), 40_000), "PNG")),
    ("palette.png", pictures.encode(pictures.picture(32, 32).quantize(16), "PNG")),
    ("dot.png", pictures.encode(Image.new("RGB", (1, 1)), "PNG")),
    ("phone.heic", pictures.encode(pictures.picture(64, 48), "HEIF")),
]


def test_every_bad_file_gets_an_answer_of_its_own_and_the_rest_goes_on(alice, collection, settings, media):
    settings.MAX_FILE_BYTES = 1024**2
    files = [sent(name, content) for name, content, _ in BAD_INPUT] + [sent(*unusual) for unusual in UNUSUAL]
    upload = uploads.submit_photos(alice, collection=collection, files=files)
    items = list(upload.items.all())
    assert [item.name for item in items] == [file.name for file in files]
    assert [item.number for item in items] == list(range(1, len(files) + 1))
    assert [(item.name, item.outcome) for item in items] == [
        *((name, outcome) for name, _, outcome in BAD_INPUT),
        *((name, "accepted") for name, _ in UNUSUAL),
    ]
    for item in items[: len(BAD_INPUT)]:
        assert item.photo is None
        assert item.message.endswith(".")
    assert collection.photos.count() == len(UNUSUAL)
    assert stored_files(media) == files_of(collection.photos.all())


def test_the_sentences_of_different_refusals_differ(alice, collection, settings):
    settings.MAX_FILE_BYTES = 1024**2
    upload = uploads.submit_photos(alice, collection=collection, files=[sent(n, c) for n, c, _ in BAD_INPUT])
    sentences = {item.outcome: item.message for item in upload.items.all()}
    assert len(set(sentences.values())) == 5
    assert "1 MB" in sentences["too_large"]
    assert "50 megapixels" in sentences["too_many_pixels"]


def test_an_animation_s_note_is_told_with_the_file_and_kept_with_the_photo(alice, collection):
    upload = uploads.submit_photos(alice, collection=collection, files=[sent(*UNUSUAL[0])])
    [item] = upload.items.all()
    assert item.message == item.photo.note == "Only the first of 3 frames is kept."


def test_a_photo_turned_by_exif_is_stored_upright(alice, collection):
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = uploads.submit_photos(alice, collection=collection, files=[sent("turned.jpg", pictures.jpeg(exif=exif))])
    photo = upload.items.get().photo
    assert (photo.width, photo.height) == (240, 320)
    with Image.open(photo.image) as stored:
        assert stored.size == (240, 320)
        assert not stored.getexif()


def test_a_large_file_that_django_keeps_on_disk_is_read_from_there(alice, collection):
    content = pictures.jpeg()
    with TemporaryUploadedFile("big.jpg", "image/jpeg", len(content), None) as file:
        file.write(content)
        file.seek(0)
        upload = uploads.submit_photos(alice, collection=collection, files=[file])
    assert outcomes(upload) == ["accepted"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\me.jpg", "me.jpg"),
        ("two\nlines\x00\x1b[31m.jpg", "two lines[31m.jpg"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("Screenshot at 5.00\u202fPM.png", "Screenshot at 5.00 PM.png"),
        ("Жена 人.jpg", "Жена 人.jpg"),
        ("<script>.jpg", "<script>.jpg"),
        ("bad\udcff.jpg", "bad.jpg"),
        ("x" * 400 + ".jpg", "x" * 255),
        ("folder/", "unnamed"),
        ("\u200b", "unnamed"),
        (None, "unnamed"),
    ],
)
def test_names_are_cleaned_for_display(name, shown):
    assert received.clean_name(name) == shown


def test_photos_take_turns_behind_what_their_owner_has_waiting(alice, collection, bob):
    for seed in (0, 3):
        files = [sent(seed=seed + n) for n in range(3)]
        uploads.submit_photos(alice, collection=collection, files=files)
    theirs = factories.CollectionFactory(owner=bob)
    uploads.submit_photos(bob, collection=theirs, files=[sent()])
    assert sorted(collection.photos.values_list("turn", flat=True)) == [0, 1, 2, 3, 4, 5]
    assert theirs.photos.get().turn == 0


def test_a_submission_without_an_accepted_photo_wakes_nobody(
    alice, collection, woken, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        uploads.submit_photos(alice, collection=collection, files=[sent("a.txt", b"text")])
    assert woken == []


def test_a_broker_that_is_down_does_not_fail_an_upload(
    alice, collection, woken, monkeypatch, django_capture_on_commit_callbacks
):
    def be_down(**_):
        raise BrokerDown("no route to the broker")

    monkeypatch.setattr(tasks.analyze, "apply_async", be_down)
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        upload = uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert len(callbacks) == 1
    assert outcomes(upload) == ["accepted"]


def test_the_collection_used_last_comes_first(alice, collection):
    factories.CollectionFactory(owner=alice)
    uploads.submit_photos(alice, collection=collection, files=[sent()])
    assert Collection.objects.owned_by(alice).first() == collection


def test_a_hundred_photos_need_few_queries(alice, collection, settings, django_assert_max_num_queries):
    files = [sent(f"{n}.jpg", pictures.encode(Image.new("RGB", (8, 8), (n, n, n)), "PNG")) for n in range(100)]
    settings.UPLOAD_RATE = "off"  # counting what a person sends takes two more, or eight at their first upload
    with django_assert_max_num_queries(25):
        upload = uploads.submit_photos(alice, collection=collection, files=files)
    assert outcomes(upload) == ["accepted"] * 100
