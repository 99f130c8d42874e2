import numpy as np
import pytest

from ml import labels
from ml.shares import adjusted, schemes, sensitivity
from ml.shares.evidence import Evidence
from tests.ml.shares import worlds

RACE = schemes.single("race", classes=labels.RACE)
GENDER = schemes.single("gender", classes=labels.GENDER)
KNOWN = worlds.race_evidence()


def test_the_range_is_that_of_women_men_and_all():
    women = KNOWN.take(KNOWN.actual["gender"] == 1)
    found = sensitivity.find_range(women.faces, evidence=KNOWN, scheme=RACE)
    asked = [
        adjusted.point_shares(women.faces, evidence=part, scheme=RACE)
        for part in (KNOWN, KNOWN.take(KNOWN.actual["gender"] == 0), women)
    ]
    assert found.parts == ("gender: Male", "gender: Female")
    assert found.low == pytest.approx(np.min(asked, axis=0))
    assert found.high == pytest.approx(np.max(asked, axis=0))
    assert asked[2] == pytest.approx(np.bincount(women.actual["race"], minlength=7) / len(women))


def test_parts_with_too_few_faces_of_a_class_are_left_out_and_named():
    few = KNOWN.take((KNOWN.actual["gender"] == 0) | (np.arange(len(KNOWN)) % 50 == 0))
    found = sensitivity.find_range(few.faces, evidence=few, scheme=RACE)
    assert (found.parts, found.left_out) == (("gender: Male",), ("gender: Female",))


def test_evidence_of_another_data_set_widens_the_range():
    other = Evidence(worlds.KNOWN.faces, worlds.KNOWN.actual, name="UTKFace")
    perfect = worlds.evidence_of([[500, 0], [0, 500]])
    faces = worlds.faces_of([0] * 60 + [1] * 40)
    assert sensitivity.find_range(faces, evidence=perfect, scheme=GENDER).parts == ()
    found = sensitivity.find_range(faces, evidence=perfect, scheme=GENDER, others=[other])
    assert found.parts == ("UTKFace",)
    assert (found.low[1], found.high[1]) == (pytest.approx(0.4), pytest.approx(0.3 / 0.7))


def test_a_collection_like_the_held_out_faces_brings_no_caution():
    assert sensitivity.find_cautions(KNOWN.faces, evidence=KNOWN, scheme=RACE) == ()


def test_women_only_bring_a_caution_about_race_and_none_about_gender():
    women = KNOWN.take(KNOWN.actual["gender"] == 1).faces
    found = sensitivity.find_cautions(women, evidence=KNOWN, scheme=RACE)
    assert {(caution.kind, caution.subject, caution.label) for caution in found} == {
        ("shares_differ", "gender", "Male"),
        ("shares_differ", "gender", "Female"),
    }
    assert "Female (gender) make up 100% of the faces here and 50% of FairFace's" in sensitivity.describe(
        next(caution for caution in found if caution.label == "Female"), name="FairFace"
    )
    of_gender = sensitivity.find_cautions(women, evidence=KNOWN, scheme=GENDER)
    assert "gender" not in {caution.subject for caution in of_gender}


@pytest.mark.parametrize(("shift", "cautions"), [(0.24, 0), (0.26, 2)])
def test_the_limit_is_25_points(shift, cautions):
    rows = np.flatnonzero(KNOWN.actual["gender"] == 1)
    men = np.flatnonzero(KNOWN.actual["gender"] == 0)
    total = 1_000
    chosen = np.concatenate([rows[: round((0.5 + shift) * total)], men[: round((0.5 - shift) * total)]])
    faces = KNOWN.take(chosen).faces
    found = sensitivity.find_cautions(faces, evidence=KNOWN, scheme=RACE)
    assert len([caution for caution in found if caution.kind == "shares_differ"]) == cautions


def test_dark_and_blurred_faces_bring_a_caution():
    dark = worlds.faces_of(
        np.zeros(9, dtype=int),
        attribute="race",
        measures={"brightness": np.full(9, 0.1), "sharpness": np.full(9, 400.0), "size_px": np.full(9, np.nan)},
    )
    found = sensitivity.find_cautions(dark, evidence=KNOWN, scheme=RACE)
    assert [(caution.subject, caution.here) for caution in found] == [("sharpness", 400), ("brightness", 0.1)]
    assert [caution.there for caution in found] == pytest.approx([333, 0.22], abs=0.01)
    assert "median brightness of the faces lies under" in sensitivity.describe(found[1], name="FairFace")


def test_a_measure_that_says_nothing_of_the_held_out_faces_is_no_reason():
    """Ready chips are all as wide as another."""
    still = Evidence(
        worlds.faces_of([0, 1], measures={"size_px": np.full(2, 193.0), "sharpness": np.full(2, np.nan)}),
        {"gender": np.array([0, 1])},
    )
    here = worlds.faces_of([0, 1], measures={"size_px": np.full(2, 40.0), "sharpness": np.full(2, 1.0)})
    assert sensitivity.find_cautions(here, evidence=still, scheme=GENDER) == ()
