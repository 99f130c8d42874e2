import zipfile
from pathlib import Path

import numpy as np
import pytest

from ml import errors, labels
from ml.datasets import face_set, folders, lists, splits
from tests import pictures

LIST_5 = face_set.classes_in("race", taxonomy="list-5")


def write_images(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(pictures.jpeg(40, 40, seed=seed))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a/1.jpg Asian", ("a/1.jpg", 0)),
        ("a b/1 2.jpg latino_hispanic", ("a b/1 2.jpg", 4)),
        ("a/1.jpg\tLatino Hispanic", ("a/1.jpg", 4)),
        ("a/1.jpg 2", ("a/1.jpg", 1)),
        ("a b, c/1.jpg;Hispanic", ("a b, c/1.jpg", 4)),
        ("a/1.jpg, latino/hispanic", ("a/1.jpg", 4)),
        ("a b/1.jpg Hispanic or Latino", ("a b/1.jpg", 4)),
        ("a;b/1.jpg Asian", ("a;b/1.jpg", 0)),
        ("a/1.jpg 9", None),
        ("a/1.jpg Martian", None),
        ("Asian", None),
    ],
)
def test_a_line_is_a_path_and_a_label(line, expected):
    order = ["White", "Asian", "Black"]  # somebody else's numbers
    assert lists.parse_line(line, classes=LIST_5, order=order) == expected


def test_labels_of_two_words_are_read_after_paths_with_spaces():
    fine = face_set.classes_in("race")
    assert lists.parse_line("a b/1.jpg East Asian", classes=fine) == ("a b/1.jpg", 3)
    assert lists.parse_line("a b/1.jpg 3", classes=fine) is None


def test_a_list_is_read_in_its_order_from_folders_and_zips(tmp_path):
    write_images(tmp_path, "b.jpg", "a.jpg")
    listed = tmp_path / "lists" / "train.txt"
    listed.parent.mkdir()
    listed.write_text("b.jpg White\n\na.jpg Asian\n")
    faces = lists.read_list(listed, classes=LIST_5, size=24, root=tmp_path)
    assert (faces.files, faces.targets["race"].tolist()) == (("b.jpg", "a.jpg"), [3, 0])
    assert faces.classes["race"].covers is not None
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in faces.files:
            archive.write(tmp_path / name, name)
    zipped = lists.read_list(listed, classes=LIST_5, size=24, root=tmp_path / "all.zip")
    assert zipped.data_hash() == faces.data_hash()


def test_what_a_list_gets_wrong_is_told(tmp_path):
    write_images(tmp_path, "a.jpg")
    listed = tmp_path / "train.txt"
    with pytest.raises(face_set.MissingFiles, match=r"train\.txt"):
        lists.read_list(listed, classes=LIST_5, size=24)
    listed.write_text("a.jpg White\nb.jpg White\n")
    with pytest.raises(face_set.MissingFiles, match=r"1 of 2 images are not there: b\.jpg"):
        lists.read_list(listed, classes=LIST_5, size=24)
    listed.write_text("a.jpg White\na.jpg Martian\n")
    with pytest.raises(
        face_set.UnknownLabels, match=r"1 unknown labels: a\.jpg Martian \(line 2, column 7: race 'Martian'\)$"
    ):
        lists.read_list(listed, classes=LIST_5, size=24)
    with pytest.warns(errors.DataWarning):
        assert len(lists.read_list(listed, classes=LIST_5, size=24, skip_unknown=True)) == 1
    listed.write_text("\n")
    with pytest.raises(face_set.EmptySet):
        lists.read_list(listed, classes=LIST_5, size=24)


@pytest.mark.parametrize(
    ("line", "column", "word"),
    [
        ("a b/1.jpg Very Martian", 11, "Very Martian"),
        ("   a.jpg\tMartian", 10, "Martian"),
        ("a.jpg; Martian", 8, "Martian"),
        ("a.jpg,3", 7, "3"),
        ("a.jpg", 6, ""),
        ("Martian", 1, "Martian"),
    ],
)
def test_an_unknown_label_is_told_with_its_line_its_column_and_its_word(tmp_path, line, column, word):
    (tmp_path / "train.txt").write_text(f"\na.jpg White\n{line}\n")
    write_images(tmp_path, "a.jpg")
    with pytest.raises(face_set.UnknownLabels) as told:
        lists.read_list(tmp_path / "train.txt", classes=face_set.own_classes("race", ["White", "Black"]), size=24)
    assert str(told.value) == f"1 unknown labels: {line.strip()} (line 3, column {column}: race {word!r})"


