"""One reviewer's way through a draw: answers, corrections, skips, taking back, and what comes in twice."""

import pytest
from django.db import transaction

from classifier.models import CANNOT_TELL, AuditEvent, Collection, Face, Photo, Review
from classifier.services import deletion
from classifier.services.reviews import answering, progress, serving
from classifier.services.reviews.answering import Answer
from classifier.services.reviews.refusals import AnsweredMeanwhile, BadAnswer, NotDrawn, NothingToTakeBack

ALL = {"race": "White", "gender": "Female", "age": "30-39"}


def answer_next(draw, reviewer, **values):
    _, (face, *_) = serving.next_faces(draw, reviewer=reviewer)
    return answering.answer_face(draw, face=face, reviewer=reviewer, answer=Answer(answers=ALL, **values)).review


def numbers(draw, reviewer):
    found = serving.read_pass(draw, reviewer_uid=reviewer.uid)
    return found.answered, found.skipped, len(found.waiting)


def test_a_face_that_is_answered_makes_room_for_the_next(draw, alice):
    _, faces = serving.next_faces(draw, reviewer=alice)
    assert len(faces) == 6
    review = answer_next(draw, alice)
    assert review.face == faces[0]
    assert review.was_blind
    assert Collection.objects.get().revision > draw.collection.revision  # so that reports are computed anew
    assert serving.next_faces(draw, reviewer=alice)[1][:5] == faces[1:]
    assert numbers(draw, alice) == (1, 0, 19)
    assert AuditEvent.objects.filter(action="pass begun", target=f"draw {draw.uid}", actor=alice).count() == 1


def test_each_reviewer_has_an_order_of_their_own_with_the_same_strata(draw, alice, carol):
    orders = [serving.read_pass(draw, reviewer_uid=who.uid).turns for who in (alice, carol)]
    assert [turn.stratum for turn in orders[0]] == [turn.stratum for turn in orders[1]]
    assert [turn.face_id for turn in orders[0]] != [turn.face_id for turn in orders[1]]
    assert {turn.face_id for turn in orders[0]} == {turn.face_id for turn in orders[1]}


def test_a_deleted_face_leaves_the_order_of_the_others(draw, alice):
    before = [turn.face_id for turn in serving.read_pass(draw, reviewer_uid=alice.uid).turns]
    gone = before[3]
    deletion.delete_photos(Photo.objects.filter(faces=gone))
    strata = dict(draw.drawn_faces.values_list("face_id", "stratum"))
    after = [turn.face_id for turn in serving.read_pass(draw, reviewer_uid=alice.uid).turns]
    for stratum in set(strata.values()):
        assert [f for f in after if strata[f] == stratum] == [f for f in before if strata.get(f) == stratum]


def test_the_same_answer_sent_twice_is_one(draw, alice):
    _, (face, *_) = serving.next_faces(draw, reviewer=alice)
    answer = Answer(answers=ALL, client_key="k1")
    first = answering.answer_face(draw, face=face, reviewer=alice, answer=answer)
    again = answering.answer_face(draw, face=face, reviewer=alice, answer=answer)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.review == again.review
    other_tab = answering.answer_face(draw, face=face, reviewer=alice, answer=Answer(answers=ALL, client_key="k2"))
    assert other_tab.review == first.review
    assert Review.objects.count() == 1


def test_another_answer_from_another_tab_is_told_and_replaces_nothing(draw, alice):
    review = answer_next(draw, alice)
    other = Answer(answers={**ALL, "race": "Black"})
    with pytest.raises(AnsweredMeanwhile) as refused:
        answering.answer_face(draw, face=review.face, reviewer=alice, answer=other)
    assert refused.value.details == {"standing": str(review.uid)}
    kept = answering.answer_face(draw, face=review.face, reviewer=alice, answer=other, replaces=review.uid)
    assert kept.review.replaces == review
    review.refresh_from_db()
    assert not review.is_standing
    assert review.answers == ALL  # nothing is overwritten
    with pytest.raises(AnsweredMeanwhile):
        answering.answer_face(draw, face=review.face, reviewer=alice, answer=Answer(answers=ALL), replaces=review.uid)


def test_two_answers_at_once_are_one_standing_review(draw, alice):
    """The database has the last word, whatever both requests saw before."""
    review = answer_next(draw, alice)
    late = Review(face=review.face, draw=draw, reviewer=alice, reviewer_uid=alice.uid, was_blind=True, answers=ALL)
    with pytest.raises(AnsweredMeanwhile), transaction.atomic():
        answering.keep_review(late, instead_of=None)
    assert Review.objects.count() == 1


