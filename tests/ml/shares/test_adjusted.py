import time
import tracemalloc

import numpy as np
import pytest

from ml import labels
from ml.shares import adjusted, evidence, schemes
from ml.shares.errors import NoEvidence, NoFaces
from ml.shares.faces import Faces
from ml.shares.resampling import Bootstrap
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)
RACE = schemes.single("race", classes=labels.RACE)


def test_two_classes_are_rogans_and_gladens():
    """(called women + specificity - 1) / (sensitivity + specificity - 1) = (0.45 - 0.1) / 0.7."""
    faces = worlds.faces_of([0] * 55 + [1] * 45)
    found = adjusted.estimate_shares(faces, evidence=worlds.KNOWN, scheme=GENDER)
    assert found.share == pytest.approx([0.5, 0.5])
    assert (found.estimator, found.faces, found.bounds) == ("adjusted", 100, ("both", "both"))


def test_its_interval_is_that_of_the_delta_method():
    """V = [c(1-c)/N + theta^2 se(1-se)/1000 + (1-theta)^2 sp(1-sp)/1000] / 0.7^2 (Rogan and Gladen 1978)."""
    faces = worlds.faces_of([0] * 550 + [1] * 450)
    found = adjusted.estimate_shares(
        faces, evidence=worlds.KNOWN, scheme=GENDER, bootstrap=Bootstrap(replicates=20_000, seed=3)
    )
    variance = (0.45 * 0.55 / 1000 + 0.25 * 0.8 * 0.2 / 1000 + 0.25 * 0.9 * 0.1 / 1000) / 0.7**2
    assert found.variance == pytest.approx(variance, rel=0.05)
    assert found.half_width == pytest.approx(1.96 * np.sqrt(variance), rel=0.05)


def test_the_matrix_is_uncertain_too():
    """A million faces do not make an answer surer than 2,000 held-out ones allow."""
    faces = worlds.faces_of(np.repeat([0, 1], [550_000, 450_000]))
    found = adjusted.estimate_shares(faces, evidence=worlds.KNOWN, scheme=GENDER)
    alone = 1.96 * np.sqrt(0.25 * 0.8 * 0.2 / 1000 + 0.25 * 0.9 * 0.1 / 1000) / 0.7
    assert found.half_width == pytest.approx(alone, rel=0.15)


