"""From a recipe and sets of faces to a network ready for its first step, and what speaks against one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ml import labels
from ml.datasets import face_set, sources
from ml.errors import BadRecipe
from ml.model import checkpoint, joint, network, pretrained, trunks
from ml.preprocess import IMAGENET_PRESET, LITE_PRESET, Preset
from ml.training import losses, origins, rare_groups
from ml.training.feeding import as_batch, as_input
from ml.training.module import Teacher
from ml.training.recipe import IMAGENET, LEAST_BATCH, Recipe

LITE_ARCHS = "tf_efficientnet_lite"  # how timm's names of them begin
CALIBRATION_IMAGES = 384  # enough for the batch normalisations' first means and variances


def preset_of(recipe: Recipe) -> Preset:
    """The face ResNet-29 has dlib's normalisation, EfficientNet-Lite its own, all others ImageNet's."""
    if trunks.count_face_resnets(recipe.arch) or trunks.face_resnet_width(recipe.arch):
        base = Preset()
    else:
        base = LITE_PRESET if recipe.arch.startswith(LITE_ARCHS) else IMAGENET_PRESET
    return Preset(size=recipe.size or base.size, mean=base.mean, scale=base.scale, margin=recipe.margin)


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


def build_net(
    recipe: Recipe, *, heads: Mapping[str, tuple[str, ...]], images: np.ndarray, preset: Preset
) -> network.AttributeNet:
    """The network before its first step; the face ResNet-29's start is made trainable on some of the images.

    Raises as `check_start`, but of no size.
    """
    torch.manual_seed(recipe.seed)
    trunk = _build_trunk(recipe, size=preset.size)
    start = origins.start_path(recipe)
    if start and not start.is_dir() and trunks.face_resnet_width(recipe.arch):
        chips = as_batch(images[:CALIBRATION_IMAGES])
        pretrained.calibrate_norms(trunk, as_input(chips, preset=preset, size=preset.size))
    return network.AttributeNet(trunk, attributes=heads, dropout=recipe.dropout)


def _build_trunk(recipe: Recipe, *, size: int) -> trunks.Trunk:
    """The trunk with the weights that it starts from."""
    start = origins.start_path(recipe)
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
