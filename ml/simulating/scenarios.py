"""The scenarios: collections in which the model errs as on the held-out faces, and ones in which it does not."""

from collections.abc import Mapping

import numpy as np

from ml.shares import faces, schemes
from ml.shares.evidence import Evidence
from ml.simulating import worlds
from ml.simulating.worlds import World

# True shares in the order of `ml.labels.RACE`.
SEVENTY = np.array([0.70, 0.10, 0.07, 0.05, 0.02, 0.04, 0.02])
EVEN = np.full(7, 1 / 7)
NINETY_FOUR = np.array([0.94, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
WOMEN, CHILDREN = 1, 0  # places in gender and in the five bands of age


def list_worlds(known: Evidence, *, changed: Mapping[str, Evidence], sizes: tuple[int, ...] = (2_000,)) -> list[World]:
    """Worlds of all scenarios in each size.

    `known` are held-out faces as they are, `changed` the same or others with worse pictures, by what was done.
    """
    known = worlds.labels_only(known)
    race = schemes.single("race", classes=known.faces.classes["race"])
    ages = schemes.single("age", classes=known.faces.classes["age"])
    women = known.take(known.actual["gender"] == WOMEN)
    children = known.take(faces.actual_places(known.actual, scheme=ages) == CHILDREN)
    found = []
    for size in sizes:
        for name, shares in (("70 % White", SEVENTY), ("even", EVEN), ("94 % White", NINETY_FOUR)):
            found.append(World(name, race, shares, size, known, known, holds=True))
        broken = {"women only": women, "children only": children}
        for name, part in (broken | {key: worlds.labels_only(value) for key, value in changed.items()}).items():
            found.append(World(f"{name}, 70 % White", race, SEVENTY, size, part, known, holds=False))
    return found
