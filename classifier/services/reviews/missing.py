"""Faces that were not found, from a draw of photos. Imports numpy: import this where it is needed."""

from itertools import takewhile

import numpy as np

from classifier.models import Draw, DrawnPhoto, PhotoReview
from classifier.services.reviews import frames
from classifier.services.reviews.refusals import BadDraw
from ml.shares import missed
from ml.shares.errors import NoFaces
from ml.shares.missed import Missed


def estimate_missed(draw: Draw) -> Missed | None:
    """By the photos before the first that nobody has looked at; of several reviewers the mean. None of no photo."""
    rows = list(
        DrawnPhoto.objects.filter(draw=draw, photo__deleting_at=None).order_by("place").values_list("pk", "photo_id")
    )
    marks: dict[int, list[int]] = {}
    standing = PhotoReview.objects.filter(drawn_photo__draw=draw, is_standing=True, is_skip=False)
    for drawn, said in standing.values_list("drawn_photo_id", "marks"):
        marks.setdefault(drawn, []).append(len(said))
    seen = list(takewhile(lambda row: row[0] in marks, rows))
    if not seen:
        return None
    found = frames.count_faces([photo for _, photo in seen], narrowest_px=draw.narrowest_px)
    try:
        there = frames.select_photos(draw.collection, chosen=draw.filter).filter(pk__lte=draw.frame_last).count()
    except BadDraw:  # a tag or an attribute that photos were chosen by is gone since
        there = draw.frame_photos
    try:
        return missed.estimate_missed(
            np.array([found.get(photo, 0) for _, photo in seen]),
            np.array([np.mean(marks[drawn]) for drawn, _ in seen]),
            photos=max(min(there, draw.frame_photos), len(seen)),
        )
    except NoFaces:
        return None
