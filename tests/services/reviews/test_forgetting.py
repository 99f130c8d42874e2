"""Attributes are switched off, collections deleted, reviewers removed while others answer: what stays."""

import pytest

from classifier.models import (
    AuditEvent,
    Collection,
    CollectionShare,
    Draw,
    DrawnFace,
    Face,
    FrameFace,
    PhotoReview,
    Review,
    User,
)
from classifier.services import collections, deletion, rerun
from classifier.services.reviews import answering, drawing, photos, progress, serving
from classifier.services.reviews.answering import Answer
from classifier.services.reviews.refusals import DrawEnded, NotDrawn, QuestionsOff

ALL = {"race": "White", "gender": "Female", "age": "30-39"}


def answer_next(draw, reviewer, answers=ALL):
    _, (face, *_) = serving.next_faces(draw, reviewer=reviewer)
    return answering.answer_face(draw, face=face, reviewer=reviewer, answer=Answer(answers=answers))


@pytest.fixture
def reviewed(draw, alice):
    for _ in range(4):
        answer_next(draw, alice)
    return draw


def test_with_the_attribute_of_its_strata_a_draw_ends_and_nothing_tells_that_guess_any_more(reviewed, alice):
    _, (face, *_) = serving.next_faces(reviewed, reviewer=alice)
    collections.change_collection(reviewed.collection, actor=alice, attributes=["gender", "age"])
    draw = Draw.objects.get()
    assert (draw.ended, draw.strata) == (Draw.Ended.SWITCHED_OFF, [])
    assert not DrawnFace.objects.exists()
    assert not FrameFace.objects.exists()
    assert {frozenset(review.answers) for review in Review.objects.all()} == {frozenset(("gender", "age"))}
    assert AuditEvent.objects.get(action="attributes switched off").details["reviews"] == 4
    for act in (
        lambda: answering.answer_face(draw, face=face, reviewer=alice, answer=Answer(answers=ALL)),
        lambda: answering.take_back(draw, reviewer=alice),
        lambda: drawing.enlarge_draw(draw, size=5, actor=alice),
        lambda: drawing.extend_draw(draw, size=5, actor=alice),
    ):
        with pytest.raises(DrawEnded):
            act()
    assert serving.next_faces(draw, reviewer=alice)[1] == []
    assert progress.measure_progress(draw).size == 0
    assert drawing.count_later(draw) == 0


def test_an_answer_on_its_way_keeps_what_is_still_asked(reviewed, alice):
    collections.change_collection(reviewed.collection, actor=alice, attributes=["race", "age"])
    kept = answer_next(reviewed, alice)
    assert kept.dropped == ("gender",)
    assert kept.review.answers == {"race": "White", "age": "30-39"}
    assert Draw.objects.get().ended == ""
    assert progress.measure_progress(reviewed).of("gender") is None


def test_a_review_that_says_nothing_any_more_goes_and_its_face_comes_back(pictured, alice):
    draw = drawing.begin_draw(pictured, creator=alice, attribute="race", attributes=["gender"], size=20)
    first = answer_next(draw, alice, {"gender": "Male"})
    collections.change_collection(pictured, actor=alice, attributes=["race"])
    assert not Review.objects.exists()
    with pytest.raises(QuestionsOff):
        answering.answer_face(draw, face=first.review.face, reviewer=alice, answer=Answer(answers={"gender": "Male"}))


def test_not_a_face_is_kept_whatever_is_switched_off(draw, alice):
    _, (face, *_) = serving.next_faces(draw, reviewer=alice)
    answering.answer_face(draw, face=face, reviewer=alice, answer=Answer(verdict="not_a_face"))
    collections.change_collection(draw.collection, actor=alice, attributes=["race"])
    assert Review.objects.get().verdict == "not_a_face"


def test_a_collection_goes_with_its_draws_and_reviews(reviewed, alice, pictured):
    photo_draw = drawing.begin_photo_draw(pictured, creator=alice, size=5)
    _, (photo, *_) = photos.next_photos(photo_draw, reviewer=alice)
    photos.mark_photo(photo_draw, photo=photo, reviewer=alice, marks=[[0.5, 0.5]])
    deletion.delete_collection(pictured)
    for model in (Collection, Draw, DrawnFace, FrameFace, Review, PhotoReview):
        assert not model.objects.exists(), model


def test_a_reviewer_who_leaves_keeps_their_word_without_their_name(draw, alice, carol):
    review = answer_next(draw, carol).review
    answer_next(draw, alice)
    User.objects.filter(pk=carol.pk).delete()
    review.refresh_from_db()
    assert (review.reviewer, review.tell_reviewer()) == (None, "a former reviewer")
    assert progress.measure_progress(draw).reviewers == 2


def test_who_may_review_is_the_owner_the_invited_and_reviewers_where_it_is_opened(draw, alice, bob, carol, rita, adam):
    def may(user):
        return Draw.objects.reviewable_by(user).exists(), Draw.objects.visible_to(user).exists()

    CollectionShare.objects.create(collection=draw.collection, user=bob, role=CollectionShare.Role.READ)
    assert [may(who) for who in (alice, carol, bob, rita, adam)] == [
        (True, True),
        (True, True),
        (False, True),
        (False, False),
        (False, False),
    ]
    Collection.objects.update(is_opened_to_reviewers=True)
    assert [may(who) for who in (rita, adam, bob)] == [(True, True), (True, True), (False, True)]
    CollectionShare.objects.all().delete()
    assert may(carol) == (False, False)
    assert not Draw.objects.owned_by(carol).exists()


def test_faces_found_anew_leave_the_draw(draw, alice):
    _, (face, *_) = serving.next_faces(draw, reviewer=alice)
    rerun.detect_again(draw.collection.photos.filter(pk=face.photo_id))
    Face.objects.filter(pk=face.pk).update(retired_at=face.created_at)  # what a worker does then
    with pytest.raises(NotDrawn):
        answering.answer_face(draw, face=face, reviewer=alice, answer=Answer(answers=ALL))
    assert progress.measure_progress(draw).size == 19
