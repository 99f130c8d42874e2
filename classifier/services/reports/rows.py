"""The rows of faces as arrays, and the survey that they make."""

from collections import Counter
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet

from classifier.models import Collection, Photo, State
from classifier.services.reports import grouping
from classifier.services.reports.questions import Question
from ml.labels import ATTRIBUTES
from ml.model.card import ModelCard
from ml.shares.errors import NoFaces
from ml.shares.faces import Faces
from ml.shares.schemes import LEFT_OUT
from ml.surveying.computing import Known
from ml.surveying.knowing import name_model
from ml.surveying.reading import face_keys
from ml.surveying.survey import PhotoCounts, Survey


class Rows:
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
        """Take the rows of one read: of each face what the query of `reading` selects, in its order."""
        self._count += len(rows)
        self._keys.append(np.array([row[0] for row in rows], dtype=np.int64))
        self._numbers.append(np.array([row[1:8] for row in rows], dtype=np.float64))
        for name in self._attributes:
            absent = [np.nan] * len(ATTRIBUTES[name])
            vectors = [row[8].get(name) or absent for row in rows]
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
        numbers = np.concatenate(self._numbers).T
        photo, number, size = numbers[:3]
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
        done = photos.filter(state=State.DONE).aggregate(
            without_face=Count("pk", filter=Q(code=Photo.Code.NO_FACE)),
            coarse=Count("pk", filter=Q(narrowest_face_px__gt=question.narrowest_px)),
        )
        return Survey(
            source=collection.name,
            faces=_list_faces(vectors, numbers=numbers, counted=counted),
            face_key=face_keys(photo, number)[counted],
            face_number=number[counted].astype(np.int32),
            row=np.flatnonzero(counted).astype(np.int32),
            photos=PhotoCounts(
                received=states[State.DONE] + states[State.FAILED],
                unreadable=states[State.FAILED],
                **done,
            ),
            photo_key=keys.astype(np.uint64),
            photo_faces=np.bincount(where),
            left_out=left_out,
            model=name_model(_stand_for(known)),
            is_boxed=True,
            narrowest_px=question.narrowest_px,
            cut_off=numbers[6][counted] > 0,
            groups=grouping.tell_apart(photo[counted], keys=keys, question=question, collection=collection),
        )


def _list_faces(vectors: dict[str, np.ndarray], *, numbers: np.ndarray, counted: np.ndarray) -> Faces:
    photo, _, size, sharpness, brightness, wide, _ = numbers
    return Faces(
        photo=photo[counted].astype(np.int32),
        classes={name: tuple(ATTRIBUTES[name]) for name in vectors},
        predicted={name: _largest(found[counted]) for name, found in vectors.items()},
        posteriors={name: np.nan_to_num(found[counted]) for name, found in vectors.items()},
        measures={"size_px": size[counted], "sharpness": sharpness[counted], "brightness": brightness[counted]},
        width=np.clip(size / np.where(wide > 0, wide, np.nan), 0, 1)[counted],
    )


def _stand_for(known: Known) -> ModelCard:
    return ModelCard(name=known.model.name, arch="", labels={}, sha256=known.model.sha256)


def _largest(vectors: np.ndarray) -> np.ndarray:
    """(N,) the place of the largest probability, LEFT_OUT where there is none."""
    absent = np.isnan(vectors[:, 0])
    places: np.ndarray = np.where(absent, LEFT_OUT, np.nan_to_num(vectors, nan=-1.0).argmax(axis=1)).astype(np.int8)
    return places


def _tell(left_out: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count) or "none was found"
