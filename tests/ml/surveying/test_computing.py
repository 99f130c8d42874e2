"""The report of made-up collections whose truth is known, and what it says where it cannot say much."""

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from ml import draw, labels
from ml.shares import schemes
from ml.shares.errors import BadInput
from ml.shares.evidence import PHOTOS
from ml.shares.faces import predict_from
from ml.shares.resampling import Bootstrap
from ml.shares.result import ADJUSTED, COUNTED, REVIEWED
from ml.surveying import against, estimating, reading, reviewing
from ml.surveying.computing import Request, compute_report
from ml.surveying.errors import BadReferenceFile
from tests.ml.surveying import made_up

SHARES = {"race": {"White": 0.7, "Black": 0.1}, "gender": {"Male": 0.8}}
FEW = Bootstrap(replicates=200)


@pytest.fixture(scope="module")
def evidence():
    return made_up.make_evidence(way=PHOTOS)


def make(tmp_path, *, count=600, read=None, **more):
    path = tmp_path / "faces.csv"
    truth = made_up.write_predictions(path, count=count, **more)
    return reading.read_survey(path, **(read or {})), truth


def table(report, name):
    return next(of for of in report.tables if of.name == name)


def test_corrected_shares_are_near_the_truth_where_counted_ones_are_far(tmp_path, evidence):
    survey, _ = make(tmp_path, count=1_500, shares=SHARES)
    report = compute_report(survey, known=made_up.make_known(evidence), request=Request(bootstrap=FEW))
    white = table(report, "race").find("White")
    assert white.raw < 0.58
    assert white.share == pytest.approx(0.7, abs=0.05)
    assert white.low < 0.7 < white.high
    assert (report.basis, report.assumption) == (ADJUSTED, "if the model errs here as on FairFace")
    assert [of.name for of in report.tables] == ["race", "gender", "age"]
    assert [of.name for of in report.crossings] == ["race x gender"]
    assert len(report.cells.rows) == 126
    assert (report.cells.estimator, sum(row.n for row in report.cells.rows)) == (COUNTED, 1_500)
    assert "counted labels" in report.cells.limit
    for of in (*report.tables, *report.crossings):
        assert sum(row.share for row in of.rows) == pytest.approx(1)
        assert sum(row.n for row in of.rows) == of.faces == 1_500
        for row in of.rows:
            assert row.low <= row.share <= row.high
            assert row.sensitivity_low <= row.share <= row.sensitivity_high
    assert any("White (race) make up" in text and " %" in text for text in report.cautions)
    assert sum("(gender)" in text for text in table(report, "race").cautions) == 1  # not the other label's too


def test_reviews_make_the_headline_from_a_hundred_on(tmp_path, evidence):
    survey, truth = make(tmp_path, shares=SHARES)
    path, out = tmp_path / "faces.csv", tmp_path / "draw.csv"
    draw.main([str(path), "--size", "150", "--out", str(out)])
    blank = out.read_text()
    known = made_up.make_known(evidence)
    for answers, basis in ((99, ADJUSTED), (150, REVIEWED)):
        out.write_text(blank)
        made_up.fill(out, truth=truth, answers=answers)
        found = reviewing.read_reviews([out], survey=survey)
        report = compute_report(survey, known=known, reviewed=found, request=Request(bootstrap=FEW))
        race = table(report, "race")
        assert (report.basis, race.estimator, report.reviewing.answered) == (basis, basis, answers)
        assert any("too few for reviewed shares" in note for note in report.notes) == (basis == ADJUSTED)
        said = [labels.RACE[k] for k in survey.faces.predicted["race"]]
        right = np.mean([of["race"] == label for of, label in zip(truth, said, strict=True)])
        overall = next(of for of in report.accuracy if of.name == "race").overall
        assert overall.low < right < overall.high
        assert all(row.more for row in report.plan)
    assert race.rows[-1].label == "cannot tell"
    assert race.rows[-1].raw is None
    white = race.find("White")
    true = np.mean([of["race"] == "White" for of in truth])
    assert white.low < true < white.high
    assert white.reviewed == 150
    assert white.sensitivity_low is None
    assert race.cautions == ()


