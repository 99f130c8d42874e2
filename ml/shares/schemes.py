"""Ways to tell faces apart: an attribute, in a taxonomy or in bands, or several attributes crossed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from ml import labels
from ml.shares.errors import BadInput

LEFT_OUT = -1  # the place of a class that a taxonomy leaves out, and of a face without an answer

OWN = "own"  # the taxonomy of classes that no taxonomy has

# Nine bins are told apart too badly to be corrected (condition number 40); five bands are not (3.9).
AGE_BANDS = "age-5"
_BANDS = {
    "0-9": ("0-2", "3-9"),
    "10-19": ("10-19",),
    "20-39": ("20-29", "30-39"),
    "40-59": ("40-49", "50-59"),
    "60+": ("60-69", "more than 70"),
}
_NINE_BINS = tuple(member for members in _BANDS.values() for member in members)


@dataclass(frozen=True)
class Part:
    """One attribute of a scheme: `places[c]` is the group of the model's class c, LEFT_OUT where it has none.

    A matrix is made between the groups where `solved_in_groups`, else between the classes, whose estimates are then
    summed: so the shares of one collection agree across taxonomies.
    """

    attribute: str
    taxonomy: str
    labels: tuple[str, ...]
    places: tuple[int, ...]
    solved_in_groups: bool = False

    @cached_property
    def fold(self) -> np.ndarray:
        """(classes, groups) of 0 and 1: which classes a group sums."""
        return np.array([[float(place == group) for group in range(len(self.labels))] for place in self.places])


@dataclass(frozen=True)
class Scheme:
    """Labels to count: the groups of one part, or the cells of several, the last part changing fastest."""

    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """As "race", "race x gender"."""
        return " x ".join(part.attribute for part in self.parts)

    @property
    def taxonomy(self) -> str:
        return " x ".join(part.taxonomy for part in self.parts)

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(part.attribute for part in self.parts)

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The names of each label, one a part."""
        return tuple(product(*(part.labels for part in self.parts)))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(", ".join(cell) for cell in self.cells)

    @property
    def solving_count(self) -> int:
        """S: how many classes its matrix has."""
        return int(np.prod([len(part.labels if part.solved_in_groups else part.places) for part in self.parts]))

    def fold_shares(self, shares: np.ndarray) -> np.ndarray:
        """Shares (..., S) of the matrix's classes as shares (..., K) of the labels.

        Scaled to 1 where some are left out; all of it left out becomes even.
        """
        fold = np.ones((1, 1))
        for part in self.parts:
            fold = np.kron(fold, np.eye(len(part.labels)) if part.solved_in_groups else part.fold)
        summed = shares @ fold
        total = summed.sum(axis=-1, keepdims=True)
        return np.where(total > 0, summed / np.where(total > 0, total, 1), 1 / fold.shape[1])

    def cross(self, places: Sequence[np.ndarray], *, counts: Sequence[int]) -> np.ndarray:
        """Places (N,) in each part, of `counts` places, as cells (N,); LEFT_OUT where a part's is negative."""
        cells = np.zeros(len(places[0]), dtype=np.int64)
        known = np.ones(len(places[0]), dtype=bool)
        for part, count in zip(places, counts, strict=True):
            cells = cells * count + part
            known &= part >= 0
        return np.where(known, cells, LEFT_OUT)


def single(attribute: str, *, classes: Sequence[str], taxonomy: str | None = None) -> Scheme:
    """One attribute of a model with these classes. `taxonomy` None: race as the model tells it, age in five bands.

    Race takes the taxonomies of `ml.labels` where the model has FairFace's seven groups; age takes "age-5" and "age"
    (nine bins) where it has FairFace's. Other classes are told as they are. Raises BadInput("unknown_taxonomy").
    """
    names = tuple(classes)
    own = _name_classes(attribute, names)
    if attribute == "age" and names == _NINE_BINS and taxonomy in (None, AGE_BANDS):
        return Scheme((_sum_classes(attribute, AGE_BANDS, names, _BANDS, solved_in_groups=True),))
    if taxonomy in (None, own):
        return by_class(attribute, classes=names)
    if attribute == "race" and own == labels.FINEST and taxonomy in labels.TAXONOMIES:
        return Scheme((_sum_classes(attribute, taxonomy, names, labels.TAXONOMIES[taxonomy]),))
    raise BadInput("unknown_taxonomy", f"{attribute} of this model cannot be told as {taxonomy!r}")


def by_class(attribute: str, *, classes: Sequence[str]) -> Scheme:
    """One attribute of a model, each of its classes by itself."""
    names = tuple(classes)
    return Scheme((Part(attribute, _name_classes(attribute, names), names, tuple(range(len(names)))),))


def crossing(*schemes: Scheme) -> Scheme:
    """The cells of several schemes, as race x gender."""
    return Scheme(tuple(part for scheme in schemes for part in scheme.parts))


def standard_schemes(classes: Mapping[str, Sequence[str]], *, taxonomy: str | None = None) -> tuple[Scheme, ...]:
    """What is corrected and told of a model's attributes: each alone, and race x gender where it has both.

    `taxonomy` is that of race.
    """
    alone = {
        attribute: single(attribute, classes=names, taxonomy=taxonomy if attribute == "race" else None)
        for attribute, names in classes.items()
    }
    both = (crossing(alone["race"], alone["gender"]),) if {"race", "gender"} <= alone.keys() else ()
    return (*alone.values(), *both)


def _name_classes(attribute: str, names: tuple[str, ...]) -> str:
    """The taxonomy that a model's classes are; "own" where they are none of ours."""
    if attribute not in labels.ATTRIBUTES:
        return OWN
    known = labels.taxonomies_of(attribute)
    return next((name for name in known if labels.groups_of(attribute, taxonomy=name) == names), OWN)


def _sum_classes(
    attribute: str,
    taxonomy: str,
    classes: tuple[str, ...],
    groups: Mapping[str, Sequence[str]],
    *,
    solved_in_groups: bool = False,
) -> Part:
    names = tuple(groups)
    of = {member: place for place, name in enumerate(names) for member in groups[name]}
    places = tuple(of.get(name, LEFT_OUT) for name in classes)
    return Part(attribute, taxonomy, names, places, solved_in_groups)
