"""The whole loop with a tiny network: people review, a model learns from it, and the report of it stays honest."""

import csv
import json
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from classifier.models import Collection, Draw, Face, Guess, Review
from classifier.services import predictions, registry
from classifier.services.reviews import answering, drawing, exporting, results, serving
from classifier.services.reviews.answering import Answer
from ml import calibrate, evaluate, report, train
from ml.datasets import reviews
from ml.measuring.predictions import predict_faces
from ml.model.card import card_values, read_card
from ml.model.runtime import load_runtime
from tests import factories
from tests.ml.conftest import tiny, tiny_card  # noqa: F401 - a network that trains in no time
from tests.services.reviews.test_reading import report_of

PHOTOS, DRAWN, LEARNED = 150, 140, 40
RECIPE = """
name = "learned-here"
arch = "tiny"
size = 32
epochs = 1
batch_size = 16
learning_rate = 0.05

[data]
reader = "reviews"
held_out = 8
"""


@pytest.fixture
def pictured(collection) -> Collection:
    for n in range(PHOTOS):
        factories.make_face(factories.make_photo(collection, name=f"{n}.jpg"), race=("White", "Black")[n % 3 == 0])
    return collection


@pytest.fixture
def draw(pictured, alice) -> Draw:
    return drawing.begin_draw(pictured, creator=alice, attribute="race", size=DRAWN, seed=3)


def review(draw, reviewer, *, count):
    """Answers of somebody who sees every fourth face otherwise than the model."""
    _, faces = serving.next_faces(draw, reviewer=reviewer, count=count)
    for face in faces:
        guess = Guess.objects.get(face=face, attribute="race").label
        race = guess if face.pk % 4 else "Indian"
        said = Answer(answers={"race": race, "gender": ("Male", "Female")[face.pk % 2], "age": "30-39"})
        answering.answer_face(draw, face=face, reviewer=reviewer, answer=said)
    return faces


def write(path: Path, lines) -> Path:
    path.write_text("".join(lines))
    return path


def test_a_model_that_learned_from_reviews_is_judged_by_the_others(draw, pictured, alice, tiny, tmp_path):  # noqa: F811
    media = Path(default_storage.location)
    review(draw, alice, count=LEARNED)
    taught = write(media / "reviews.csv", exporting.write_reviews(pictured))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    learned, calibrated = tmp_path / "learned", tmp_path / "calibrated"
    fixed = ["--config", str(recipe), "--checkpoint-dir", str(learned), "--device", "cpu"]
    assert train.main(["--data", str(taught), *fixed]) == 0
    review(draw, alice, count=DRAWN - LEARNED)
    new = Review.objects.exclude(face__uid__in=read_card(learned).recipe["reviewed_faces"])
    unseen = ["--data", str(write(media / "new.csv", exporting.write_rows(new))), "--reader", "reviews"]
    write(media / "all.csv", exporting.write_reviews(pictured))
    assert calibrate.main(["--model", str(learned), "--out", str(calibrated), *unseen, "--device", "cpu"]) == 0
    out = tmp_path / "evaluation.json"
    assert evaluate.main(["--model", str(calibrated), *unseen, "--json", str(out), "--device", "cpu"]) == 0
    assert json.loads(out.read_text())

    card = read_card(calibrated)
    version = registry.register_version(name=card.name, sha256=card.sha256, card=card_values(card))
    registry.promote_version(version)
    faces = reviews.read_reviews(media / "all.csv", size=card.preset.size)
    told = predict_faces(load_runtime(calibrated, device="cpu"), faces)
    by_uid = {str(face.uid): face for face in Face.objects.all()}
    predictions.store_predictions(
        {
            by_uid[uid]: {name: rows[place].tolist() for name, rows in told.vectors.items()}
            for place, uid in enumerate(faces.face_uids)
        },
        model_version=version,
    )
    found = report_of(pictured, card=version.card)
    assert found.basis == "reviewed"
    assert found.reviewing.answered == DRAWN
    learned_from = len(version.card["recipe"]["reviewed_faces"])
    assert 0 < learned_from <= LEARNED
    assert found.accuracy[0].left_out == learned_from
    assert report_of(pictured, card={}).accuracy[0].left_out == 0


def test_an_exported_draw_is_what_the_command_line_reports_from(draw, pictured, alice, tmp_path):
    review(draw, alice, count=DRAWN)
    said = write(tmp_path / "draw.csv", exporting.write_draw(draw))
    guesses = Guess.objects.filter(attribute="race").select_related("face__photo")
    with open(tmp_path / "predictions.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "status", "face", "x1", "y1", "x2", "y2", "size_px", "predicted_race"])
        for guess in guesses:
            face = guess.face
            box = [face.x1, face.y1, face.x2, face.y2]
            rows.writerow([face.photo.image.name, "ok", face.number, *box, face.size_px, guess.label])
    out = tmp_path / "report.json"
    assert report.main([str(tmp_path / "predictions.csv"), "--reviews", str(said), "--json", str(out)]) == 0
    told = {row["label"]: row for row in json.loads(out.read_text())["attributes"]["race"]["rows"]}
    for here in results.estimate_shares(draw)["race"]:
        if here.label in told:
            assert told[here.label]["share"] == pytest.approx(here.share, abs=1e-4)
            assert told[here.label]["estimator"] == "reviewed"
    assert 0.2 < told["Indian"]["share"] < 0.3
