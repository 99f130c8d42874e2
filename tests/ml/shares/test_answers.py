import numpy as np
import pytest

from ml import labels
from ml.shares import answers, draws, schemes
from ml.shares.answers import CANNOT, NOT_A_FACE, NOT_ASKED, SKIPPED, Reviews
from ml.shares.errors import BadReviews, NoFaces
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)
RACE = schemes.single("race", classes=labels.RACE)


def reviews(rows, *, attribute="gender", classes=worlds.TWO):
    """Of (face, reviewer, answer, adjudicates)."""
    face, reviewer, said, rules = (np.array(column) for column in zip(*rows, strict=True))
    return Reviews(face, classes, {attribute: said}, reviewer, rules.astype(bool))


def test_several_reviewers_are_averaged_and_an_adjudication_replaces_them():
    found = answers.gather(
        reviews([(0, 1, 0, 0), (0, 2, 1, 0), (0, 3, 1, 0), (1, 1, 0, 0), (1, 2, 1, 0), (1, 3, 1, 1)]),
        scheme=GENDER,
        drawn=3,
    )
    assert found.labels == ("Male", "Female", "cannot tell")
    assert found.values[0] == pytest.approx([1 / 3, 2 / 3, 0])
    assert found.values[1].tolist() == [0, 1, 0]
    assert found.reviewers.tolist() == [3, 1, 0]
    assert found.answered.tolist() == [True, True, False]


def test_cannot_tell_is_a_label_and_not_a_face_is_none():
    found = worlds.answers_of([0, CANNOT, NOT_A_FACE], scheme=GENDER)
    assert found.values.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert found.inside.tolist() == [1, 1, 0]
    assert found.answered.all()


def test_a_skipped_face_counts_as_cannot_tell_until_somebody_answers():
    found = answers.gather(reviews([(0, 1, SKIPPED, 0), (1, 1, SKIPPED, 0), (1, 2, 1, 0)]), scheme=GENDER, drawn=2)
    assert found.values.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert found.reviewers.tolist() == [1, 1]


def test_what_was_not_asked_is_no_answer():
    found = answers.gather(reviews([(0, 1, NOT_ASKED, 0), (1, 1, 0, 0)]), scheme=GENDER, drawn=2)
    assert found.answered.tolist() == [False, True]


def test_a_taxonomy_leaves_out_what_it_has_no_group_for():
    four = schemes.single("race", classes=labels.RACE, taxonomy="utkface-4")
    found = worlds.answers_of([0, 4, 2], scheme=four, attribute="race")  # White, Southeast Asian, Latino
    assert found.values.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert found.inside.tolist() == [1, 1, 0]


def test_a_crossing_needs_both_answers():
    said = Reviews(
        np.arange(3),
        {"race": labels.RACE, "gender": labels.GENDER},
        {"race": np.array([1, 1, NOT_A_FACE]), "gender": np.array([1, CANNOT, NOT_A_FACE])},
        np.zeros(3, dtype=int),
        np.zeros(3, dtype=bool),
    )
    found = answers.gather(said, scheme=schemes.crossing(RACE, GENDER), drawn=3)
    assert found.labels[found.values[0].argmax()] == "Black, Female"
    assert found.labels[found.values[1].argmax()] == "cannot tell"
    assert found.inside.tolist() == [1, 1, 0]


def test_told_answers_leave_cannot_tell_out():
    found = worlds.answers_of([0, CANNOT], scheme=GENDER).told()
    assert found.labels == ("Male", "Female")
    assert found.inside.tolist() == [1, 0]


def test_an_answer_out_of_turn_waits_for_those_before_it():
    draw = draws.Draw(("a", "b"), np.array([9, 9]), np.arange(6), np.array([0, 1, 0, 1, 0, 1]))
    found = answers.gather(reviews([(0, 1, 0, 0), (4, 1, 0, 0), (1, 1, 0, 0), (3, 1, 1, 0)]), scheme=GENDER, drawn=6)
    assert answers.in_turn(found, draw=draw).tolist() == [True, True, False, True, False, False]
    with pytest.raises(BadReviews):
        answers.in_turn(found.take(np.arange(5)), draw=draw)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([(0, 1, 2, 0)], "no_such_label"),
        ([(0, 1, -5, 0)], "no_such_label"),
        ([(0, 1, 0, 0), (0, 1, 1, 0)], "twice"),
    ],
)
def test_bad_answers_are_refused(rows, code):
    with pytest.raises(BadReviews) as error:
        reviews(rows)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("rows", "scheme", "code"),
    [
        ([(7, 1, 0, 0)], GENDER, "no_such_face"),
        ([(-1, 1, 0, 0)], GENDER, "no_such_face"),
        ([(0, 1, 0, 0)], RACE, "no_such_attribute"),
    ],
)
def test_answers_that_do_not_fit_the_draw_are_refused(rows, scheme, code):
    with pytest.raises(BadReviews) as error:
        answers.gather(reviews(rows), scheme=scheme, drawn=5)
    assert error.value.code == code


def test_no_answer_is_an_error_with_a_name():
    with pytest.raises(NoFaces) as error:
        answers.gather(reviews([(0, 1, NOT_ASKED, 0)]), scheme=GENDER, drawn=5)
    assert error.value.code == "no_answers"


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(BadReviews) as error:
        Reviews(np.arange(2), worlds.TWO, {"gender": np.zeros(3, dtype=int)}, np.zeros(2), np.zeros(2, dtype=bool))
    assert error.value.code == "lengths_differ"
