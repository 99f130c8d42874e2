"""Predictions out of CSV files: what is counted, and what is wrong with a file."""

import tracemalloc

import numpy as np
import pytest

from ml import labels
from ml.datasets.face_set import EmptySet
from ml.measuring.mapping import read_mapping
from ml.surveying import columns, reading, tables
from ml.surveying.errors import BadPredictions, BadTable
from tests.ml.surveying import made_up


@pytest.fixture
def predictions(tmp_path):
    made_up.write_predictions(tmp_path / "faces.csv", count=60)
    return tmp_path / "faces.csv"


def code_of(path, error=BadTable, **more):
    with pytest.raises(error) as told:
        reading.read_survey(path, **more)
    assert "\n" not in str(told.value)
    return told.value.code


def test_faces_come_with_their_photos_answers_and_measures(predictions):
    survey = reading.read_survey(predictions)
    rows = made_up.read_rows(predictions.read_text())
    assert (len(survey), survey.photos.received, survey.faces.count_photos()) == (60, 30, 30)
    assert survey.model == made_up.MODEL
    assert survey.is_boxed
    for attribute, names in labels.ATTRIBUTES.items():
        assert [names[k] for k in survey.faces.predicted[attribute]] == [row[f"predicted_{attribute}"] for row in rows]
        assert survey.faces.posteriors[attribute].dtype == np.float16
    width = np.array([float(row["x2"]) - float(row["x1"]) for row in rows])
    np.testing.assert_allclose(survey.faces.measures["size_px"], width, rtol=1e-5)
    np.testing.assert_allclose(survey.faces.width, width / 1000, rtol=1e-5)


def test_photos_without_faces_narrow_faces_and_unreadable_files_are_told(predictions):
    with predictions.open("a") as file:
        empty = "," * (len(reading.open_table(predictions).names) - 2)
        file.write(f"photos/none.jpg,no_face{empty}\nphotos/broken.jpg,unreadable{empty}\n")
    survey = reading.read_survey(predictions, narrowest_px=100)
    rows = made_up.read_rows(predictions.read_text())[:60]
    narrow = sum(float(row["x2"]) - float(row["x1"]) < 100 for row in rows)
    assert len(survey) == 60 - narrow
    assert reading.count_reasons(survey) == {
        "faces narrower than 100 px": narrow,
        "photos that could not be read": 1,
        "photos in which no face was found": 1,
    }
    assert (survey.photos.received, survey.photos.read) == (32, 31)
    assert len(survey.photo_key) == 31  # a photo without a face may have missed ones


@pytest.mark.parametrize(
    "way", ["bom", "semicolons", "decimal commas", "tabs", "blank lines", "windows lines", "all quoted"]
)
def test_what_spreadsheets_do_to_a_file_changes_nothing(predictions, way):
    expected = reading.read_survey(predictions)
    rows = made_up.read_rows(predictions.read_text())
    delimiter = {"semicolons": ";", "decimal commas": ";", "tabs": "\t"}.get(way, ",")
    if way == "decimal commas":
        kept = ("file", "model")
        rows = [{k: v if k in kept else v.replace(".", ",") for k, v in row.items()} for row in rows]
    text = made_up.to_csv(list(rows[0]), rows, delimiter=delimiter)
    text = "\ufeff" + text if way == "bom" else text
    if way == "all quoted":
        text = "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines())
    text = text.replace("\n", "\n\n") if way == "blank lines" else text
    predictions.write_bytes((text.replace("\n", "\r\n") if way == "windows lines" else text).encode())
    found = reading.read_survey(predictions)
    np.testing.assert_array_equal(found.face_key, expected.face_key)
    for attribute in labels.ATTRIBUTES:
        np.testing.assert_array_equal(found.faces.posteriors[attribute], expected.faces.posteriors[attribute])


def test_a_file_that_was_cut_off_is_told_with_the_line(predictions):
    text = predictions.read_text()
    predictions.write_text(text[: len(text) - 40])
    with pytest.raises(BadTable, match="line 61 has") as told:
        reading.read_survey(predictions)
    assert told.value.code == "half_a_line"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no_header"),
        (b"\x00\x01\x02", "no_header"),
        ("file,status,prédit\n".encode("latin-1"), "not_text"),
        (b"file,status,file\na,ok,b\n", "column_twice"),
        (b"photo,predicted_race\na.jpg,White\n", "missing_column"),
        (b'file,status,predicted_race\n"a.jpg,ok,White\n', "not_csv"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, content, code):
    (tmp_path / "faces.csv").write_bytes(content)
    assert code_of(tmp_path / "faces.csv") == code


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["a.jpg,ok,1,Purple"], "unknown_label"),
        (["a.jpg,fine,1,White"], "bad_status"),
        (["a.jpg,ok,1,White", "a.jpg,ok,1,Black"], "face_twice"),
        (["a.jpg,ok,1.5,White"], "bad_number"),
        (["a.jpg,ok,-1,White"], "bad_number"),
        (["a.jpg,ok,1e300,White"], "bad_number"),
    ],
)
def test_rows_that_mean_nothing_are_told(tmp_path, lines, code):
    path = tmp_path / "faces.csv"
    path.write_text("\n".join(["file,status,face,predicted_race", *lines]) + "\n")
    assert code_of(path, BadPredictions) == code


def test_a_file_without_any_prediction_is_told(tmp_path):
    path = tmp_path / "faces.csv"
    path.write_text("file,status,face\na.jpg,ok,1\n")
    assert code_of(path, BadPredictions) == "no_predictions"


