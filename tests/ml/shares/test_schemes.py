import numpy as np
import pytest

from ml import labels
from ml.shares import schemes
from ml.shares.errors import BadInput


def test_the_standard_schemes_are_each_attribute_and_race_by_gender():
    found = schemes.standard_schemes(labels.ATTRIBUTES)
    assert [(scheme.name, scheme.taxonomy, len(scheme.labels)) for scheme in found] == [
        ("race", "fairface-7", 7),
        ("gender", "gender", 2),
        ("age", "age-5", 5),
        ("race x gender", "fairface-7 x gender", 14),
    ]
    assert found[3].labels[:3] == ("White, Male", "White, Female", "Black, Male")


def test_age_is_told_in_five_bands_that_hold_all_nine_bins():
    (part,) = schemes.single("age", classes=labels.AGE).parts
    assert part.labels == ("0-9", "10-19", "20-39", "40-59", "60+")
    assert part.places == (0, 0, 1, 2, 2, 3, 3, 4, 4)


def test_a_taxonomy_sums_the_shares_of_its_classes():
    scheme = schemes.single("race", classes=labels.RACE, taxonomy="fairface-6")
    shares = np.array([0.4, 0.1, 0.1, 0.15, 0.05, 0.1, 0.1])
    assert scheme.fold_shares(shares) == pytest.approx([0.4, 0.1, 0.1, 0.2, 0.1, 0.1])


def test_a_taxonomy_that_leaves_groups_out_scales_the_rest_to_one():
    scheme = schemes.single("race", classes=labels.RACE, taxonomy="utkface-4")
    shares = np.array([0.4, 0.1, 0.1, 0.15, 0.05, 0.1, 0.1])  # Latino and Middle Eastern are in no group
    assert scheme.fold_shares(shares) == pytest.approx([0.5, 0.125, 0.25, 0.125])
    assert scheme.fold_shares(np.array([0, 0, 0.5, 0, 0, 0, 0.5])) == pytest.approx([0.25] * 4)


def test_a_crossing_folds_every_part():
    race = schemes.single("race", classes=labels.RACE, taxonomy="fairface-6")
    scheme = schemes.crossing(race, schemes.single("gender", classes=labels.GENDER))
    shares = np.zeros(14)
    shares[[6, 8, 9]] = 0.2, 0.3, 0.5  # East Asian men, Southeast Asian men and women
    folded = scheme.fold_shares(shares)
    assert {scheme.labels[k]: folded[k] for k in np.flatnonzero(folded)} == {
        "Asian, Male": pytest.approx(0.5),
        "Asian, Female": pytest.approx(0.5),
    }


def test_a_models_own_classes_are_told_as_they_are():
    scheme = schemes.single("race", classes=("A", "B"))
    assert (scheme.taxonomy, scheme.labels) == ("own", ("A", "B"))


def test_a_model_of_four_groups_tells_that_taxonomy():
    scheme = schemes.single("race", classes=("White", "Black", "Asian", "Indian"), taxonomy="utkface-4")
    assert (scheme.taxonomy, scheme.parts[0].places) == ("utkface-4", (0, 1, 2, 3))


def test_an_attribute_of_ones_own_is_told_as_it_is():
    assert schemes.single("hair", classes=("red", "grey")).taxonomy == "own"


@pytest.mark.parametrize(("attribute", "taxonomy"), [("race", "martian"), ("gender", "utkface-4"), ("age", "age-7")])
def test_an_unknown_taxonomy_is_named(attribute, taxonomy):
    with pytest.raises(BadInput) as error:
        schemes.single(attribute, classes=labels.ATTRIBUTES[attribute], taxonomy=taxonomy)
    assert error.value.code == "unknown_taxonomy"
