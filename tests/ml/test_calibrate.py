"""Calibration: a new version with honest numbers, from images that no training touched."""

from dataclasses import replace

import numpy as np
import pytest

from ml import calibrate, errors, export, labels, metrics
from ml.datasets import face_set, fairface, held_out, sources
from ml.errors import BadRecipe
from ml.measuring import calibration_fit, fit_words, label_thresholds
from ml.measuring.asking import Asked
from ml.model import card as cards
from ml.model import checkpoint, temperature_scaling
from ml.model.runtime import OnnxRuntime, Runtime, TorchRuntime
from ml.shares.evidence import CHIPS

HELD_OUT = 30


@pytest.fixture(autouse=True)
def few_images_are_enough(monkeypatch):
    monkeypatch.setattr(calibration_fit, "LEAST_IMAGES", 10)
    monkeypatch.setattr(label_thresholds, "LEAST_SURE", 1)


@pytest.fixture
def model(tiny, tmp_path):
    """A folder with a checkpoint whose recipe held 30 of the small FairFace's 64 images out."""
    net, card = tiny
    recipe = {"data": {"shards": ["train-0.zip"], "held_out": HELD_OUT}}
    checkpoint.save(tmp_path / "model", net=net, card=replace(card, recipe=recipe))
    return tmp_path / "model"


def run(model, out, small_fairface, *more):
    return calibrate.main(["--model", str(model), "--out", str(out), "--data", str(small_fairface), *more])


def refused(capsys, *arguments):
    """What the command says when it ends with 2."""
    with pytest.raises(SystemExit) as end:
        run(*arguments)
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


class Says(Runtime):
    """A network that says what it is told to."""

    def __init__(self, card: cards.ModelCard, logits: dict[str, np.ndarray]) -> None:
        self.card, self._logits, self._begin = card, logits, 0

    def logits(self, chips: np.ndarray, *, attributes: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        begin, self._begin = self._begin, self._begin + len(chips)
        return {name: values[begin : self._begin] for name, values in self._logits.items()}


def fit(card, runtime, faces, targets=None):
    """What the command fits to the answers for faces that came as chips alone."""
    return calibrate.calibrate(
        card, asked=[Asked(CHIPS, faces, calibrate.read_logits(runtime, faces))], targets=targets
    )


def made_up(card, *, times, count=4000, seed=0):
    """A network `times` too sure of itself, and faces with fine labels drawn from what it should say."""
    rng = np.random.default_rng(seed)
    logits, targets = {}, {}
    for attribute, names in card.labels.items():
        honest = rng.normal(size=(count, len(names))) * 2
        drawn = metrics.softmax(honest).cumsum(axis=1) < rng.random((count, 1))
        logits[attribute], targets[attribute] = honest * times, drawn.sum(axis=1)
    files = tuple(f"{number}.png" for number in range(count))
    classes = {name: face_set.Classes(name, names) for name, names in card.labels.items()}
    faces = face_set.FaceSet(np.zeros((count, 2, 2, 3), np.uint8), targets, files, classes, digests=files)
    return Says(card, logits), faces


def test_the_held_out_images_make_a_new_version_with_the_same_weights(model, tmp_path, small_fairface, capsys):
    assert run(model, tmp_path / "out", small_fairface) == 0
    told = capsys.readouterr()
    before, weights = cards.read_pair(model, weights_file=cards.WEIGHTS_FILE)
    after, same = cards.read_pair(tmp_path / "out", weights_file=cards.WEIGHTS_FILE)
    assert weights == same
    assert (after.name, before.name) == ("tiny-1-calibrated", "tiny-1")
    assert after.sha256 != before.sha256
    about = after.metrics["calibration"]
    assert (about["images"], about["calibrated_from"]) == (HELD_OUT, before.sha256)
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32, shards=["train-0.zip"])
    assert about["data_sha256"] == faces.slice(64 - HELD_OUT).data_hash()
    assert set(after.thresholds["race"]) == set(labels.TAXONOMIES)
    assert after.temperatures != before.temperatures
    assert "race, 30 images: temperature 1.500 -> " in told.out
    assert "calibration error" in told.out
    assert "tiny-1-calibrated" in told.out
    assert "warning: 30 images are few to calibrate race on" in told.err
    assert TorchRuntime.load(tmp_path / "out").card == after


@pytest.mark.parametrize(
    ("old", "new"),
    [("facet-1", "facet-1-calibrated"), ("a-calibrated", "a-calibrated-2"), ("a-calibrated-2", "a-calibrated-3")],
)
def test_versions_are_named_one_after_the_other(old, new):
    assert calibrate.next_name(old) == new