def test_a_single_review_is_a_limit_and_no_error(tmp_path, evidence):
    survey, truth = make(tmp_path)
    out = tmp_path / "draw.csv"
    draw.main([str(tmp_path / "faces.csv"), "--size", "150", "--out", str(out)])
    made_up.fill(out, truth=truth, answers=1)
    found = reviewing.read_reviews([out], survey=survey)
    report = compute_report(survey, known=made_up.make_known(evidence), reviewed=found, request=Request(bootstrap=FEW))
    assert report.basis == ADJUSTED
    assert "1 answer is too few for reviewed shares: they make the headline from 100 on." in report.notes
    assert report.accuracy == ()


def test_a_stratum_without_faces_is_no_error(tmp_path, evidence):
    survey, truth = make(tmp_path)
    keep = survey.faces.predicted["race"] != labels.RACE.index("Indian")
    rows = made_up.read_rows((tmp_path / "faces.csv").read_text())
    path = tmp_path / "fewer.csv"
    path.write_text(made_up.to_csv(list(rows[0]), [row for row, kept in zip(rows, keep, strict=True) if kept]))
    out = tmp_path / "draw.csv"
    draw.main([str(path), "--size", "150", "--out", str(out)])
    made_up.fill(out, truth=truth)
    survey = reading.read_survey(path)
    found = reviewing.read_reviews([out], survey=survey)
    assert found.faces.draw.frame[labels.RACE.index("Indian")] == 0
    report = compute_report(survey, known=made_up.make_known(evidence), reviewed=found, request=Request(bootstrap=FEW))
    assert report.basis == REVIEWED
    assert table(report, "race").find("Indian").n == 0


def test_one_face_is_reported_with_its_limit(tmp_path, evidence):
    survey, _ = make(tmp_path, count=1)
    report = compute_report(survey, known=made_up.make_known(evidence), request=Request(bootstrap=FEW))
    assert report.faces == 1
    assert any(note.startswith("Only one face") for note in report.notes)
    for of in report.tables:
        for row in of.rows:
            assert row.high - row.low > 0.5  # one face says next to nothing


def test_labels_that_were_never_counted_are_not_known_to_be_absent(tmp_path, evidence):
    survey, _ = make(tmp_path, count=80, shares={"race": {"White": 1.0}})
    inside = np.isin(survey.faces.predicted["race"], [0, 1])
    survey = replace(survey, faces=survey.faces.take(inside))
    means = estimating.Means(evidence, "", None, FEW)
    scheme = schemes.single("race", classes=labels.RACE)
    row = estimating.estimate(survey.faces, scheme=scheme, means=means, unsure=None).table.find("Indian")
    assert (row.n, row.share, row.low, row.bound) == (0, 0.0, 0.0, "upper")
    photos = survey.faces.count_photos()
    assert row.high == pytest.approx(1.96**2 / (photos + 1.96**2), rel=1e-3)  # Wilson's bound of none among so many


def test_a_label_that_nobody_has_has_no_width_and_no_photos(tmp_path, evidence):
    survey, _ = make(tmp_path, count=100)
    inside = survey.faces.predicted["race"] != 5
    survey = replace(survey, faces=survey.faces.take(inside), cut_off=survey.cut_off[inside])
    report = compute_report(survey, known=made_up.make_known(evidence), request=Request(bootstrap=FEW))
    width = next(row for row in report.widths["race"] if row.label == "Indian")
    assert (width.n, width.mean, width.low) == (0, None, None)
    photos = next(row for row in report.photos_with["race"] if row.label == "Indian")
    assert (photos.any, photos.any_low) == (0, 0)
    assert 0 < photos.any_high < 0.1


