"""Queues outside of draws, and disagreements that a third person settles."""

import pytest

from classifier.models import Review
from classifier.services.reviews import adjudicating, answering, progress, queues, results, serving
from classifier.services.reviews.answering import Answer
from tests import factories
from tests.services.reviews import made_up

ALL = {"race": "White", "gender": "Female", "age": "30-39"}


def test_the_most_doubtful_come_first_and_their_answers_feed_no_statistics(draw, alice):
    made_up.add_faces(draw.collection, ["Black"] * 3, probability=0.3)
    queue = queues.list_faces(draw.collection, attribute="race", reviewer=alice)
    first = queue[0]
    assert first.sureness == pytest.approx(0.3)
    kept = queues.answer_outside(first, reviewer=alice, answer=Answer(answers={"race": "White"}))
    assert not kept.review.was_blind
    assert queue[0] != first
    again = queues.answer_outside(first, reviewer=alice, answer=Answer(answers={"race": "Indian"}))
    assert again.review.replaces == kept.review
    assert progress.measure_progress(draw).answered == 0
    of_label = queues.list_faces(draw.collection, attribute="race", reviewer=alice, order=queues.LABEL, label="Indian")
    assert of_label.count() == 10


def test_guesses_are_confirmed_together_not_as_blind_and_and_replace_no_word(draw, alice):
    faces = list(queues.list_faces(draw.collection, attribute="race", reviewer=alice)[:4])
    none = Answer(verdict=Review.Verdict.NOT_A_FACE)
    queues.answer_outside(faces[0], reviewer=alice, answer=none)
    assert queues.confirm_guesses(faces, reviewer=alice) == 3  # what she said herself stands
    assert set(Review.objects.values_list("was_blind", "draw")) == {(False, None)}
    assert Review.objects.told().get(face=faces[0]).verdict == Review.Verdict.NOT_A_FACE


def test_a_third_person_settles_what_two_disagree_about(draw, alice, carol):
    for reviewer in (alice, carol):
        for turn in serving.read_pass(draw, reviewer_uid=reviewer.uid).turns:
            face = serving.load_faces([turn.face_id])[0]
            race = "Black" if reviewer == carol and turn.stratum == 1 else "White"
            answering.answer_face(draw, face=face, reviewer=reviewer, answer=Answer(answers={**ALL, "race": race}))
    in_dispute = draw.drawn_faces.filter(stratum=1).count()
    race, gender, _ = results.measure_agreement(draw)
    assert (race.faces, race.reviewers, gender.raw) == (20, 2, 1.0)
    assert race.raw == pytest.approx(1 - in_dispute / 20)
    assert race.ac1 < 1
    dora = factories.UserFactory(username="dora")
    face, disagreement = adjudicating.next_disagreement(draw, adjudicator=dora)
    assert disagreement.differing() == ["race"]
    assert len(adjudicating.list_disagreements(draw)) == in_dispute
    with pytest.raises(adjudicating.OwnDisagreement):
        adjudicating.settle(draw, face=face, adjudicator=alice, answer=Answer(answers=ALL))
    assert adjudicating.next_disagreement(draw, adjudicator=alice) is None
    adjudicating.settle(draw, face=face, adjudicator=dora, answer=Answer(answers={**ALL, "race": "Black"}))
    assert len(adjudicating.list_disagreements(draw)) == in_dispute - 1
    assert results.measure_agreement(draw)[0].raw == race.raw  # of those who reviewed
    wrong = results.list_mistakes(draw, attribute="race", guess="Black", said="White")
    assert face.pk not in [mistake.face.pk for mistake in wrong]
