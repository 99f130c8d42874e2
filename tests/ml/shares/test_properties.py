"""What must hold of any collection: random ones, with fixed seeds."""

import numpy as np
import pytest

from ml import labels
from ml.shares import adjusted, answers, counted, draws, evidence, reviewed, schemes, simple
from ml.shares import faces as faces_
from ml.shares.answers import CANNOT, NOT_A_FACE, Reviews
from ml.shares.evidence import Evidence
from ml.shares.faces import Faces
from ml.shares.resampling import Bootstrap
from tests.ml.shares import worlds

QUICK = Bootstrap(replicates=200, seed=4)
SEEDS = range(6)


def any_evidence(rng, *, size=3_000):
    """A model with random errors in all attributes, and probabilities that go with its labels."""
    actual = {name: rng.integers(0, len(of), size) for name, of in labels.ATTRIBUTES.items()}
    vectors = {}
    for name, of in labels.ATTRIBUTES.items():
        scores = rng.gumbel(size=(size, len(of))) + 2.5 * np.eye(len(of))[actual[name]]
        vectors[name] = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float16)
    found = Faces(rng.integers(0, size // 2, size), labels.ATTRIBUTES, faces_.predict_from(vectors), vectors)
    return Evidence(found, actual)


@pytest.mark.parametrize("seed", SEEDS)
def test_corrected_shares_are_shares_and_lie_in_their_intervals(seed):
    rng = np.random.default_rng(seed)
    known = any_evidence(rng)
    faces = any_evidence(rng).faces.take(rng.integers(0, 3_000, int(rng.integers(1, 400))))
    for scheme in (
        *schemes.standard_schemes(labels.ATTRIBUTES),
        *schemes.standard_schemes(labels.ATTRIBUTES, taxonomy="utkface-4"),
    ):
        found = adjusted.estimate_shares(faces, evidence=known, scheme=scheme, bootstrap=QUICK)
        assert found.share.sum() == pytest.approx(1)
        assert (found.low >= 0).all()
        assert (found.high <= 1).all()
        assert (found.low <= found.share).all()
        assert (found.share <= found.high).all()
        assert found.replicates.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_held_out_faces_themselves_are_corrected_to_the_truth(seed):
    known = any_evidence(np.random.default_rng(seed))
    for scheme in schemes.standard_schemes(labels.ATTRIBUTES):
        actual = faces_.actual_places(known.actual, scheme=scheme)
        truth = scheme.fold_shares(np.bincount(actual, minlength=scheme.solving_count) / len(known))
        assert adjusted.point_shares(known.faces, evidence=known, scheme=scheme) == pytest.approx(truth, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_faces_and_the_names_of_photos_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    known = any_evidence(rng)
    faces = known.faces.take(rng.integers(0, 3_000, 300))
    order = rng.permutation(300)
    mixed = faces.take(order)
    renamed = Faces(mixed.photo * 7 - 3, mixed.classes, mixed.predicted, mixed.posteriors)
    scheme = schemes.single("race", classes=labels.RACE)
    first, second = (adjusted.estimate_shares(f, evidence=known, scheme=scheme) for f in (faces, renamed))
    assert second.share == pytest.approx(first.share)
    assert second.half_width == pytest.approx(first.half_width, abs=0.02)
    assert (
        counted.count_labels(renamed, scheme=scheme).counts.tolist()
        == counted.count_labels(faces, scheme=scheme).counts.tolist()
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_other_names_for_the_classes_bring_the_same_shares(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(7)
    predicted, actual = worlds.expand(worlds.RACE_COUNTS)
    here = rng.integers(0, 7, 500)
    scheme = schemes.single("race", classes=tuple("abcdefg"))
    found = []
    for places in (np.arange(7), order):
        classes = {"race": tuple("abcdefg")}
        known = Evidence(
            worlds.faces_of(places[predicted], attribute="race", classes=classes), {"race": places[actual]}
        )
        faces = worlds.faces_of(places[here], attribute="race", classes=classes)
        found.append(adjusted.point_shares(faces, evidence=known, scheme=scheme))
    assert found[1][order] == pytest.approx(found[0], abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_reviewed_shares_are_shares_and_do_not_depend_on_order(seed):
    rng = np.random.default_rng(seed)
    stratum = rng.integers(0, 4, 2_000)
    draw = draws.draw_stratified(stratum, strata=tuple("abcd"), size=80, seed=seed)
    said = rng.choice([0, 1, CANNOT, NOT_A_FACE], size=80, p=[0.4, 0.4, 0.1, 0.1])
    scheme = schemes.single("gender", classes=labels.GENDER)
    first = reviewed.estimate_shares(worlds.answers_of(said, scheme=scheme), draw=draw)
    assert first.share.sum() == pytest.approx(1)
    assert ((first.low >= 0) & (first.low <= first.share) & (first.share <= first.high) & (first.high <= 1)).all()
    order = rng.permutation(80)
    mixed = draws.Draw(draw.strata, draw.frame, draw.face[order], draw.stratum[order])
    again = reviewed.estimate_shares(worlds.answers_of(said[order], scheme=scheme), draw=mixed)
    assert again.share == pytest.approx(first.share)
    assert again.variance == pytest.approx(first.variance)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_census_tells_the_truth_in_both_ways(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 200))
    truth = rng.integers(0, 2, count)
    scheme = schemes.single("gender", classes=labels.GENDER)
    predicted = rng.integers(0, 2, count)
    plain = draws.draw_simple(count, size=count, seed=seed)
    by_stratum = draws.draw_stratified(predicted, strata=labels.GENDER, size=count, seed=seed)
    for found in (
        simple.estimate_shares(worlds.answers_of(truth[plain.face], scheme=scheme), draw=plain, predicted=predicted),
        reviewed.estimate_shares(worlds.answers_of(truth[by_stratum.face], scheme=scheme), draw=by_stratum),
    ):
        assert found.share[1] == pytest.approx(truth.mean())
        assert found.low == pytest.approx(found.high)


@pytest.mark.parametrize("way", ["stratified", "simple"])
def test_several_reviewers_filters_and_what_is_no_face_are_covered(way):
    """One in ten faces is none, two reviewers err, and a filter takes six in ten: the target is what they perceive."""
    rng = np.random.default_rng(8)
    count, held = 4_000, []
    stratum = rng.choice(3, size=count, p=[0.6, 0.3, 0.1])
    truth = (rng.random(count) < np.array([0.15, 0.7, 0.5])[stratum]).astype(int)
    no_face = rng.random(count) < 0.1
    inside = rng.random(count) < 0.6
    perceived = np.stack([np.where(rng.random(count) < 0.1, 1 - truth, truth) for _ in range(2)], axis=1)
    target = perceived[inside & ~no_face].mean()
    scheme = schemes.single("gender", classes=labels.GENDER)
    for seed in range(100):
        if way == "simple":
            draw = draws.draw_simple(count, size=200, seed=seed)
        else:
            draw = draws.draw_stratified(stratum, strata=tuple("abc"), size=200, seed=seed)
        said = np.where(no_face[draw.face, None], NOT_A_FACE, perceived[draw.face])
        reviews = Reviews(
            np.repeat(np.arange(200), 2),
            worlds.TWO,
            {"gender": said.ravel()},
            np.tile([1, 2], 200),
            np.zeros(400, dtype=bool),
        )
        found = answers.gather(reviews, scheme=scheme, drawn=200)
        if way == "simple":
            shares = simple.estimate_shares(found, draw=draw, predicted=(stratum == 1).astype(int), domain=inside)
        else:
            shares = reviewed.estimate_shares(found, draw=draw, domain=inside[draw.face])
        held.append(shares.low[1] <= target <= shares.high[1])
        assert shares.population == pytest.approx(0.54 * count, rel=0.25)
    assert np.mean(held) >= 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_stored_evidence_corrects_as_it_did(seed):
    rng = np.random.default_rng(seed)
    known = any_evidence(rng)
    again = evidence.unpack(evidence.pack(known), classes=labels.ATTRIBUTES)
    for scheme in schemes.standard_schemes(labels.ATTRIBUTES, taxonomy="list-5"):
        assert (
            evidence.count_confusions(again, scheme=scheme).tolist()
            == evidence.count_confusions(known, scheme=scheme).tolist()
        )
