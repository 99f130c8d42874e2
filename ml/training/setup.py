"""From a recipe and places on disk to sets of faces and a network ready for its first step."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ml import labels
from ml.datasets import face_set, fairface, held_out, seen, sources, splits
from ml.errors import BadRecipe, DataWarning
from ml.model import checkpoint, joint, network, pretrained, trained, trunks
from ml.model.card import WEIGHTS_FILE, ModelCard, read_card
from ml.preprocess import IMAGENET_PRESET, LITE_PRESET, Preset
from ml.training import losses, rare_groups
from ml.training.feeding import as_batch, as_input
from ml.training.module import Teacher
from ml.training.recipe import IMAGENET, LEAST_BATCH, RANDOM, DataRecipe, Recipe

LITE_ARCHS = "tf_efficientnet_lite"  # how timm's names of them begin
CALIBRATION_IMAGES = 384  # enough for the batch normalisations' first means and variances


@dataclass(frozen=True)
class Places:
    """Where a run finds what its recipe speaks of; lists win over the recipe's sets."""

    data: Path
    also: tuple[Path, ...] = ()
    validation: Path | None = None
    train_list: Path | None = None
    val_list: Path | None = None
    limit: int | None = None


def preset_of(recipe: Recipe) -> Preset:
    """The face ResNet-29 has dlib's normalisation, EfficientNet-Lite its own, all others ImageNet's."""
    if trunks.count_face_resnets(recipe.arch) or trunks.face_resnet_width(recipe.arch):
        base = Preset()
    else:
        base = LITE_PRESET if recipe.arch.startswith(LITE_ARCHS) else IMAGENET_PRESET
    return Preset(size=recipe.size or base.size, mean=base.mean, scale=base.scale, margin=recipe.margin)


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


