import numpy as np
import pytest
from PIL import Image

from ml import errors
from ml.datasets import face_set, splits


def noise(seed: int, *, side: int = 100) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def make_faces(digests: str, *, race: list[int] | None = None, identities: str = "") -> face_set.FaceSet:
    count = len(digests)
    return face_set.FaceSet(
        images=np.zeros((count, 2, 2, 3), dtype=np.uint8),
        targets={"race": np.array(race or [0] * count)},
        files=tuple(f"{number}.jpg" for number in range(count)),
        classes={"race": face_set.own_classes("race", ["one", "two"])},
        digests=tuple(digests),
        identities=tuple(identities),
    )


def test_a_picture_saved_smaller_and_brighter_keeps_its_fingerprint_and_others_have_their_own():
    again = noise(1).resize((60, 60)).point(lambda value: min(255, value + 10))
    prints = np.stack([splits.fingerprint(image) for image in (noise(1), noise(2), again, noise(3))])
    assert splits.near_identical(prints) == [(0, 2)]


def test_pairs_join_into_groups():
    assert splits.same_pairs(["a", "b", "a", "a"]) == [(0, 2), (0, 3)]
    assert splits.join_groups(6, pairs=[(4, 5), (1, 4), (2, 3)]).tolist() == [0, 1, 2, 2, 1, 1]


def test_parts_follow_the_shares_in_every_stratum_and_the_seed():
    strata = np.repeat([0, 1, 2], [100, 50, 10])
    one, two = (splits.assign_parts(np.arange(160), strata=strata, shares=(60, 20, 20), seed=seed) for seed in (1, 2))
    assert np.bincount(one).tolist() == [96, 32, 32]
    for stratum, size in enumerate((100, 50, 10)):
        counts = np.bincount(one[strata == stratum], minlength=3)
        assert np.abs(counts - np.array([0.6, 0.2, 0.2]) * size).max() <= 1
    assert not np.array_equal(one, two)
    assert np.array_equal(one, splits.assign_parts(np.arange(160), strata=strata, shares=(0.6, 0.2, 0.2), seed=1))


def test_groups_stay_whole():
    groups = np.repeat(np.arange(20), 4)
    parts = splits.assign_parts(groups, strata=np.zeros(80, dtype=int), shares=(0.75, 0.25), seed=3)
    assert all(len(set(parts[groups == group])) == 1 for group in range(20))
    assert np.bincount(parts).tolist() == [60, 20]


@pytest.mark.filterwarnings("ignore::ml.errors.DataWarning")
def test_identities_and_identical_files_stay_on_one_side():
    faces = make_faces("abcdefghiijjkkll", race=[0] * 8 + [1] * 8, identities="AABBCCDDEFGHIJKL")
    training, validation = splits.split_faces(faces, share=0.25, seed=1)
    assert (len(training), len(validation)) == (12, 4)
    splits.check_split(training, validation)
    assert validation.count_classes("race") == {"one": 2, "two": 2}


def test_what_cannot_be_split_is_told():
    for faces in (make_faces("a"), make_faces("aa"), make_faces("ab", identities="XX")):
        with pytest.raises(face_set.EmptySet, match="cannot be split"):
            splits.split_faces(faces, share=0.5, seed=1)


def test_what_is_held_out_is_not_trained_on_even_if_it_is_there_twice():
    with pytest.warns(errors.DataWarning, match="2 training images are left out"):
        training, validation = splits.hold_out(make_faces("abcad", identities="UVWXV"), count=2)
    assert [len(training), len(validation)] == [1, 2]
    assert training.files == ("2.jpg",)
    assert validation.files == ("3.jpg", "4.jpg")


def test_of_a_small_set_no_more_than_half_is_held_out():
    training, validation = splits.hold_out(make_faces("abcde"), count=4)
    assert [len(training), len(validation)] == [3, 2]


@pytest.mark.parametrize(
    ("training", "validation", "told"),
    [
        (make_faces("abc"), make_faces("cbd"), r"2 images .*: 0\.jpg, 1\.jpg"),
        (make_faces("ab", identities="XY"), make_faces("cd", identities="YZ"), "1 identities .*: Y"),
    ],
)
@pytest.mark.filterwarnings("ignore::ml.errors.DataWarning")
def test_what_both_sides_hold_is_an_error(training, validation, told):
    with pytest.raises(face_set.SharedImages, match=told):
        splits.check_split(training, validation)


def test_oddities_of_a_set_are_told():
    with pytest.warns(errors.DataWarning) as told:
        splits.check_set(make_faces("a"), name="training")
    assert [str(warning.message) for warning in told] == [
        "The training set is one image: its measures mean nothing",
        "The training set has no example of 1 race classes: two",
    ]
    with pytest.warns(errors.DataWarning, match="1 images more than once"):
        splits.check_set(make_faces("aab", race=[0, 0, 1]), name="validation")
    with pytest.raises(face_set.EmptySet):
        splits.check_set(make_faces("ab").slice(0, 0), name="validation")
