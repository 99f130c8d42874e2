"""Faces and answers as a site writes them: told apart by uid, since its photos' names need not be unique."""

import numpy as np
import pytest

from ml import draw
from ml.shares.draws import OUTSIDE
from ml.surveying import reading, reviewing
from ml.surveying.errors import BadAnswers, BadPredictions, BadTable
from tests.ml.surveying import made_up

COUNT = 300


def rewrite(path, edit):
    """Edit each row, or drop it where the answer is false."""
    rows = [row for number, row in enumerate(made_up.read_rows(path.read_text())) if edit(number, row) is not False]
    path.write_text(made_up.to_csv(list(rows[0]), rows))


@pytest.fixture
def predictions(tmp_path):
    """Faces whose photos, two faces in each, all have one name."""
    path = tmp_path / "faces.csv"
    made_up.write_predictions(path, count=COUNT, shares={"race": {"White": 0.6}})
    rewrite(path, lambda number, row: row.update(face_uid=f"F-{number}", photo_uid=row["file"], file="img.jpg"))
    return path


@pytest.fixture
def drawn(predictions, tmp_path):
    path = tmp_path / "draw.csv"
    assert draw.main([str(predictions), "--size", "60", "--out", str(path)]) == 0
    rewrite(path, lambda _, row: row.update(reviewed_race="White", reviewer="ann", face_uid=row["face_uid"].lower()))
    return path


def read(predictions, drawn, **more):
    return reviewing.read_reviews([drawn], survey=reading.read_survey(predictions), **more).faces


def test_faces_are_known_by_uid_and_those_that_were_learned_from_are_marked(predictions, drawn):
    survey = reading.read_survey(predictions)
    assert len(survey.photo_key) == COUNT / 2
    uids = [row["face_uid"] for row in made_up.read_rows(drawn.read_text())]
    found = read(predictions, drawn, learned_from=frozenset(uids[:3]))
    assert [f"f-{row}" for row in survey.row[found.draw.face]] == uids
    assert np.flatnonzero(found.trained_on).tolist() == [0, 1, 2]
    assert read(predictions, drawn).trained_on is None


def test_a_part_of_the_faces_is_a_domain_and_more_of_them_are_another_file(predictions, drawn):
    rows = made_up.read_rows(drawn.read_text())
    last = int(rows[-1]["face_uid"].removeprefix("f-"))
    rewrite(predictions, lambda number, _: number != last)
    found = read(predictions, drawn)
    assert found.draw.face.tolist().index(OUTSIDE) == 59
    assert found.within().sum() == 59
    rewrite(drawn, lambda _, row: row.update(stratum_faces=str(int(row["stratum_faces"]) - 2)))
    with pytest.raises(BadAnswers) as told:
        read(predictions, drawn)
    assert told.value.code == "other_predictions"
    rewrite(predictions, lambda number, row: row.update(face_uid=f"other-{number}"))
    with pytest.raises(BadAnswers) as told:
        read(predictions, drawn)
    assert told.value.code == "no_such_face"


def test_predictions_of_a_later_model_leave_the_strata_as_they_were_drawn(predictions, drawn):
    before = read(predictions, drawn).draw
    made_up.write_predictions(predictions, count=COUNT, shares={"race": {"White": 0.6}}, seed=8)
    rewrite(predictions, lambda number, row: row.update(face_uid=f"F-{number}", photo_uid=row["file"], file="img.jpg"))
    after = read(predictions, drawn).draw
    assert (after.frame.tolist(), after.stratum.tolist()) == (before.frame.tolist(), before.stratum.tolist())


def test_what_such_files_lack_is_named(predictions, drawn):
    with pytest.raises(SystemExit):
        draw.main([str(predictions), "--kind", "photos", "--size", "20"])
    with pytest.raises(BadPredictions) as told:
        draw.drawing.draw_photos(reading.read_survey(predictions), size=20, seed=1)
    assert told.value.code == "no_photos"
    rewrite(drawn, lambda _, row: row.pop("face_uid") and None)
    with pytest.raises(BadTable) as missing:
        read(predictions, drawn)
    assert missing.value.code == "missing_column"
    rewrite(predictions, lambda number, row: row.update(face_uid="" if number == 4 else row["face_uid"]))
    with pytest.raises(BadPredictions, match="line 6: the column face_uid is empty"):
        reading.read_survey(predictions)
