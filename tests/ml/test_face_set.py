import numpy as np
import pytest

from ml import labels
from ml.datasets import face_set


def make_faces(files: str = "abcd", **more: object) -> face_set.FaceSet:
    count = len(files)
    return face_set.FaceSet(
        images=np.arange(count * 12, dtype=np.uint8).reshape(count, 2, 2, 3),
        targets={"race": np.arange(count) % 5},
        files=tuple(files),
        classes={"race": face_set.classes_in("race", taxonomy="utkface-5")},
        digests=tuple(f"digest of {name}" for name in files),
        **more,
    )


def test_a_coarse_class_covers_the_fine_labels_it_sums():
    race = face_set.classes_in("race", taxonomy="utkface-5")
    assert race.names == ("White", "Black", "Asian", "Indian", "Others")
    assert race.head == labels.RACE
    matrix = race.loss_targets(labels.RACE)
    assert np.flatnonzero(matrix[2]).tolist() == [3, 4]
    assert np.flatnonzero(matrix[4]).tolist() == [2, 6]
    assert matrix.sum() == 7


def test_fine_classes_stand_for_themselves():
    for name, classes in face_set.fine_classes().items():
        assert np.array_equal(classes.loss_targets(labels.ATTRIBUTES[name]), np.eye(len(classes.names), dtype=bool))


def test_own_classes_need_a_head_of_their_own():
    gender = face_set.own_classes("gender", ["Male", "Female", "Non-binary"])
    assert gender.head == ("Male", "Female", "Non-binary")
    assert np.array_equal(gender.loss_targets(gender.head), np.eye(3, dtype=bool))
    with pytest.raises(face_set.UnknownLabels, match="Non-binary"):
        gender.loss_targets(labels.GENDER)
    # FairFace's two can still train a head that has a third.
    assert face_set.classes_in("gender").loss_targets(gender.head).tolist() == [
        [True, False, False],
        [False, True, False],
    ]
    with pytest.raises(ValueError, match="read the same"):
        face_set.own_classes("gender", ["non_binary", "Non binary"])


def test_a_set_tells_the_matrices_a_network_needs_for_it():
    race = make_faces().classes["race"]
    assert np.flatnonzero(race.loss_targets(labels.RACE)[2]).tolist() == [3, 4]
    with pytest.raises(face_set.UnknownLabels, match="Latino_Hispanic"):
        race.loss_targets(("White", "Black"))
    # A network with just these groups, and one with the fine labels that its set has too.
    assert np.array_equal(race.loss_targets(race.names), np.eye(5, dtype=bool))
    assert np.array_equal(face_set.classes_in("race").loss_targets(labels.RACE), np.eye(7, dtype=bool))


def test_classes_are_found_however_people_write_them():
    race = face_set.classes_in("race")
    assert (race.find("east_asian"), race.find(" Latino Hispanic "), race.find("Martian")) == (3, 2, None)
    assert [race.find(word) for word in ("Latino/Hispanic", "latino", "middle-eastern")] == [2, 2, 6]
    assert [race.find(word) for word in ("South-East Asian", "EastAsian", "Hispanic or Latino")] == [4, 3, 2]
    # What is certain among five groups is not among seven.
    assert (race.find("asian"), face_set.classes_in("race", taxonomy="list-5").find("asian")) == (None, 0)
    age, gender = face_set.classes_in("age"), face_set.classes_in("gender")
    spreadsheets = ("Oct-19", "09-Mar", "3-Sep", "3\N{EN DASH}9", "70+", "2-0")
    assert [age.find(word) for word in spreadsheets] == [2, 1, 1, 1, 8, None]
    assert [gender.find(word) for word in ("F", "m", "woman", "non-binary")] == [1, 0, 1, None]


def test_a_part_takes_everything_along_and_a_slice_shares_its_memory():
    faces = make_faces(identities=tuple("wxyz"), years=np.array([1.0, 2.0, 3.0, 4.0]))
    part = faces.slice(1, 3)
    assert (part.files, part.identities, part.digests[0]) == (("b", "c"), ("x", "y"), "digest of b")
    assert np.shares_memory(part.images, faces.images)
    picked = faces.take(np.array([3, 0]))
    assert (picked.files, picked.identities, picked.targets["race"].tolist()) == (("d", "a"), ("z", "w"), [3, 0])
    assert picked.years is not None
    assert picked.years.tolist() == [4.0, 1.0]
    assert picked.classes == faces.classes


def test_the_data_hash_changes_with_names_labels_and_bytes():
    faces = make_faces()
    other_label = make_faces()
    other_label.targets["race"][0] = 4
    seen = {faces.data_hash(), other_label.data_hash(), make_faces("abce").data_hash(), faces.slice(0, 3).data_hash()}
    assert len(seen) == 4
    assert faces.data_hash() == make_faces().data_hash()


def test_classes_are_counted_without_the_unknown():
    faces = make_faces("abc")
    faces.targets["race"][0] = face_set.UNKNOWN
    assert faces.count_classes("race") == {"White": 0, "Black": 1, "Asian": 1, "Indian": 0, "Others": 0}
