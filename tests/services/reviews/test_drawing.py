"""Draws: who is in them, with what probability; enlarged, extended, and what cannot be drawn."""

from collections import Counter

import pytest

from classifier.models import AuditEvent, Draw, Face, Photo
from classifier.services import deletion
from classifier.services.reviews import codebooks, drawing, frames
from classifier.services.reviews.refusals import BadDraw
from tests.services.reviews import made_up


def strata_drawn(draw):
    names = [f"{row['label']} {row['part']}" for row in draw.strata]
    return Counter(names[of] for of in draw.drawn_faces.values_list("stratum", flat=True))


def test_a_draw_freezes_its_frame_and_tells_the_probability_of_each_face(draw):
    assert {row["label"]: row["faces"] for row in draw.describe_strata()} == {"White": 80, "Black": 30, "Indian": 10}
    assert draw.frame == 120
    drawn = strata_drawn(draw)
    assert sum(drawn.values()) == draw.size == 20
    assert min(drawn.values()) >= 2
    for face in draw.drawn_faces.all():
        row = draw.strata[face.stratum]
        assert face.inclusion_probability == pytest.approx(drawn[f"{row['label']} 1"] / row["faces"])
    assert sorted(draw.drawn_faces.values_list("place", flat=True)) == list(range(1, 21))


def test_the_same_seed_draws_the_same_faces(pictured, alice, draw):
    again = drawing.begin_draw(pictured, creator=alice, attribute="race", size=20, seed=7)
    faces = [list(of.drawn_faces.values_list("face_id", flat=True)) for of in (draw, again)]
    assert faces[0] == faces[1]
    other = drawing.begin_draw(pictured, creator=alice, attribute="race", size=20, seed=8)
    assert list(other.drawn_faces.values_list("face_id", flat=True)) != faces[0]


def test_an_enlarged_draw_keeps_what_it_had(draw, alice):
    before = list(draw.drawn_faces.values())
    larger = drawing.enlarge_draw(draw, size=15, actor=alice)
    rows = list(larger.drawn_faces.values())
    assert rows[:20] == before
    assert {row["batch"] for row in rows[20:]} == {2}
    assert larger.size == len({row["face_id"] for row in rows}) == 35
    assert AuditEvent.objects.filter(action="draw enlarged", target=f"draw {draw.uid}").exists()


def test_photos_that_came_later_are_told_and_taken_in_as_strata_of_their_own(draw, alice):
    assert drawing.count_later(draw) == 0
    made_up.add_faces(draw.collection, ["White"] * 9 + ["Black"] * 1)
    assert drawing.count_later(draw) == 10
    assert drawing.extend_draw(draw, size=6, actor=alice).frame == 130
    draw.refresh_from_db()
    assert strata_drawn(draw)["Black 2"] == 1  # all there are
    assert strata_drawn(draw)["White 2"] == 5
    assert drawing.count_later(draw) == 0


def test_faces_that_go_leave_frame_and_sample(draw):
    drawn = draw.drawn_faces.first().face
    deletion.delete_photos(Photo.objects.filter(pk=drawn.photo_id))
    undrawn = Face.objects.exclude(drawn__draw=draw).first()
    Face.objects.filter(pk=undrawn.pk).update(retired_at=undrawn.created_at)
    assert draw.drawn_faces.count() == 19
    assert sum(frames.count_frame(draw).values()) == 118


def test_age_makes_five_strata(pictured, alice):
    draw = drawing.begin_draw(pictured, creator=alice, attribute="age", size=5)
    assert [row["label"] for row in draw.strata] == ["0-9", "10-19", "20-39", "40-59", "60+"]
    assert draw.describe_strata() == [{"label": "20-39", "part": 1, "faces": 120}]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"size": 121}, "too_large"),
        ({"size": 3}, "too_small"),
        ({"size": 0}, "too_small"),
        ({"size": 10**6}, "too_large"),
        ({"narrowest_px": 500}, "empty"),
        ({"chosen": {"moon": "full"}}, "unknown_filter"),
        ({"chosen": {"received_from": "yesterday"}}, "unknown_filter"),
        ({"chosen": {"received_to": "1990-01-01"}}, "empty"),
        ({"chosen": {"gender": "Purple"}}, "unknown_filter"),
        ({"chosen": {"gender": "Female", "taxonomy": "moon"}}, "unknown_filter"),
        ({"chosen": {"size": "small"}}, "empty"),
        ({"attribute": "shoe"}, "attribute_off"),
    ],
)
def test_what_cannot_be_drawn_is_told_and_leaves_nothing(pictured, alice, values, code):
    with pytest.raises(BadDraw) as refused:
        drawing.begin_draw(pictured, creator=alice, **{"attribute": "race", "size": 20, **values})
    assert refused.value.code == code
    assert refused.value.sentence
    assert not Draw.objects.exists()


def test_the_gallerys_filters_make_a_domain_of_a_draw(collection, alice):
    made_up.add_faces(collection, ["White"] * 20 + ["Black"] * 20, genders=["Female", "Male"] * 20, per_photo=2)
    women = drawing.begin_draw(collection, creator=alice, attribute="race", size=8, chosen={"gender": "Female"})
    assert women.frame == 20
    assert women.filter == {"gender": "Female", "taxonomy": collection.taxonomy}
    assert not women.drawn_faces.exclude(face__guesses__label="Female").exists()
    assert drawing.count_later(women) == 0
    made_up.add_faces(collection, ["White"] * 6, genders=["Female", "Male"] * 3, per_photo=2)
    # Also after the collection tells groups otherwise, whoever came later is chosen as at first.
    collection.taxonomy = "utkface-5"
    collection.save()
    women.refresh_from_db()
    assert drawing.count_later(women) == 3
    photos = drawing.begin_photo_draw(collection, creator=alice, size=5, chosen={"group": "Black"})
    assert photos.frame_photos == 10
    collection.attributes = ["race"]
    collection.save()
    women.refresh_from_db()
    assert drawing.count_later(women) == 0  # nobody is told apart by gender now


def test_a_stratum_of_one_is_drawn_whole(collection, alice):
    made_up.add_faces(collection, ["White"] * 50 + ["Indian"])
    draw = drawing.begin_draw(collection, creator=alice, attribute="race", size=10)
    (lonely,) = [face for face in draw.drawn_faces.all() if draw.strata[face.stratum]["label"] == "Indian"]
    assert lonely.inclusion_probability == 1


def test_photos_are_drawn_each_equally_likely(pictured, alice):
    draw = drawing.begin_photo_draw(pictured, creator=alice, size=30)
    assert draw.frame == 120
    assert set(draw.drawn_photos.values_list("inclusion_probability", flat=True)) == {0.25}
    larger = drawing.enlarge_draw(draw, size=10, actor=alice)
    assert larger.drawn_photos.count() == 40
    with pytest.raises(BadDraw, match="80 photos"):
        drawing.enlarge_draw(larger, size=81, actor=alice)


def test_a_codebook_is_a_new_version_only_when_it_says_something_else(pictured, alice):
    first = codebooks.keep_codebook(pictured, text="Look closely.", author=alice)
    assert codebooks.keep_codebook(pictured, text="Look closely.\n", author=alice) == first
    second = codebooks.keep_codebook(pictured, text="Look twice.", author=alice)
    assert (first.version, second.version) == (1, 2)
    draw = drawing.begin_draw(pictured, creator=alice, attribute="race", size=20)
    assert draw.codebook == second
