"""People's answers in the report that its readers see, through the real services from a draw to an interval."""

import csv
import io
import json
import re

import numpy as np
import pytest
from django.urls import reverse

from classifier.models import Collection, Draw, Face, Photo
from classifier.services.reports import caching, computing, exporting, reading
from classifier.services.reports.questions import Question
from classifier.services.reviews import answering, drawing, photos, serving
from classifier.services.reviews.answering import Answer
from ml.attributes import ATTRIBUTES
from tests import factories
from tests.services.reviews import made_up

SHARES = {"White": 0.7, "Black": 0.1, "Latino_Hispanic": 0.07, "East Asian": 0.05, "Indian": 0.08}
RIGHT = 0.7  # of the model's guesses


@pytest.fixture
def world(collection) -> dict[int, tuple[str, str]]:
    """Alice's 1,000 faces of which the model calls three in ten something else; pk -> how they look."""
    rng = np.random.default_rng(5)
    truth = rng.choice(list(SHARES), size=1000, p=list(SHARES.values()))
    others = rng.choice(list(ATTRIBUTES["race"].labels), size=1000)
    genders = rng.choice(["Male", "Female"], size=1000)
    guessed = np.where(rng.random(1000) < RIGHT, truth, others)
    faces = made_up.add_faces(collection, guessed.tolist(), genders=genders.tolist())
    factories.give_evidence(Photo.objects.exclude(model_version=None).first().model_version)
    return {face.pk: (str(race), str(gender)) for face, race, gender in zip(faces, truth, genders, strict=True)}


@pytest.fixture
def draw(collection, alice, world) -> Draw:
    return drawing.begin_draw(collection, creator=alice, attribute="race", size=300, seed=11)


