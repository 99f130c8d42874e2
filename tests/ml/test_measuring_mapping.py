"""Somebody else's predictions, read as a mapping says."""

import numpy as np
import pytest

from ml import labels
from ml.datasets import face_set
from ml.errors import BadRecipe
from ml.measuring import predictions

MAPPING = """
name = "somebody"
file = "image"
prefix = "val/"

[race]
taxonomy = "utkface-4"
probabilities = { White = "w", Black = "b", Asian = "a", Indian = "i" }

[gender]
label = "sex"
words = { M = "Male", F = "Female" }

[age]
years = "years"
"""
ROWS = """image,w,b,a,i,sex,years
1.jpg,2,1,1,0,M,9.9
2.jpg,,,,,,
3.jpg,0,0,0,1,female,70
"""


@pytest.fixture
def read(tmp_path):
    def read(mapping: str = MAPPING, rows: str = ROWS) -> predictions.Predictions:
        (tmp_path / "theirs.csv").write_text(rows)
        (tmp_path / "theirs.toml").write_text(mapping)
        return predictions.read_predictions(tmp_path / "theirs.csv", mapping=tmp_path / "theirs.toml")

    return read


def test_probabilities_labels_and_years_are_read(read):
    found = read()
    assert (found.name, found.files) == ("somebody", ("val/1.jpg", "val/2.jpg", "val/3.jpg"))
    assert found.vectors["race"][0].tolist() == [0.5, 0.25, 0.25, 0]
    assert np.isnan(found.vectors["race"][1]).all()
    assert found.vectors["gender"][[0, 2]].tolist() == [[1, 0], [0, 1]]
    assert np.isnan(found.vectors["gender"][1]).all()
    assert found.vectors["age"][[0, 2]].argmax(axis=1).tolist() == [1, 8]
    assert found.years is not None
    assert found.years[[0, 2]].tolist() == [9.9, 70]
    assert found.labels_only == {"gender", "age"}
    assert found.classes["age"].names == labels.AGE


def test_of_two_classes_one_column_is_enough(read):
    found = read('[gender]\nprobabilities = { Female = "p" }\n', "file,p\na.jpg,0.75\n")
    assert found.vectors["gender"].tolist() == [[0.25, 0.75]]
    assert found.name == "theirs"
    assert found.labels_only == frozenset()


def test_attributes_and_classes_of_their_own_are_read(read):
    found = read('[glasses]\nclasses = ["yes", "no"]\nlabel = "glasses"\n', "file,glasses\na.jpg,no\n")
    assert found.vectors["glasses"].tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ("[race", "theirs.toml"),
        ("", "maps no attribute"),
        ("nonsense = 3\n[age]\nyears = 'years'", "unknown nonsense"),
        ("[gender]\n", "give one of"),
        ("[gender]\nlabel = 'sex'\nyears = 'years'", "give one of"),
        ("[gender]\nlabel = 'sex'\ncolour = 'red'", "unknown colour"),
        ("[gender]\nyears = 'years'", "bins"),
        ("[race]\ntaxonomy = 'mars-2'\nlabel = 'sex'", "no taxonomy called mars-2"),
        ("[race]\nprobabilities = { White = 'w' }", "no column for Black"),
        ("[gender]\nprobabilities = { Man = 'w', Male = 'b' }", "no such class: Man"),
        ("[glasses]\nlabel = 'sex'", "needs classes"),
        ("[gender]\nclasses = ['a', 'A']\nlabel = 'sex'", "read the same"),
        ("[gender]\nlabel = 'sex'\nwords = 3", "table of texts"),
    ],
)
def test_a_mapping_that_means_nothing_is_told(read, mapping, told):
    with pytest.raises(BadRecipe, match=told):
        read(mapping)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("image,w,b,a,i,sex\n", "years"),
        (ROWS.replace("9.9", "old"), "row 1: 'old' is no number"),
        (ROWS.replace("9.9", "inf"), "is no number"),
        (ROWS.replace(",2,1,", ",-2,1,"), "under 0"),
        (ROWS.replace("female", "robot"), "robot"),
    ],
)
def test_columns_and_cells_that_cannot_be_read_are_told(read, rows, told):
    with pytest.raises(face_set.BadData, match=told):
        read(rows=rows)


def test_rows_are_found_by_file_and_an_image_twice_is_told(read):
    found = read()
    assert found.find(["val/3.jpg", "other.jpg"]).tolist() == [2, -1]
    with pytest.raises(face_set.BadData, match="1 files occur more than once"):
        found.find(["val/3.jpg", "val/3.jpg"])
    again = read(rows=ROWS + "1.jpg,1,0,0,0,M,3\n")
    with pytest.raises(face_set.BadData, match=r"val/1\.jpg"):
        again.find(["val/1.jpg"])
    assert again.find(again.files).tolist() == [0, 1, 2, 3]
    assert again.take(np.array([3])).files == ("val/1.jpg",)