def test_all_unsure_is_told(tmp_path, evidence):
    survey, _ = make(tmp_path, count=100)
    known = replace(made_up.make_known(evidence), thresholds={"race": {"fairface-7": 1.01}, "age": {"age": 0.0}})
    report = compute_report(survey, known=known, request=Request(bootstrap=FEW))
    assert table(report, "race").unsure == 1
    assert "The model is unsure of the race of every face." in report.notes
    assert table(report, "age").unsure == 0
    assert table(report, "gender").unsure is None  # no threshold, so nobody knows
    assert report.cells.unsure is None


def test_unsure_is_asked_in_the_groups_that_are_told(tmp_path):
    survey, _ = make(tmp_path, count=300)
    scheme = schemes.single("race", classes=labels.RACE, taxonomy="utkface-4")
    found = estimating.find_unsure(survey.faces, scheme=scheme, thresholds=made_up.THRESHOLDS, marked={})
    for row in range(300):
        vector = tuple(survey.faces.posteriors["race"][row].astype(float))
        top = labels.top_group("race", vector, taxonomy="utkface-4")[1]
        if abs(top - 0.7) > 1e-3:
            assert found[row] == (top < 0.7)


def test_a_model_without_matrices_is_answered_with_counted_labels_and_why(tmp_path):
    survey, _ = make(tmp_path, count=200)
    report = compute_report(survey, known=made_up.make_known(reason="old-1 does not carry how it errs"))
    assert report.basis == COUNTED
    assert "Shares are counted labels: old-1 does not carry how it errs." in report.notes
    for of in (*report.tables, *report.crossings):
        assert (of.estimator, of.limit) == (COUNTED, "old-1 does not carry how it errs")
        assert all(row.low is None and row.share == row.raw for row in of.rows)
    assert report.plan == ()


def test_evidence_of_some_attributes_corrects_these(tmp_path):
    survey, _ = make(tmp_path, count=200)
    known = made_up.make_known(made_up.make_evidence(attributes=("gender",)))
    report = compute_report(survey, known=known, request=Request(bootstrap=FEW))
    assert [(of.name, of.estimator) for of in report.tables] == [
        ("race", COUNTED), ("gender", ADJUSTED), ("age", COUNTED)
    ]  # fmt: skip
    assert report.basis == COUNTED  # the weakest
    assert table(report, "race").limit == "the model does not tell how it errs about race"


def test_other_groups_are_told_by_the_same_estimate(tmp_path, evidence):
    survey, _ = make(tmp_path, shares=SHARES)
    known = made_up.make_known(evidence)
    fine, coarse = (
        table(compute_report(survey, known=known, request=Request(taxonomy=name, bootstrap=FEW)), "race")
        for name in (None, "fairface-6")
    )
    asian = fine.find("East Asian").share + fine.find("Southeast Asian").share
    assert coarse.find("Asian").share == pytest.approx(asian)
    assert coarse.taxonomy == "fairface-6"


def test_groups_that_a_model_cannot_tell_are_an_error(tmp_path, evidence):
    survey, _ = make(tmp_path, count=50)
    faces = replace(
        survey.faces,
        classes={**survey.faces.classes, "race": ("a", "b", "c", "d", "e", "f", "g")},
    )
    with pytest.raises(BadInput) as told:
        compute_report(replace(survey, faces=faces), known=made_up.make_known(), request=Request(taxonomy="utkface-4"))
    assert told.value.code == "unknown_taxonomy"


def test_parts_of_a_collection_are_told_apart(tmp_path, evidence):
    years = ["2001" if number < 300 else "2002" if number < 590 else "" for number in range(600)]
    survey, _ = make(tmp_path, extra={"year": years}, read={"by": "year"})
    report = compute_report(survey, known=made_up.make_known(evidence), request=Request(bootstrap=FEW))
    assert [(of.value, of.faces) for of in report.groups] == [("2001", 300), ("2002", 290), ("", 10)]
    assert report.groups[2].limit.startswith("few faces")
    first = next(of for of in report.groups[0].tables if of.name == "gender")
    alone = reading.read_survey(tmp_path / "faces.csv")
    alone = replace(alone, faces=alone.faces.take(np.arange(300)), cut_off=alone.cut_off[:300])
    expected = table(
        compute_report(alone, known=made_up.make_known(evidence), request=Request(bootstrap=FEW)), "gender"
    )
    assert first.rows == expected.rows


