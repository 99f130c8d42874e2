"""Draws written for spreadsheets, filled in, and read back."""

import numpy as np
import pytest

from ml import draw, labels
from ml.shares.errors import BadDraw
from ml.surveying import drawing, reading, reviewing
from ml.surveying.errors import BadAnswers, BadPredictions, BadTable
from tests.ml.surveying import made_up

SHARES = {"race": {"White": 0.6}}


@pytest.fixture
def predictions(tmp_path):
    return tmp_path / "faces.csv"


@pytest.fixture
def truth(predictions):
    return made_up.write_predictions(predictions, count=600, shares=SHARES)


@pytest.fixture
def drawn(predictions, truth, tmp_path):
    assert draw.main([str(predictions), "--size", "120", "--out", str(tmp_path / "draw.csv")]) == 0
    return tmp_path / "draw.csv"


def read(predictions, *paths):
    return reviewing.read_reviews(list(paths), survey=reading.read_survey(predictions))


def code_of(predictions, *paths, error=(BadAnswers, BadTable, BadDraw)):
    with pytest.raises(error) as told:
        read(predictions, *paths)
    assert "\n" not in str(told.value)
    return told.value.code


def change(path, edit):
    rows = made_up.read_rows(path.read_text())
    rows = edit(rows) or rows
    path.write_text(made_up.to_csv(list(rows[0]), rows))


def test_a_draw_names_each_face_with_its_stratum_and_probability(predictions, drawn):
    rows = made_up.read_rows(drawn.read_text())
    survey = reading.read_survey(predictions)
    known = made_up.read_rows(predictions.read_text())
    of = {(row["file"], row["face"]): row for row in known}
    assert len(rows) == 120
    assert {row["draw"][:5] for row in rows} == {"draw-"}
    assert [int(row["order"]) for row in rows] == list(range(1, 121))
    sizes = np.bincount(survey.faces.predicted["race"], minlength=7)
    numbers = {}
    for row in rows:
        source = of[row["file"], row["face"]]
        assert [row[name] for name in ("x1", "y2")] == [source[name] for name in ("x1", "y2")]
        place = labels.RACE.index(source["predicted_race"])
        assert int(row["stratum_faces"]) == sizes[place]
        assert numbers.setdefault(row["stratum"], place) == place
        assert [row[f"reviewed_{name}"] for name in labels.ATTRIBUTES] == ["", "", ""]
    for row in rows:
        count = sum(other["stratum"] == row["stratum"] for other in rows)
        assert float(row["inclusion_probability"]) == pytest.approx(count / int(row["stratum_faces"]), rel=1e-6)
    assert not any(label in line for line in drawn.read_text().splitlines() for label in labels.RACE)  # nobody is led


def test_the_same_seed_draws_the_same_faces_and_another_others(predictions, truth, capsys):
    def faces(*more):
        assert draw.main([str(predictions), "--size", "50", *more]) == 0
        return [(row["file"], row["face"]) for row in made_up.read_rows(capsys.readouterr().out)]

    assert faces() == faces("--seed", "1") != faces("--seed", "2")


def test_a_filled_draw_comes_back_as_it_was_drawn(predictions, truth, drawn):
    made_up.fill(drawn, truth=truth)
    found = read(predictions, drawn).faces
    rows = made_up.read_rows(drawn.read_text())
    survey = reading.read_survey(predictions)
    keys = reading.face_keys(
        np.array([reading.key_of(row["file"]) for row in rows], np.uint64), np.array([int(row["face"]) for row in rows])
    )
    np.testing.assert_array_equal(survey.face_key[found.draw.face], keys)
    assert (found.answered, found.reviewers, len(found.draw)) == (120, 1, 120)
    said = found.reviews.answers["race"]
    assert [labels.RACE[k] for k in said[np.argsort(found.reviews.drawn)]] == [row["reviewed_race"] for row in rows]


def test_the_order_of_rows_and_a_spreadsheets_ways_do_not_matter(predictions, truth, drawn):
    rows = made_up.fill(drawn, truth=truth, answers=80)
    expected = read(predictions, drawn).faces
    mixed = [rows[k] for k in np.random.default_rng(3).permutation(len(rows))]
    for row in mixed:
        row["inclusion_probability"] = row["inclusion_probability"].replace(".", ",")
    text = made_up.to_csv(list(rows[0]), mixed, delimiter=";")
    drawn.write_bytes(("\ufeff" + text.replace("White", " WHITE ")).encode())
    found = read(predictions, drawn).faces
    np.testing.assert_array_equal(found.draw.face, expected.draw.face)
    np.testing.assert_allclose(found.draw.probability, expected.draw.probability)
    order = [np.argsort(of.reviews.drawn) for of in (found, expected)]
    np.testing.assert_array_equal(found.reviews.answers["race"][order[0]], expected.reviews.answers["race"][order[1]])


