"""Rows of draws as the arrays that `ml.shares` counts with. Imports numpy: import this where it is needed."""

import numpy as np
from django.db.models import QuerySet

from classifier.models import Draw, DrawnFace
from classifier.services.reviews import frames
from ml.shares import draws


def read_frame(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """(N,) primary keys of the faces that are in the frame now, and (N,) their strata."""
    rows = list(frames.standing_frame(draw).order_by("face_id").values_list("face_id", "stratum"))
    found = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def read_drawn(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """(n,) primary keys of the drawn faces in the frame now, in the order of the draw, and (n,) their strata."""
    rows = list(standing_drawn(draw).order_by("place").values_list("face_id", "stratum"))
    found = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def standing_drawn(draw: Draw) -> QuerySet[DrawnFace]:
    """The drawn faces that are in the frame now."""
    return DrawnFace.objects.filter(frames.STANDS, draw=draw, face__photo__deleting_at=None)


def rebuild(draw: Draw) -> tuple[draws.Draw, np.ndarray, np.ndarray]:
    """The draw as it stands, with positions in the frame; the frame's faces (N,) and their strata (N,)."""
    faces, stratum = read_frame(draw)
    drawn, of = read_drawn(draw)
    design = draws.SIMPLE if draw.allocation == Draw.Allocation.SIMPLE and len(draw.strata) == 1 else draws.STRATIFIED
    names = name_strata(draw)
    counts = np.bincount(stratum, minlength=len(names))
    return draws.Draw(names, counts, np.searchsorted(faces, drawn), of, design), faces, stratum


def name_strata(draw: Draw) -> tuple[str, ...]:
    """The strata by their labels; those of later photos say which part they are."""
    return tuple(f"{row['label']} ({row['part']})" if row["part"] > 1 else row["label"] for row in draw.strata)
