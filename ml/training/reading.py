"""From a recipe and places on disk to the sets of faces that a run learns from and is measured on."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from ml.datasets import face_set, fairface, held_out, seen, sources, splits
from ml.errors import BadRecipe, DataWarning
from ml.model.card import ModelCard
from ml.preprocess import Preset
from ml.training.recipe import DataRecipe, Recipe


@dataclass(frozen=True)
class Places:
    """Where a run finds what its recipe speaks of; lists win over the recipe's sets."""

    data: Path
    also: tuple[Path, ...] = ()
    validation: Path | None = None
    train_list: Path | None = None
    val_list: Path | None = None
    limit: int | None = None


def find_released(recipe: Recipe, places: Places) -> Recipe:
    """The recipe with the zips of FairFace that are there where none of those that it names is, told by a DataWarning.

    So a recipe for parts of it reads all of it as well: in the zip that is released, or unpacked. Raises BadData.
    """

    def find(of: DataRecipe, place: Path) -> DataRecipe:
        if of.reader != "fairface":
            return of
        found = fairface.find_shards(place, named=of.shards, label_file=of.label_file, margin=of.margin)
        if of.shards and found != of.shards:
            told = f"none of {', '.join(of.shards)} is in {place}: reading {', '.join(found) or 'what is there'}"
            warnings.warn(told, DataWarning, stacklevel=3)
        return replace(of, shards=found)

    data = recipe.data if places.train_list else find(recipe.data, places.data)
    validation = recipe.validation and find(recipe.validation, places.validation or places.data)
    also = [find(of, place) for of, place in zip(recipe.also, places.also, strict=False)]
    return replace(recipe, data=data, validation=validation, also=(*also, *recipe.also[len(also) :]))


def read_sets(
    recipe: Recipe, places: Places, *, preset: Preset, cards: Sequence[ModelCard] = ()
) -> tuple[face_set.FaceSet, face_set.FaceSet]:
    """Training and validation set, checked for what they share and lack. Raises what readers and checks raise.

    `cards` are of the checkpoints that the run learns from (`source_cards`). What they learned of an image would be
    measured as if it were skill: SharedImages where one of them was trained on what the run validates on or holds out,
    and nearly the same pictures, and reviewed faces whose answers it learned, are left out of the validation set.
    """

    def read(of: DataRecipe, place: Path, *, list_file: Path | None = None) -> face_set.FaceSet:
        given = {one.name: getattr(of, one.name) for one in fields(sources.Reading)}
        if list_file is not None:
            given["reader"] = "list"
        source = sources.Source(place=place, list_file=list_file, limit=places.limit, **given)
        return sources.read_source(source, preset=preset).keep_attributes(recipe.attributes)

    if len(recipe.also) != len(places.also):
        raise BadRecipe(f"the recipe has {len(recipe.also)} further data sets, and {len(places.also)} places are given")
    training = read(recipe.data, places.data, list_file=places.train_list)
    is_separate = places.val_list is not None or recipe.validation is not None
    kept = recipe.data.held_out if places.train_list is None else 0
    if places.val_list is not None:
        validation = read(recipe.data, places.data, list_file=places.val_list)
    elif recipe.validation is not None:
        validation = read(recipe.validation, places.validation or places.data)
    elif not kept and recipe.data.validation_share:
        training, validation = splits.split_faces(training, share=recipe.data.validation_share, seed=recipe.seed)
    elif not kept:
        raise BadRecipe("no validation set: give held_out or validation_share in [data], [validation], or a list")
    # What the card tells as held out must have been, also where another set is measured on.
    if kept:
        training, last = splits.hold_out(training, count=kept)
        if is_separate:
            _check_held_out(last, cards=cards, place=places.data)
        else:
            validation = last
    also = [
        _trained_part(read(of, place), of, cards=cards, place=place)
        for of, place in zip(recipe.also, places.also, strict=True)
    ]
    training = face_set.join_faces([training, *also])
    splits.check_split(training, validation)
    _check_classes(training, validation)
    validation = held_out.leave_out_taught(validation, cards=cards)
    validation = held_out.leave_out_seen(validation, cards=cards, place=places.validation or places.data)
    return training, _leave_out_near(validation, training=training)


def _check_classes(training: face_set.FaceSet, validation: face_set.FaceSet) -> None:
    """Raise BadData where there is nothing to tell apart; warn of classes that are only measured, and never learned."""
    learned = {name: {of for of, count in training.count_classes(name).items() if count} for name in training.targets}
    if all(len(classes) < 2 for classes in learned.values()):
        told = "; ".join(f"{name} {', '.join(classes)}" for name, classes in learned.items())
        raise face_set.BadData(f"the training images have one label each of what is to be told apart: {told}")
    for name in learned.keys() & validation.targets.keys():
        if lacking := _find_unlearned(validation, training=training, name=name):
            told = ", ".join(lacking)
            warnings.warn(
                f"the validation set has {name} classes that no training image has: {told}", DataWarning, stacklevel=2
            )


def _find_unlearned(validation: face_set.FaceSet, *, training: face_set.FaceSet, name: str) -> list[str]:
    """The validation set's classes that no training image shares a label with, whatever taxonomies they are in."""
    head = training.classes[name].head
    learned = _labels_of(training, name=name, head=head).any(axis=0)
    measured = _labels_of(validation, name=name, head=head)
    names = np.array(validation.classes[name].names)
    return sorted(names[measured.any(axis=1) & ~(measured & learned).any(axis=1)].tolist())


def _labels_of(faces: face_set.FaceSet, *, name: str, head: tuple[str, ...]) -> np.ndarray:
    """Which of a head's labels each class of a set may mean, (classes, head) bool; of one without an example none."""
    found = np.array(list(faces.count_classes(name).values())) > 0
    covered: np.ndarray = faces.classes[name].loss_targets(head) & found[:, None]
    return covered


def _leave_out_near(validation: face_set.FaceSet, *, training: face_set.FaceSet) -> face_set.FaceSet:
    """The validation set without pictures that are nearly the same as one of the training set, with a DataWarning."""
    near = seen.near_any(splits.prints_of(validation), among=splits.prints_of(training))
    count = int(near.sum())
    if not count:
        return validation
    if near.all():
        raise face_set.SharedImages(f"all {count} validation images are nearly the same as training images")
    reason = "nearly the same as one trained on"
    warnings.warn(f"{count} validation images are left out: {reason}", DataWarning, stacklevel=2)
    kept = validation.take(np.flatnonzero(~near))
    return replace(kept, left_out={**kept.left_out, reason: kept.left_out.get(reason, 0) + count})


def _trained_part(
    faces: face_set.FaceSet, of: DataRecipe, *, cards: Sequence[ModelCard], place: Path
) -> face_set.FaceSet:
    if not of.held_out:
        return faces
    training, last = splits.hold_out(faces, count=of.held_out)
    _check_held_out(last, cards=cards, place=place)
    return training


def _check_held_out(faces: face_set.FaceSet, *, cards: Sequence[ModelCard], place: Path) -> None:
    """Raise SharedImages where a checkpoint that the run learns from was trained on what its card tells as held out."""
    for card in cards:
        try:
            held_out.check_untouched(faces, card=card, place=place)
        except face_set.SharedImages as error:
            raise face_set.SharedImages(f"of what the recipe holds out: {error}") from error
