import ast
from pathlib import Path

import pytest

from ml import labels

#        White Black Latino East  Southeast Indian Middle
VECTOR = (0.10, 0.20, 0.15, 0.05, 0.25, 0.05, 0.20)


def test_labels_imports_nothing():
    tree = ast.parse(Path(labels.__file__).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize(
    ("taxonomy", "expected"),
    [
        ("fairface-7", VECTOR),
        ("fairface-6", (0.10, 0.20, 0.15, 0.30, 0.05, 0.20)),
        ("utkface-5", (0.10, 0.20, 0.30, 0.05, 0.35)),
        # Latino and Middle Eastern left out: 0.65 remain.
        ("utkface-4", (0.10 / 0.65, 0.20 / 0.65, 0.30 / 0.65, 0.05 / 0.65)),
        # Asian, Black, Indian, White, Latino; Middle Eastern left out: 0.80 remain.
        ("list-5", (0.375, 0.25, 0.0625, 0.125, 0.1875)),
    ],
)
def test_a_vector_is_summed_and_scaled(taxonomy, expected):
    assert labels.aggregate(VECTOR, taxonomy=taxonomy) == pytest.approx(expected)


def test_the_top_group_depends_on_the_taxonomy():
    assert labels.top_group("race", VECTOR) == ("Southeast Asian", pytest.approx(0.25))
    assert labels.top_group("race", VECTOR, taxonomy="utkface-5") == ("Others", pytest.approx(0.35))
    assert labels.top_group("race", VECTOR, taxonomy="utkface-4") == ("Asian", pytest.approx(0.30 / 0.65))


def test_a_vector_wholly_outside_a_taxonomy_becomes_even():
    assert labels.aggregate((0, 0, 0, 0, 0, 0, 1), taxonomy="list-5") == (0.2,) * 5


def test_groups_and_their_places_belong_together():
    assert labels.groups_of("race", taxonomy="utkface-5") == ("White", "Black", "Asian", "Indian", "Others")
    assert labels.group_indices("utkface-5") == ((0,), (1,), (3, 4), (5,), (2, 6))
    assert labels.groups_of("gender") == labels.groups_of("gender", taxonomy="gender") == ("Male", "Female")
    assert labels.taxonomies_of("age") == ("age",)
    with pytest.raises(KeyError):
        labels.groups_of("age", taxonomy="fairface-7")


def test_expected_age_is_the_mean_of_the_bin_centres():
    assert labels.age_years((0, 0, 0, 0.5, 0.5, 0, 0, 0, 0)) == pytest.approx(29.5)
    assert labels.age_years((1, 0, 0, 0, 0, 0, 0, 0, 0)) == 1.0


def test_the_age_range_takes_each_bin_as_even():
    # 20-29 and 30-39 half each: a tenth of all is a fifth of the first bin.
    assert labels.age_range((0, 0, 0, 0.5, 0.5, 0, 0, 0, 0)) == pytest.approx((22.0, 38.0))
    assert labels.age_range((0, 0, 0, 0, 0, 0, 0, 0, 1)) == pytest.approx((72.0, 88.0))
    assert labels.age_range((1, 0, 0, 0, 0, 0, 0, 0, 0)) == pytest.approx((0.3, 2.7))
