"""What a checkpoint's card tells of its training images: which were held out, and whether others were trained on."""

import argparse
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ml import errors
from ml.datasets import face_set, fairface, image_store
from ml.datasets.seen import BY_CONTENT, BY_NAME, BY_RECIPE, NOT_KNOWN, UNTOUCHED, Known, look_up
from ml.datasets.sources import Source, read_source
from ml.model import trained as trained_files
from ml.model.card import ModelCard

STOP, LEAVE_OUT, MEASURE = SEEN = ("stop", "leave-out", "measure")


def add_argument(parser: argparse.ArgumentParser, *, choices: Sequence[str] = SEEN) -> None:
    """Add --seen, what becomes of images that the model was trained on; see `leave_out_seen`."""
    parser.add_argument(
        "--seen",
        choices=choices,
        default=STOP,
        help="images that it was trained on: stop, leave them out, or measure on them nevertheless (default: stop)"
        if MEASURE in choices
        else "images that it was trained on: stop, or leave them out (default: stop)",
    )


def read_held_out(card: ModelCard, *, place: Path) -> face_set.FaceSet:
    """The images that the checkpoint's recipe kept from training, from the place where its data set lies.

    Without those that were trained on nevertheless, under another name or nearly the same, where the checkpoint knows
    (`find_seen`). Raises BadData where the recipe held none out or is not told, and what reading raises.
    """
    recipe = _data_recipe(card)
    shards = tuple(recipe.get("shards", ()))
    if not recipe.get("held_out"):
        raise face_set.BadData(
            f"the recipe of {card.name} held no images out: name a data set that it was not trained on"
        )
    count = _held_out_count(recipe, total=len(_part_names(recipe, folder=place, shards=shards)))
    # Only the last shards are read: all of them may be many.
    for first in range(len(shards) - 1, -1, -1):
        if len(_part_names(recipe, folder=place, shards=shards[first:])) >= count:
            shards = shards[first:]
            break
    faces = read_source(_source(recipe, place=place, shards=shards), preset=card.preset)
    faces = faces.slice(len(faces) - min(count, len(faces)))
    if card.trained:
        return leave_out_seen(faces, cards=[card], place=place, seen=LEAVE_OUT)
    in_doubt = _warn_of_sources(faces, card=card, names=trained_files.sources_of(card.recipe))
    return replace(faces, untouched=NOT_KNOWN if in_doubt else BY_RECIPE)


def leave_out_taught(faces: face_set.FaceSet, *, cards: Sequence[ModelCard]) -> face_set.FaceSet:
    """Without the reviewed faces whose answers any of these checkpoints has learned, with a DataWarning; the set itself
    where there is none. Raises SharedImages where no other face is left.
    """
    taught = frozenset[str]().union(*(card.learned_from for card in cards))
    kept = np.array([uid not in taught for uid in faces.face_uids], dtype=bool)
    count = int((~kept).sum())
    if not count:
        return faces
    names = " and ".join(card.name for card in cards if card.learned_from)
    if not kept.any():
        raise face_set.SharedImages(f"{names} has learned what people said of all {count} faces: none can measure it")
    _warn(f"{count} of {len(faces)} faces are left out: {names} has learned what people said of them")
    left_out = {**faces.left_out, "learned from": count}
    return replace(faces.take(np.flatnonzero(kept)), left_out=left_out)


