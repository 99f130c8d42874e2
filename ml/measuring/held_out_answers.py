"""A checkpoint's answers for held-out faces, as chips and found again in photos: what its shares are corrected by."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ml import metrics
from ml.datasets import face_set
from ml.detecting.detector import FaceDetector
from ml.errors import DataWarning
from ml.measuring.whole_way import find_faces
from ml.model.card import ModelCard
from ml.seeing import quality
from ml.shares import faces as faces_
from ml.shares.evidence import CHIPS, PHOTOS, Evidence

Logits = Mapping[str, np.ndarray]


def collect_answers(
    card: ModelCard,
    *,
    ask: Callable[[face_set.FaceSet], Logits],
    chips: face_set.FaceSet,
    large: face_set.FaceSet,
    detector: FaceDetector,
    name: str,
) -> list[Evidence]:
    """Evidence of both ways, or of the chips alone, with a DataWarning, where the detector finds no face again.

    `ask` gives logits (N, K) per attribute of chips; `large` are the same faces as they are laid on grey grounds;
    `name` is what the data set is called. Raises BadData where no attribute is labelled in the model's own classes.
    """
    ways = [pack_answers(card, logits=ask(chips), faces=chips, widths=None, name=name, way=CHIPS)]
    try:
        cut, picks, boxed = find_faces(large, preset=card.preset, detector=detector)
    except face_set.BadData as error:
        warnings.warn(f"{error}: nothing is known of photos", DataWarning, stacklevel=2)
        return ways
    found = replace(chips.take(picks), images=cut)
    widths = np.array([face.box[2] - face.box[0] for face in boxed])
    return [*ways, pack_answers(card, logits=ask(found), faces=found, widths=widths, name=name, way=PHOTOS)]


def pack_answers(
    card: ModelCard, *, logits: Logits, faces: face_set.FaceSet, widths: np.ndarray | None, name: str, way: str
) -> Evidence:
    """Probabilities by the card's temperatures, with true labels and measures.

    `widths` (N,) are those of the found faces in pixels; None: of a ready chip, which tells nothing of how large the
    face was.
    """
    known = [name for name in logits if name in faces.classes and faces.classes[name].names == card.labels[name]]
    if not known:
        raise face_set.BadData(f"nothing is labelled in the classes of {card.name}, so its errors cannot be counted")
    posteriors = {
        attribute: metrics.softmax(logits[attribute].astype(np.float64) / card.temperatures.get(attribute, 1.0)).astype(
            np.float16
        )
        for attribute in known
    }
    count = len(faces)
    measures = {
        "size_px": np.full(count, np.nan) if widths is None else widths,
        "sharpness": np.array([quality.measure_sharpness(chip) for chip in faces.images]),
        "brightness": np.array([quality.measure_brightness(chip) for chip in faces.images]),
    }
    found = faces_.Faces(
        photo=np.arange(count),
        classes={attribute: card.labels[attribute] for attribute in known},
        predicted=faces_.predict_from(posteriors),
        posteriors=posteriors,
        measures={key: values.astype(np.float32) for key, values in measures.items()},
    )
    return Evidence(found, {attribute: faces.targets[attribute] for attribute in known}, name, way)