def test_ages_may_be_written_so_that_a_spreadsheet_leaves_them_alone(predictions, truth, drawn):
    rows = made_up.fill(drawn, truth=truth)
    expected = read(predictions, drawn).faces.reviews.answers["age"]
    for row in rows:
        row["reviewed_age"] = row["reviewed_age"].replace("-", " to ")
    drawn.write_text(made_up.to_csv(list(rows[0]), rows))
    np.testing.assert_array_equal(read(predictions, drawn).faces.reviews.answers["age"], expected)
    rows[0]["reviewed_age"] = "09-Mar"
    drawn.write_text(made_up.to_csv(list(rows[0]), rows))
    with pytest.raises(BadAnswers, match='"3 to 9" is what a spreadsheet does not make a date of'):
        read(predictions, drawn)


def test_several_people_answer_in_files_of_their_own(predictions, truth, drawn, tmp_path):
    rows = made_up.fill(drawn, truth=truth)
    second = tmp_path / "second.csv"
    for row in rows:
        row["reviewer"] = "ben"
        row["reviewed_race"] = "cannot tell"
        row["reviewed_age"] = ""
    rows[0] |= dict.fromkeys(("reviewed_race", "reviewed_gender", "reviewed_age"), "not a face")
    second.write_text(made_up.to_csv(list(rows[0]), rows))
    found = read(predictions, drawn, second).faces
    assert (found.reviewers, found.answered, len(found.reviews.drawn)) == (2, 120, 240)


@pytest.mark.parametrize("column", ["order", "stratum", "stratum_faces", "inclusion_probability"])
def test_copies_that_were_changed_are_refused(predictions, truth, drawn, tmp_path, column):
    made_up.fill(drawn, truth=truth)
    copy = tmp_path / "copy.csv"
    copy.write_text(drawn.read_text())
    change(copy, lambda rows: [row.update(reviewer="b") for row in rows] and None)
    assert read(predictions, drawn, copy).faces.reviewers == 2
    change(copy, lambda rows: rows[7].update({column: "0.77"}))
    assert code_of(predictions, drawn, copy) == "rows_differ"


def test_a_later_row_of_the_same_person_replaces_the_earlier(predictions, truth, drawn):
    rows = made_up.fill(drawn, truth=truth)
    again = dict(rows[5], reviewed_gender="cannot tell")
    drawn.write_text(made_up.to_csv(list(rows[0]), [*rows, again]))
    found = read(predictions, drawn).faces
    assert len(found.reviews.drawn) == 120
    assert found.reviews.answers["gender"][found.reviews.drawn == 5].tolist() == [reviewing.CANNOT]


def test_what_does_not_fit_is_named(predictions, truth, drawn, tmp_path):
    made_up.fill(drawn, truth=truth)
    good = drawn.read_text()

    def broken(edit):
        drawn.write_text(good)
        change(drawn, edit)
        return code_of(predictions, drawn)

    assert broken(lambda rows: rows[3].update(reviewed_race="Martian")) == "unknown_label"
    assert broken(lambda rows: rows[3].update(file="photos/elsewhere.jpg")) == "no_such_face"
    assert broken(lambda rows: rows[3].update(face="17")) == "no_such_face"
    assert broken(lambda rows: rows[:-1]) == "probabilities_differ"
    assert broken(lambda rows: [row.update(inclusion_probability="0.5") for row in rows] and None) == (
        "probabilities_differ"
    )
    assert broken(lambda rows: rows[0].update(inclusion_probability="a lot")) == "bad_number"
    for column in ("order", "stratum", "stratum_faces", "inclusion_probability"):
        assert broken(lambda rows, column=column: rows[0].update({column: ""})) == "bad_number"
    assert broken(lambda rows: rows[0].update(strata="gender")) == "two_draws"
    assert broken(lambda rows: rows[0].update(stratum_faces="5")) == "other_predictions"
    assert broken(lambda rows: rows[0].update(draw="another")) == "two_draws"
    blank = {f"reviewed_{name}": "" for name in labels.ATTRIBUTES}
    assert broken(lambda rows: [row.update(blank) for row in rows] and None) == "no_answers"
    drawn.write_text(good[:-30])
    assert code_of(predictions, drawn) == "half_a_line"
    drawn.write_text(good.replace("inclusion_probability", "probability", 1))
    assert code_of(predictions, drawn) == "missing_column"


