"""Columns for each attribute become vectors and guesses, and go back; on whatever database the tests run on."""

from itertools import count

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from classifier.models import Face, Prediction
from classifier.services import predictions
from ml import labels

RACES = [0.3, 0.05, 0.05, 0.25, 0.25, 0.04, 0.06]  # White, but Asian where East and Southeast are one
GENDERS = [0.123456789012345, 0.876543210987655]
AGES = [0.0, 0.0, 0.1, 0.4, 0.3, 0.2, 0.0, 0.0, 1e-9]
_numbers = count(1)


@pytest.fixture
def before(transactional_db):
    """The site's tables as they were, by their models of then; afterwards they are as the models say again."""
    migrate_back()
    yield MigrationExecutor(connection).loader.graph.make_state([find_earlier()]).apps
    migrate()


def migrate() -> None:
    call_command("migrate", "classifier", verbosity=0)


def migrate_back() -> None:
    call_command("migrate", *find_earlier(), verbosity=0)


def find_earlier() -> tuple[str, str]:
    """The migration before."""
    graph = MigrationExecutor(connection).loader.graph
    (guesses,) = (key for key in graph.nodes if key[1].endswith("one_guess_per_attribute"))
    return next(node.key for node in graph.node_map[guesses].parents if node.key[0] == "classifier")


def make_version(apps, *, sha256: str = "a" * 64):
    card = {"thresholds": {"race": dict.fromkeys(labels.TAXONOMIES, 0.5), "gender": {"gender": 0.9}}}
    return apps.get_model("classifier", "ModelVersion").objects.create(name=sha256[:3], sha256=sha256, card=card)


def make_face(apps):
    owner, _ = apps.get_model("classifier", "User").objects.get_or_create(username="alice")
    collection, _ = apps.get_model("classifier", "Collection").objects.get_or_create(owner=owner, name="Front pages")
    photo = apps.get_model("classifier", "Photo").objects.create(
        owner=owner, collection=collection, sha256=str(next(_numbers)), width=320, height=240
    )
    box = dict.fromkeys(("x1", "y1", "x2", "y2", "size_px", "detection", "sharpness", "brightness"), 1.0)
    chip = dict.fromkeys(("chip_cx", "chip_cy", "chip_side", "chip_angle"), 1.0)
    return apps.get_model("classifier", "Face").objects.create(photo=photo, number=1, **box, **chip)


def store_as_then(apps, face, *, version, is_current=True, race=None, gender=None, age=None):
    """A prediction with the columns that it had."""
    values = {}
    if race:
        groups = {}
        for taxonomy in labels.TAXONOMIES:
            label, probability = labels.top_group("race", race, taxonomy=taxonomy)
            groups[taxonomy] = {"label": label, "probability": probability, "unsure": probability < 0.5}
        label, probability = labels.top_group("race", race, taxonomy="fairface-7")
        values |= {"race_vector": race, "predicted_race": label, "race_probability": probability, "race_groups": groups}
    if gender:
        label, probability = labels.top_group("gender", gender)
        values |= {"gender_vector": gender, "predicted_gender": label, "gender_probability": probability}
        values["gender_unsure"] = probability < 0.9
    if age:
        label, probability = labels.top_group("age", age)
        low, high = labels.likely_range("age", age)
        values |= {"age_vector": age, "predicted_age": label, "age_probability": probability, "age_unsure": False}
        values |= {"predicted_years_low": low, "predicted_years_high": high}
        values["predicted_years"] = labels.expected("age", age)
    rows = apps.get_model("classifier", "Prediction").objects
    return rows.create(face=face, model_version=version, is_current=is_current, **values)


def columns_of(row) -> dict:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def guesses_of(face: Face) -> dict[str, dict]:
    about = {"id", "face_id"}
    return {
        guess.attribute: {name: value for name, value in columns_of(guess).items() if name not in about}
        for guess in face.guesses.all()
    }


def test_what_was_stored_is_told_as_before(before):
    version, earlier = make_version(before), make_version(before, sha256="b" * 64)
    full, partial, seen_twice, unseen = (make_face(before) for _ in range(4))
    store_as_then(before, full, version=version, race=RACES, gender=GENDERS, age=AGES)
    store_as_then(before, partial, version=version, age=AGES)
    store_as_then(before, seen_twice, version=earlier, is_current=False, race=[1.0, 0, 0, 0, 0, 0, 0], gender=[1.0, 0])
    store_as_then(before, seen_twice, version=version, race=RACES)
    migrate()
    said = {"race": RACES, "gender": GENDERS, "age": AGES}
    expected = {full.pk: said, partial.pk: {"age": AGES}, seen_twice.pk: {"race": RACES}}
    for pk, vectors in expected.items():
        face = Face.objects.get(pk=pk)
        assert face.prediction.vectors == vectors
        stored = guesses_of(face)
        predictions.store_predictions({face: vectors}, model_version=face.prediction.model_version)
        assert stored == guesses_of(face)
        assert set(stored) == set(vectors)
    assert stored["race"]["groups"]["utkface-4"]["label"] == "Asian"
    assert not guesses_of(Face.objects.get(pk=unseen.pk))
    assert Prediction.objects.get(is_current=False).vectors == {"race": [1.0, 0, 0, 0, 0, 0, 0], "gender": [1.0, 0]}


def test_it_goes_back_as_it_came(before):
    version, earlier = make_version(before), make_version(before, sha256="b" * 64)
    full, partial = (make_face(before) for _ in range(2))
    stored = [
        store_as_then(before, full, version=version, race=RACES, gender=GENDERS, age=AGES),
        store_as_then(before, partial, version=version, gender=GENDERS),
    ]
    old = store_as_then(before, partial, version=earlier, is_current=False, gender=[1.0, 0.0])
    migrate()
    migrate_back()
    rows = before.get_model("classifier", "Prediction").objects
    for row in stored:
        assert columns_of(rows.get(pk=row.pk)) == columns_of(row)
    assert rows.get(pk=old.pk).gender_vector == [1.0, 0.0]
