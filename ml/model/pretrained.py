"""Trunks that start from somebody's weights: dlib's, torchvision's, timm's or a masked autoencoder's, from a file."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models

from ml.model import efficientnet_lite, outside_weights
from ml.model.card import DamagedCheckpoint, MissingCheckpoint
from ml.model.trunks import TORCHVISION_ARCHS, ConvNorm, FaceResNet29, LiteTrunk, TimmTrunk, TorchvisionTrunk

MOST_TOLD = 3  # tensors that do not fit, in an error
# Heads of classifiers, and the decoder of a masked autoencoder.
_NOT_OF_THE_TRUNK = ("fc.", "head.", "fc_norm.", "classifier.", "decoder", "mask_token")


def cached_imagenet_weights(arch: str) -> Path:
    """Where torchvision keeps the ImageNet weights of one of its ResNets once somebody has downloaded them.

    Its best ones, or else others that are there. Raises ValueError for an arch that is not torchvision's and
    MissingCheckpoint if they are not there.
    """
    if arch not in TORCHVISION_ARCHS:
        raise ValueError(f"{arch!r} has no ImageNet weights in torchvision; name a file with --start")
    folder, known = Path(torch.hub.get_dir(), "checkpoints"), models.get_model_weights(arch)
    urls = [known.DEFAULT.url, *(weights.url for weights in known)]
    there = [path for url in urls if (path := folder / Path(url).name).is_file()]
    if not there:
        raise MissingCheckpoint(
            f"no ImageNet weights of {arch}: get {urls[0]} and lay it into {folder}, or name the file with --start"
        )
    return there[0]


def load_pretrained(trunk: TorchvisionTrunk | TimmTrunk | LiteTrunk, *, path: Path) -> None:
    """Fill a trunk with weights from a local file: torchvision's, timm's, or a masked autoencoder's encoder.

    Those of EfficientNet-Lite may be named as `ml.model.efficientnet_lite` knows them.

    Position embeddings of another size are interpolated. A classifier, and what an autoencoder needs only to paint,
    are left out. Raises what `outside_weights.read_tensors` raises, and DamagedCheckpoint where the rest does not fit
    the trunk.
    """
    found, wanted = outside_weights.read_tensors(path), trunk.net.state_dict()
    if efficientnet_lite.is_ported(found):
        found = efficientnet_lite.rename_tensors(found, like=wanted)
    tensors = {
        name: tensor for name, tensor in found.items() if not name.startswith(_NOT_OF_THE_TRUNK) or name in wanted
    }
    if isinstance(trunk, TimmTrunk):
        tensors = _resample_positions(tensors, trunk=trunk)
    try:
        trunk.net.load_state_dict(tensors)
    except RuntimeError as error:
        raise DamagedCheckpoint(f"{path} does not fit: {_tell_differing(tensors, wanted=wanted)}") from error


def _resample_positions(tensors: dict[str, Tensor], *, trunk: TimmTrunk) -> dict[str, Tensor]:
    """The tensors with a vision transformer's position embeddings (1, tokens, width) brought to the trunk's patches."""
    given, own = tensors.get("pos_embed"), getattr(trunk.net, "pos_embed", None)
    if given is None or own is None or given.ndim != 3 or given.shape == own.shape:
        return tensors
    from timm.layers.pos_embed import resample_abs_pos_embed

    before = 0 if getattr(trunk.net, "no_embed_class", False) else trunk.net.num_prefix_tokens
    if math.isqrt(given.shape[1] - before) ** 2 != given.shape[1] - before or given.shape[2] != own.shape[2]:
        return tensors  # not of a square of patches, or of another network: loading tells how it differs
    sides = list(trunk.net.patch_embed.grid_size)
    return {**tensors, "pos_embed": resample_abs_pos_embed(given, new_size=sides, num_prefix_tokens=before)}


def load_face_trunk(path: Path, *, width: int = 1) -> FaceResNet29:
    """The face ResNet-29 from dlib's weights, whose scale layers become batch normalisations of mean 0, variance 1.

    It computes exactly the original features in evaluation mode, `width` times one after another; `calibrate_norms`
    makes it fit to be trained. Raises what `outside_weights.read_tensors` raises, and DamagedCheckpoint for the
    weights of another network.
    """
    trunk = FaceResNet29(count=width, mixed=True)
    state = trunk.state_dict()
    found = {
        name.replace(".scale.", ".norm."): tensor.float()
        for name, tensor in outside_weights.read_tensors(path).items()
        if not name.startswith("embedding.")  # the identity descriptor: Facet recognises attributes, not people
    }
    own = dict(FaceResNet29().named_parameters())
    if differing := _tell_differing(found, wanted=own):
        raise DamagedCheckpoint(f"{path} does not fit: {differing}")
    state |= {name: _repeat_channels(tensor, like=state[name]) for name, tensor in found.items()}
    for name in state:
        if name.endswith("running_var"):
            state[name] = torch.full_like(state[name], 1.0 - trunk.stem.norm.eps)
    trunk.load_state_dict(state)
    return trunk.eval()


def _tell_differing(found: Mapping[str, Tensor], *, wanted: Mapping[str, Tensor]) -> str:
    """The first tensors that only one side has, or that have other shapes, in a line; empty where there are none."""
    given, own = ({name: tuple(tensor.shape) for name, tensor in of.items()} for of in (found, wanted))
    told = [f"{name} is missing" for name in own.keys() - given.keys() if not name.endswith("num_batches_tracked")]
    told += [f"{name} is not known" for name in given.keys() - own.keys()]
    told += [f"{name} is {given[name]}, not {own[name]}" for name in given.keys() & own if given[name] != own[name]]
    return "; ".join([*sorted(told)[:MOST_TOLD], *(["..."] if len(told) > MOST_TOLD else [])])


def _repeat_channels(tensor: Tensor, *, like: Tensor) -> Tensor:
    """Filters (O, I, h, w) or values (O,) in a larger shape: copies on the diagonal, each reading its own channels.

    Filters that read the picture are repeated, since there is only one picture.
    """
    times = like.shape[0] // tensor.shape[0]
    if tensor.ndim == 1 or like.shape[1] == tensor.shape[1]:
        return tensor.repeat(times, *[1] * (tensor.ndim - 1))
    wide = torch.zeros_like(like)
    outputs, inputs = tensor.shape[:2]
    for number in range(times):
        wide[number * outputs : (number + 1) * outputs, number * inputs : (number + 1) * inputs] = tensor
    return wide


@torch.no_grad()
def calibrate_norms(trunk: nn.Module, batch: Tensor) -> None:
    """Bring each ConvNorm's filters to outputs of variance 1 on `batch`, and tell its normalisation so.

    The function stays the same, but it can be trained: dlib's filters are 10 to 40 times smaller than a fresh
    network's, and behind a batch normalisation a step grows with the inverse square of that.
    """
    pairs = [module for module in trunk.modules() if isinstance(module, ConvNorm)]
    met: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        met[norm] = (inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3)))

    hooks = [pair.norm.register_forward_pre_hook(note) for pair in pairs]
    trunk.eval()
    trunk(batch)
    for hook in hooks:
        hook.remove()
    for pair in pairs:
        norm, (mean, var) = pair.norm, met[pair.norm]
        if norm.running_mean is None or norm.running_var is None:
            raise ValueError("a normalisation of the trunk keeps no statistics")
        running_mean, running_var = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        scale = norm.weight / torch.sqrt(running_var + norm.eps)
        shift = norm.bias - running_mean * scale
        deviation = torch.sqrt(var).clamp_min(1e-6)
        pair.conv.weight.div_(deviation.view(-1, 1, 1, 1))
        norm.weight.copy_(scale * deviation * math.sqrt(1.0 + norm.eps))
        norm.bias.copy_(shift + scale * mean)
        running_mean.copy_(mean / deviation)
        running_var.fill_(1.0)
