"""From a recipe and places on disk to sets of faces and a network ready for its first step."""

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
from ml.model.card import ModelCard, read_card
from ml.preprocess import IMAGENET_PRESET, LITE_PRESET, Preset
from ml.training import losses, rare_groups
from ml.training.feeding import as_batch, as_input
from ml.training.module import Teacher
from ml.training.recipe import IMAGENET, RANDOM, DataRecipe, Recipe

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


def read_sets(recipe: Recipe, places: Places, *, preset: Preset) -> tuple[face_set.FaceSet, face_set.FaceSet]:
    """Training and validation set, checked for what they share and lack. Raises what readers and checks raise."""

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
        validation = validation if is_separate else last
    also = [_trained_part(read(of, place), of) for of, place in zip(recipe.also, places.also, strict=True)]
    training = face_set.join_faces([training, *also])
    splits.check_split(training, validation)
    _check_classes(training, validation)
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
    near = seen.near_any(seen.prints_of(validation), among=seen.prints_of(training))
    count = int(near.sum())
    if not count:
        return validation
    if near.all():
        raise face_set.SharedImages(f"all {count} validation images are nearly the same as training images")
    reason = "nearly the same as one trained on"
    warnings.warn(f"{count} validation images are left out: {reason}", DataWarning, stacklevel=2)
    kept = validation.take(np.flatnonzero(~near))
    return replace(kept, left_out={**kept.left_out, reason: count})


def _trained_part(faces: face_set.FaceSet, of: DataRecipe) -> face_set.FaceSet:
    return splits.hold_out(faces, count=of.held_out)[0] if of.held_out else faces


def head_labels(sets: Sequence[face_set.FaceSet], *, recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """The labels of the network's heads: the finest ones, or a set's own classes."""
    heads: dict[str, tuple[str, ...]] = {}
    for faces in sets:
        for name in recipe.attributes:
            if name in faces.classes:
                heads.setdefault(name, faces.classes[name].head)
    return {name: heads[name] for name in (*labels.ATTRIBUTES, *heads) if name in heads}


def check_heads(
    recipe: Recipe, *, heads: Mapping[str, tuple[str, ...]], preset: Preset, teachers: Sequence[Teacher]
) -> None:
    """Raise BadRecipe where a loss or a teacher would take the heads' labels, or the crop, for others than they are."""
    for name in labels.ORDERED:
        if (recipe.ordinal or recipe.years) and heads.get(name, labels.ATTRIBUTES[name]) != labels.ATTRIBUTES[name]:
            raise BadRecipe(
                f"ordinal and years are for {', '.join(labels.ATTRIBUTES[name])}, not for classes of {name} of your own"
            )
    for teacher in teachers:
        card = teacher.card
        if card.preset.margin != preset.margin:
            raise BadRecipe(f"{card.name} wants a margin of {card.preset.margin:g}, the recipe has {preset.margin:g}")
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


def check_sources(recipe: Recipe, *, teachers: Sequence[Teacher], validation: face_set.FaceSet, place: Path) -> None:
    """Raise SharedImages where a teacher, or the checkpoint that a run starts from, was trained on the validation set.

    What it learnt there would be measured as if it were skill. `place` is where the validation set lies.
    """
    for card in _source_cards(recipe, teachers=teachers):
        held_out.check_untouched(validation, card=card, place=place)


def list_trained(training: face_set.FaceSet, *, recipe: Recipe, teachers: Sequence[Teacher]) -> trained.TrainedImages:
    """What a run's checkpoint keeps of the images it knows: the training set's, its teachers' and its start's."""
    known = [trained.read(card) for card in _source_cards(recipe, teachers=teachers)]
    return trained.join([seen.describe(training), *(images for images in known if images is not None)])


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
    before = [card.trained_on for card in _source_cards(recipe, teachers=teachers)]
    own = f"{data}: {told}" if data else told
    return "; ".join(dict.fromkeys([own, *(part for text in before for part in text.split("; ") if part)]))


def _source_cards(recipe: Recipe, *, teachers: Sequence[Teacher]) -> list[ModelCard]:
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
    """Raise what tells why the weights that a run starts from cannot be had, before it waits for its data."""
    if recipe.start == IMAGENET:
        try:
            pretrained.cached_imagenet_weights(recipe.arch)
        except ValueError as error:
            raise BadRecipe(str(error)) from error
    elif recipe.start != RANDOM and not Path(recipe.start).exists():
        raise BadRecipe(f"the recipe starts from {recipe.start}, which is not here: say where with --start")


def build_net(
    recipe: Recipe, *, heads: Mapping[str, tuple[str, ...]], images: np.ndarray, preset: Preset
) -> network.AttributeNet:
    """The network before its first step; the face ResNet-29's start is made trainable on some of the images.

    Raises BadRecipe, and what loading raises.
    """
    torch.manual_seed(recipe.seed)
    try:
        trunk = trunks.create_trunk(recipe.arch, size=preset.size)
        _try_sizes(trunk, recipe=recipe, size=preset.size)
        if recipe.layer_decay < 1 and not isinstance(trunk, trunks.TimmTrunk):
            raise BadRecipe(f"layer_decay is for timm's networks, not for {recipe.arch}")
    except ValueError as error:
        raise BadRecipe(str(error)) from error
    if recipe.start == IMAGENET:
        _fill(trunk, path=pretrained.cached_imagenet_weights(recipe.arch))
    elif recipe.start != RANDOM:
        path = Path(recipe.start)
        if path.is_dir():
            trunk = _trunk_of(path, arch=recipe.arch)
        elif width := trunks.face_resnet_width(recipe.arch):
            trunk = pretrained.load_face_trunk(path, width=width)
            pretrained.calibrate_norms(
                trunk, as_input(as_batch(images[:CALIBRATION_IMAGES]), preset=preset, size=preset.size)
            )
        else:
            _fill(trunk, path=path)
    return network.AttributeNet(trunk, attributes=heads, dropout=recipe.dropout)


@torch.no_grad()
def _try_sizes(trunk: trunks.Trunk, *, recipe: Recipe, size: int) -> None:
    """Raise BadRecipe for images that the trunk cannot take, before a run waits for its data."""
    trunk.eval()
    for side in (size, *([recipe.small_size] if recipe.small_epochs else [])):
        try:
            trunk(torch.zeros(1, 3, side, side))
        except (RuntimeError, AssertionError) as error:
            raise BadRecipe(f"{recipe.arch} cannot take images of {side} x {side} pixels: {error}") from error
    trunk.train()


def _trunk_of(folder: Path, *, arch: str) -> trunks.Trunk:
    """The trunk of a checkpoint, or of the one of its members that is of this kind."""
    net, card = checkpoint.load(folder, own_labels=True)
    nets = zip(card.members, net.nets, strict=True) if isinstance(net, joint.JointNet) else [(card, net)]
    found = [one for of, one in nets if of.arch == arch and isinstance(one, network.AttributeNet)]
    if len(found) != 1:
        held = f"{len(found)} members that are" if found else f"a {card.arch}, the recipe wants"
        raise BadRecipe(f"{folder} holds {held} a {arch}")
    return found[0].trunk


def _fill(trunk: trunks.Trunk, *, path: Path) -> None:
    if not isinstance(trunk, trunks.TorchvisionTrunk | trunks.TimmTrunk | trunks.LiteTrunk):
        raise BadRecipe("only torchvision's and timm's networks start from such weights")
    pretrained.load_pretrained(trunk, path=path)
