"""What a report of a collection can be told apart by: months, folders, the columns of a table that somebody sent."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from classifier.models import Collection, Photo, PhotoTag
from classifier.services.reports.questions import FOLDER, MONTH, TAG, Question
from ml.surveying.reading import MOST_GROUPS
from ml.surveying.survey import OTHERS, Groups


def list_groupings(collection: Collection) -> Sequence[tuple[str, str]]:
    """What a report of this collection can be told apart by, with its words."""
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    found = []
    if collection.keeps_capture_dates:
        found.append((MONTH, "month it was taken"))
    if photos.exclude(folder="").exists():
        found.append((FOLDER, "folder"))
    return [*found, *((f"{TAG}{column.name}", column.name) for column in collection.tag_columns.all())]


def tell_apart(photo: np.ndarray, *, keys: np.ndarray, question: Question, collection: Collection) -> Groups | None:
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