def test_names_are_found_however_they_are_written(tmp_path):
    write_images(tmp_path, "a/1.jpg", "a/2.jpg", "a/3.jpg", "back\\slash.jpg")
    listed = tmp_path / "train.txt"
    listed.write_text(f"./a/1.jpg White\na\\2.jpg White\n{tmp_path}/a/3.jpg Asian\nback\\slash.jpg White\n")
    files = ("a/1.jpg", "a/2.jpg", "a/3.jpg", "back\\slash.jpg")
    assert lists.read_list(listed, classes=LIST_5, size=24).files == files


def test_a_repeated_image_is_told_and_one_with_two_labels_is_an_error(tmp_path):
    write_images(tmp_path, "a.jpg", "b.jpg")
    listed = tmp_path / "train.txt"
    listed.write_text("a.jpg White\nb.jpg Asian\n./a.jpg white\n")
    with pytest.warns(errors.DataWarning, match=r"1 images are there more than once: a\.jpg"):
        assert len(lists.read_list(listed, classes=LIST_5, size=24)) == 3
    listed.write_text("a.jpg White\n\nb.jpg Asian\n./a.jpg Black\n")
    with pytest.raises(face_set.BadData, match=r"two things of a\.jpg: line 1: White and line 4: Black"):
        lists.read_list(listed, classes=LIST_5, size=24)


def test_a_class_that_skipping_empties_is_told(tmp_path):
    write_images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    listed = tmp_path / "train.txt"
    listed.write_text("a.jpg White\nb.jpg Asian\nc.jpg Afro\n")
    with pytest.warns(errors.DataWarning, match=r"no example of these race classes is left: Black, Indian, Latino"):
        lists.read_list(listed, classes=LIST_5, size=24, skip_unknown=True)


def test_every_class_that_skipping_empties_is_named(tmp_path):
    """All six of seven, where "Asian" says neither which of two."""
    write_images(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "train.txt").write_text("a.jpg White\nb.jpg Asian\n")
    told = ", ".join(labels.RACE[1:])
    with pytest.warns(errors.DataWarning, match=f"no example of these race classes is left: {told}$"):
        lists.read_list(tmp_path / "train.txt", classes=face_set.classes_in("race"), size=24, skip_unknown=True)


def test_folders_are_the_classes_of_a_taxonomy(tmp_path):
    write_images(tmp_path, "asian/1.jpg", "latino_hispanic/1.jpg", "white/2.jpg")
    faces = folders.read_folders(tmp_path, size=24, classes=LIST_5)
    assert faces.targets["race"].tolist() == [0, 4, 3]
    assert faces.identities == ()
    write_images(tmp_path, "martian/1.jpg", "stray.jpg")
    with pytest.raises(face_set.UnknownLabels, match="2 unknown labels"):
        folders.read_folders(tmp_path, size=24, classes=LIST_5)


def test_folders_may_define_classes_of_their_own(tmp_path):
    write_images(tmp_path, "woman/1.jpg", "man/1.jpg", "non-binary/1.jpg")
    faces = folders.read_folders(tmp_path, size=24, attribute="gender")
    assert faces.classes["gender"].names == ("man", "non-binary", "woman")
    assert faces.classes["gender"].head == ("man", "non-binary", "woman")
    assert faces.targets["gender"].tolist() == [0, 1, 2]


def test_nobody_is_on_both_sides_of_a_split(tmp_path):
    names = [f"{group}/person_{who}/{n}.jpg" for group in ("asian", "black") for who in range(4) for n in range(3)]
    write_images(tmp_path, *names, "black/alone.jpg")
    faces = folders.read_folders(tmp_path, size=24, classes=LIST_5)
    assert len(set(faces.identities)) == 9
    training, validation = splits.split_faces(faces, share=0.25, seed=1)
    assert not set(training.identities) & set(validation.identities)
    assert len(training) + len(validation) == 25
    assert set(np.unique(validation.targets["race"])) == {0, 1}


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(face_set.EmptySet):
        folders.read_folders(tmp_path, size=24)
    with pytest.raises(face_set.MissingFiles):
        folders.read_folders(tmp_path / "nowhere", size=24)
