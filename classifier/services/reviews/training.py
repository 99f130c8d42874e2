"""Which reviewed faces a model was trained on, as its checkpoint tells. Imports numpy: import this where needed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from classifier.models import Face

AT_ONCE = 500  # uids in one question


def find_trained_on(faces: np.ndarray, *, card: Mapping[str, Any]) -> np.ndarray | None:
    """(n,) which of these faces (primary keys) the model of this card has learned the answer of; None: of none.

    `ml.train` writes down the faces that came out of the reviews' CSV of a site.
    """
    uids = list(card.get("recipe", {}).get("reviewed_faces", ()))
    known: set[int] = set()
    for start in range(0, len(uids), AT_ONCE):
        known.update(Face.objects.filter(uid__in=uids[start : start + AT_ONCE]).values_list("pk", flat=True))
    return np.isin(faces, np.array(sorted(known), dtype=np.int64)) if known else None
