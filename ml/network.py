"""AttributeNet: a trunk that turns a face chip into features, and one linear head per attribute."""

import copy
import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import models

from ml import foreign
from ml.card import DamagedCheckpoint, MissingCheckpoint

FACE_RESNET29 = "face_resnet29"
TORCHVISION_ARCHS = ("resnet18", "resnet34", "resnet50")
# (channels, down) of the 14 residual blocks of the face ResNet-29.
_FACE_BLOCKS = (
    *((32, False),) * 3,
    *((64, True), (64, False), (64, False), (64, False)),
    *((128, True), (128, False), (128, False)),
    *((256, True), (256, False), (256, False)),
    (256, True),
)

# Heads of classifiers, and the decoder of a masked autoencoder.
_NOT_OF_THE_TRUNK = ("fc.", "head.", "fc_norm.", "classifier.", "decoder", "mask_token")


class Trunk(nn.Module):
    """Whatever turns chips (B, 3, H, W) into features (B, self.features)."""

    features: int


class ConvNorm(nn.Module):
    """A convolution without bias, then batch normalisation."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class FaceBlock(nn.Module):
    """A residual block; `down` halves the side, pools the shortcut and appends zero channels to it."""

    def __init__(self, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        self.grow = outputs - inputs
        self.conv1 = ConvNorm(inputs, outputs, kernel=3, stride=2 if down else 1, padding=0 if down else 1)
        self.conv2 = ConvNorm(outputs, outputs, kernel=3, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        # In place, on what nobody else holds: a tenth of the time in inference, and less memory in training.
        y = self.conv2(functional.relu_(self.conv1(x)))
        if not self.down:
            return functional.relu_(y + x)
        x = functional.avg_pool2d(x, 2)
        if self.grow:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.grow))
        # An unpadded stride-2 convolution can come out one row and column shorter than the pool.
        y = functional.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return functional.relu_(y + x)


class FaceResNet29(Trunk):
    """dlib's face-recognition ResNet without its descriptor: (B, 3, 150, 150) -> (B, 256)."""

    features = 256

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 32, kernel=7, stride=2, padding=0)
        widths = [32, *(channels for channels, _ in _FACE_BLOCKS)]
        self.blocks = nn.Sequential(
            *(
                FaceBlock(before, channels, down=down)
                for before, (channels, down) in zip(widths, _FACE_BLOCKS, strict=False)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu_(self.stem(x)), 3, stride=2)
        return self.blocks(x).mean(dim=(2, 3))


class TorchvisionTrunk(Trunk):
    """A torchvision ResNet without its classifier: (B, 3, H, W) -> (B, 512), or (B, 2048) for ResNet-50."""

    def __init__(self, arch: str) -> None:
        super().__init__()
        self.net = models.get_model(arch, weights=None)
        self.features = self.net.fc.in_features
        self.net.fc = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TimmTrunk(Trunk):
    """Any timm network without its classifier; one with a fixed input (a ViT) is built for chips of `size` pixels."""

    def __init__(self, arch: str, *, size: int | None) -> None:
        super().__init__()
        try:
            import timm  # optional: only those who train with its networks install it
        except ImportError as error:
            raise ValueError(f"{arch!r} needs timm, which is not installed: pip install timm") from error
        if not timm.is_model(arch):
            known = ", ".join((FACE_RESNET29, *TORCHVISION_ARCHS))
            raise ValueError(f"no trunk called {arch!r}; known: {known}, and timm's names")
        config = timm.get_pretrained_cfg(arch)
        fixed = size is not None and config is not None and config.fixed_input_size
        options: dict[str, Any] = {"img_size": size} if fixed else {}
        try:
            self.net = timm.create_model(arch, pretrained=False, num_classes=0, **options)
        except (AssertionError, TypeError, RuntimeError) as error:
            raise ValueError(f"{arch!r} cannot be built for chips of {size} pixels: {error}") from error
        # Some put a layer between pooling and classifier, and have another width behind it.
        self.features = cast(int, getattr(self.net, "head_hidden_size", None) or self.net.num_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class AttributeNet(nn.Module):
    """Logits per attribute from normalised chips (B, 3, H, W)."""

    def __init__(self, trunk: Trunk, *, attributes: Mapping[str, tuple[str, ...]], dropout: float = 0.0) -> None:
        super().__init__()
        self.trunk = trunk
        # Features after a ReLU lie far from zero; centred, the heads learn several times faster.
        self.norm = nn.BatchNorm1d(trunk.features, affine=False)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(trunk.features, len(labels)) for name, labels in attributes.items()}
        )

    def forward(self, x: Tensor, *, attributes: frozenset[str] | None = None) -> dict[str, Tensor]:
        """Logits (B, labels) of the asked attributes (None: all); the heads of the others do not run."""
        features = self.dropout(self.norm(self.trunk(x).float()))
        # Small and decisive: in bfloat16 two close logits would become one.
        with torch.autocast(x.device.type, enabled=False):
            asked = [name for name in self.heads if attributes is None or name in attributes]
            return {name: self.heads[name](features) for name in asked}