def test_the_old_name_is_kept_when_it_is_asked_for(model, tmp_path, small_fairface):
    assert run(model, tmp_path / "out", small_fairface, "--name", "tiny-1", "--limit", "20") == 0
    card = cards.read_card(tmp_path / "out")
    assert (card.name, card.metrics["calibration"]["images"]) == ("tiny-1", 20)


def test_no_checkpoint_is_ever_written_over(model, tmp_path, small_fairface, capsys):
    assert "is the checkpoint itself" in refused(capsys, model, model, small_fairface)
    assert "is the checkpoint itself" in refused(capsys, model, tmp_path / "x" / ".." / "model", small_fairface)
    run(model, tmp_path / "out", small_fairface)
    assert "holds a checkpoint" in refused(capsys, model, tmp_path / "out", small_fairface)


def test_images_that_were_trained_on_are_refused(model, tmp_path, small_fairface, capsys):
    named = ["--shard", "train-0.zip", "--labels", fairface.TRAIN_CSV]
    told = refused(capsys, model, tmp_path / "out", small_fairface, *named)
    assert "tiny-1 was trained on 34 of the 64 images" in told
    assert not (tmp_path / "out").exists()


def test_the_training_set_is_known_again_by_its_hash(tiny, small_fairface, tmp_path):
    _, card = tiny
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32)
    known = replace(card, recipe={"data": {"reader": "list"}, "data_sha256": faces.data_hash()})
    with pytest.raises(face_set.SharedImages, match="the training set of tiny-1"):
        held_out.check_untouched(faces, card=known, place=tmp_path)
    held_out.check_untouched(faces.slice(1), card=known, place=tmp_path)


def test_a_part_split_off_at_random_cannot_be_told_apart(tiny, small_fairface):
    _, card = tiny
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32)
    known = replace(card, recipe={"data": {"shards": ["train-0.zip"], "validation_share": 0.2}})
    with pytest.warns(errors.DataWarning, match="a part of them"):
        held_out.check_untouched(faces, card=known, place=small_fairface / "train-0.zip")
    with pytest.warns(errors.DataWarning, match="does not tell what it was trained on"):
        held_out.check_untouched(faces, card=card, place=small_fairface)


def test_images_that_a_card_does_not_name_are_told(tiny, small_fairface):
    _, card = tiny
    faces = sources.read_source(sources.Source(small_fairface, limit=4), preset=card.preset)
    listed = replace(card, recipe={"data": {"reader": "list", "list": "train.txt", "shards": []}})
    with pytest.warns(errors.DataWarning, match="nobody can say whether these are among them"):
        held_out.check_untouched(faces, card=listed, place=small_fairface)


def test_the_further_sets_of_a_recipe_are_looked_at_too(tiny, small_fairface):
    _, card = tiny
    faces = sources.read_source(sources.Source(small_fairface, limit=4), preset=card.preset)
    joined = replace(card, recipe={"data": {"shards": ["elsewhere.zip"]}, "also": [{"shards": ["train-0.zip"]}]})
    with pytest.raises(face_set.SharedImages):
        held_out.check_untouched(faces, card=joined, place=small_fairface)


def test_a_recipe_without_held_out_images_wants_a_data_set(tiny, tmp_path, small_fairface, capsys):
    net, card = tiny
    checkpoint.save(tmp_path / "model", net=net, card=card)
    told = refused(capsys, tmp_path / "model", tmp_path / "out", small_fairface)
    assert "held no images out: name a data set" in told


def test_temperatures_are_found_and_thresholds_keep_their_promise(tiny):
    _, card = tiny
    card = replace(card, temperatures={})
    runtime, faces = made_up(card, times=2.0)
    wanted = {"race": {"utkface-4": 0.9}, "gender": {"gender": 0.95}}
    calibrated, fits = fit(card, runtime, faces, targets=wanted)
    for attribute, temperature in calibrated.temperatures.items():
        assert temperature == pytest.approx(2, rel=0.1), attribute
        assert fits[attribute].errors[1] < 0.03 < fits[attribute].errors[0]
        assert fits[attribute].likelihoods[1] < fits[attribute].likelihoods[0]
    assert fits["race"].thresholds["fairface-7"].target == temperature_scaling.TARGETS["race"]["fairface-7"]
    for attribute, taxonomy, target in (("race", "utkface-4", 0.9), ("gender", "gender", 0.95)):
        found = fits[attribute].thresholds[taxonomy]
        assert (found.target, found.is_reached) == (target, True)
        assert found.accuracy >= target
        assert calibrated.thresholds[attribute][taxonomy] == found.value
        assert calibrated.metrics["calibration"][attribute]["targets"][taxonomy] == target


