"""What a report gets of people's words: through the real services, from a draw to an interval that covers."""

import numpy as np
import pytest

from classifier.models import Face, Guess, Photo
from classifier.services import deletion
from classifier.services.reviews import answering, drawing, reading, serving
from classifier.services.reviews.answering import Answer
from ml.attributes import ATTRIBUTES
from ml.shares.faces import Faces
from ml.surveying import computing
from ml.surveying.report import Model
from ml.surveying.survey import PhotoCounts, Survey
from tests.services.reviews import made_up

SHARES = {"White": 0.7, "Black": 0.1, "Latino_Hispanic": 0.07, "East Asian": 0.05, "Indian": 0.08}
RIGHT = 0.7  # of the model's guesses


def survey_of(collection, *, photos=None):
    """The counted faces as a report reads them, and their primary keys."""
    faces = Face.objects.counted().filter(photo__collection=collection, photo__deleting_at=None).order_by("pk")
    if photos is not None:
        faces = faces.filter(photo__in=photos)
    rows = list(faces.values_list("pk", "photo_id"))
    keys = np.array([row[0] for row in rows])
    guesses = {}
    for attribute in ("race", "gender"):
        told = dict(Guess.objects.filter(attribute=attribute, face__in=faces).values_list("face_id", "label"))
        names = ATTRIBUTES[attribute].labels
        guesses[attribute] = np.array([names.index(told[pk]) for pk in keys.tolist()], dtype=np.int16)
    counted = Faces(
        photo=np.array([row[1] for row in rows]),
        classes={name: ATTRIBUTES[name].labels for name in guesses},
        predicted=guesses,
    )
    survey = Survey(
        source="Front pages",
        faces=counted,
        face_key=keys.astype(np.uint64),
        face_number=np.ones(len(keys), dtype=np.int32),
        row=np.arange(len(keys)),
        photos=PhotoCounts(len(keys), 0, 0),
        photo_key=np.unique(counted.photo).astype(np.uint64),
        photo_faces=np.ones(len(np.unique(counted.photo)), dtype=np.int64),
        left_out={},
        model="facet-test",
        is_boxed=True,
        narrowest_px=40,
    )
    return survey, keys


def report_of(collection, *, photos=None, card=None, **asked):
    survey, keys = survey_of(collection, photos=photos)
    reviewed = reading.read_reviewed(collection, faces=keys, model_card=card, **asked)
    known = computing.Known(Model("facet-test"), no_evidence="this is a test")
    return computing.compute_report(survey, known=known, reviewed=reviewed)


def shares_of(report, attribute="race"):
    table = next(table for table in report.tables if table.name == attribute)
    return {row.label: row for row in table.rows}


@pytest.fixture
def world(collection):
    """Alice's collection with 1,000 faces of which the model calls three in ten something else; pk -> the truth."""
    rng = np.random.default_rng(5)
    names = list(ATTRIBUTES["race"].labels)
    truth = rng.choice(list(SHARES), size=1000, p=list(SHARES.values()))
    guessed = np.where(rng.random(1000) < RIGHT, truth, rng.choice(names, size=1000))
    genders = rng.choice(["Male", "Female"], size=1000)
    faces = made_up.add_faces(collection, guessed.tolist(), genders=genders.tolist())
    return {face.pk: (str(race), str(gender)) for face, race, gender in zip(faces, truth, genders, strict=True)}


