"""The whole loop with a tiny network: people review, a model learns from it, and the report of it stays honest."""

import json
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from classifier.models import Collection, Draw, Face, Guess, ModelVersion
from classifier.services import predictions, registry
from classifier.services.reports import exporting as reports_exporting
from classifier.services.reports import reading
from classifier.services.reviews import answering, drawing, exporting, serving
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


def write_faces(collection, path: Path) -> Path:
    question = reading.default_question(collection)
    return write(path, reports_exporting.write_faces(collection, question=question))


def test_a_model_that_learned_from_reviews_is_judged_by_the_others(draw, pictured, alice, tiny, tmp_path, capsys):  # noqa: F811
    media = Path(default_storage.location)
    review(draw, alice, count=LEARNED)
    taught = write(media / "reviews.csv", exporting.write_reviews(pictured))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    learned, calibrated = tmp_path / "learned", tmp_path / "calibrated"
    fixed = ["--config", str(recipe), "--checkpoint-dir", str(learned), "--device", "cpu"]
    assert train.main(["--data", str(taught), *fixed]) == 0
    review(draw, alice, count=DRAWN - LEARNED)
    every = ["--data", str(write(media / "all.csv", exporting.write_reviews(pictured))), "--reader", "reviews"]
    count = len(read_card(learned).learned_from)
    assert calibrate.main(["--model", str(learned), "--out", str(calibrated), *every, "--device", "cpu"]) == 0
    assert f"{count} of {DRAWN} faces are left out: learned-here has learned" in capsys.readouterr().err
    out = tmp_path / "evaluation.json"
    assert evaluate.main(["--model", str(calibrated), *every, "--json", str(out), "--device", "cpu"]) == 0
    assert f"{count} of {DRAWN} faces are left out: learned-here-calibrated" in capsys.readouterr().err
    card = read_card(calibrated)
    assert json.loads(out.read_text())["data"]["images"] == DRAWN - count
    assert card.metrics["calibration"]["images"] == DRAWN - count

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
    # The command line, which gets the site's files, leaves out the same.
    said = write(tmp_path / "draw.csv", exporting.write_draw(draw))
    listed = write_faces(pictured, tmp_path / "faces.csv")
    own = [line for line in listed.read_text().splitlines(keepends=True) if "facet-test" not in line]
    listed.write_text("".join(own))  # a report is of one model
    told = tmp_path / "report.json"
    asked = ["--model", str(calibrated), "--reviews", str(said), "--json", str(told), "--replicates", "100"]
    assert report.main([str(listed), *asked]) == 0
    assert json.loads(told.read_text())["accuracy"]["race"]["left_out"] == learned_from


def test_the_files_of_the_site_are_what_the_command_line_reports_from(draw, pictured, alice, tmp_path):
    """Of a draw that took later photos in, of names that occur twice, and with a face that turned out to be none."""
    for name in ("0.jpg", "1.jpg"):
        factories.make_face(factories.make_photo(pictured, name=name, folder="more"), race="White")
    drawing.extend_draw(draw, size=2, actor=alice)
    card = read_card()  # the model that `ml.report` has
    ModelVersion.objects.update(name=card.name, sha256=card.sha256)
    answered = review(draw, alice, count=DRAWN + 2)
    none = answered[5]
    Face.objects.filter(pk=none.pk).update(retired_at=none.photo.received_at, retired_because=Face.Retired.NOT_A_FACE)
    said = write(tmp_path / "draw.csv", exporting.write_draw(draw))
    faces = write_faces(pictured, tmp_path / "faces.csv")
    out = tmp_path / "report.json"
    assert report.main([str(faces), "--reviews", str(said), "--json", str(out)]) == 0
    told = {row["label"]: row for row in json.loads(out.read_text())["attributes"]["race"]["rows"]}
    here = {row.label: row for row in report_of(pictured).tables[0].rows}
    assert {row["estimator"] for row in told.values()} == {"reviewed"}
    for label, row in told.items():
        assert row["share"] == pytest.approx(here[label].share, abs=1e-4), label
        assert row["high"] == pytest.approx(here[label].high, abs=1e-4), label
    taught = reviews.read_reviews(said, size=32, root=Path(default_storage.location))
    assert len(taught) == DRAWN + 2
    assert Path(default_storage.location, taught.files[0]).is_file()
