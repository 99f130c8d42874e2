"""The faces of a collection out of the database as arrays, and what is known of the model that looked at them."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, QuerySet

from classifier.models import (
    PENDING,
    Collection,
    Face,
    ModelEvidence,
    ModelVersion,
    Photo,
    Prediction,
    State,
)
from classifier.services.reports.questions import Question
from classifier.services.reports.rows import Rows
from classifier.services.reviews import reading as people
from ml.attributes import ATTRIBUTES as ATTRIBUTES_
from ml.labels import ATTRIBUTES, FINEST
from ml.model.card import CheckpointError, ModelCard
from ml.model.evidence import parse_evidence
from ml.shares.errors import NoEvidence, NoFaces
from ml.shares.evidence import PHOTOS
from ml.surveying.computing import Known
from ml.surveying.report import Model
from ml.surveying.reviewing import Reviewed
from ml.surveying.survey import Survey

ROWS_AT_ONCE = 4_000

# Filters by what the model said; its errors among faces that were chosen so are others than among all.
SAYS_OF = {*(attribute.short for attribute in ATTRIBUTES_.values()), "sure"}
CHOSEN_BY_LABELS = (
    "these faces were chosen by what the model said of them, and how it errs was measured on faces that were not"
)

NO_PHOTOS = "There are no photos yet, so there is nobody to count."
NOTHING_ON = "Nothing is computed here: every attribute is switched off for this collection."
ANALYSING = "The photos are being analysed. The first shares stand here as soon as there are faces."

Progress = Callable[[float], None]
# Photos and faces -> those of them that a question's filters keep; the gallery's filters set it when the site starts,
# so that a worker narrows as the gallery does.
Narrow = Callable[[QuerySet[Photo], Collection, Question], tuple[QuerySet[Photo], QuerySet[Face]]]
narrowing: list[Narrow] = []


@dataclass(frozen=True)
class Found:
    """A collection as a report needs it; `waiting` photos are not analysed yet, and not in it.

    `others` are faces at which another model version looked last, which are not in it either. `reviewed` is what people
    said of these faces, and `draw` the key of the draw they said it in; `no_draw` says why none of their draws serves,
    empty where one does or there is none.
    """

    survey: Survey
    known: Known
    reviewed: Reviewed
    waiting: int
    others: int
    draw: uuid.UUID | None = None
    no_draw: str = ""


def read_collection(collection: Collection, *, question: Question, tell: Progress = lambda part: None) -> Found:
    """The counted faces that a question is about. Raises NoFaces, its text being for people, where there are none."""
    everything = Photo.objects.filter(collection=collection, deleting_at=None)
    if not collection.attributes:
        raise NoFaces("switched_off", NOTHING_ON)
    photos, faces = narrow_photos(everything, collection=collection, question=question)
    states = Counter(dict(photos.order_by().values_list("state").annotate(count=Count("pk"))))
    version, others = _choose_version(faces)
    if version is None:
        raise NoFaces("no_faces", _explain_nothing(states, is_narrowed=bool(question.filters)))
    known = find_known(version)
    if SAYS_OF & question.filters.keys():
        known = replace(known, evidence=None, no_evidence=CHOSEN_BY_LABELS)
    told = [of.name for of in ATTRIBUTES_.values() if of.name in collection.attributes and version.tells(of)]
    rows = Rows(attributes=tuple(told))
    total = faces.filter(predictions__is_current=True, predictions__model_version=version).count()
    for part in _read_parts(faces, version=version):
        rows.add(part)
        tell(len(rows) / max(total, 1))
    survey = rows.finish(collection, question=question, states=states, photos=photos, known=known, others=others)
    keys = rows.list_keys(survey)
    choice = people.choose_draw(collection, faces=keys)
    reviewed = people.read_reviewed(
        collection,
        faces=keys,
        chosen=question.filters,
        taxonomy=question.taxonomy,
        choice=choice,
        model_card=version.card,
    )
    return Found(
        survey,
        known,
        reviewed,
        waiting=sum(states[of] for of in PENDING),
        others=others,
        draw=choice.draw.uid if choice.draw and reviewed.faces else None,
        no_draw="" if reviewed.faces else choice.reason,
    )


def narrow_photos(
    photos: QuerySet[Photo], *, collection: Collection, question: Question
) -> tuple[QuerySet[Photo], QuerySet[Face]]:
    """The photos, and the counted faces in them, that the question's filters keep."""
    faces: QuerySet[Face] = Face.objects.counted()
    for narrow in narrowing if question.filters else ():
        photos, faces = narrow(photos, collection, question)
    return photos, faces.filter(photo__in=photos.order_by().values("pk"))


def find_known(version: ModelVersion) -> Known:
    """What is known of a model version: its thresholds, and how it errs on faces that were found in photos."""
    card = version.card
    evidence = ModelEvidence.objects.filter(model_version=version).first()
    about = evidence.about if evidence else {}
    model = Model(version.name, version.sha256, card.get("trained_on", ""), str(about.get("data", "")))
    thresholds = card.get("thresholds", {})
    if evidence is None:
        reason = f"{version.name} does not carry how it errs"
        return Known(model, no_evidence=reason, thresholds=thresholds)
    labels = {name: tuple(of) for name, of in (card.get("labels") or ATTRIBUTES).items()}
    stands_for = ModelCard(name=version.name, arch="", labels=labels, evidence=about)
    try:
        found = parse_evidence(bytes(evidence.content), card=stands_for, way=PHOTOS, source=version.name)
    except (NoEvidence, CheckpointError) as error:
        return Known(model, no_evidence=str(error), thresholds=thresholds)
    return Known(model, found, thresholds=thresholds)


def _choose_version(faces: QuerySet[Face]) -> tuple[ModelVersion | None, int]:
    """The version that looked last at most of the faces, and at how many another one did: they are never mixed."""
    current = Prediction.objects.filter(is_current=True, face__in=faces.values("pk"))
    counts = dict(current.order_by().values_list("model_version").annotate(count=Count("pk")))
    if not counts:
        return None, 0
    chosen = max(counts, key=lambda pk: (counts[pk], pk))
    return ModelVersion.objects.get(pk=chosen), sum(counts.values()) - counts[chosen]


def _read_parts(faces: QuerySet[Face], *, version: ModelVersion) -> Iterator[list[tuple[Any, ...]]]:
    """Rows in the order of the faces, some thousands at a time, each as one statement that holds no cursor open."""
    columns = (
        *("pk", "photo_id", "number", "size_px", "sharpness", "brightness", "photo__width", "cut_off"),
        "predictions__vectors",
    )
    wanted = faces.filter(predictions__is_current=True, predictions__model_version=version).order_by("pk")
    last = 0
    while rows := list(wanted.filter(pk__gt=last).values_list(*columns)[:ROWS_AT_ONCE]):
        yield rows
        last = rows[-1][0]


def _explain_nothing(states: Counter[str], *, is_narrowed: bool) -> str:
    if is_narrowed:
        return "No face here fits these filters."
    if not sum(states.values()):
        return NO_PHOTOS
    if states[State.QUEUED] or states[State.RUNNING]:
        return ANALYSING
    return "No face was found in these photos, so there is nobody to count."


def count_faces(collection: Collection) -> int:
    """How many faces a report of it has to read, at most."""
    return Face.objects.counted().filter(photo__collection=collection).count()


def default_question(collection: Collection) -> Question:
    """What the collection's page and its card tell."""
    return Question(taxonomy=collection.taxonomy if collection.taxonomy else FINEST)
