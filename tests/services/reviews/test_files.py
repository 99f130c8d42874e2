"""Reviews as CSV: out, so that the trainer reads them, and labels in, all of a file or nothing."""

import csv
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from classifier.models import CANNOT_TELL, Review
from classifier.services.reviews import answering, drawing, exporting, importing, serving
from classifier.services.reviews.answering import Answer
from ml.datasets import reviews
from tests import factories

ALL = {"race": "White", "gender": "Female", "age": "30-39"}


@pytest.fixture
def faces(collection):
    """Faces with photos that lie in the store."""
    return [factories.make_face(factories.make_photo(collection, name=f"{n}.jpg")) for n in range(4)]


def test_the_trainer_reads_what_was_said(collection, alice, faces, tmp_path):
    draw = drawing.begin_draw(collection, creator=alice, attribute="race", size=4)
    _, (first, second, third, _) = serving.next_faces(draw, reviewer=alice)
    for face, answer in (
        (first, Answer(answers=ALL)),
        (second, Answer(answers={**ALL, "race": CANNOT_TELL})),
        (third, Answer(verdict="not_a_face")),
    ):
        answering.answer_face(draw, face=face, reviewer=alice, answer=answer)
    path = tmp_path / "reviews.csv"
    path.write_text("".join(exporting.write_reviews(collection)))
    found = reviews.read_reviews(path, size=24, root=Path(default_storage.location))
    assert found.face_uids == (str(first.uid), str(second.uid))
    assert found.targets["race"].tolist() == [0, -1]
    assert found.left_out["not a face"] == 1
    rows = list(csv.DictReader("".join(exporting.write_draw(draw)).splitlines()))
    assert [row["order"] for row in rows] == ["1", "2", "3", "4"]
    assert {row["inclusion_probability"] for row in rows} == {"1"}
    assert sorted(row["reviewed_race"] for row in rows) == ["", "White", "cannot tell", "not a face"]


def load(collection, alice, text, source="reference"):
    content = text if isinstance(text, bytes) else text.encode()
    return importing.import_labels(collection, content=content, actor=alice, source=source)


def test_labels_come_in_by_file_number_box_or_uid(collection, alice, faces):
    text = (
        "file;face;face_uid;x1;y1;x2;y2;reviewed_race;reviewed_age\n"
        "0.jpg;1;;;;;;black;3 to 9\n"
        "1.jpg;;;41;31;121;131;White;\n"
        "2.jpg;;;;;;;cannot tell;\n"
        f";;{faces[3].uid};;;;;not a face;\n"
    )
    found = load(collection, alice, b"\xef\xbb\xbf" + text.encode())
    assert (found.rows, found.faces, found.new, found.replaced) == (4, 4, 4, 0)
    told = {review.face_id: (review.verdict, review.answers) for review in Review.objects.all()}
    assert [told[face.pk] for face in faces] == [
        ("face", {"race": "Black", "age": "3-9"}),
        ("face", {"race": "White"}),
        ("face", {"race": CANNOT_TELL}),
        ("not_a_face", {}),
    ]
    assert not Review.objects.in_draws().exists()
    assert load(collection, alice, text).replaced == 4
    assert Review.objects.standing().count() == 4


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("file,reviewed_race\n0.jpg,White\n9.jpg,White\n", "bad_rows", "line 3: there is no such face"),
        ("file,reviewed_race\n0.jpg,White\n1.jpg,Martian\n", "bad_rows", "line 3: 'Martian' is no answer about race"),
        ("file,face,reviewed_race\n0.jpg,1,White\n1.jpg", "bad_rows", "line 3: 1 cells of 3"),
        ("file,x1,y1,x2,y2,reviewed_race\n0.jpg,0,0,9,9,White\n", "bad_rows", "line 2: there is no such face"),
        ("file,reviewed_race\n0.jpg,\n", "bad_rows", "line 2: nothing is said"),
        ("file,reviewed_race\n", "bad_rows", ""),
        (f"file,reviewed_race\n0.jpg,{'W' * 200_000}\n", "bad_rows", ""),
        ('file,reviewed_race\n"0.jpg,White\n', "bad_rows", "Line 2 breaks off"),
        ("file,file,reviewed_race\n0.jpg,0.jpg,White\n", "no_header", ""),
        ("name,label\na,b\n", "no_header", ""),
        ("", "no_header", ""),
        (b"\xff\xfe\x00", "not_text", ""),
    ],
)
def test_what_is_wrong_with_a_file_is_told_and_nothing_is_stored(collection, alice, faces, text, code, line):
    with pytest.raises(importing.BadFile) as refused:
        load(collection, alice, text)
    assert refused.value.code == code
    assert line in "".join(refused.value.details["lines"])
    assert not Review.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_labels_come_as_spreadsheets_save_them(collection, alice, encoding):
    factories.make_face(factories.make_photo(collection, name="=é.jpg"))
    assert load(collection, alice, "file;reviewed_race\n'=é.jpg;White\n".encode(encoding)).new == 1


def test_lines_may_end_as_on_any_machine_and_a_name_of_two_photos_is_told(collection, alice, faces):
    for end in ("\r", "\r\n", "\n"):
        assert load(collection, alice, end.join(("file\treviewed_race", "0.jpg\tWhite", ""))).rows == 1
    factories.make_face(factories.make_photo(collection, name="0.jpg"))
    with pytest.raises(importing.BadFile) as refused:
        load(collection, alice, "file,reviewed_race\n0.jpg,Black\n")
    assert refused.value.details["lines"] == ["line 2: several photos are called 0.jpg"]