def test_reviews_of_other_predictions_are_refused(predictions, truth, drawn, tmp_path):
    made_up.fill(drawn, truth=truth)
    made_up.write_predictions(predictions, count=600, shares=SHARES, seed=2)
    assert code_of(predictions, drawn) == "other_predictions"
    survey = reading.read_survey(predictions, narrowest_px=120)
    with pytest.raises(BadAnswers) as told:
        reviewing.read_reviews([drawn], survey=survey)
    assert told.value.code in ("no_such_face", "other_predictions")


def test_a_draw_of_photos_brings_the_share_of_missed_faces(predictions, truth, tmp_path):
    out = tmp_path / "photos.csv"
    assert draw.main([str(predictions), "--kind", "photos", "--size", "60", "--out", str(out)]) == 0
    rows = made_up.read_rows(out.read_text())
    assert {row["found"] for row in rows} == {"2"}
    assert {row["photos"] for row in rows} == {"300"}
    assert float(rows[0]["inclusion_probability"]) == 0.2
    for row in rows[:50]:
        row["missed"] = "1" if int(row["order"]) % 5 == 0 else "0"
    rows[55]["missed"] = "9"  # out of turn: the photos before it are not looked at yet
    out.write_text(made_up.to_csv(list(rows[0]), rows))
    found = read(predictions, out).missed
    assert (found.photos, found.found, found.missed) == (50, 100, 10)
    assert found.share == pytest.approx(10 / 110)
    assert found.low < found.share < found.high
    good = out.read_text()
    for edit, code in (
        (lambda rows: rows[2].update(missed="-1"), "bad_number"),
        (lambda rows: rows[2].update(found="7"), "other_predictions"),
        (lambda rows: rows[2].update(file="x.jpg"), "no_such_face"),
        (lambda rows: rows[:-1], "rows_missing"),
        (lambda rows: [row.update(missed="") for row in rows] and None, "no_answers"),
        (lambda rows: rows[2].update(draw="x"), "two_draws"),
    ):
        out.write_text(good)
        change(out, edit)
        assert code_of(predictions, out) == code


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--size", "601"], "601 of 600 faces cannot be drawn"),
        (["--size", "5"], "too few for two of each"),
        (["--size", "0"], "no whole number of at least 1"),
        (["--seed", "-1"], "no whole number of at least 0"),
        (["--narrowest", "nan"], "no width in pixels"),
        (["--strata", "mood"], "nothing was predicted of mood"),
        (["--kind", "photos", "--size", "301"], "301 of 300 cannot be drawn"),
    ],
)
def test_a_draw_that_cannot_be_made_ends_with_2_and_a_line(predictions, truth, arguments, told, capsys):
    with pytest.raises(SystemExit) as end:
        draw.main([str(predictions), *arguments])
    assert end.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_names_that_a_spreadsheet_would_calculate_come_back_as_they_were(predictions, truth, tmp_path):
    predictions.write_text(predictions.read_text().replace("photos/", '=HYPERLINK("x")/'.replace('"', "'")))
    survey = reading.read_survey(predictions)
    faces, photos = tmp_path / "draw.csv", tmp_path / "photos.csv"
    assert draw.main([str(predictions), "--size", "120", "--out", str(faces)]) == 0
    assert draw.main([str(predictions), "--size", "60", "--kind", "photos", "--out", str(photos)]) == 0
    for path in (faces, photos):
        assert all(row["file"].startswith("'=HYPERLINK") for row in made_up.read_rows(path.read_text()))
    change(faces, lambda rows: [row.update(reviewed_race="White", reviewer="a") for row in rows] and None)
    change(photos, lambda rows: [row.update(missed="0") for row in rows] and None)
    found = reviewing.read_reviews([faces, photos], survey=survey)
    assert (found.faces.answered, found.missed.photos) == (120, 60)


def test_strata_may_be_of_another_attribute(predictions, truth, tmp_path):
    out = tmp_path / "draw.csv"
    assert draw.main([str(predictions), "--strata", "age", "--size", "100", "--out", str(out)]) == 0
    made_up.fill(out, truth=truth)
    assert read(predictions, out).faces.draw.strata == ("0-9", "10-19", "20-39", "40-59", "60+")


def test_an_attribute_that_was_off_cannot_be_answered(tmp_path):
    path, out = tmp_path / "faces.csv", tmp_path / "draw.csv"
    made_up.write_predictions(path, count=200)
    rows = made_up.read_rows(path.read_text())
    kept = [name for name in rows[0] if not name.startswith(("age_", "predicted_age"))]
    path.write_text(made_up.to_csv(kept, [{name: row[name] for name in kept} for row in rows]))
    assert draw.main([str(path), "--size", "60", "--out", str(out)]) == 0
    assert "reviewed_age" not in out.read_text()
    with pytest.raises(BadPredictions, match="only of race, gender"):
        drawing.draw_faces(reading.read_survey(path), attribute="age", size=60, seed=1)
