"""The faces of a collection out of the database as arrays, and what is known of the model that looked at them."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db.models import Count, QuerySet

from classifier.models import (
    PENDING,
    Collection,
    Face,
    ModelEvidence,
    ModelVersion,
    Photo,
    PhotoTag,
    Prediction,
    State,
)
from classifier.services.reports.questions import FOLDER, MONTH, TAG, Question
from classifier.services.reviews import reading as people
from ml.attributes import ATTRIBUTES as ATTRIBUTES_
from ml.labels import ATTRIBUTES, FINEST
from ml.model.card import CheckpointError, ModelCard
from ml.model.evidence import parse_evidence
from ml.shares.errors import NoEvidence, NoFaces
from ml.shares.evidence import PHOTOS
from ml.shares.faces import Faces
from ml.shares.schemes import LEFT_OUT
from ml.surveying.computing import Known
from ml.surveying.knowing import name_model
from ml.surveying.reading import MOST_GROUPS, face_keys
from ml.surveying.report import Model
from ml.surveying.reviewing import Reviewed
from ml.surveying.survey import OTHERS, Groups, PhotoCounts, Survey

ROWS_AT_ONCE = 4_000

# Filters by what the model said; its errors among faces that were chosen so are others than among all.
SAYS_OF = {*(attribute.short for attribute in ATTRIBUTES_.values()), "sure"}
CHOSEN_BY_LABELS = (
    "these faces were chosen by what the model said of them, and how it errs was measured on faces that were not"
)

NO_PHOTOS = "There are no photos yet, so there is nobody to count."

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
        raise NoFaces("switched_off", "Nothing is computed here: every attribute is switched off for this collection.")
    photos, faces = narrow_photos(everything, collection=collection, question=question)
    states = Counter(dict(photos.order_by().values_list("state").annotate(count=Count("pk"))))
    version, others = _choose_version(faces)
    if version is None:
        raise NoFaces("no_faces", _explain_nothing(states, is_narrowed=bool(question.filters)))
    known = find_known(version)
    if SAYS_OF & question.filters.keys():
        known = replace(known, evidence=None, no_evidence=CHOSEN_BY_LABELS)
    rows = _Rows(attributes=tuple(name for name in ATTRIBUTES if name in collection.attributes))
    total = faces.filter(predictions__is_current=True, predictions__model_version=version).count()
    for part in _read_parts(faces, version=version):
        rows.add(part)
        tell(len(rows) / max(total, 1))
    survey = rows.finish(collection, question=question, states=states, photos=photos, known=known, others=others)
    keys = rows.list_keys(survey)
    choice = people.choose_draw(collection, faces=keys)
    reviewed = people.read_reviewed(
        collection, faces=keys, chosen=question.filters, choice=choice, model_card=version.card
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
    columns = ("pk", "photo_id", "number", "size_px", "sharpness", "brightness", "photo__width", "predictions__vectors")
    wanted = faces.filter(predictions__is_current=True, predictions__model_version=version).order_by("pk")
    last = 0
    while rows := list(wanted.filter(pk__gt=last).values_list(*columns)[:ROWS_AT_ONCE]):
        yield rows
        last = rows[-1][0]


class _Rows:
    """Arrays that grow by parts."""

    def __init__(self, *, attributes: tuple[str, ...]) -> None:
        self._attributes = attributes
        self._keys: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []
        self._vectors: dict[str, list[np.ndarray]] = {name: [] for name in attributes}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: list[tuple[Any, ...]]) -> None:
        """Take the rows of one read: of each face what the query of `_read_parts` selects, in its order."""
        self._count += len(rows)
        self._keys.append(np.array([row[0] for row in rows], dtype=np.int64))
        self._numbers.append(np.array([row[1:7] for row in rows], dtype=np.float64))
        for name in self._attributes:
            absent = [np.nan] * len(ATTRIBUTES[name])
            vectors = [row[7].get(name) or absent for row in rows]
            self._vectors[name].append(np.array(vectors, dtype=np.float16))

    def list_keys(self, survey: Survey) -> np.ndarray:
        """(N,) the primary keys of the survey's faces."""
        keys: np.ndarray = np.concatenate(self._keys)[survey.row]
        return keys

    def finish(
        self,
        collection: Collection,
        *,
        question: Question,
        states: Counter[str],
        photos: QuerySet[Photo],
        known: Known,
        others: int,
    ) -> Survey:
        """All of it as a survey, small faces left out. Raises NoFaces."""
        photo, number, size, sharpness, brightness, wide = np.concatenate(self._numbers).T
        vectors = {name: np.concatenate(parts) for name, parts in self._vectors.items()}
        known_of = np.zeros(len(photo), dtype=bool)
        for found in vectors.values():
            known_of |= ~np.isnan(found[:, 0])
        narrow = size < question.narrowest_px
        left_out = {
            f"faces narrower than {question.narrowest_px} px": int(narrow.sum()),
            "faces without an answer": int((~known_of & ~narrow).sum()),
            "faces at which another version of the model looked last": others,
        }
        counted = known_of & ~narrow
        if not counted.any():
            raise NoFaces("no_faces", "No face here is counted: " + _tell(left_out) + ".")
        photo = photo.astype(np.int64)
        keys, where = np.unique(photo[counted], return_inverse=True)
        return Survey(
            source=collection.name,
            faces=Faces(
                photo=photo[counted].astype(np.int32),
                classes={name: tuple(ATTRIBUTES[name]) for name in vectors},
                predicted={name: _largest(found[counted]) for name, found in vectors.items()},
                posteriors={name: np.nan_to_num(found[counted]) for name, found in vectors.items()},
                measures={
                    "size_px": size[counted],
                    "sharpness": sharpness[counted],
                    "brightness": brightness[counted],
                },
                width=np.clip(size / np.where(wide > 0, wide, np.nan), 0, 1)[counted],
            ),
            face_key=face_keys(photo, number)[counted],
            face_number=number[counted].astype(np.int32),
            row=np.flatnonzero(counted).astype(np.int32),
            photos=PhotoCounts(
                received=states[State.DONE] + states[State.FAILED],
                unreadable=states[State.FAILED],
                without_face=photos.filter(state=State.DONE, code=Photo.Code.NO_FACE).count(),
            ),
            photo_key=keys.astype(np.uint64),
            photo_faces=np.bincount(where),
            left_out=left_out,
            model=name_model(_stand_for(known)),
            is_boxed=True,
            narrowest_px=question.narrowest_px,
            groups=_tell_apart(photo[counted], keys=keys, question=question, collection=collection),
        )


