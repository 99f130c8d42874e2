"""Collections drawn from held-out faces: which faces, in what true shares."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ml.shares import faces as faces_
from ml.shares.evidence import Evidence
from ml.shares.faces import Faces
from ml.shares.schemes import Scheme

HELD_OUT = 2_500  # faces from which a simulated checkpoint knows how it errs, as many as the real one


@dataclass(frozen=True)
class World:
    """What is drawn in each run: a collection of `size` faces from `collection`, evidence from `held_out`.

    `shares` (K,) are the true ones of the scheme's labels, from which each collection's numbers are drawn. `holds`: the
    model errs in the collection as on the evidence, since both are drawn from the same faces.
    """

    name: str
    scheme: Scheme
    shares: np.ndarray
    size: int
    collection: Evidence
    held_out: Evidence
    holds: bool


@dataclass(frozen=True)
class Collection:
    """A drawn collection: its faces, and the true label (N,) of each."""

    faces: Faces
    actual: np.ndarray
    evidence: Evidence

    def true_shares(self, count: int) -> np.ndarray:
        return np.bincount(self.actual, minlength=count) / len(self.actual)


def draw_collection(world: World, *, rng: np.random.Generator) -> Collection:
    """A collection and evidence, drawn with replacement; every face is the only one of its photo."""
    places = faces_.actual_places(world.collection.actual, scheme=world.scheme)
    numbers = rng.multinomial(world.size, world.shares)
    rows = np.concatenate([_choose(places == k, size=number, rng=rng) for k, number in enumerate(numbers)])
    drawn = world.collection.take(rng.permutation(rows))
    known = world.held_out.take(rng.integers(0, len(world.held_out), HELD_OUT))
    return Collection(
        faces=_alone(drawn.faces),
        actual=faces_.actual_places(drawn.actual, scheme=world.scheme),
        evidence=replace(known, faces=_alone(known.faces)),
    )


def labels_only(evidence: Evidence) -> Evidence:
    """The same without probabilities, which a simulation need not carry along."""
    return replace(evidence, faces=replace(evidence.faces, posteriors={}))


def join(first: Evidence, second: Evidence) -> Evidence:
    """The faces of both."""
    a, b = first.faces, second.faces
    return Evidence(
        faces=Faces(
            photo=np.arange(len(a) + len(b)),
            classes=a.classes,
            predicted=_stack(a.predicted, b.predicted),
            posteriors=_stack(a.posteriors, b.posteriors),
            measures=_stack(a.measures, b.measures),
        ),
        actual=_stack(first.actual, second.actual),
        name=first.name,
    )


def _stack(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([first[name], second[name]]) for name in first if name in second}


def _alone(faces: Faces) -> Faces:
    return replace(faces, photo=np.arange(len(faces)))


def _choose(allowed: np.ndarray, *, size: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(np.flatnonzero(allowed), size=size) if size else np.zeros(0, dtype=np.int64)
