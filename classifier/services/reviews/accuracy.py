"""How often the model's current guesses are right, by a draw. Imports numpy: import this where it is needed."""

from dataclasses import dataclass

import numpy as np

from classifier.models import Draw, Guess, ModelVersion
from classifier.services.reviews import figures, said, training
from classifier.services.reviews.said import SaidOfDraw
from ml.attributes import ATTRIBUTES
from ml.shares import accuracy, answers
from ml.shares.errors import SharesError
from ml.shares.schemes import LEFT_OUT, Scheme

ALL = "all"


@dataclass(frozen=True)
class Accuracy:
    """The share (0..1) of right guesses among the faces that people call `label`, or among ALL of them."""

    label: str
    share: float
    low: float
    high: float
    bound: str
    count: int


def estimate(draw: Draw) -> dict[str, list[Accuracy]]:
    """By attribute: over all faces, then by what people say. Attributes of which it cannot be told are absent."""
    found = said.read_said(draw)
    model = ModelVersion.objects.filter(status=ModelVersion.Status.PRODUCTION).first()
    trained_on = training.find_trained_on(found.face, card=model.card) if model else None
    told = {name: _estimate_attribute(found, name=name, trained_on=trained_on) for name in draw.questions()}
    return {name: rows for name, rows in told.items() if rows}


def _estimate_attribute(found: SaidOfDraw, *, name: str, trained_on: np.ndarray | None) -> list[Accuracy]:
    scheme = figures.scheme_of(name)
    try:
        gathered = answers.gather(found.reviews, scheme=scheme, drawn=len(found.draw))
        overall, by_label, _ = accuracy.estimate_accuracy(
            gathered, draw=found.draw, predicted=_predicted(found, name=name, scheme=scheme), trained_on=trained_on
        )
    except SharesError:
        return []
    return [
        Accuracy(
            ALL if part == "all" else part,
            float(of.share[place]),
            float(of.low[place]),
            float(of.high[place]),
            of.bounds[place],
            round(float(of.examined[place])),
        )
        for of in (overall, by_label)
        for place, part in enumerate(of.parts)
        if not np.isnan(of.share[place])
    ]


def _predicted(found: SaidOfDraw, *, name: str, scheme: Scheme) -> np.ndarray:
    """(n,) the counted labels of the drawn faces as places in the scheme."""
    labels = ATTRIBUTES[name].labels
    guesses = dict(Guess.objects.filter(attribute=name, face__in=found.face.tolist()).values_list("face_id", "label"))
    places = scheme.parts[0].places
    told = [places[labels.index(guesses[face])] if face in guesses else LEFT_OUT for face in found.face.tolist()]
    return np.array(told, dtype=np.int64)