def create_trunk(arch: str, *, size: int | None = None) -> Trunk:
    """A trunk by name with random weights: a module from (B, 3, H, W) to (B, trunk.features).

    `size` is the chips' side in pixels, which a network with a fixed input must know. Nothing is ever downloaded.
    Raises ValueError for a name that is not known, or timm's without timm installed.
    """
    if arch == FACE_RESNET29:
        return FaceResNet29()
    if arch in TORCHVISION_ARCHS:
        return TorchvisionTrunk(arch)
    return TimmTrunk(arch, size=size)


def cached_imagenet_weights(arch: str) -> Path:
    """Where torchvision keeps the ImageNet weights of one of its ResNets once somebody has downloaded them.

    Raises ValueError for an arch that is not torchvision's and MissingCheckpoint if they are not there.
    """
    if arch not in TORCHVISION_ARCHS:
        raise ValueError(f"{arch!r} has no ImageNet weights in torchvision; give a file")
    path = Path(torch.hub.get_dir(), "checkpoints", Path(models.get_model_weights(arch).DEFAULT.url).name)
    if not path.is_file():
        raise MissingCheckpoint(f"no ImageNet weights of {arch} at {path}; download them there, or give a file")
    return path


def load_pretrained(trunk: TorchvisionTrunk | TimmTrunk, *, path: Path) -> None:
    """Fill a trunk with weights from a local file: torchvision's, timm's, or a masked autoencoder's encoder.

    A classifier, and what an autoencoder needs only to paint, are left out. Raises what `foreign.read_tensors` raises,
    and DamagedCheckpoint where the rest does not fit the trunk.
    """
    tensors = {
        name: tensor
        for name, tensor in foreign.read_tensors(path).items()
        if not name.startswith(_NOT_OF_THE_TRUNK) or name in trunk.net.state_dict()
    }
    try:
        trunk.net.load_state_dict(tensors)
    except RuntimeError as error:
        raise DamagedCheckpoint(f"{path} does not fit: {error}") from error


def load_face_trunk(path: Path) -> FaceResNet29:
    """The face ResNet-29 from dlib's weights, whose scale layers become batch normalisations of mean 0, variance 1.

    It computes exactly the original features in evaluation mode; `calibrate_norms` makes it fit to be trained.
    """
    trunk = FaceResNet29()
    state = trunk.state_dict()
    for name, tensor in load_file(path).items():
        if name.startswith("embedding."):  # the identity descriptor: Facet recognises attributes, not people
            continue
        state[name.replace(".scale.", ".norm.")] = tensor.float()
    for name in state:
        if name.endswith("running_var"):
            state[name] = torch.full_like(state[name], 1.0 - trunk.stem.norm.eps)
    trunk.load_state_dict(state)
    return trunk.eval()


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


def fold_norms(net: nn.Module) -> nn.Module:
    """A copy for inference in which normalisations are part of the convolutions before them; the same function.

    It knows ConvNorm and torchvision's ResNets; other networks come back as they are.
    """
    net = copy.deepcopy(net).eval()
    for module in net.modules():
        if isinstance(module, ConvNorm):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment] # the convolution holds it now
        elif isinstance(module, TorchvisionTrunk):
            _fold_followers(module.net)
    return net


def _fold_followers(net: nn.Module) -> None:
    """Fold each normalisation that is declared right after a convolution, as in torchvision's ResNets it also runs."""
    for parent in net.modules():
        children = list(parent.named_children())
        for (first, conv), (second, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, nn.Identity())
