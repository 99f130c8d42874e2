import subprocess
import sys
from dataclasses import replace

import pytest

from ml import attributes, labels

#        White Black Latino East  Southeast Indian Middle
VECTOR = (0.10, 0.20, 0.15, 0.05, 0.25, 0.05, 0.20)


def test_labels_load_nothing_but_their_declarations_and_what_comes_with_python():
    script = "import sys; before = set(sys.modules); import ml.labels; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names}
    assert ours == {"ml", "ml.attributes", "ml.labels"}


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
    assert labels.expected("age", (0, 0, 0, 0.5, 0.5, 0, 0, 0, 0)) == pytest.approx(29.5)
    assert labels.expected("age", (1, 0, 0, 0, 0, 0, 0, 0, 0)) == 1.0


def test_the_age_range_takes_each_bin_as_even():
    # 20-29 and 30-39 half each: a tenth of all is a fifth of the first bin.
    assert labels.likely_range("age", (0, 0, 0, 0.5, 0.5, 0, 0, 0, 0)) == pytest.approx((22.0, 38.0))
    assert labels.likely_range("age", (0, 0, 0, 0, 0, 0, 0, 0, 1)) == pytest.approx((72.0, 88.0))
    assert labels.likely_range("age", (1, 0, 0, 0, 0, 0, 0, 0, 0)) == pytest.approx((0.3, 2.7))


MASK = attributes.Attribute(
    name="mask", labels=("no mask", "mask"), title="Mask worn", short="mask", sure_targets={"mask": 0.97}
)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "is it a mask"}, "no word"),
        ({"name": "collection"}, "still free"),
        ({"short": "taxonomy"}, "still free"),
        ({"labels": ("mask",)}, "two labels or more"),
        ({"labels": ("mask", "mask")}, "each once"),
        ({"labels": ("mask", "none that could be seen anywhere")}, "longer than 20"),
        ({"sure_targets": {}}, "target of sure answers for each of mask"),
        ({"taxonomies": {"few": {"mask": ("mask",)}}}, "the first taxonomy is not the labels"),
        ({"scale": attributes.Scale("metres", (1.0,), (0.0, 2.0))}, "a centre for each label"),
    ],
)
def test_a_declaration_that_cannot_be_kept_is_refused(change, complaint):
    with pytest.raises(attributes.BadDeclaration, match=complaint):
        replace(MASK, **change)


def test_two_attributes_share_no_words():
    for other in (MASK, replace(MASK, name="cover", sure_targets={"cover": 0.9}), replace(MASK, short="cover")):
        with pytest.raises(attributes.BadDeclaration, match="share"):
            attributes.in_order(MASK, other)
    assert list(attributes.in_order(MASK, attributes.AGE)) == ["mask", "age"]


def test_an_attribute_is_told_in_its_own_taxonomies_alone():
    assert attributes.RACE.way("list-5") == "list-5"
    assert attributes.RACE.way(None) == attributes.RACE.way("age") == "fairface-7"
    assert MASK.way("list-5") == "mask"
    assert MASK.groups_in("mask") == {"no mask": ("no mask",), "mask": ("mask",)}


def test_a_number_has_a_bin():
    assert [labels.bin_of("age", years) for years in (0, 2.9, 3, 69, 70, 120)] == [0, 0, 1, 7, 8, 8]
    with pytest.raises(KeyError):
        labels.bin_of("gender", 1)
