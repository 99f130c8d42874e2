"""A photo's page and its files."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from classifier.models import ModelVersion, Photo, State
from classifier.services import analysis, predictions
from classifier.templatetags import facet
from ml import labels
from tests import factories
from tests.conftest import logged_in


@pytest.mark.parametrize("name", ["photo-image", "photo-thumbnail"])
def test_files_are_sent_so_that_they_can_only_be_looked_at(alice_client, photo, name):
    response = alice_client.get(reverse(name, args=[photo.uid]))
    assert b"".join(response.streaming_content).startswith(b"\xff\xd8")
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "private" in response["Cache-Control"]


def test_a_file_that_did_not_change_is_not_sent_again(alice_client, photo):
    address = reverse("photo-thumbnail", args=[photo.uid])
    response = alice_client.get(address)
    again = alice_client.get(address, headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304
    assert again["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_file_that_is_missing_is_404_and_the_page_still_opens(alice_client, photo):
    default_storage.delete(photo.image.name)
    assert alice_client.get(reverse("photo-image", args=[photo.uid])).status_code == 404
    assert alice_client.get(reverse("photo-detail", args=[photo.uid])).status_code == 200


def test_a_photo_that_is_being_deleted_is_seen_by_nobody(alice_client, photo):
    Photo.objects.filter(pk=photo.pk).update(deleting_at=photo.received_at)
    for name in ("photo-detail", "photo-image", "photo-thumbnail"):
        assert alice_client.get(reverse(name, args=[photo.uid])).status_code == 404


def test_the_page_tells_one_face_with_bars_and_numbers(alice_client, photo):
    page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    assert "Face 1" in page
    assert "of 2" in page
    assert "90\N{NO-BREAK SPACE}%" in page
    assert "0.9000" in page
    assert 'width="90.0%"' in page
    assert "0.998" in page
    assert "facet-test" in page
    assert "detect 31" in page


def test_the_page_says_how_wide_a_face_had_to_be(alice_client, collection):
    nobody = factories.make_photo(collection, code="no_face", narrowest_face_px=62)
    page = alice_client.get(reverse("photo-detail", args=[nobody.uid])).content.decode()
    assert "or narrower than 62 px are missed" in page
    assert "found from 62 px wide on" in page


def test_the_page_says_why_nobody_may_have_been_found(alice_client, collection):
    for code, told in (("dark", "the photo is very dark"), ("nothing", "nothing in it looks like a face")):
        nobody = factories.make_photo(collection, code="no_face", no_face_because=code)
        page = alice_client.get(reverse("photo-detail", args=[nobody.uid])).content.decode()
        assert f"Probably because {told}." in page
    nobody = factories.make_photo(collection, code="no_face")
    assert "Probably" not in alice_client.get(reverse("photo-detail", args=[nobody.uid])).content.decode()


def test_a_doubtful_face_is_unsure_and_nothing_is_bold(alice_client, photo):
    response = alice_client.get(reverse("photo-detail", args=[photo.uid]), {"face": 2}, headers={"HX-Request": "true"})
    page = response.content.decode()
    assert page.count('<span class="unsure">unsure</span>') == 3
    assert "is-top" not in page
    assert "too small to say much" in page


def test_the_grouping_is_switched_by_the_address(alice_client, photo):
    page = alice_client.get(reverse("photo-detail", args=[photo.uid]), {"taxonomy": "utkface-5"})
    assert list(page.context["answers"]["race"]["probabilities"]) == ["White", "Black", "Asian", "Indian", "Others"]
    page = alice_client.get(reverse("photo-detail", args=[photo.uid]), {"taxonomy": "nonsense"})
    assert len(page.context["answers"]["race"]["probabilities"]) == 7


def test_a_switched_off_attribute_has_no_chart(alice_client, collection):
    from classifier.services import predictions

    photo = factories.make_photo(collection)
    face = factories.make_face(photo)
    vectors = {"age": factories.even("age", top="3-9", probability=0.8)}
    predictions.store_predictions({face: vectors}, model_version=factories.ModelVersionFactory())
    page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    assert "Perceived age" in page
    assert "Perceived group" not in page
    assert "Perceived gender" not in page


def test_htmx_gets_the_face_alone_and_the_gallery_its_card(alice_client, photo):
    address = reverse("photo-detail", args=[photo.uid])
    face = alice_client.get(address, {"face": 2}, headers={"HX-Request": "true"}).content.decode()
    card = alice_client.get(address, {"face": 1, "card": ""}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in face
    assert "Face 2" in face
    assert "<html" not in card
    assert "perceived group" in card


def test_a_pending_photo_is_watched_until_a_worker_is_through(alice_client, photo):
    address = reverse("photo-detail", args=[photo.uid])
    Photo.objects.update(state=State.RUNNING)
    assert "?watch" in alice_client.get(address).content.decode()
    assert alice_client.get(address, {"watch": ""}, headers={"HX-Request": "true"}).status_code == 204
    Photo.objects.update(state=State.DONE)
    assert "?watch" not in alice_client.get(address).content.decode()
    assert alice_client.get(address, {"watch": ""}, headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_faces_can_be_gone_through_in_a_ring(alice_client, photo):
    response = alice_client.get(reverse("photo-detail", args=[photo.uid]), {"face": 2})
    assert response.context["next_face"].number == 1
    assert response.context["previous_face"].number == 1


def test_neighbouring_photos_stay_within_the_collection(alice, alice_client, collection):
    first = factories.make_photo(collection, name="first.jpg")
    factories.make_photo(factories.CollectionFactory(owner=alice), name="elsewhere.jpg")
    second = factories.make_photo(collection, name="second.jpg")
    context = alice_client.get(reverse("photo-detail", args=[first.uid])).context
    assert (context["before"], context["after"]) == (second, None)


def test_deleting_a_photo_takes_its_files_along(alice_client, photo, media):
    response = alice_client.post(reverse("photo-delete", args=[photo.uid]))
    assert response.url == reverse("collection-detail", args=[photo.collection.uid])
    assert not Photo.objects.exists()
    assert not list(media.rglob("*.jpg"))


def test_running_and_detecting_again_queue_the_photo(alice_client, photo):
    alice_client.post(reverse("photo-run-again", args=[photo.uid]))
    photo.refresh_from_db()
    assert photo.state == State.QUEUED
    assert photo.faces.counted().count() == 2
    Photo.objects.update(state=State.DONE)
    alice_client.post(reverse("photo-detect-again", args=[photo.uid]))
    photo.refresh_from_db()
    assert photo.state == State.QUEUED
    old = set(photo.faces.counted())
    assert len(old) == photo.face_count == 2, "they count until the new look succeeded"
    analysis.run_once()
    photo.refresh_from_db()
    assert old.isdisjoint(photo.faces.counted())
    assert photo.faces.counted().count() == photo.face_count


def test_somebody_who_may_only_read_cannot_delete(photo, rita):
    photo.collection.is_opened_to_reviewers = True
    photo.collection.save()
    client = logged_in(rita)
    assert client.get(reverse("photo-image", args=[photo.uid])).status_code == 200
    assert client.post(reverse("photo-delete", args=[photo.uid])).status_code == 404
    assert Photo.objects.filter(pk=photo.pk, deleting_at=None).exists()


def test_ages_stand_in_the_order_of_age_and_groups_by_probability(alice_client, photo):
    page = alice_client.get(reverse("photo-detail", args=[photo.uid]))
    answers = page.context["answers"]
    assert [bar.label for bar in facet.bars(answers["age"])] == [
        *("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70 and over")
    ]
    widths = [bar.width for bar in facet.bars(answers["race"])]
    assert widths == sorted(widths, reverse=True)
    few = facet.largest(answers["age"], 3)
    assert sum(bar.is_top for bar in few) == 1
    assert [bar.label for bar in few] == [bar.label for bar in facet.bars(answers["age"]) if bar in few]


def test_a_small_face_has_a_reach_for_fingers(alice_client, photo):
    page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    assert page.count('class="box-reach"') == 2


def test_a_version_that_tells_sets_says_them_wherever_it_says_a_label(alice_client, collection):
    card = {
        "thresholds": {"race": {"fairface-7": {"White": 0.4, "Latino_Hispanic": None}}, "age": {"age": 0.4}},
        "sets": {"race": {"fairface-7": {"coverage": 0.9, "least": dict.fromkeys(labels.RACE, 0.3) | {"White": 0.02}}}},
        "numbers": {"age": {"sharpness": 1.0, "weights": [1] * 9, "tails": [0.1, 0.1], "coverage": 0.8,
                            "centres": [1, 6, 14.5, 24.5, 34.5, 44.5, 54.5, 64.5, 80]}},
    }  # fmt: skip
    version = factories.ModelVersionFactory()
    ModelVersion.objects.filter(pk=version.pk).update(card=card)
    photo = factories.make_photo(collection)
    face = factories.make_face(photo, race="Latino_Hispanic", age="more than 70", probability=0.9)
    page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    assert "most probably Latino / Hispanic, but not sure enough" in page  # at 90 %: it is never sure
    assert "White or Latino / Hispanic, 90\N{NO-BREAK SPACE}%" not in page  # White has 1.7 %
    guess = face.guesses.get(attribute="race")
    assert (guess.label, guess.unsure) == ("Latino_Hispanic", True)
    assert face.guesses.get(attribute="age").expected == pytest.approx(0.9 * 80 + 0.1 / 8 * 244)
    surer = factories.make_face(photo, number=2, race="White", probability=0.85)
    vectors = {**surer.prediction.vectors, "race": [0.45, 0.02, 0.45, 0.02, 0.02, 0.02, 0.02]}
    predictions.store_predictions({surer: vectors}, model_version=surer.prediction.model_version)
    page = alice_client.get(reverse("photo-detail", args=[photo.uid]), {"face": 2}).content.decode()
    assert "White or Latino / Hispanic, 90\N{NO-BREAK SPACE}%" in page
    told = alice_client.get(reverse("api-photo-detail", args=[photo.uid])).json()["faces"]
    assert [face["predictions"]["race"]["unsure"] for face in told] == [True, False]
    assert told[1]["predictions"]["race"]["set"] == ["White", "Latino_Hispanic"]
    assert told[1]["predictions"]["race"]["set_coverage"] == 0.9
    assert told[1]["predictions"]["gender"]["set"] is None
    rows = b"".join(alice_client.get(reverse("collection-faces", args=[collection.uid])).streaming_content).decode()
    assert "White,false,White|Latino_Hispanic," in rows
    assert "Latino_Hispanic,true,Latino_Hispanic," in rows