def test_a_target_out_of_reach_is_told(tiny, monkeypatch):
    _, card = tiny
    monkeypatch.setattr(label_thresholds, "LEAST_SURE", 100)
    runtime, faces = made_up(card, times=1.0, count=500)
    with pytest.warns(errors.DataWarning, match="age in age does not reach 100%"):
        calibrated, fits = fit(card, runtime, faces, targets={"age": {"age": 1.0}})
    assert calibrated.thresholds["age"]["age"] == dict.fromkeys(labels.AGE)  # never sure
    assert "(target 100% of each label)" in fit_words.tell_fits(fits)


def test_a_target_reached_only_at_the_last_threshold_is_reached(tiny, monkeypatch, recwarn):
    _, card = tiny
    card = replace(card, labels={"gender": labels.GENDER}, temperatures={}, thresholds={})
    monkeypatch.setattr(temperature_scaling, "fit_temperature", lambda **_: 1.0)
    _, faces = made_up(card, times=1.0, count=2000)
    right = faces.targets["gender"] == 0
    vectors = np.where(right, 0.995, 0.985)  # every face is called the first, and a little less surely where wrong
    logits = np.stack([np.log(vectors), np.log(1 - vectors)], axis=1)
    found = calibration_fit.fit_attribute(
        card,
        [Asked(CHIPS, faces, {"gender": logits})],
        attribute="gender",
        grouping=calibration_fit.find_labelled_groups(card, faces, attribute="gender"),
        targets={"gender": 1.0},
    ).thresholds["gender"]
    assert (found.value, found.is_reached, found.accuracy) == ({"Male": 0.99, "Female": None}, True, 1.0)
    assert not recwarn.list


def test_coarse_labels_calibrate_the_groupings_they_can_tell(tiny):
    _, card = tiny
    card = replace(card, temperatures={}, thresholds={"race": {"fairface-7": 0.8}, "gender": {"gender": 0.7}})
    runtime, faces = made_up(card, times=2.0)
    five = face_set.classes_in("race", taxonomy="utkface-5")
    coarse = replace(faces, targets={"race": five.covers.argmax(axis=0)[faces.targets["race"]]}, classes={"race": five})
    with pytest.warns(errors.DataWarning) as warned:
        calibrated, fits = fit(card, runtime, coarse)
    told = [str(warning.message) for warning in warned]
    assert calibrated.temperatures == {"race": pytest.approx(2, rel=0.1)}
    found = fits["race"].thresholds
    assert {name for name, one in found.items() if one.target} == {"utkface-5", "utkface-4"}
    assert "these labels cannot tell race in fairface-7: as many faces stay unsure as before" in told
    sure = np.mean(metrics.softmax(runtime._logits["race"]).max(axis=1) >= 0.8)
    assert found["fairface-7"].sure == pytest.approx(sure, abs=0.02)
    assert found["fairface-7"].value < 0.8
    assert "list-5" not in found  # neither told by the labels nor known before
    assert calibrated.thresholds["gender"] == {"gender": 0.7}
    assert "the images have no labels of gender: gender stays as it was" in told


def test_the_likelihood_of_a_group_is_the_sum_over_its_labels():
    logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4]]))
    groups = np.array([0, 1, 1, -1])  # the last label is left out, and the rest scaled to 1
    found = temperature_scaling.negative_log_likelihood(logits, np.array([1]), temperature=1.0, groups=groups)
    assert found == pytest.approx(-np.log(0.5 / 0.6))
    assert temperature_scaling.negative_log_likelihood(logits, np.array([3]), temperature=1.0) == pytest.approx(
        -np.log(0.4)
    )


def test_a_moved_threshold_leaves_as_many_under_it():
    before, after = np.array([0.5, 0.6, 0.7, 0.9]), np.array([0.4, 0.5, 0.6, 0.8])
    moved = temperature_scaling.move_threshold(before, after, threshold=0.65)
    assert np.mean(after < moved) == 0.5


def test_labels_of_its_own_have_one_grouping_named_after_the_attribute(tiny):
    _, card = tiny
    own = {"gender": ("Male", "Female", "Non-binary"), "race": ("north", "south")}
    card = replace(card, labels=own, temperatures={}, thresholds={})
    runtime, faces = made_up(card, times=2.0)
    calibrated, fits = fit(card, runtime, faces, targets={"race": {"race": 0.85}})
    assert calibrated.temperatures["gender"] == pytest.approx(2, rel=0.1)
    assert set(calibrated.thresholds["race"]) == {"race"}
    assert fits["gender"].thresholds["gender"].target == temperature_scaling.OWN_TARGET
    assert calibrate.read_targets(["gender=0.6"], card=card) == {"gender": {"gender": 0.6}}


