"""A photo that the model turned upright: its files, row and boxes change together, and back again."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from PIL import Image

from classifier.models import Photo, PhotoReview, State
from classifier.services import analysis, rerun, turning
from classifier.services.reviews import drawing, photos
from classifier.views import desk
from ml.requests import AnalyzedFace, Chip, PhotoResult
from tests import factories, fakes
from tests.services.test_analysis import run_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch) -> list:
    """What was asked of a model that turns whatever it may, and sees a face in its upper left corner."""
    requests = []

    def analyze(self, batch):
        requests.extend(batch)
        return [answer(request) for request in batch]

    def answer(request):
        turned = 90 if request.may_turn and request.chips is None else 0
        width, height = (240, 320) if turned else (320, 240)
        chip = Chip(35, 50, 50, 10.0)
        face = AnalyzedFace((10.0, 20.0, 60.0, 80.0), 0.99, chip, 50.0, 100.0, 0.5, {"race": (1.0, *[0.0] * 6)})
        return PhotoResult(width, height, (face,), {}, narrowest_face_px=27, turned=turned)

    monkeypatch.setattr(fakes.FakePipeline, "analyze", analyze)
    return requests


def stored_files() -> set[str]:
    found = set()
    for folder in ("photos", "thumbnails"):
        for each in default_storage.listdir(folder)[0]:
            found |= {f"{folder}/{each}/{name}" for name in default_storage.listdir(f"{folder}/{each}")[1]}
    return found


def places(face) -> list[float]:
    return [round(getattr(face, name), 3) for name in ("x1", "y1", "x2", "y2", "chip_cx", "chip_cy", "chip_angle")]


def test_a_turned_photo_gets_new_files_and_can_be_turned_back_for_good(collection, alice_client, asked):
    photo = factories.make_photo(collection, state=State.QUEUED)
    before = factories.make_face(photo, retired_at=photo.received_at)
    there, old = places(before), photo.image.name
    assert (photo.width, photo.height) == (320, 240)
    run_all()
    photo.refresh_from_db()
    assert (photo.turned, photo.width, photo.height, photo.state) == (90, 240, 320, State.DONE)
    assert stored_files() == {photo.image.name, photo.thumbnail.name}
    assert photo.image.name != old
    with photo.image.open() as file:
        assert Image.open(file).size == (240, 320)
    assert photo.stored_bytes == photo.image.size + photo.thumbnail.size
    face = photo.faces.counted().get()
    assert places(face) == [10, 20, 60, 80, 35, 50, 10]
    before.refresh_from_db()
    x1, y1, x2, y2, cx, cy, angle = there
    assert places(before) == [240 - y2, x1, 240 - y1, x2, 240 - cy, cx, angle + 90]

    draw = drawing.begin_photo_draw(collection, creator=collection.owner, size=1)
    photos.mark_photo(draw, photo=photo, reviewer=collection.owner, marks=[(0.25, 0.1)])

    page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    assert "turned upright, as its faces say" in page
    # Browsers keep a picture for a day: what looks otherwise has another address, and a crop another ETag.
    assert reverse("photo-image", args=[photo.uid]) + "?turned=90" in page
    page = alice_client.get(reverse("collection-detail", args=[photo.collection.uid])).content.decode()
    assert reverse("photo-thumbnail", args=[photo.uid]) + "?turned=90" in page
    crop = reverse("face-crop", args=[face.uid])
    assert desk.describe_face(face)["crop"] == f"{crop}?turned=90"
    turned = alice_client.get(crop)["ETag"]
    page = alice_client.post(reverse("photo-turn-back", args=[photo.uid]), follow=True).content.decode()
    assert "The photo is shown as it was sent." in page
    assert "Turn back" not in page
    assert "?turned=" not in page
    assert alice_client.get(crop)["ETag"] != turned
    photo.refresh_from_db()
    assert (photo.turned, photo.width, photo.height) == (0, 320, 240)
    assert stored_files() == {photo.image.name, photo.thumbnail.name}
    face.refresh_from_db()
    before.refresh_from_db()
    assert places(face) == [20, 180, 80, 230, 50, 205, -80]
    assert places(before) == there
    assert PhotoReview.objects.get().marks == [[0.1, 0.75]]

    rerun.detect_again(Photo.objects.filter(pk=photo.pk))
    run_all()
    photo.refresh_from_db()
    assert (photo.turned, [request.may_turn for request in asked]) == (0, [True, False])


def test_a_photo_that_cannot_be_stored_as_turned_stays_as_it_was(collection, asked, monkeypatch):
    photo = factories.make_photo(collection, state=State.QUEUED)
    files = stored_files()

    def lose(*args, **values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("classifier.intake.pool.DecodingPool.store_picture", lose)
    run_all()
    photo.refresh_from_db()
    assert (photo.state, photo.code, photo.turned, photo.width) == (State.FAILED, "internal", 0, 320)
    assert stored_files() == files


def test_a_result_that_comes_too_late_leaves_no_file(collection, asked, monkeypatch):
    photo = factories.make_photo(collection, state=State.QUEUED)
    files = stored_files()
    store = turning.store_turned

    def lose_the_lease(photo, **values):
        Photo.objects.filter(pk=photo.pk).update(token=None, state=State.QUEUED)
        return store(photo, **values)

    monkeypatch.setattr("classifier.services.turning.store_turned", lose_the_lease)
    assert analysis.run_once() == 1
    photo.refresh_from_db()
    assert (photo.state, photo.turned) == (State.QUEUED, 0)
    assert stored_files() == files


def test_a_photo_that_is_being_analysed_is_not_turned_back(collection, alice_client):
    photo = factories.make_photo(collection, state=State.RUNNING, turned=90)
    page = alice_client.post(reverse("photo-turn-back", args=[photo.uid]), follow=True).content.decode()
    assert "or being analysed" in page
    photo.refresh_from_db()
    assert photo.turned == 90