def leave_out_seen(
    faces: face_set.FaceSet, *, cards: Sequence[ModelCard], place: Path, seen: str = STOP
) -> face_set.FaceSet:
    """Without the images, which lie in `place`, that any of these checkpoints was trained on, or on nearly the same.

    `seen` is one of SEEN. STOP raises SharedImages for images that were trained on, LEAVE_OUT leaves them out, and with
    either those that are nearly the same as one trained on are left out; MEASURE takes all. What is left out is counted
    and told by a DataWarning; so is what nobody can say. The set's `untouched` tells how it is known of the others.
    SharedImages also where nothing is left.
    """
    if seen == MEASURE or not cards:
        return faces
    trained, near = np.zeros(len(faces), dtype=bool), np.zeros(len(faces), dtype=bool)
    how = BY_CONTENT
    for card in cards:
        known = find_seen(faces, card=card, place=place)
        if seen == STOP:
            _refuse_trained(faces, known=known, card=card)
        trained, near = trained | known.trained, near | known.near
        how = max(how, known.how, key=UNTOUCHED.index)
    near &= ~trained
    faces = replace(faces, untouched=how)
    if not (trained | near).any():
        return faces
    counts = {"trained on": int(trained.sum()), "nearly the same as one trained on": int(near.sum())}
    told = {reason: count for reason, count in counts.items() if count}
    words = " and ".join(f"{count} ({reason})" for reason, count in told.items())
    names = " and ".join(card.name for card in cards)
    kept = np.flatnonzero(~(trained | near))
    if not len(kept):
        raise face_set.SharedImages(f"of {len(faces)} images none is left that {names} does not know: {words}")
    _warn(f"left out of {len(faces)} images, since {names} knows them: {words}")
    return replace(faces.take(kept), left_out={**faces.left_out, **told})


def check_untouched(faces: face_set.FaceSet, *, card: ModelCard, place: Path) -> None:
    """Raise SharedImages for images that the checkpoint was trained on; warn where nobody can say. See `find_seen`."""
    _refuse_trained(faces, known=find_seen(faces, card=card, place=place), card=card)


def was_seen(faces: face_set.FaceSet, *, card: ModelCard, place: Path) -> bool:
    """Whether the checkpoint was trained on any of these images, with a warning; see `find_seen`."""
    try:
        check_untouched(faces, card=card, place=place)
    except face_set.SharedImages as error:
        _warn(str(error))
        return True
    return False


def find_seen(faces: face_set.FaceSet, *, card: ModelCard, place: Path) -> Known:
    """Which of the images a checkpoint was trained on, with a DataWarning where it cannot be told of them.

    By the list of what was trained on that lies beside its card, which knows them by what is in them. A checkpoint
    without one tells less: `place` is where the faces were read, and images are known again by their names in the
    recipe's zips, if these are there, and the whole training set by its hash.
    """
    nothing = Known(np.zeros(len(faces), dtype=bool), np.zeros(len(faces), dtype=bool), NOT_KNOWN)
    if card.recipe.get("data_sha256") == faces.data_hash():
        return replace(nothing, trained=~nothing.trained)
    if (images := trained_files.read(card)) is not None:
        in_doubt = _warn_of_sources(faces, card=card, names=images.lacks)
        return replace(look_up(faces, trained=images), how=NOT_KNOWN if in_doubt else BY_CONTENT)
    recipe = _data_recipe(card)
    if not recipe:
        _warn(f"the card of {card.name} does not tell what it was trained on: nobody can say whether these images were")
        return nothing
    folder = place if place.is_dir() else place.parent
    found, in_doubt = nothing.trained, _warn_of_sources(faces, card=card, names=trained_files.sources_of(card.recipe))
    for part in (recipe, *card.recipe.get("also", ())):
        by_name = _find_by_name(faces, part=part, name=card.name, folder=folder)
        found, in_doubt = found | by_name.trained, in_doubt or by_name.how == NOT_KNOWN
    return replace(nothing, trained=found, how=NOT_KNOWN if in_doubt else BY_NAME)


def _warn_of_sources(faces: face_set.FaceSet, *, card: ModelCard, names: Sequence[str]) -> bool:
    """Whether the images may be among those of `names`, which taught the checkpoint, or among the reviewed faces that
    did: with a DataWarning.
    """
    is_reviewed = bool(card.learned_from) and not (faces.face_uids and all(faces.face_uids))
    if is_reviewed:
        _warn(f"{card.name} learned from reviewed faces, and nobody can say whether these images are among them")
    if names:
        _warn(
            f"{card.name} learned from {', '.join(names)}, and nobody can say whether these images are among those "
            "that taught it"
        )
    return is_reviewed or bool(names)