def test_faces_of_one_photo_are_no_independent_witnesses():
    places = np.repeat([0, 1], [600, 400])
    apart = worlds.faces_of(places)
    together = worlds.faces_of(places, photo=np.arange(1000) // 10)
    narrow, wide = (adjusted.estimate_shares(f, evidence=worlds.KNOWN, scheme=GENDER) for f in (apart, together))
    assert wide.share == pytest.approx(narrow.share)
    assert (wide.half_width > 1.7 * narrow.half_width).all()


@pytest.mark.parametrize("photos", [1, 2, 5])
def test_few_photos_are_no_surer_than_their_faces(photos):
    """A single photo resampled is always itself: 14 faces in it told a share to ± 5 points."""
    places = np.repeat([0, 1], [30, 20])
    apart = worlds.faces_of(places)
    together = worlds.faces_of(places, photo=np.arange(50) % photos)
    alone, found = (adjusted.estimate_shares(f, evidence=worlds.KNOWN, scheme=GENDER) for f in (apart, together))
    assert found.share == pytest.approx(alone.share)
    assert (found.half_width > 0.85 * alone.half_width).all()
    assert found.replicates.shape == alone.replicates.shape


def test_a_perfect_model_is_believed():
    known = worlds.evidence_of([[500, 0], [0, 500]])
    found = adjusted.estimate_shares(worlds.faces_of([0] * 30 + [1] * 70), evidence=known, scheme=GENDER)
    assert found.share == pytest.approx([0.3, 0.7])


def test_a_label_nobody_has_ends_at_nothing():
    found = adjusted.estimate_shares(worlds.faces_of([0] * 95 + [1] * 5), evidence=worlds.KNOWN, scheme=GENDER)
    assert found.share == pytest.approx([1, 0])
    assert found.low[1] == 0
    assert found.high[1] < 0.1


def test_one_face_is_an_answer_that_says_one_face():
    found = adjusted.estimate_shares(worlds.faces_of([1]), evidence=worlds.KNOWN, scheme=GENDER)
    assert found.share == pytest.approx([0, 1])
    assert found.faces == 1


def test_no_face_and_faces_without_answers_are_named_errors():
    for places in ([], [-1, -1]):
        with pytest.raises(NoFaces):
            adjusted.estimate_shares(worlds.faces_of(np.array(places, dtype=int)), evidence=worlds.KNOWN, scheme=GENDER)


def test_a_model_that_does_not_tell_how_it_errs_is_a_named_error():
    with pytest.raises(NoEvidence) as error:
        adjusted.estimate_shares(worlds.faces_of([1, 2], attribute="race"), evidence=worlds.KNOWN, scheme=RACE)
    assert error.value.code == "no_matrix"


def test_shares_agree_across_taxonomies():
    """Asian of six groups is East and Southeast Asian of seven, in every resample."""
    rng = np.random.default_rng(1)
    faces = worlds.faces_of(rng.integers(0, 7, 2_000), attribute="race")
    known = worlds.race_evidence()
    six = schemes.single("race", classes=labels.RACE, taxonomy="fairface-6")
    fine, coarse = (adjusted.estimate_shares(faces, evidence=known, scheme=scheme) for scheme in (RACE, six))
    assert coarse.share[3] == pytest.approx(fine.share[[3, 4]].sum())
    assert coarse.replicates[:, 3] == pytest.approx(fine.replicates[:, [3, 4]].sum(axis=1))


def test_the_same_seed_brings_the_same_answer_and_another_one_nearly():
    faces = worlds.faces_of([0] * 550 + [1] * 450)
    first, again, other = (
        adjusted.estimate_shares(faces, evidence=worlds.KNOWN, scheme=GENDER, bootstrap=Bootstrap(seed=seed))
        for seed in (1, 1, 2)
    )
    assert (first.replicates == again.replicates).all()
    assert not np.array_equal(first.low, other.low)
    assert first.low == pytest.approx(other.low, abs=0.02)


def test_collections_share_the_resamples_of_the_matrix_and_nothing_else():
    bootstrap = Bootstrap(replicates=200, seed=5)
    known = worlds.race_evidence()
    one, two = (adjusted.resample_matrices(known, scheme=RACE, bootstrap=bootstrap) for _ in range(2))
    assert (one == two).all()
    rng = np.random.default_rng(2)
    a, b = (
        adjusted.estimate_shares(
            worlds.faces_of(rng.permutation([0] * 60 + [1] * 40 + extra)),
            evidence=worlds.evidence_of([[50_000, 0], [0, 50_000]]),
            scheme=GENDER,
            bootstrap=bootstrap,
        )
        for extra in ([], [1])
    )
    assert abs(np.corrcoef(a.replicates[:, 0], b.replicates[:, 0])[0, 1]) < 0.25


def test_resampled_matrices_have_every_true_class():
    """With one held-out woman a third of all resamples would have none."""
    known = worlds.evidence_of([[20, 0], [5, 1]])
    found = adjusted.resample_matrices(known, scheme=GENDER, bootstrap=Bootstrap(replicates=500))
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(1)


def test_evidence_that_misses_a_cell_corrects_each_attribute_and_not_the_crossing():
    known = worlds.race_evidence()
    without = known.take(~((known.actual["race"] == 1) & (known.actual["gender"] == 1)))
    both = schemes.crossing(RACE, GENDER)
    assert adjusted.point_shares(without.faces, evidence=without, scheme=RACE).sum() == pytest.approx(1)
    with pytest.raises(NoEvidence) as error:
        adjusted.estimate_shares(without.faces, evidence=without, scheme=both)
    assert error.value.code == "class_without_faces"


def test_a_hundred_thousand_faces_take_seconds_and_little_memory():
    """The promise is 20 s and 500 MB; it takes about one second and 70 MB when nothing else runs."""
    rng = np.random.default_rng(3)
    count = 100_000
    vectors = {a: rng.dirichlet(np.ones(len(of)), size=count).astype(np.float16) for a, of in labels.ATTRIBUTES.items()}
    faces = Faces(
        photo=rng.integers(0, 60_000, count),
        classes=labels.ATTRIBUTES,
        predicted={a: v.argmax(axis=1) for a, v in vectors.items()},
        posteriors=vectors,
    )
    some = rng.choice(count, 2_500, replace=False)
    actual = {
        a: np.where(rng.random(2_500) < 0.7, v[some].argmax(axis=1), rng.integers(0, v.shape[1], 2_500))
        for a, v in vectors.items()
    }
    known = evidence.Evidence(faces.take(some), actual)
    tracemalloc.start()
    began = time.process_time()
    for scheme in schemes.standard_schemes(labels.ATTRIBUTES):
        assert adjusted.estimate_shares(faces, evidence=known, scheme=scheme).faces == count
    took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 40  # tracing included
    assert peak < 500 * 2**20