def answer(draw, reviewer, world, *, count):
    """A scripted reviewer who always sees the truth."""
    for _ in range(-(-count // 100)):
        _, faces = serving.next_faces(draw, reviewer=reviewer, count=min(100, count))
        count -= len(faces)
        for face in faces:
            race, gender = world[face.pk]
            said = Answer(answers={"race": race, "gender": gender})
            answering.answer_face(draw, face=face, reviewer=reviewer, answer=said)


@pytest.fixture
def draw(collection, alice, world):
    return drawing.begin_draw(
        collection, creator=alice, attribute="race", attributes=["race", "gender"], size=300, seed=11
    )


def test_300_answers_of_a_reviewer_cover_the_truth_that_counted_labels_miss(collection, alice, world, draw):
    answer(draw, alice, world, count=99)
    before = report_of(collection)
    assert before.basis == "counted"
    assert before.reviewing.answered == 99
    answer(draw, alice, world, count=201)
    report = report_of(collection)
    assert report.basis == "reviewed"
    truth = {label: np.mean([race == label for race, _ in world.values()]) for label in SHARES}
    found = shares_of(report)
    for label, share in truth.items():
        assert found[label].low <= share <= found[label].high, label
    white = found["White"]
    assert white.raw < truth["White"] - 0.1  # what the model said, added up
    assert white.high - white.low < 0.12
    (race, gender) = report.accuracy
    right = np.mean([Guess.objects.get(face=pk, attribute="race").label == race for pk, (race, _) in world.items()])
    assert race.overall.low <= right <= race.overall.high
    assert [group.attribute for group in race.by_group] == ["gender"]
    assert gender.overall.share == pytest.approx(1)
    assert report.reviewing.codebook == "version 1"


def test_faces_that_the_model_was_trained_on_are_left_out_of_its_accuracy_and_not_of_the_shares(
    collection, alice, world, draw
):
    answer(draw, alice, world, count=120)
    wrong = [pk for pk in draw.drawn_faces.values_list("face_id", flat=True) if guess_of(pk) != world[pk][0]]
    uids = [str(uid) for uid in Face.objects.filter(pk__in=wrong).values_list("uid", flat=True)]
    plain, trained = report_of(collection), report_of(collection, card={"recipe": {"reviewed_faces": uids}})
    assert plain.accuracy[0].overall.share < 0.9
    assert trained.accuracy[0].overall.share == pytest.approx(1)
    assert trained.accuracy[0].left_out > 0
    assert shares_of(trained) == shares_of(plain)


def guess_of(face):
    return Guess.objects.get(face=face, attribute="race").label


def test_a_filter_is_a_domain_of_the_draw(collection, alice, world, draw):
    answer(draw, alice, world, count=300)
    half = Photo.objects.filter(pk__in=list(Photo.objects.order_by("pk").values_list("pk", flat=True)[:500]))
    report = report_of(collection, photos=half)
    inside = [race for pk, (race, _) in world.items() if Face.objects.get(pk=pk).photo_id in {p.pk for p in half}]
    white = shares_of(report)["White"]
    assert report.basis == "reviewed"
    assert 100 <= white.reviewed < 200
    assert white.low <= np.mean([race == "White" for race in inside]) <= white.high


def test_a_draw_of_a_part_serves_no_report_of_the_whole(collection, alice, world):
    part = drawing.begin_draw(
        collection, creator=alice, attribute="race", attributes=["race"], size=100, narrowest_px=60.0
    )
    made_up.add_faces(collection, ["White"] * 400, size_px=50)
    for face in serving.next_faces(part, reviewer=alice, count=100)[1]:
        said = Answer(answers={"race": world[face.pk][0]})
        answering.answer_face(part, face=face, reviewer=alice, answer=said)
    _, keys = survey_of(collection)
    choice = reading.choose_draw(collection, faces=keys)
    assert choice.draw is None
    assert "covers 1,000 of 1,400 faces" in choice.reason
    assert report_of(collection).basis == "counted"


def test_photos_that_came_later_are_told_in_the_report(collection, alice, world, draw):
    answer(draw, alice, world, count=100)
    made_up.add_faces(collection, ["White"] * 30)
    report = report_of(collection)
    assert any("30 faces came after the draw" in note for note in report.notes)


def test_faces_that_are_none_leave_the_population_also_when_they_are_retired(collection, alice, world, draw):
    from classifier.services.reviews import retiring

    _, faces = serving.next_faces(draw, reviewer=alice, count=300)
    for place, face in enumerate(faces):
        race, gender = world[face.pk]
        said = Answer(verdict="not_a_face") if place % 10 == 0 else Answer(answers={"race": race, "gender": gender})
        answering.answer_face(draw, face=face, reviewer=alice, answer=said)
    before = report_of(collection)
    assert retiring.retire_faces(collection.pk, faces=[face.pk for face in faces[::10]], actor=alice) == 30
    after = report_of(collection)
    assert after.faces == before.faces - 30
    assert [row.share for row in after.tables[0].rows] == pytest.approx([row.share for row in before.tables[0].rows])


def test_deleted_photos_leave_the_report(collection, alice, world, draw):
    answer(draw, alice, world, count=300)
    gone = list(draw.drawn_faces.values_list("face__photo", flat=True)[:50])
    deletion.delete_photos(Photo.objects.filter(pk__in=gone))
    report = report_of(collection)
    assert report.reviewing.drawn == 250
    assert report.basis == "reviewed"