def _refuse_trained(faces: face_set.FaceSet, *, known: Known, card: ModelCard) -> None:
    shared = [faces.files[row] for row in np.flatnonzero(known.trained)]
    if shared and card.recipe.get("data_sha256") == faces.data_hash():
        raise face_set.SharedImages(f"these {len(faces)} images are the training set of {card.name}")
    if shared:
        raise face_set.SharedImages(
            f"{card.name} was trained on {len(shared)} of the {len(faces)} images, which would falsify the result",
            names=shared,
        )


def _find_by_name(faces: face_set.FaceSet, *, part: Mapping[str, Any], name: str, folder: Path) -> Known:
    """Which images one of the sets that a checkpoint was trained on names."""
    none = np.zeros(len(faces), dtype=bool)
    if part.get("reader") == "reviews" and faces.face_uids and all(faces.face_uids):
        return Known(none, none, BY_NAME)  # known by face: `leave_out_taught`
    try:
        names = _trained_names(part, folder=folder)
    except face_set.BadData as error:
        _warn(f"What {name} was trained on is not known here ({error}): nobody can say whether these are among them")
        return Known(none, none, NOT_KNOWN)
    known = set(names)
    shared = np.array([file in known for file in faces.files], dtype=bool)
    if shared.any() and part.get("validation_share"):
        _warn(f"{int(shared.sum())} of the images come from {name}'s training set: a part of them was trained on")
        return Known(none, none, NOT_KNOWN)
    # What was in zips that are not there nobody can say.
    are_all_there = all((folder / shard).is_file() for shard in part.get("shards", ()))
    return Known(shared, none, BY_NAME if are_all_there else NOT_KNOWN)


def _trained_names(part: Mapping[str, Any], *, folder: Path) -> list[str]:
    """The images of a set that were trained on, as far as they are in a folder. Raises BadData where none are known."""
    named = tuple(part.get("shards", ()))
    shards = tuple(shard for shard in named if (folder / shard).is_file())
    if named and not shards:
        raise face_set.MissingFiles(f"its training images are not in {folder}", names=named)
    if not named and not _label_file(part, folder=folder):
        raise face_set.BadData("its card does not name its training images")
    names = _part_names(part, folder=folder, shards=shards)
    if not named or shards[-1] == named[-1]:  # the last ones are there, of which some were held out
        names = names[: len(names) - _held_out_count(part, total=len(names))]
    return names


def _part_names(part: Mapping[str, Any], *, folder: Path, shards: tuple[str, ...]) -> list[str]:
    """The images of a set as its reader takes them: of FairFace's zips only the part that its label file speaks of."""
    if label_file := _label_file(part, folder=folder):
        return fairface.list_part(folder, label_file=label_file, shards=shards or None)
    with image_store.open_store(folder, shards=shards or None) as store:
        return store.names()


def _label_file(part: Mapping[str, Any], *, folder: Path) -> str:
    """The label file of a set that has one there, else nothing."""
    name = str(part.get("label_file", "")) if part.get("reader", "fairface") == "fairface" else ""
    return name if name and (folder / name).is_file() else ""


def _data_recipe(card: ModelCard) -> Mapping[str, Any]:
    found = card.recipe.get("data")
    return found if isinstance(found, Mapping) else {}


def _held_out_count(recipe: Mapping[str, Any], *, total: int) -> int:
    """As training takes them: of a small set no more than half."""
    return min(int(recipe.get("held_out", 0)), total // 2)


def _source(recipe: Mapping[str, Any], *, place: Path, shards: tuple[str, ...]) -> Source:
    known = {field.name for field in fields(Source)} & recipe.keys()
    given: dict[str, Any] = {name: tuple(v) if isinstance(v := recipe[name], list) else v for name in known}
    return Source(**given | {"place": place, "shards": shards})


def _warn(message: str) -> None:
    warnings.warn(message, errors.DataWarning, stacklevel=3)