def test_several_answers_are_taken_back_one_by_one(draw, alice):
    reviews = [answer_next(draw, alice) for _ in range(3)]
    for review in reversed(reviews):
        assert answering.take_back(draw, reviewer=alice) == review
        assert serving.next_faces(draw, reviewer=alice)[1][0] == review.face
    assert numbers(draw, alice) == (0, 0, 20)
    with pytest.raises(NothingToTakeBack):
        answering.take_back(draw, reviewer=alice)
    answer_next(draw, alice)
    assert Review.objects.count() == 7
    assert Review.objects.standing().count() == 1


def test_taking_back_twice_with_one_key_goes_back_once(draw, alice):
    first, second = answer_next(draw, alice), answer_next(draw, alice)
    assert answering.take_back(draw, reviewer=alice, client_key="u") == second
    assert answering.take_back(draw, reviewer=alice, client_key="u") == second
    first.refresh_from_db()
    assert first.is_standing


def test_a_skipped_face_comes_back_at_the_end_and_loses_no_answer(draw, alice):
    _, (face, *_) = serving.next_faces(draw, reviewer=alice)
    answering.skip_face(draw, face=face, reviewer=alice)
    for _ in range(19):
        assert answer_next(draw, alice).face != face
    assert numbers(draw, alice) == (19, 1, 1)
    review = answer_next(draw, alice)
    assert review.face == face
    with pytest.raises(AnsweredMeanwhile):
        answering.skip_face(draw, face=face, reviewer=alice)
    assert numbers(draw, alice) == (20, 0, 0)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({}, "empty_answer"),
        ({"race": "White"}, "incomplete"),
        ({**ALL, "race": "Martian"}, "unknown_label"),
        ({**ALL, "shoe": "brown"}, "unknown_label"),
        ({**ALL, "race": ["White"]}, "unknown_label"),
    ],
)
def test_answers_in_other_words_are_told(draw, alice, answers, code):
    face = draw.drawn_faces.first().face
    with pytest.raises(BadAnswer) as refused:
        answering.answer_face(draw, face=face, reviewer=alice, answer=Answer(answers=answers))
    assert refused.value.code == code
    assert not Review.objects.exists()


def test_a_face_that_is_not_in_the_draw_is_told(draw, alice):
    other = Face.objects.exclude(drawn__draw=draw).first()
    with pytest.raises(NotDrawn):
        answering.answer_face(draw, face=other, reviewer=alice, answer=Answer(answers=ALL))


def test_a_face_whose_photo_is_deleted_meanwhile_is_told(draw, alice):
    _, (face, *_) = serving.next_faces(draw, reviewer=alice)
    deletion.mark_photos(Photo.objects.filter(pk=face.photo_id), at=face.created_at)
    with pytest.raises(NotDrawn):
        answering.answer_face(draw, face=face, reviewer=alice, answer=Answer(answers=ALL))
    assert serving.next_faces(draw, reviewer=alice)[1][0] != face


def test_progress_is_the_width_of_the_interval_now_and_later(draw, alice):
    before = progress.measure_progress(draw)
    assert (before.size, before.answered, before.of("race").now) == (20, 0, None)
    for place in range(12):
        answer_next(draw, alice) if place != 4 else answer_cannot_tell(draw, alice)
    found = progress.measure_progress(draw)
    race = found.of("race")
    assert (found.answered, found.reviewers, race.answered, race.waiting) == (12, 1, 12, 0)
    assert [reach.more for reach in race.later] == [8]
    assert 0 < race.later[0].half_width < race.now < 0.5


def answer_cannot_tell(draw, reviewer):
    _, (face, *_) = serving.next_faces(draw, reviewer=reviewer)
    answer = Answer(answers={**ALL, "race": CANNOT_TELL})
    return answering.answer_face(draw, face=face, reviewer=reviewer, answer=answer).review


def test_answers_of_two_reviewers_in_their_own_turns_count_together(draw, alice, carol):
    for _ in range(6):
        answer_next(draw, alice)
        answer_next(draw, carol)
    found = progress.measure_progress(draw)
    assert found.reviewers == 2
    assert found.answered == found.of("race").answered  # nothing waits, though the two orders differ
    assert found.answered > 6


def test_an_answer_out_of_turn_waits(draw, alice):
    turns = serving.read_pass(draw, reviewer_uid=alice.uid).turns
    white = [turn for turn in turns if draw.strata[turn.stratum]["label"] == "White"]
    late = Face.objects.get(pk=white[-1].face_id)
    answering.answer_face(draw, face=late, reviewer=alice, answer=Answer(answers=ALL))
    race = progress.measure_progress(draw).of("race")
    assert (race.answered, race.waiting) == (0, 1)