def _stand_for(known: Known) -> ModelCard:
    return ModelCard(name=known.model.name, arch="", labels={}, sha256=known.model.sha256)


def _largest(vectors: np.ndarray) -> np.ndarray:
    """(N,) the place of the largest probability, LEFT_OUT where there is none."""
    absent = np.isnan(vectors[:, 0])
    places: np.ndarray = np.where(absent, LEFT_OUT, np.nan_to_num(vectors, nan=-1.0).argmax(axis=1)).astype(np.int8)
    return places


def _tell_apart(photo: np.ndarray, *, keys: np.ndarray, question: Question, collection: Collection) -> Groups | None:
    """The faces by month, folder or a column of tags; the smallest parts beyond the most that are told go together."""
    if not question.by:
        return None
    values = _read_values(collection, by=question.by)
    told = [values.get(int(key), "") for key in keys]
    sizes = Counter(told[place] for place in np.searchsorted(keys, photo))
    ordered = [name for name, _ in sizes.most_common()]
    names = sorted(ordered if len(ordered) <= MOST_GROUPS else ordered[: MOST_GROUPS - 1])
    if len(ordered) > MOST_GROUPS:
        names.append(OTHERS)
    at = {name: place for place, name in enumerate(names)}
    of_photo = np.array([at.get(name, len(names) - 1) for name in told], dtype=np.int16)
    return Groups(question.grouped_by, tuple(names), of_photo[np.searchsorted(keys, photo)])


def _read_values(collection: Collection, *, by: str) -> dict[int, str]:
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    if by == MONTH:
        dated = photos.exclude(captured_on=None).values_list("pk", "captured_on")
        return {pk: f"{day:%Y-%m}" for pk, day in dated if day is not None}
    if by == FOLDER:
        return dict(photos.values_list("pk", "folder"))
    tags = PhotoTag.objects.filter(column__collection=collection, column__name=by.removeprefix(TAG))
    return dict(tags.values_list("photo_id", "value"))


def _explain_nothing(states: Counter[str], *, is_narrowed: bool) -> str:
    if is_narrowed:
        return "No face here fits these filters."
    if not sum(states.values()):
        return NO_PHOTOS
    if states[State.QUEUED] or states[State.RUNNING]:
        return "The photos are being analysed. The first shares stand here as soon as there are faces."
    return "No face was found in these photos, so there is nobody to count."


def _tell(left_out: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count) or "none was found"


def count_faces(collection: Collection) -> int:
    """How many faces a report of it has to read, at most."""
    return Face.objects.counted().filter(photo__collection=collection).count()


def list_groupings(collection: Collection) -> Sequence[tuple[str, str]]:
    """What a report of this collection can be told apart by, with its words."""
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    found = []
    if collection.keeps_capture_dates:
        found.append((MONTH, "month it was taken"))
    if photos.exclude(folder="").exists():
        found.append((FOLDER, "folder"))
    return [*found, *((f"{TAG}{column.name}", column.name) for column in collection.tag_columns.all())]


def default_question(collection: Collection) -> Question:
    """What the collection's page and its card tell."""
    return Question(taxonomy=collection.taxonomy if collection.taxonomy else FINEST)