@pytest.mark.parametrize("cell", ["much", "inf", "-0.5", "0.9"])
def test_probabilities_that_are_none_are_told_with_the_line(predictions, cell):
    rows = made_up.read_rows(predictions.read_text())
    rows[4]["race_White"] = cell if cell != "0.9" else str(float(rows[4]["race_White"]) + 0.2)
    predictions.write_text(made_up.to_csv(list(rows[0]), rows))
    with pytest.raises((BadTable, BadPredictions), match="line 6") as told:
        reading.read_survey(predictions)
    assert told.value.code == "bad_number"


@pytest.mark.parametrize("cell", ["0", "-5"])
def test_a_picture_without_a_width_leaves_the_width_of_its_faces_unknown(predictions, cell):
    rows = made_up.read_rows(predictions.read_text())
    rows[0]["photo_width"] = cell
    predictions.write_text(made_up.to_csv(list(rows[0]), rows))
    width = reading.read_survey(predictions).faces.width
    assert np.flatnonzero(np.isnan(width)).tolist() == [0]
    rows = [{**row, "photo_width": cell} for row in rows]
    predictions.write_text(made_up.to_csv(list(rows[0]), rows))
    assert reading.read_survey(predictions).faces.width is None


def test_predictions_of_two_models_are_refused(predictions):
    rows = made_up.read_rows(predictions.read_text())
    rows[-1]["model"] = "other-2 ffff00000000"
    predictions.write_text(made_up.to_csv(list(rows[0]), rows))
    assert code_of(predictions, BadPredictions) == "two_models"


@pytest.mark.parametrize("rows", [0, 5])
def test_no_face_is_told(predictions, rows):
    lines = predictions.read_text().splitlines()
    made = [line.replace(",ok,", ",no_face,", 1) for line in lines[1 : rows + 1]]
    predictions.write_text("\n".join([lines[0], *made]) + "\n")
    with pytest.raises(EmptySet, match=r"no row under its header|no face to count"):
        reading.read_survey(predictions)


def test_a_column_tells_the_faces_apart_unless_it_has_too_many_values(tmp_path):
    path = tmp_path / "faces.csv"
    years = [str(2000 + number // 20) for number in range(60)]
    made_up.write_predictions(path, count=60, extra={"year": years})
    groups = reading.read_survey(path, by="year").groups
    assert groups.names == ("2000", "2001", "2002")
    assert np.bincount(groups.place).tolist() == [20, 20, 20]
    assert code_of(path, BadTable, by="month") == "missing_column"
    made_up.write_predictions(path, count=60, extra={"year": [str(number) for number in range(60)]})
    assert code_of(path, BadPredictions, by="year") == "too_many_groups"


def test_somebody_elses_predictions_are_read_by_a_mapping(tmp_path):
    path, toml = tmp_path / "theirs.csv", tmp_path / "theirs.toml"
    path.write_text("name,sex,p_w,p_b,p_a,p_i\nx.jpg,M,0.7,0.1,0.1,0.1\nx.jpg,F,0.1,0.1,0.7,0.1\ny.jpg,,,,,\n")
    probabilities = '{ White = "p_w", Black = "p_b", Asian = "p_a", Indian = "p_i" }'
    toml.write_text(
        f'name = "them"\nfile = "name"\n[race]\ntaxonomy = "utkface-4"\nprobabilities = {probabilities}\n'
        '[gender]\nlabel = "sex"\nwords = { M = "Male", F = "Female" }\n'
    )
    survey = reading.read_survey(path, mapping=read_mapping(toml))
    assert (len(survey), survey.model, survey.is_ours, survey.is_boxed) == (2, "them", False, False)
    assert survey.faces.predicted["race"].tolist() == [0, 2]
    assert survey.faces.predicted["gender"].tolist() == [0, 1]
    assert set(survey.faces.posteriors) == {"race"}
    assert survey.face_number.tolist() == [1, 2]
    assert survey.left_out["faces without an answer"] == 1
    path.write_text("name,sex,p_w,p_b,p_a,p_i\nx.jpg,robot,0.7,0.1,0.1,0.1\n")
    assert code_of(path, BadPredictions, mapping=read_mapping(toml)) == "unknown_label"


def test_columns_that_a_mapping_does_not_name_mean_nothing(tmp_path):
    path, toml = tmp_path / "theirs.csv", tmp_path / "theirs.toml"
    path.write_text("file,sex,status,face,x1,x2,model\na,M,fine,left,far,near,1\na,F,odd,right,far,near,2\n")
    toml.write_text('[gender]\nlabel = "sex"\nwords = { M = "Male", F = "Female" }\n')
    survey = reading.read_survey(path, mapping=read_mapping(toml))
    assert (len(survey), survey.faces.count_photos(), survey.is_boxed) == (2, 1, False)


def test_reading_takes_no_more_memory_than_the_arrays_that_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 100)
    path = tmp_path / "faces.csv"
    made_up.write_predictions(path, count=300)
    text = path.read_text().splitlines(keepends=True)
    peaks = []
    for times in (4, 16):
        copies = [line.replace("photos/", f"photos/{copy}-", 1) for copy in range(times) for line in text[1:]]
        path.write_text(text[0] + "".join(copies))
        tracemalloc.start()
        survey = reading.read_survey(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(survey) == 300 * times
    per_face = (peaks[1] - peaks[0]) / 3_600
    assert per_face < 400  # bytes, while arrays are put together; a row's text alone has some 330, as objects 2,500


def test_labels_of_its_own_are_found_behind_a_sites_doubt_and_set():
    of_a_site = ["predicted_gender", "unsure_gender", "set_gender", "gender_Female", "gender_Male", "gender_Non-binary"]
    assert columns.find_classes(["file", *of_a_site, "model"]) == {"gender": ("Female", "Male", "Non-binary")}
