"""What a run learns from: its images, its teachers, its start, and what these learned from before."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ml.datasets import face_set, seen
from ml.model import trained
from ml.model.card import WEIGHTS_FILE, ModelCard, read_card, tell_once
from ml.training.module import Teacher
from ml.training.reading import Places
from ml.training.recipe import IMAGENET, RANDOM, Recipe


def list_trained(training: face_set.FaceSet, *, recipe: Recipe, teachers: Sequence[Teacher]) -> trained.TrainedImages:
    """What a run's checkpoint keeps of the images it knows: the training set's, its teachers' and its start's.

    Those of a teacher or start that has no such list itself are told as lacking.
    """
    cards = source_cards(recipe, teachers=teachers)
    known = [trained.read(card) for card in cards]
    lacks = tuple(card.name for card, images in zip(cards, known, strict=True) if images is None)
    own = replace(seen.describe(training), lacks=lacks)
    return trained.join([own, *(images for images in known if images is not None)])


def tell_trained(
    recipe: Recipe, *, training: face_set.FaceSet, places: Places, teachers: Sequence[Teacher] = ()
) -> str:
    """What a card says of the images it knows: what the recipe calls them, and how many of them were learned from.

    Then what its teachers' cards and its start's say, where it is something else. The parts stand between "; ".
    """
    listed, data = places.train_list, recipe.trained_on
    if data and recipe.data.reader == "fairface" and not listed and not recipe.also:
        data += f", margin {recipe.data.margin:g}"
    told = f"{len(training):,} images"
    if listed:
        told += f" of the list {listed.name}"
    elif recipe.data.held_out:
        told += ", the last ones held out"
    elif recipe.data.validation_share and recipe.validation is None and places.val_list is None:
        told += ", others drawn at random held out"
    if places.limit:
        told += f", read with a limit of {places.limit:,}"
    before = [card.trained_on for card in source_cards(recipe, teachers=teachers)]
    return tell_once([f"{data}: {told}" if data else told, *before])


def source_cards(recipe: Recipe, *, teachers: Sequence[Teacher]) -> list[ModelCard]:
    """The cards of the checkpoints that a run learns from."""
    cards = [teacher.card for teacher in teachers]
    if (start := start_path(recipe)) and start.is_dir():
        cards.append(read_card(start, own_labels=True))
    return cards


def start_path(recipe: Recipe) -> Path | None:
    """The file or the checkpoint that a run starts from; None for random weights and for ImageNet's in their cache."""
    return None if recipe.start in (RANDOM, IMAGENET) else Path(recipe.start)


def hash_start(path: Path) -> str:
    """SHA-256 in hex of the weights at a `start_path`, by which two of one name are told apart."""
    with open(path / WEIGHTS_FILE if path.is_dir() else path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
