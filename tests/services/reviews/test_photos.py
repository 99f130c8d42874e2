"""Draws of photos: marks of faces that were not found, and what they say of all photos."""

import csv

import pytest
from django.urls import reverse

from classifier.models import PhotoReview
from classifier.services.reviews import drawing, exporting, missing, photos
from classifier.services.reviews.refusals import AnsweredMeanwhile, BadAnswer, NotDrawn, NothingToTakeBack


@pytest.fixture
def photo_draw(pictured, alice):
    return drawing.begin_photo_draw(pictured, creator=alice, size=20, seed=3)


def mark_next(draw, reviewer, marks=(), **values):
    _, (photo, *_) = photos.next_photos(draw, reviewer=reviewer)
    return photos.mark_photo(draw, photo=photo, reviewer=reviewer, marks=marks, **values)


def test_marks_in_photos_tell_how_many_faces_were_missed(photo_draw, alice):
    assert missing.estimate_missed(photo_draw) is None
    for place in range(10):
        mark_next(photo_draw, alice, [[0.5, 0.25]] if place == 0 else [])
    found = missing.estimate_missed(photo_draw)
    assert (found.photos, found.found, found.missed) == (10, 10, 1)
    assert found.share == pytest.approx(1 / 11)
    assert found.low < found.share < found.high


def test_two_reviewers_of_a_photo_count_as_their_mean(photo_draw, alice, carol):
    mark_next(photo_draw, alice, [[0.1, 0.1], [0.2, 0.2]])
    mark_next(photo_draw, carol, [])
    assert missing.estimate_missed(photo_draw).missed == 1


def test_a_photo_is_put_off_corrected_and_taken_back(photo_draw, alice):
    _, (first, second, *_) = photos.next_photos(photo_draw, reviewer=alice)
    photos.skip_photo(photo_draw, photo=first, reviewer=alice)
    review = mark_next(photo_draw, alice, [[0.5, 0.5]], client_key="a")
    assert review.drawn_photo.photo == second
    again = photos.mark_photo(photo_draw, photo=second, reviewer=alice, marks=[], client_key="a")
    assert again == review
    with pytest.raises(AnsweredMeanwhile):
        photos.mark_photo(photo_draw, photo=second, reviewer=alice, marks=[])
    fixed = photos.mark_photo(photo_draw, photo=second, reviewer=alice, marks=[], replaces=review.uid)
    assert fixed.replaces == review
    assert photos.take_back(photo_draw, reviewer=alice) == fixed
    assert photos.next_photos(photo_draw, reviewer=alice)[1][0] == second
    with pytest.raises(NothingToTakeBack):
        photos.take_back(photo_draw, reviewer=alice)
    assert PhotoReview.objects.count() == 3


@pytest.mark.parametrize("marks", [[[1.2, 0.5]], [[0.5]], ["ab"], [[None, 1]], [[0.5, 0.5]] * 501])
def test_marks_outside_of_a_photo_are_told(photo_draw, alice, marks):
    with pytest.raises(BadAnswer, match="from 0 to 1"):
        mark_next(photo_draw, alice, marks)


def test_a_photo_of_another_draw_is_told(photo_draw, pictured, alice):
    other = pictured.photos.exclude(drawn__draw=photo_draw).first()
    with pytest.raises(NotDrawn):
        photos.mark_photo(photo_draw, photo=other, reviewer=alice, marks=[])


def test_marks_are_told_as_csv(photo_draw, alice, carol, alice_client):
    mark_next(photo_draw, alice, [[0.5, 0.25], [0.125, 1]], comment="=two")
    photos.skip_photo(photo_draw, photo=photos.next_photos(photo_draw, reviewer=carol)[1][0], reviewer=carol)
    rows = list(csv.DictReader("".join(exporting.write_photo_draw(photo_draw)).splitlines()))
    assert [row["order"] for row in rows] == [str(place) for place in range(1, 21)]
    assert {(row["photos"], row["inclusion_probability"], row["faces_found"]) for row in rows} == {
        (str(photo_draw.frame_photos), f"{20 / photo_draw.frame_photos:.8g}", "1")
    }
    (said,) = [row for row in rows if row["reviewer"]]
    assert (said["faces_missed"], said["marks"], said["comment"]) == ("2", "0.5 0.25; 0.125 1", "'=two")
    address = reverse("draw-export", args=[photo_draw.uid])
    assert "0.5 0.25; 0.125 1" in alice_client.get(address).getvalue().decode()
    assert address in alice_client.get(reverse("draw-detail", args=[photo_draw.uid])).text
