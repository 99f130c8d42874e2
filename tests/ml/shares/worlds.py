"""Faces and evidence with numbers that can be worked out by hand."""

import numpy as np

from ml import labels
from ml.shares import answers, evidence
from ml.shares.answers import Reviews
from ml.shares.evidence import Evidence
from ml.shares.faces import Faces

TWO = {"gender": ("Male", "Female")}


def faces_of(places, *, attribute="gender", classes=None, photo=None, **more):
    """Faces with these predicted places of one attribute."""
    places = np.asarray(places)
    photo = np.arange(len(places)) if photo is None else np.asarray(photo)
    return Faces(
        photo=photo, classes=classes or {attribute: labels.ATTRIBUTES[attribute]}, predicted={attribute: places}, **more
    )


def expand(counts):
    """Predicted and true places of a table of numbers: rows are the predicted classes, columns the true ones."""
    counts = np.asarray(counts)
    rows, columns = np.indices(counts.shape)
    return np.repeat(rows.ravel(), counts.ravel()), np.repeat(columns.ravel(), counts.ravel())


def evidence_of(counts, *, attribute="gender", classes=None) -> Evidence:
    predicted, actual = expand(counts)
    return Evidence(faces_of(predicted, attribute=attribute, classes=classes), {attribute: actual})


# Of 1,000 men 900 are called men, of 1,000 women 800 women.
KNOWN = evidence_of([[900, 200], [100, 800]])

# Numbers of faces (rows: called; columns: true) of the seven groups, made up in the likeness of a fair network.
RACE_COUNTS = np.array(
    [
        [250, 3, 45, 7, 6, 6, 50],
        [2, 300, 12, 2, 14, 22, 3],
        [60, 16, 210, 14, 26, 35, 60],
        [10, 2, 14, 270, 95, 2, 2],
        [6, 12, 25, 75, 220, 14, 2],
        [8, 24, 32, 1, 10, 245, 20],
        [50, 3, 52, 1, 1, 26, 230],
    ]
)


def race_evidence() -> Evidence:
    """Race and gender; women are called Latino far more often than men, and half of the faces are women's."""
    parts = []
    for gender, counts in enumerate((RACE_COUNTS, _worse_for_women(RACE_COUNTS))):
        predicted, actual = expand(counts)
        parts.append((predicted, actual, np.full(len(predicted), gender)))
    predicted, actual, gender = (np.concatenate(column) for column in zip(*parts, strict=True))
    count = len(predicted)
    found = Faces(
        photo=np.arange(count),
        classes={"race": labels.RACE, "gender": labels.GENDER},
        predicted={"race": predicted, "gender": gender},
        measures={"sharpness": np.linspace(10, 350, count), "brightness": np.linspace(0.2, 0.6, count)},
    )
    return Evidence(found, {"race": actual, "gender": gender})


def _worse_for_women(counts):
    moved = counts // 3
    np.fill_diagonal(moved, np.diag(counts) // 3)
    worse = counts - moved
    worse[2] += moved.sum(axis=0)
    return worse


def reviews_of(said, *, attribute="gender", classes=None) -> Reviews:
    """One reviewer's answers about the first faces of a draw, in its order."""
    said = np.asarray(said)
    nobody = np.zeros(len(said), dtype=int)
    names = classes or {attribute: labels.ATTRIBUTES[attribute]}
    return Reviews(np.arange(len(said)), names, {attribute: said}, nobody, nobody.astype(bool))


def answers_of(said, *, scheme, drawn=None, attribute="gender"):
    return answers.gather(reviews_of(said, attribute=attribute), scheme=scheme, drawn=drawn or len(said))


__all__ = ["evidence", "evidence_of", "expand", "faces_of", "race_evidence", "reviews_of"]
