"""In which groups predictions and labels are compared."""

import numpy as np
import pytest

from ml import labels
from ml.datasets import face_set
from ml.measuring import alignment, grouping
from ml.measuring.predictions import Predictions


def race(taxonomy: str) -> face_set.Classes:
    return face_set.classes_in("race", taxonomy=taxonomy)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("fairface-7", "fairface-7", "fairface-7"),
        ("fairface-7", "utkface-5", "utkface-5"),
        ("fairface-7", "list-5", "list-5"),
        ("utkface-4", "fairface-6", "utkface-4"),
        # "Others" is Latino_Hispanic or Middle Eastern, and the list's five cannot say the latter.
        ("utkface-5", "list-5", "utkface-4"),
    ],
)
def test_the_finest_grouping_that_both_can_say(one, other, expected):
    assert grouping.find_grouping([race(one), race(other)]).taxonomy == expected
    assert grouping.find_grouping([race(other), race(one)]).names == labels.groups_of("race", taxonomy=expected)


def test_own_classes_that_overlap_are_joined():
    pairs = np.array([[1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]], dtype=bool)
    others = np.array([[1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]], dtype=bool)
    sides = [
        face_set.Classes("race", names, covers)
        for names, covers in ((("a", "b", "c"), pairs), (("d", "e", "f"), others))
    ]
    found = grouping.find_grouping(sides)
    assert found.names == ("White + Black + Latino_Hispanic", "c")
    assert found.taxonomy == ""


def test_folders_named_after_a_taxonomys_groups_are_taken_for_these():
    folders = face_set.own_classes("race", ["asian", "black", "white"])
    found = grouping.find_grouping([folders, race("fairface-7")])
    assert found.names == ("asian", "black", "white")
    assert found.members[0] == {"East Asian", "Southeast Asian"}
    # "Others" alone could be anything.
    with pytest.raises(grouping.NothingInCommon):
        grouping.find_grouping([face_set.own_classes("race", ["White", "Others"]), race("fairface-7")])


def test_a_class_of_somebodys_own_is_left_out_where_the_other_side_lacks_it():
    three = face_set.own_classes("gender", ["female", "male", "non-binary"])
    found = grouping.find_grouping([face_set.classes_in("gender"), three])
    assert found.names == labels.GENDER
    assert found.place(three).tolist() == [1, 0, -1]
    assert found.sum_vectors(np.array([[0.2, 0.3, 0.5], [0.0, 0.0, 1.0]]), classes=three)[0].tolist() == [0.6, 0.4]
    assert np.isnan(found.sum_vectors(np.array([[0.0, 0.0, 1.0]]), classes=three)).all()


def test_only_ages_in_order_are_ordered():
    ages = face_set.classes_in("age")
    assert grouping.find_grouping([ages, ages]).ordered
    words = face_set.own_classes("age", ["young", "old"])
    assert not grouping.find_grouping([words, words]).ordered
    assert not grouping.find_grouping([race("utkface-4")] * 2).ordered


def test_a_grouping_is_coarsened_where_its_groups_can_be_summed():
    six = grouping.find_grouping([race("fairface-6")] * 2)
    assert six.coarsen("utkface-5").names == labels.groups_of("race", taxonomy="utkface-5")
    assert six.coarsen("fairface-7") is None
    four = grouping.find_grouping([race("utkface-4")] * 2)
    assert four.coarsen("utkface-5") is None


def test_labels_and_probabilities_that_a_grouping_leaves_out_are_dropped():
    faces = face_set.FaceSet(
        images=np.zeros((5, 2, 2, 3), np.uint8),
        targets={"race": np.array([0, 1, 4, 2, face_set.UNKNOWN])},  # White, Black, Others, Asian, unknown
        files=("a", "b", "c", "d", "e"),
        classes={"race": race("utkface-5")},
    )
    four = race("utkface-4")
    predictions = Predictions(
        name="four",
        files=("d", "c", "b", "a"),
        vectors={"race": np.array([[0.0, 0.0, 1.0, 0.0], [1, 0, 0, 0], [np.nan] * 4, [0.4, 0.6, 0, 0]])},
        classes={"race": four},
    )
    aligned = alignment.align(predictions, faces, attribute="race")
    assert aligned.rows.tolist() == [0, 3]
    assert aligned.actual.tolist() == [0, 2]
    assert aligned.predicted.tolist() == [1, 2]
    assert aligned.left_out == {"no prediction": 2, "label left out by the grouping": 1}
    assert aligned.confusion.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_an_answer_that_the_grouping_leaves_out_is_wrong():
    faces = face_set.FaceSet(
        images=np.zeros((2, 2, 2, 3), np.uint8),
        targets={"race": np.array([0, 1])},
        files=("a", "b"),
        classes={"race": race("utkface-4")},
    )
    vectors = np.array([[0, 0, 0, 0, 1.0], [0, 1, 0, 0, 0]])
    predictions = Predictions("five", ("a", "b"), {"race": vectors}, {"race": race("utkface-5")})
    aligned = alignment.align(predictions, faces, attribute="race")
    assert aligned.predicted.tolist() == [alignment.NO_ANSWER, 1]
    assert aligned.right.tolist() == [False, True]
    assert aligned.confusion.sum() == 1