def test_photos_of_only_men_are_counted_by_photo(tmp_path):
    survey, _ = make(tmp_path, count=400)
    report = compute_report(survey, known=made_up.make_known(), request=Request(bootstrap=FEW))
    by_photo = survey.faces.predicted["gender"].reshape(-1, 2)
    male = next(row for row in report.photos_with["gender"] if row.label == "Male")
    assert male.any == pytest.approx((by_photo == 0).any(axis=1).mean())
    assert male.only == pytest.approx((by_photo == 0).all(axis=1).mean())
    assert male.only_low < male.only < male.only_high


def test_reference_shares_are_compared_with(tmp_path, evidence):
    survey, _ = make(tmp_path, shares=SHARES)
    path = tmp_path / "census.csv"
    path.write_text("attribute,label,share\ngender,Male,49\ngender,Female,51\n")
    reference = against.read_reference(path)
    assert reference.shares == {"gender": {"Male": 0.49, "Female": 0.51}}
    request = Request(bootstrap=FEW, reference=reference)
    report = compute_report(survey, known=made_up.make_known(evidence), request=request)
    (of,) = report.comparisons
    male = of.rows[0]
    share = table(report, "gender").find("Male")
    assert (male.first, male.second) == (pytest.approx(share.share), 0.49)
    assert male.low == pytest.approx(share.low - 0.49)
    assert male.p < 0.05


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["mood,glad,1"], "unknown_attribute"),
        (["gender,Male,0.5", "gender,Male,0.5"], "label_twice"),
        (["gender,Male,-1", "gender,Female,2"], "bad_number"),
    ],
)
def test_reference_shares_that_mean_nothing_are_told(tmp_path, lines, code, evidence):
    survey, _ = make(tmp_path, count=50)
    path = tmp_path / "census.csv"
    path.write_text("\n".join(["attribute,label,share", *lines]) + "\n")

    def compare():
        request = Request(bootstrap=FEW, reference=against.read_reference(path))
        compute_report(survey, known=made_up.make_known(evidence), request=request)

    with pytest.raises(BadReferenceFile) as told:
        compare()
    assert told.value.code == code


def test_two_collections_are_compared_with_the_same_matrix(tmp_path, evidence):
    survey, _ = make(tmp_path, shares=SHARES)
    made_up.write_predictions(tmp_path / "other.csv", count=600, seed=5)
    other = reading.read_survey(tmp_path / "other.csv")
    known = made_up.make_known(evidence)
    report = compute_report(survey, known=known, request=Request(bootstrap=FEW, other=other, other_known=known))
    gender = next(of for of in report.comparisons if of.name == "gender")
    assert gender.estimators == (ADJUSTED, ADJUSTED)
    assert gender.rows[0].low < 0.3 < gender.rows[0].high


def test_a_hundred_thousand_faces_take_seconds(tmp_path, evidence):
    survey, _ = make(tmp_path, count=10)
    count, rng = 100_000, np.random.default_rng(4)
    posteriors = {
        name: rng.dirichlet(np.full(len(names), 0.4), count).astype(np.float16)
        for name, names in survey.faces.classes.items()
    }
    faces = replace(
        survey.faces,
        photo=np.sort(rng.integers(0, 60_000, count)),
        posteriors=posteriors,
        predicted=predict_from(posteriors),
        measures={"size_px": rng.uniform(40, 200, count).astype(np.float32)},
        width=rng.random(count).astype(np.float32),
    )
    large = replace(survey, faces=faces, marked_unsure={}, cut_off=None)
    known = made_up.make_known(evidence)
    tracemalloc.start()
    began = time.process_time()
    report = compute_report(large, known=known, request=Request(bootstrap=Bootstrap(replicates=1_000)))
    took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.faces == count
    assert took < 20  # 3 seconds measured; weights drawn face by face take minutes
    assert peak < 500e6