def test_a_checkpoint_with_labels_of_its_own_is_calibrated_on_classes_of_its_own(
    tiny, tmp_path, small_fairface, capsys
):
    net, card = tiny
    names = ("Female", "Male", "Unknown")
    net = type(net)(net.trunk, attributes={"gender": names})
    checkpoint.save(tmp_path / "model", net=net, card=replace(card, labels={"gender": names}, thresholds={}))
    (tmp_path / "list.txt").write_text(
        "".join(f"train/{number}.webp {names[1 - number % 2]}\n" for number in range(1, 65))
    )
    more = ["--list", str(tmp_path / "list.txt"), "--attribute", "gender", "--classes", ",".join(names)]
    assert run(tmp_path / "model", tmp_path / "out", small_fairface, *more) == 0
    assert "no example of 1 gender classes: Unknown" in capsys.readouterr().err
    card = cards.read_card(tmp_path / "out", own_labels=True)
    assert (card.labels, set(card.thresholds["gender"])) == ({"gender": names}, {"gender"})
    with pytest.raises(cards.OtherLabels):
        cards.read_card(tmp_path / "out")


def test_too_few_images_are_told_and_nothing_is_fitted_to_them(tiny, monkeypatch):
    _, card = tiny
    monkeypatch.setattr(calibration_fit, "LEAST_IMAGES", 50)
    runtime, faces = made_up(card, times=2.0, count=49)
    with (
        pytest.warns(errors.DataWarning, match="49 images with a label of race are too few"),
        pytest.raises(face_set.BadData, match="nothing of tiny-1 can be calibrated on these 49 images"),
    ):
        fit(card, runtime, faces)


def test_labels_that_the_network_always_finds_are_no_measure_for_its_temperature(tiny):
    _, card = tiny
    card = replace(card, labels={"gender": labels.GENDER})
    runtime, faces = made_up(card, times=1.0, count=200)
    faces.targets["gender"] = runtime._logits["gender"].argmax(axis=1)
    with pytest.warns(errors.DataWarning, match="no temperature from"):
        fit(card, runtime, faces)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mood=0.8", "only race, gender, age"),
        ("race:list-9=0.8", "only fairface-7"),
        ("race=much", "over 0 and up to 1"),
        ("gender", "over 0 and up to 1"),
        ("gender=1.2", "over 0 and up to 1"),
    ],
)
def test_targets_that_mean_nothing_are_told(tiny, text, told):
    _, card = tiny
    with pytest.raises(BadRecipe, match=told):
        calibrate.read_targets([text], card=card)


def test_targets_are_read_by_attribute_and_grouping(tiny):
    _, card = tiny
    found = calibrate.read_targets(["race=0.7", "race:utkface-4=0.9", "age=0.5"], card=card)
    assert found == {"race": {"fairface-7": 0.7, "utkface-4": 0.9}, "age": {"age": 0.5}}


def test_an_exported_model_is_calibrated_as_well(tiny, model, tmp_path, small_fairface):
    net, _ = tiny
    card = cards.read_card(model)
    weights = export.to_onnx(net, card=card)
    cards.write_pair(tmp_path / "onnx", card=card, weights=weights, weights_file=cards.ONNX_FILE)
    assert run(tmp_path / "onnx", tmp_path / "out", small_fairface) == 0
    assert cards.read_pair(tmp_path / "out", weights_file=cards.ONNX_FILE)[1] == weights
    assert OnnxRuntime.load(tmp_path / "out").card.name == "tiny-1-calibrated"


def test_faces_whose_answers_were_learned_are_left_out_and_are_no_set_by_themselves(tiny, small_fairface):
    _, card = tiny
    faces = sources.read_source(sources.Source(small_fairface, limit=4), preset=card.preset)
    taught = replace(card, recipe={"data": {"reader": "reviews"}, "reviewed_faces": ["a", "b"]})
    assert held_out.leave_out_taught(faces, cards=[taught]) is faces  # of no site
    named = replace(faces, face_uids=("a", "c", "b", "d"))
    with pytest.warns(errors.DataWarning, match="2 of 4 faces are left out: tiny-1 has learned"):
        left = held_out.leave_out_taught(named, cards=[card, taught])
    assert (left.face_uids, left.left_out["learned from"]) == (("c", "d"), 2)
    held_out.check_untouched(left, card=taught, place=small_fairface)  # these are known by face: no doubt is told
    with pytest.raises(face_set.SharedImages, match="all 1 faces"):
        held_out.leave_out_taught(named.slice(0, 1), cards=[taught])
