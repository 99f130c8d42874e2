"""A checkpoint's answers for held-out faces as evidence of how it errs: what its shares are corrected by."""

import numpy as np

from ml import metrics
from ml.datasets import face_set
from ml.measuring.asking import Asked
from ml.model.card import ModelCard
from ml.seeing import quality
from ml.shares import faces as faces_
from ml.shares.evidence import Evidence


def pack_answers(card: ModelCard, *, asked: Asked, name: str) -> Evidence:
    """Probabilities by the card's temperatures, with true labels and measures; `name` is what the data set is called.

    Raises BadData where no attribute is labelled in the model's own classes.
    """
    faces, logits = asked.faces, asked.logits
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
        "size_px": np.full(count, np.nan) if asked.widths is None else asked.widths,
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
    return Evidence(found, {attribute: faces.targets[attribute] for attribute in known}, name, asked.way)