def head_labels(sets: Sequence[face_set.FaceSet], *, recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """The labels of the network's heads: the finest ones, or a set's own classes."""
    heads: dict[str, tuple[str, ...]] = {}
    for faces in sets:
        for name in recipe.attributes:
            if name in faces.classes:
                heads.setdefault(name, faces.classes[name].head)
    return {name: heads[name] for name in (*labels.ATTRIBUTES, *heads) if name in heads}


def check_crops(recipe: Recipe, *, teachers: Sequence[Teacher]) -> None:
    """Raise BadRecipe for a teacher that learned from another crop than the recipe's."""
    for card in (teacher.card for teacher in teachers):
        if card.preset.margin != recipe.margin:
            raise BadRecipe(f"{card.name} wants a margin of {card.preset.margin:g}, the recipe has {recipe.margin:g}")


def check_heads(recipe: Recipe, *, heads: Mapping[str, tuple[str, ...]], teachers: Sequence[Teacher]) -> None:
    """Raise BadRecipe where a loss or a teacher would take the heads' labels for others than they are."""
    for name in labels.ORDERED:
        if (recipe.ordinal or recipe.years) and heads.get(name, labels.ATTRIBUTES[name]) != labels.ATTRIBUTES[name]:
            raise BadRecipe(
                f"ordinal and years are for {', '.join(labels.ATTRIBUTES[name])}, not for classes of {name} of your own"
            )
    for teacher in teachers:
        card = teacher.card
        differing = [name for name in heads if name in card.labels and card.labels[name] != heads[name]]
        if differing:
            raise BadRecipe(f"{card.name} has other labels of {', '.join(differing)}, it cannot teach them")


def chances_of(recipe: Recipe, *, training: face_set.FaceSet) -> np.ndarray | None:
    """The chance (N,) of each example to be drawn under `balance`; None without. Raises BadRecipe for no attribute."""
    if not recipe.balance:
        return None
    if recipe.balance not in training.targets:
        raise BadRecipe(f"balance is one of {', '.join(training.targets)}, not {recipe.balance!r}")
    return rare_groups.even_chances(training.targets[recipe.balance])


def choose_batch(recipe: Recipe, *, images: int, processes: int) -> int:
    """How many images each process takes for a step: the recipe's, or its share of a smaller set.

    Raises BadData where that is less than LEAST_BATCH.
    """
    batch = min(recipe.batch_size, images // processes)
    if batch < LEAST_BATCH:
        each = f" for each of {processes} processes" if processes > 1 else ""
        raise face_set.BadData(f"{images} training images are too few: a step takes at least {LEAST_BATCH}{each}")
    return batch


def check_groups(recipe: Recipe, *, training: face_set.FaceSet) -> None:
    """Raise BadRecipe where groups are to be weighed, and the training set tells none."""
    if recipe.robust and labels.BY not in training.targets:
        raise BadRecipe(f"robust weighs groups of {labels.BY}, which the training set does not tell")


def check_years(recipe: Recipe, *, training: face_set.FaceSet) -> None:
    """Raise BadRecipe where ages are to be learned as numbers, and there is no head or no exact age to learn from."""
    if not recipe.years:
        return
    if labels.IN_YEARS not in training.targets:
        raise BadRecipe(f"years is for networks with {labels.IN_YEARS} among their attributes")
    if training.years is None or np.isnan(training.years).all():
        raise BadRecipe("years needs exact ages, and the training set has none: leave years out")


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
    own = f"{data}: {told}" if data else told
    return "; ".join(dict.fromkeys([own, *(part for text in before for part in text.split("; ") if part)]))


def source_cards(recipe: Recipe, *, teachers: Sequence[Teacher]) -> list[ModelCard]:
    """The cards of the checkpoints that a run learns from."""
    cards = [teacher.card for teacher in teachers]
    if recipe.start not in (RANDOM, IMAGENET) and Path(recipe.start).is_dir():
        cards.append(read_card(Path(recipe.start), own_labels=True))
    return cards


def covers_of(faces: face_set.FaceSet, *, heads: Mapping[str, tuple[str, ...]]) -> dict[str, Tensor]:
    """Per attribute which of the head's labels each class of the set covers, (classes, K) bool."""
    return {
        name: torch.from_numpy(faces.classes[name].loss_targets(head))
        for name, head in heads.items()
        if name in faces.classes
    }


def priors_of(faces: face_set.FaceSet, *, covers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Per attribute the logarithms of its labels' shares in the training set (K,)."""
    return {
        name: losses.log_shares(torch.from_numpy(faces.targets[name]), covers=matrix) for name, matrix in covers.items()
    }


def check_start(recipe: Recipe) -> None:
    """Raise what tells why a run cannot begin, whatever its data: BadRecipe, and what loading raises.

    Of a margin that no image shows, of a trunk that is not known or cannot take the images, of rates that are not for
    it, and of weights to start from that cannot be had. Who waited for the data would be told too late.
    """
    for of in (recipe.data, *recipe.also, *([recipe.validation] if recipe.validation else [])):
        sources.check_margin(recipe.margin, shown=of.margin)
    size = preset_of(recipe).size
    trunk = _build_trunk(recipe, size=size)
    _try_sizes(trunk, recipe=recipe, size=size)


def start_path(recipe: Recipe) -> Path | None:
    """The file or the checkpoint that a run starts from; None for random weights and for ImageNet's in their cache."""
    return None if recipe.start in (RANDOM, IMAGENET) else Path(recipe.start)


def hash_start(path: Path) -> str:
    """SHA-256 in hex of the weights at a `start_path`, by which two of one name are told apart."""
    with open(path / WEIGHTS_FILE if path.is_dir() else path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build_net(
    recipe: Recipe, *, heads: Mapping[str, tuple[str, ...]], images: np.ndarray, preset: Preset
) -> network.AttributeNet:
    """The network before its first step; the face ResNet-29's start is made trainable on some of the images.

    Raises as `check_start`, but of no size.
    """
    torch.manual_seed(recipe.seed)
    trunk = _build_trunk(recipe, size=preset.size)
    start = start_path(recipe)
    if start and not start.is_dir() and trunks.face_resnet_width(recipe.arch):
        chips = as_batch(images[:CALIBRATION_IMAGES])
        pretrained.calibrate_norms(trunk, as_input(chips, preset=preset, size=preset.size))
    return network.AttributeNet(trunk, attributes=heads, dropout=recipe.dropout)


def _build_trunk(recipe: Recipe, *, size: int) -> trunks.Trunk:
    """The trunk with the weights that it starts from."""
    start = start_path(recipe)
    if start and not start.exists():
        raise BadRecipe(f"the recipe starts from {recipe.start}, which is not here: say where with --start")
    try:
        if recipe.start == IMAGENET:
            start = pretrained.cached_imagenet_weights(recipe.arch)
        trunk = trunks.create_trunk(recipe.arch, size=size)
    except ValueError as error:
        raise BadRecipe(str(error)) from error
    if recipe.layer_decay < 1 and not isinstance(trunk, trunks.TimmTrunk):
        raise BadRecipe(f"layer_decay is for timm's networks, not for {recipe.arch}")
    if start is None:
        return trunk
    if start.is_dir():
        return _trunk_of(start, arch=recipe.arch)
    if width := trunks.face_resnet_width(recipe.arch):
        return pretrained.load_face_trunk(start, width=width)
    if not isinstance(trunk, trunks.TorchvisionTrunk | trunks.TimmTrunk | trunks.LiteTrunk):
        raise BadRecipe("only torchvision's and timm's networks start from such weights")
    pretrained.load_pretrained(trunk, path=start)
    return trunk


@torch.no_grad()
def _try_sizes(trunk: trunks.Trunk, *, recipe: Recipe, size: int) -> None:
    """Raise BadRecipe for images that the trunk cannot take."""
    trunk.eval()
    for side in (size, *([recipe.small_size] if recipe.small_epochs else [])):
        try:
            trunk(torch.zeros(1, 3, side, side))
        except (RuntimeError, AssertionError) as error:
            raise BadRecipe(f"{recipe.arch} cannot take images of {side} x {side} pixels: {error}") from error


def _trunk_of(folder: Path, *, arch: str) -> trunks.Trunk:
    """The trunk of a checkpoint, or of the one of its members that is of this kind."""
    net, card = checkpoint.load(folder, own_labels=True)
    nets = zip(card.members, net.nets, strict=True) if isinstance(net, joint.JointNet) else [(card, net)]
    found = [one for of, one in nets if of.arch == arch and isinstance(one, network.AttributeNet)]
    if len(found) != 1:
        held = f"{len(found)} members that are" if found else f"a {card.arch}, the recipe wants"
        raise BadRecipe(f"{folder} holds {held} a {arch}")
    return found[0].trunk