def answer(draw, reviewer, world, *, count: int) -> None:
    """A scripted reviewer who sees how they look."""
    for _ in range(-(-count // 100)):
        _, faces = serving.next_faces(draw, reviewer=reviewer, count=min(100, count))
        count -= len(faces)
        for face in faces:
            race, gender = world[face.pk]
            said = Answer(answers={"race": race, "gender": gender, "age": "30-39"})
            answering.answer_face(draw, face=face, reviewer=reviewer, answer=said)


def ask(collection, user, **asked) -> caching.Answer:
    fresh = Collection.objects.get(pk=collection.pk)
    return caching.read_answer(fresh, question=Question(taxonomy=fresh.taxonomy, **asked), user=user)


def rows_of(found: caching.Answer, attribute: str = "race") -> dict:
    return {row["label"]: row for row in found.values["attributes"][attribute]["rows"]}


def covers(row, share: float) -> bool:
    """Where only one end may be told, by that one."""
    low = row["low"] if row["bound"] in ("both", "lower") else 0.0
    high = row["high"] if row["bound"] in ("both", "upper") else 1.0
    return low <= share <= high


def test_300_answers_make_a_headline_that_covers_what_the_model_misses(alice, alice_client, collection, world, draw):
    page = reverse("collection-report", args=[collection.uid])
    answer(draw, alice, world, count=99)
    before = ask(collection, alice)
    race = before.values["attributes"]["race"]
    assert (before.values["basis"], race["estimator"]) == ("adjusted", "adjusted")
    assert {(row["estimator"], row["reviewed"]) for row in race["beside"]} == {("reviewed", 99)}
    text = alice_client.get(page).content.decode()
    assert "by 99 answers of people so far" in text
    assert "99 answers are too few for reviewed shares" in text

    answer(draw, alice, world, count=201)
    after = ask(collection, alice)
    assert after.is_current
    assert after.values["basis"] == "reviewed"
    truth = {label: np.mean([race == label for race, _ in world.values()]) for label in SHARES}
    rows = rows_of(after)
    assert all(covers(rows[label], share) for label, share in truth.items())
    assert rows["White"]["raw"] < truth["White"] - 0.1
    assert rows["White"]["high"] - rows["White"]["low"] < 0.12
    text = alice_client.get(page).content.decode()
    for told in (
        "These shares are what people perceive: 1 reviewer looked at 300 faces drawn at random.",
        "300 faces were drawn, stratified by counted race",
        "Gender: Female",  # accuracy here by another attribute
        "how sure the model is, and how often it is right then",
        "Faces that were not found are not counted",
        "codebook version 1",
    ):
        assert told in text, told
    mistakes = re.findall(r'<a href="([^"]+)#(mistakes-\w+)"', text)
    there = reverse("draw-detail", args=[draw.uid])
    assert mistakes == [(there, f"mistakes-{name}") for name in ("race", "gender", "age")]
    assert 'id="mistakes-race"' in alice_client.get(there).content.decode()
    assert str(draw.uid) not in json.dumps(after.values)  # nor in what is hashed and handed out
    summary = alice_client.get(reverse("collection-summary", args=[collection.uid])).content.decode()
    assert "What 1 reviewer perceived in 300 faces drawn at random, of 1,000" in summary
    assert "if the model errs here" not in summary


def test_an_answer_makes_what_was_computed_old(alice, collection, world, draw):
    answer(draw, alice, world, count=100)
    ask(collection, alice)
    (told,) = caching.read_summaries([Collection.objects.get(pk=collection.pk)], reader=alice).values()
    assert told.is_current
    answer(draw, alice, world, count=1)
    collection.computed_reports.update(seconds=0.5)  # a slow one would stand a while
    (told,) = caching.read_summaries([Collection.objects.get(pk=collection.pk)], reader=alice).values()
    assert not told.is_current
    assert ask(collection, alice).values["reviewing"]["answered"] == 101


def test_a_slow_report_stands_while_somebody_answers(alice, collection, world, draw):
    ask(collection, alice)
    collection.computed_reports.update(seconds=5.0)
    answer(draw, alice, world, count=1)
    stands = ask(collection, alice)
    assert not stands.is_current
    assert stands.values["reviewing"] is None
    draw.reviews.update(at=draw.reviews.get().at.replace(year=2020))
    assert ask(collection, alice).values["reviewing"]["answered"] == 1


def test_people_count_in_filters_exports_and_comparisons(alice, collection, world, draw):
    answer(draw, alice, world, count=300)
    women = ask(collection, alice, filters={"gender": "Female"})
    assert women.values["basis"] == "reviewed"
    assert 100 <= rows_of(women)["White"]["reviewed"] < 200
    found = ask(collection, alice)
    lines = list(csv.DictReader(io.StringIO(exporting.write_report(found.values, kind="csv"))))
    told = {(line["section"], line["measure"]) for line in lines}
    assert {("accuracy", "accuracy_by_gender"), ("accuracy", "accuracy_by_probability")} <= told
    assert "how often it is right then" in exporting.write_report(found.values, kind="html")
    assert json.loads(exporting.write_report(found.values, kind="json"))["reviewing"]["answered"] == 300

    other = factories.CollectionFactory(owner=alice, name="others")
    made_up.add_faces(other, ["White"] * 60 + ["Black"] * 60)
    second = drawing.begin_draw(other, creator=alice, attribute="race", attributes=["race"], size=120)
    for face in serving.next_faces(second, reviewer=alice, count=120)[1]:
        answering.answer_face(second, face=face, reviewer=alice, answer=Answer(answers={"race": "Black"}))
    compared = ask(collection, alice, other=str(other.uid))
    (race,) = [one for one in compared.values["comparisons"] if one["name"] == "race"]
    assert race["estimators"] == ["reviewed", "reviewed"]
    (white,) = [row for row in race["rows"] if row["label"] == "White"]
    assert white["second"] == 0.0  # the model says a half


def test_a_draw_that_does_not_cover_the_report_says_so(alice, collection, world):
    part = drawing.begin_draw(collection, creator=alice, attribute="race", attributes=["race"], size=100)
    face = serving.next_faces(part, reviewer=alice, count=1)[1][0]
    answering.answer_face(part, face=face, reviewer=alice, answer=Answer(answers={"race": "White"}))
    made_up.add_faces(collection, ["White"] * 400)
    found = ask(collection, alice)
    assert rows_of(found)["White"]["estimator"] == "adjusted"
    assert any("covers 1,000 of 1,400 faces: extend it" in note for note in found.values["notes"])


def mark(drawn, reviewer) -> None:
    """A face missed in each of the first four photos."""
    _, rows = photos.next_photos(drawn, reviewer=reviewer, count=drawn.size)
    for place, photo in enumerate(rows):
        photos.mark_photo(drawn, photo=photo, reviewer=reviewer, marks=[(0.1, 0.1)] if place < 4 else [])


def test_missed_faces_of_a_selection_reach_its_report_whatever_the_grouping_is_by_then(alice, collection, world):
    asian = {"group": "Asian", "gender": "Female"}
    Collection.objects.update(taxonomy="utkface-5")
    collection.refresh_from_db()
    mark(drawing.begin_photo_draw(collection, creator=alice, size=20, chosen=asian), alice)
    mark(drawing.begin_photo_draw(collection, creator=alice, size=25, chosen={"gender": "Male"}), alice)
    Collection.objects.update(taxonomy="fairface-7")
    fresh = Collection.objects.get()

    def missed(taxonomy: str, filters: dict[str, str]) -> int:
        question = Question(taxonomy=taxonomy, filters=filters)
        told = computing.answer_question(fresh, question=question).values["missed"]
        return told["photos"] if told else 0

    assert missed("utkface-5", dict(reversed(asian.items()))) == 20
    assert missed("fairface-6", asian) == 0  # other faces are called so
    assert missed("fairface-6", {"gender": "Male"}) == 25  # which no grouping tells otherwise
    assert missed("fairface-7", {}) == 0


def test_missed_faces_are_told_under_the_headline(alice, alice_client, collection, world):
    mark(drawing.begin_photo_draw(collection, creator=alice, size=40), alice)
    found = ask(collection, alice)
    assert found.values["missed"]["photos"] == 40
    assert found.values["missed"]["share"] == pytest.approx(4 / 44, abs=0.02)
    text = alice_client.get(reverse("collection-report", args=[collection.uid])).content.decode()
    assert "of the faces were not found" in text


def test_faces_the_model_was_trained_on_are_left_out_of_its_accuracy(alice, collection, world, draw):
    answer(draw, alice, world, count=300)
    version = Photo.objects.exclude(model_version=None).first().model_version
    uids = draw.drawn_faces.order_by("pk").values_list("face__uid", flat=True)[:100]
    version.card = {**version.card, "recipe": {"reviewed_faces": [str(uid) for uid in uids]}}
    version.save()
    values = computing.answer_question(collection, question=reading.default_question(collection)).values
    assert values["accuracy"]["race"]["left_out"] == 100
    assert values["attributes"]["race"]["rows"][0]["reviewed"] == 300
    assert Face.objects.count() == 1000


def test_attributes_that_nobody_was_asked_about_stay_corrected_and_are_told_apart(
    alice, alice_client, collection, world
):
    asked = drawing.begin_draw(collection, creator=alice, attribute="race", attributes=["race"], size=150)
    for face in serving.next_faces(asked, reviewer=alice, count=100)[1]:
        answering.answer_face(asked, face=face, reviewer=alice, answer=Answer(answers={"race": world[face.pk][0]}))
    for face in serving.next_faces(asked, reviewer=alice, count=50)[1]:
        answering.answer_face(asked, face=face, reviewer=alice, answer=Answer(answers={"race": world[face.pk][0]}))
    found = ask(collection, alice)
    estimators = {name: of["estimator"] for name, of in found.values["attributes"].items()}
    assert (found.values["basis"], estimators["race"], estimators["age"]) == ("adjusted", "reviewed", "adjusted")
    text = alice_client.get(reverse("collection-report", args=[collection.uid])).content.decode()
    assert "Those of race group do not: they are what people perceive" in text
    summary = alice_client.get(reverse("collection-summary", args=[collection.uid])).content.decode()
    assert "Shares of race group are what people perceived" in summary
