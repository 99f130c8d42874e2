"""The finest groups in which two sides, predictions and labels, can both be told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ml import labels
from ml.datasets import face_set


class NothingInCommon(face_set.BadData):
    """Classes of an attribute that share fewer than two groups."""


@dataclass(frozen=True)
class Grouping:
    """Groups of an attribute's finest labels: `members` per group; a label in none of them is left out.

    `taxonomy` names them as `ml.labels` does, and is empty for groups that have no such name.
    """

    attribute: str
    names: tuple[str, ...]
    members: tuple[frozenset[str], ...]
    taxonomy: str = ""

    @property
    def ordered(self) -> bool:
        """Whether neighbours in `names` are neighbours in the number that an ordinal attribute tells."""
        if self.attribute not in labels.ORDERED:
            return False
        fine = labels.ATTRIBUTES[self.attribute]
        bins = [sorted(map(fine.index, group)) for group in self.members if group <= set(fine)]
        in_order = [position for group in bins for position in group]
        return len(bins) == len(self.members) and in_order == sorted(in_order)

    def place(self, classes: face_set.Classes) -> np.ndarray:
        """For each class (K,) the position of its group; -1 where it is left out."""
        return np.array(
            [
                next((place for place, group in enumerate(self.members) if own and own <= group), face_set.UNKNOWN)
                for own in members_of(classes)
            ],
            dtype=np.int64,
        )

    def place_labels(self, targets: np.ndarray, *, classes: face_set.Classes) -> np.ndarray:
        """Class positions or -1 (N,) as positions of groups or -1."""
        placed: np.ndarray = np.append(self.place(classes), face_set.UNKNOWN)[targets]
        return placed

    def sum_vectors(self, vectors: np.ndarray, *, classes: face_set.Classes) -> np.ndarray:
        """Vectors over classes (N, K) as vectors over groups (N, G): first summed, then scaled to 1.

        A vector whose mass lies wholly in what is left out becomes nan.
        """
        places = self.place(classes)
        sums = np.stack([vectors[:, places == group].sum(axis=1) for group in range(len(self.names))], axis=1)
        totals = sums.sum(axis=1, keepdims=True)
        return sums / np.where(totals > 0, totals, np.nan)

    def coarsen(self, taxonomy: str) -> "Grouping | None":
        """The same in a taxonomy of `ml.labels`; None where these groups cannot be summed to it."""
        wanted = members_of(face_set.classes_in(self.attribute, taxonomy=taxonomy))
        for group in wanted:
            if frozenset().union(*(own for own in self.members if own <= group)) != group:
                return None
        return Grouping(self.attribute, labels.groups_of(self.attribute, taxonomy=taxonomy), wanted, taxonomy)


def members_of(classes: face_set.Classes) -> tuple[frozenset[str], ...]:
    """Of each class the finest labels that it stands for, in the spelling of `ml.labels`; its own name if it is none.

    Classes that bear the names of a taxonomy's groups are taken for these; "Others" only beside all the rest.
    """
    fine = labels.ATTRIBUTES.get(classes.attribute, ())
    if classes.covers is not None:
        return tuple(frozenset(name for name, used in zip(fine, row, strict=True) if used) for row in classes.covers)
    known = face_set.Classes(classes.attribute, fine)
    found = [known.find(name) for name in classes.names]
    if None in found and fine:
        for taxonomy in labels.taxonomies_of(classes.attribute):
            groups = face_set.classes_in(classes.attribute, taxonomy=taxonomy)
            places = [groups.find(name) for name in classes.names]
            if None not in places and ("Others" not in groups.names or len(places) == len(groups.names)):
                members = members_of(groups)
                return tuple(members[place] for place in places if place is not None)
    return tuple(
        frozenset({name.casefold() if place is None else fine[place]})
        for name, place in zip(classes.names, found, strict=True)
    )


def find_grouping(sides: Sequence[face_set.Classes]) -> Grouping:
    """The finest groups that all sides can say, named as the first side that has them; of one attribute.

    Labels that a side does not cover are left out, and with them the classes that they are only a part of. Raises
    NothingInCommon where fewer than two groups are left.
    """
    attribute, partitions = sides[0].attribute, [members_of(side) for side in sides]
    common = _sayable(partitions)
    in_order = [name for own in partitions[0] for name in sorted(own, key=_position(attribute)) if name in common]
    groups = _join(in_order, partitions=partitions)
    named = {
        own: name
        for side, partition in reversed(list(zip(sides, partitions, strict=True)))
        for name, own in zip(side.names, partition, strict=True)
    }
    for partition in partitions:  # the order of the first side whose classes these are
        if set(groups) <= set(partition):
            groups = [own for own in partition if own in groups]
            break
    if len(groups) < 2:
        told = " and ".join(", ".join(side.names) for side in sides)
        raise NothingInCommon(f"The classes of {attribute} have fewer than two groups in common: {told}")
    taxonomy = _taxonomy_of(attribute, groups)
    if taxonomy:
        wanted = face_set.classes_in(attribute, taxonomy=taxonomy)
        return Grouping(attribute, wanted.names, members_of(wanted), taxonomy)
    names = tuple(named.get(group) or " + ".join(sorted(group, key=_position(attribute))) for group in groups)
    return Grouping(attribute, names, tuple(groups))


def _sayable(partitions: Sequence[Sequence[frozenset[str]]]) -> set[str]:
    """The labels that all sides cover, without those in a class that is partly something else."""
    common = set.intersection(*({name for own in partition for name in own} for partition in partitions))
    while True:
        torn = {name for partition in partitions for own in partition if not own <= common for name in own & common}
        if not torn:
            return common
        common -= torn


def _join(names: Iterable[str], *, partitions: Sequence[Sequence[frozenset[str]]]) -> list[frozenset[str]]:
    """Names that are in one class on any side belong to one group."""
    groups = [frozenset({name}) for name in names]
    for own in (own for partition in partitions for own in partition):
        touched = [group for group in groups if group & own]
        if len(touched) > 1:
            at = groups.index(touched[0])
            groups = [group for group in groups if group not in touched]
            groups.insert(at, frozenset().union(*touched))
    return groups


def _position(attribute: str) -> Callable[[str], int]:
    fine = labels.ATTRIBUTES.get(attribute, ())
    return lambda name: fine.index(name) if name in fine else len(fine)


def _taxonomy_of(attribute: str, groups: Sequence[frozenset[str]]) -> str:
    if attribute not in labels.ATTRIBUTES:
        return ""
    for taxonomy in labels.taxonomies_of(attribute):
        if set(members_of(face_set.classes_in(attribute, taxonomy=taxonomy))) == set(groups):
            return taxonomy
    return ""
