from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import errors
from ml.datasets import face_set, reviews
from ml.preprocess import Chip, cut_chip

HEADER = "file,chip_cx,chip_cy,chip_side,chip_angle,x1,y1,x2,y2,reviewed_race,reviewed_gender,reviewed_age,reviewer"


@pytest.fixture
def read(tmp_path):
    """Write rows after the header, beside one photo, and read them."""
    pixels = np.random.default_rng(1).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    def read_rows(*rows: str, header: str = HEADER, **more: object) -> face_set.FaceSet:
        path: Path = tmp_path / "reviews.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return reviews.read_reviews(path, size=24, **more)

    return read_rows


def test_a_face_is_cut_where_its_chip_lies_or_its_box(read, tmp_path):
    faces = read(
        "a.png,60,45,40,10,,,,,Black,Female,30-39,rita",
        "a.png,,,,,20,10,60,60,White,,,rita",
        "a.png,,,,,,,,,,Male,,rita",
    )
    with Image.open(tmp_path / "a.png") as opened:
        photo = opened.convert("RGB")
    expected = [Chip(60, 45, 40, 10), Chip(40, 35 + 0.066 * 50, 48, 0), Chip(60, 45, 90, 0)]
    for image, chip in zip(faces.images, expected, strict=True):
        assert np.array_equal(image, np.asarray(cut_chip(photo, chip, size=24)))
    assert {name: values.tolist() for name, values in faces.targets.items()} == {
        "race": [1, 0, -1],
        "gender": [1, -1, 0],
        "age": [4, -1, -1],
    }
    assert len(set(faces.digests)) == 3
    assert set(faces.identities) == {"a.png"}


def face(answer: str, *, x: int = 60) -> str:
    return f"a.png,{x},45,40,0,,,,,{answer}"


def test_further_attributes_are_read_where_the_file_has_their_column(read, declared_mask):
    row = face("Black,Female,30-39,rita")
    assert list(read(row).classes) == ["race", "gender", "age"]
    faces = read(f"{row},mask", f"{face('White,Male,,rita', x=50)},", header=f"{HEADER},reviewed_mask")
    assert faces.targets["mask"].tolist() == [1, face_set.UNKNOWN]


def test_the_answer_of_most_reviewers_counts(read):
    faces = read(
        face("Black,Female,,rita"),
        face("Black,Male,,bob"),
        face("White,cannot tell,30-39,ann"),
        face("White,Female,30-39,rita", x=50),
        face("Black,Female,30-39,rita", x=50),
    )
    assert faces.targets["race"].tolist() == [1, 1]
    assert faces.targets["gender"].tolist() == [-1, 1]
    assert faces.targets["age"].tolist() == [4, 4]
    assert faces.left_out == {"disagreement": 1}


def test_what_cannot_be_told_and_what_is_no_face_is_left_out_and_counted(read):
    faces = read(
        face("Cannot tell,Female,,rita"),
        face("cannot tell,cannot tell,cannot tell,rita", x=50),
        face("not a face,,,rita", x=40),
        face(",,Not a face,rita", x=30),
        face("White,,,bob", x=30),
        face(",,,rita", x=20),
    )
    assert len(faces) == 1
    assert faces.left_out == {"cannot tell": 4, "not a face": 2, "nothing known": 2}


def test_bad_rows_are_told(read):
    with pytest.raises(face_set.UnknownLabels, match=r"labels: a\.png \(line 2: reviewed_race 'Martian'\)$"):
        read(face("Martian,,,rita"))
    of_two = r"2 unknown labels: a\.png \(line 4: reviewed_age '8'\), a\.png \(line 3: reviewed_gender 'they'\)$"
    with pytest.raises(face_set.UnknownLabels, match=of_two):  # a reviewer's later row replaces the earlier
        read(face("White,it,,rita"), face("Black,they,,bob"), face("White,,8,rita"))
    with pytest.raises(face_set.BadData, match=r"line 2: chip_cy 'low' is no number"):
        read("a.png,60,low,40,0,,,,,White,,,rita")
    with pytest.raises(face_set.BadData, match=r"line 2: y2 '' is no number"):
        read("a.png,,,,,20,10,60,,White,,,rita")
    with pytest.warns(errors.DataWarning):
        faces = read(face("Martian,,,rita"), face("White,,,rita", x=50), skip_unknown=True)
    assert (len(faces), faces.left_out) == (1, {"unknown label": 1})
    with pytest.raises(face_set.BadData, match=r"lacks columns: reviewed_age, reviewer"):
        read("a.png,White,Male", header="file,reviewed_race,reviewed_gender")
    for place in ("60,45,,0,,,,", "60,45,-3,0,,,,", ",,,,60,60,20,20", "nan,45,40,0,,,,"):
        with pytest.raises(face_set.BadData, match="line 2"):
            read(f"a.png,{place},White,,,rita")
    with pytest.raises(face_set.MissingFiles, match=r"b\.png"):
        read("b.png,60,45,40,0,,,,,White,,,rita")


def test_reviews_may_be_in_another_grouping(read):
    classes = {"race": face_set.classes_in("race", taxonomy="utkface-5")}
    faces = read(face("Others,Female,,rita"), classes=classes)
    assert (list(faces.targets), faces.targets["race"].tolist()) == (["race"], [4])
