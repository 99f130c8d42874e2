"""What a card says of the images that it was calibrated on: not more than is known of whether training touched them."""

from dataclasses import replace

import pytest

from ml import calibrate, labels, write_card
from ml.datasets import fairface, seen
from ml.model import card as cards
from ml.model import checkpoint, trained
from ml.reporting import card_trust, model_card
from tests.ml.test_calibrate import HELD_OUT, few_images_are_enough  # noqa: F401 # fixture
from tests.ml.test_checkpoint_evidence import MiddleDetector
from tests.ml.test_measuring import faces, measured, predictions  # noqa: F401 # fixtures
from tests.ml.test_words_stored import report  # noqa: F401 # fixture

OWN = {"data": {"shards": ["train-0.zip"], "held_out": HELD_OUT}}
WORDS = {
    seen.BY_CONTENT: "that no training touched",
    seen.BY_RECIPE: "that the recipe held out of the training",
    seen.BY_NAME: "that no training touched, by their names",
    seen.NOT_KNOWN: "of which nobody can say whether training touched them",
}


@pytest.fixture
def calibrated(tiny, small_fairface, tmp_path, monkeypatch):
    """A function that calibrates a network of this recipe, which may have a list of what it was trained on."""
    monkeypatch.setattr(calibrate, "FaceDetector", MiddleDetector)

    def make(recipe, *options, known=None):
        net, card = tiny
        card, content = replace(card, recipe=recipe), None
        if known is not None:
            card, content = trained.attach(card, images=known)
        checkpoint.save(tmp_path / "model", net=net, card=card, trained=content)
        places = ["--model", str(tmp_path / "model"), "--out", str(tmp_path / "out"), "--data", str(small_fairface)]
        assert calibrate.main([*places, *options]) == 0
        return cards.read_card(tmp_path / "out")

    return make


def say_both(card, report):  # noqa: F811
    """What the document says of the calibration's images and of the evidence's."""
    ways = write_card.read_ways(card.folder, card=card)
    text = " ".join(model_card.write_card(card, report=report, evidence=ways).split())
    fitted = text.split("the thresholds were fitted on ")[1].partition(". ")[0]
    return fitted.partition(" images ")[2], text.split("holds the answers for faces of ")[1]


@pytest.mark.parametrize(
    ("recipe", "listed", "how"),
    [
        ({"imported_from": "res34.pt"}, True, seen.NOT_KNOWN),
        (OWN, False, seen.BY_RECIPE),
        (OWN | {"teachers": ["wide 0123"]}, False, seen.NOT_KNOWN),
        (OWN | {"start": "wide"}, False, seen.NOT_KNOWN),
        (OWN, True, seen.BY_NAME),
        ({"data": {"shards": ["elsewhere.zip", "train-0.zip"], "held_out": HELD_OUT}}, True, seen.NOT_KNOWN),
    ],
)
def test_a_card_says_how_it_is_known(calibrated, report, tmp_path, recipe, listed, how):  # noqa: F811
    lines = [f"train/{number}.webp {labels.RACE[number % 7]}\n" for number in range(65 - HELD_OUT, 65)]
    (tmp_path / "list.txt").write_text("".join(lines))
    card = calibrated(recipe, *(["--list", str(tmp_path / "list.txt")] if listed else []))
    assert card.metrics["calibration"]["untouched"] == card.evidence["untouched"] == how
    fitted, evidence = say_both(card, report)
    assert fitted == WORDS[how]
    assert f" {WORDS[how]} (" in evidence.partition(", with their labels")[0]


@pytest.mark.parametrize("lacks", [(), ("wide",)])
def test_a_list_of_what_it_was_trained_on_makes_it_sure_where_it_is_whole(calibrated, small_fairface, report, lacks):  # noqa: F811
    faces = fairface.read_fairface(small_fairface, label_file=fairface.TRAIN_CSV, size=32)  # noqa: F811
    known = replace(seen.describe(faces.slice(0, 64 - HELD_OUT)), lacks=lacks)
    card = calibrated(OWN, known=known)
    assert say_both(card, report)[0] == WORDS[seen.NOT_KNOWN if lacks else seen.BY_CONTENT]


def test_a_card_from_before_says_what_its_evidence_tells_of_the_same_images(calibrated):
    card = calibrated(OWN)
    fitted = {name: of for name, of in card.metrics["calibration"].items() if name != "untouched"}
    old = replace(card, metrics={"calibration": fitted})
    assert card_trust.how_untouched(old) == seen.BY_RECIPE
    assert card_trust.how_untouched(replace(old, evidence={**old.evidence, "data_sha256": "0"})) == seen.NOT_KNOWN
    assert card_trust.how_untouched(replace(old, evidence={})) == seen.NOT_KNOWN
