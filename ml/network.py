"""AttributeNet: a trunk that turns a face chip into features, and one linear head per attribute."""

import copy
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

FACE_RESNET29 = "face_resnet29"
# (channels, down) of the 14 residual blocks of the face ResNet-29.
_FACE_BLOCKS = (
    *((32, False),) * 3,
    *((64, True), (64, False), (64, False), (64, False)),
    *((128, True), (128, False), (128, False)),
    *((256, True), (256, False), (256, False)),
    (256, True),
)


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
        y = self.conv2(functional.relu(self.conv1(x)))
        if not self.down:
            return functional.relu(y + x)
        x = functional.avg_pool2d(x, 2)
        if self.grow:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.grow))
        # An unpadded stride-2 convolution can come out one row and column shorter than the pool.
        y = functional.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return functional.relu(y + x)


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
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, stride=2)
        return self.blocks(x).mean(dim=(2, 3))


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
        return {name: head(features) for name, head in self.heads.items() if attributes is None or name in attributes}


def create_trunk(arch: str) -> Trunk:
    """A trunk by name: a module from (B, 3, H, W) to (B, trunk.features). Raises ValueError for a name not known."""
    if arch == FACE_RESNET29:
        return FaceResNet29()
    raise ValueError(f"no trunk called {arch!r}; known: {FACE_RESNET29}")


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
    """A copy for inference in which each ConvNorm's normalisation is part of its convolution; the same function."""
    net = copy.deepcopy(net).eval()
    for module in net.modules():
        if isinstance(module, ConvNorm):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment] # the convolution holds it now
    return net
