"""python -m tests.project.attribute_walk FOLDER: from drawn faces to pages with an attribute that was just declared.

What it sees on its way goes to FOLDER/told.json; `test_new_attribute` runs it in a checkout of its own.
"""

import contextlib
import csv
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

RECIPE = """
name = "with-mask"
arch = "resnet18"
size = 32
epochs = 4
batch_size = 16
learning_rate = 0.02
attributes = ["gender", "mask"]

[data]
held_out = 64
"""
FACES = 192


def main() -> None:
    folder = Path(sys.argv[1])
    told: dict = {}
    photo = draw(folder / "faces")
    learn(folder, photo=photo, told=told)
    walk_site(folder, photo=photo, told=told)
    (folder / "told.json").write_text(json.dumps(told))


def draw(folder: Path) -> Path:
    """Faces of a kind in FairFace's layout, with a label file: a mask is a light lower half. Gives a real photo."""
    from tests import pictures

    (folder / "train").mkdir(parents=True)
    rng = np.random.default_rng(1)
    with open(folder / "fairface_label_train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "age", "gender", "race", "mask"])
        for number in range(FACES):
            is_female, wears_mask = rng.integers(0, 2, 2)
            pixels = rng.integers(0, 60, (60, 60, 3), dtype=np.uint8)
            pixels[:30] += np.uint8(120 * is_female)
            pixels[30:] += np.uint8(190 * wears_mask)
            name = f"train/{number:03}.png"
            Image.fromarray(pixels).save(folder / name)
            race = "White" if rng.integers(0, 2) else "Black"
            gender, mask = ("Male", "Female")[is_female], ("no mask", "mask")[wears_mask]
            writer.writerow([name, "20-29", gender, race, mask if number else ""])
    photo = folder.parent / "astronaut.jpg"
    pictures.astronaut().save(photo)
    return photo


def learn(folder: Path, *, photo: Path, told: dict) -> None:
    """Train, calibrate, evaluate and predict, each by its command."""
    from ml import calibrate, evaluate, predict, train
    from ml.model.card import read_card

    recipe, faces, model = folder / "with-mask.toml", str(folder / "faces"), str(folder / "with-mask")
    recipe.write_text(RECIPE)
    fixed = ["--data", faces, "--device", "cpu"]
    assert train.main(["--config", str(recipe), "--checkpoint-dir", str(folder / "run"), *fixed]) == 0
    assert calibrate.main(["--model", str(folder / "run"), "--out", model, *fixed]) == 0
    card = read_card(Path(model))
    told["labels"] = card.labels
    told["temperatures"] = sorted(card.temperatures)
    told["targets"] = {name: card.metrics["calibration"][name]["targets"] for name in card.labels}
    html, measures = folder / "mask.html", folder / "mask.json"
    labelled = ["--reader", "fairface", "--labels", "fairface_label_train.csv"]
    written = ["--html", str(html), "--json", str(measures)]
    assert evaluate.main(["--model", model, "--data", faces, *labelled, *written, "--seen", "leave-out"]) == 0
    found = json.loads(measures.read_text())
    mask = found.get("measures", found)["mask"]
    told["accuracy"], told["crossed"] = mask["accuracy"], list(mask["intersections"])
    told["by_race"] = {name: value for name, value in mask["by_race"].items() if value is not None}
    told["gap_by_race"] = mask["gap_by_race"]
    page = html.read_text()
    told["report_mentions"], told["figures"] = "no mask" in page, page.count("<img") + page.count("<svg")
    told["csv"] = read_csv(photo, "--model", model, out=folder / "mask.csv")
    with contextlib.redirect_stdout(io.StringIO()) as table:
        assert predict.main([str(photo), "--model", model]) == 0
    told["table"] = table.getvalue()


def read_csv(photo: Path, *options: str, out: Path) -> tuple[list[str], dict[str, str]]:
    """The header and the row of the photo's face."""
    from ml import predict

    assert predict.main([str(photo), "--csv", str(out), *options]) == 0
    with open(out, newline="") as file:
        reader = csv.DictReader(file)
        (row,) = reader
        return list(reader.fieldnames or ()), row


def walk_site(folder: Path, *, photo: Path, told: dict) -> None:
    """A collection is made, a photo sent, a worker looks; then whatever tells what it said."""
    os.environ |= {"FACET_MODEL_DIR": str(folder / "with-mask"), "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from classifier import inference
    from classifier.api.schema import build_document
    from classifier.services import collections
    from ml.attributes import ATTRIBUTES

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    with contextlib.redirect_stdout(io.StringIO()) as missing, contextlib.suppress(SystemExit):
        call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    told["missing_migrations"] = missing.getvalue()
    told["schema"] = build_document()["components"]["schemas"]["Predictions"]["properties"]
    client, person = log_in()
    told["form"] = client.get("/collections/new/", secure=settings.BEHIND_TLS).content.decode()
    collection = collections.create_collection(person, name="Masks", purpose="trying", attributes=["gender", "mask"])
    face = send(client, collection, photo=photo)
    guess = face.guesses.get(attribute="mask")
    told["label"], told["unsure"] = guess.label, guess.unsure
    told["other"] = next(label for label in ATTRIBUTES["mask"].labels if label != guess.label)
    told |= look(client, face=face, labels=(guess.label, told["other"]))
    collections.change_collection(collection, actor=person, attributes=["gender"])
    told["after_switching_off"] = stored(face)

    settings.MODEL_DIR = ""
    inference.get_pipeline.cache_clear()
    everything = collections.create_collection(person, name="Everything", purpose="trying")
    assert everything.attributes == list(ATTRIBUTES)
    face = send(client, everything, photo=photo)
    told["default_model"] = stored(face) | look(client, face=face, labels=("mask",))
    told["default_model"]["csv"] = read_csv(photo, out=folder / "default.csv")[1]


def log_in() -> tuple:
    from django.test import Client
    from django.utils import timezone

    from classifier.models import User
    from classifier.terms import TERMS_VERSION

    person = User.objects.create_superuser("alice", "alice@example.org", "correct horse")
    accepted = {"terms_version": TERMS_VERSION, "terms_accepted_at": timezone.now(), "terms_accepted_by": "alice"}
    User.objects.filter(pk=person.pk).update(**accepted)
    person.refresh_from_db()
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(person)
    return client, person


def send(client, collection, *, photo: Path):
    """The photo goes through the upload and a worker; gives its face."""
    from django.urls import reverse

    from classifier.models import Face
    from classifier.services import analysis

    with open(photo, "rb") as file:
        answer = client.post(reverse("photo-upload", args=[collection.uid]), {"images": [file]})
    assert answer.status_code in (200, 302), answer.content
    while analysis.run_once():
        pass
    return Face.objects.get(photo__collection=collection)


def stored(face) -> dict:
    return {
        "vectors": list(face.predictions.get().vectors),
        "guesses": [guess.attribute for guess in face.guesses.order_by("id")],
    }


def look(client, *, face, labels: tuple[str, ...]) -> dict:
    """What gallery, photo page, card, API and admin say of a face."""
    from django.urls import reverse

    def read(address: str, **query: str) -> str:
        answer = client.get(address, query)
        assert answer.status_code == 200, (address, answer.status_code)
        return answer.content.decode()

    gallery = reverse("collection-detail", args=[face.photo.collection.uid])
    page = reverse("photo-detail", args=[face.photo.uid])
    tile = f"/photos/{face.photo.uid}/"
    faces = reverse("api-face-list")
    photo = json.loads(read(reverse("api-photo-detail", args=[face.photo.uid])))
    prediction = face.predictions.get()
    card = client.get(page, {"card": ""}, headers={"HX-Request": "true"}).content.decode()
    inside = {"collection": str(face.photo.collection.uid)}
    return {
        "guesses": [guess.attribute for guess in face.guesses.order_by("id")],
        "gallery": {label: int(tile in read(gallery, mask=label)) for label in ("", *labels)},
        "gallery_page": read(gallery),
        "photo_page": read(page),
        "card": card,
        "api": photo["faces"][0]["predictions"],
        "api_faces": {label: len(json.loads(read(faces, mask=label, **inside))["results"]) for label in labels},
        "admin_page": read(reverse("admin:classifier_prediction_change", args=[prediction.pk])),
        "admin_list": read(reverse("admin:classifier_prediction_changelist")),
    }


if __name__ == "__main__":
    main()
