"""The trunks: networks that turn a face chip into features, each known by its name."""

import re
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional

from ml.model import efficientnet_lite

FACE_RESNET29 = "face_resnet29"
MOST_SIDE_BY_SIDE = 9
WIDEST = 4
TORCHVISION_ARCHS = ("resnet18", "resnet34", "resnet50")
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
    """A convolution without bias, then batch normalisation, then the sum with `plus`, then ReLU where it `has_relu`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int,
        padding: int,
        groups: int = 1,
        has_relu: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.has_relu = has_relu

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        found: Tensor = self.norm(self.conv(x))
        if plus is not None:
            found = found + plus
        # In place, on what nobody else holds: a tenth of the time in inference, and less memory in training.
        return functional.relu_(found) if self.has_relu else found


class FaceBlock(nn.Module):
    """A residual block; `down` halves the side, pools the shortcut and appends zero channels to it.

    `inputs` and `outputs` are the channels of each of `count` blocks side by side. They know nothing of each other
    unless they are `mixed`.
    """

    def __init__(self, inputs: int, outputs: int, *, down: bool, count: int = 1, mixed: bool = False) -> None:
        super().__init__()
        self.down = down
        self.grow = outputs - inputs
        self.count = count
        first, second = (2, 0) if down else (1, 1)
        groups, inputs, outputs = 1 if mixed else count, inputs * count, outputs * count
        self.conv1 = ConvNorm(inputs, outputs, kernel=3, stride=first, padding=second, groups=groups, has_relu=True)
        self.conv2 = ConvNorm(outputs, outputs, kernel=3, stride=1, padding=1, groups=groups, has_relu=not down)

    def forward(self, x: Tensor) -> Tensor:
        if not self.down:
            found: Tensor = self.conv2(self.conv1(x), plus=x)
            return found
        y = self.conv2(self.conv1(x))
        x = self._append_zeros(functional.avg_pool2d(x, 2))
        # An unpadded stride-2 convolution can come out one row and column shorter than the pool.
        y = functional.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return functional.relu_(y + x)

    def _append_zeros(self, x: Tensor) -> Tensor:
        if not self.grow:
            return x
        zeros = (0, 0, 0, 0, 0, self.grow)
        if self.count == 1:
            return functional.pad(x, zeros)
        return functional.pad(x.unflatten(1, (self.count, -1)), zeros).flatten(1, 2)


class FaceResNet29(Trunk):
    """dlib's face-recognition ResNet without its descriptor: (B, 3, 150, 150) -> (B, 256 * count).

    `count` of them side by side see the same chips and share nothing: grouped convolutions, each group a network.
    With `mixed` every convolution sees the channels of all of them instead: one network `count` times as wide.
    """

    def __init__(self, *, count: int = 1, mixed: bool = False) -> None:
        super().__init__()
        self.features = 256 * count
        self.stem = ConvNorm(3, 32 * count, kernel=7, stride=2, padding=0, has_relu=True)
        widths = [32, *(channels for channels, _ in _FACE_BLOCKS)]
        self.blocks = nn.Sequential(
            *(
                FaceBlock(before, channels, down=down, count=count, mixed=mixed)
                for before, (channels, down) in zip(widths, _FACE_BLOCKS, strict=False)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.stem(x), 3, stride=2)
        features: Tensor = self.blocks(x).mean(dim=(2, 3))
        return features


class TorchvisionTrunk(Trunk):
    """A torchvision ResNet without its classifier: (B, 3, H, W) -> (B, 512), or (B, 2048) for ResNet-50."""

    def __init__(self, arch: str) -> None:
        super().__init__()
        from torchvision import models  # only here: it brings torch's compiler along, and takes seconds

        self.net = models.get_model(arch, weights=None)
        self.features = self.net.fc.in_features
        self.net.fc = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.net(x)
        return features


class LiteTrunk(Trunk):
    """EfficientNet-Lite without its classifier: (B, 3, H, W) -> (B, 1280)."""

    def __init__(self, arch: str) -> None:
        super().__init__()
        self.net = efficientnet_lite.EfficientNetLite(arch)
        self.features = efficientnet_lite.FEATURES

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.net(x)
        return features


class TimmTrunk(Trunk):
    """Any timm network without its classifier; one with a fixed input (a ViT) is built for chips of `size` pixels.

    A ViT takes other sizes too, of whole patches: its position embeddings are interpolated.
    """

    def __init__(self, arch: str, *, size: int | None) -> None:
        super().__init__()
        try:
            import timm  # optional: only those who train with its networks install it
        except ImportError as error:
            raise ValueError(f"{arch!r} needs timm, which is not installed: pip install timm") from error
        if not timm.is_model(arch):
            known = ", ".join((FACE_RESNET29, *TORCHVISION_ARCHS, *efficientnet_lite.SCALES))
            raise ValueError(f"no trunk called {arch!r}; known: {known}, and timm's names")
        config = timm.get_pretrained_cfg(arch)
        fixed = size is not None and config is not None and config.fixed_input_size
        options: dict[str, Any] = {"img_size": size} if fixed else {}
        try:
            self.net = _create(arch, **options)
        except (AssertionError, TypeError, RuntimeError) as error:
            raise ValueError(f"{arch!r} cannot be built for chips of {size} pixels: {error}") from error
        # Some put a layer between pooling and classifier, and have another width behind it.
        self.features = cast(int, getattr(self.net, "head_hidden_size", None) or self.net.num_features)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.net(x)
        return features


def _create(arch: str, **options: Any) -> Any:
    """timm's network, able to take other sizes than the one it is built for where it knows how."""
    import timm

    try:
        return timm.create_model(arch, pretrained=False, num_classes=0, dynamic_img_size=True, **options)
    except TypeError:
        return timm.create_model(arch, pretrained=False, num_classes=0, **options)


def count_face_resnets(arch: str) -> int:
    """How many face ResNet-29 a trunk of this name has side by side: 2 of "face_resnet29x2"; 0 of any other."""
    found = re.fullmatch(rf"{FACE_RESNET29}(?:x([2-{MOST_SIDE_BY_SIDE}]))?", arch)
    return int(found[1] or 1) if found else 0


def face_resnet_width(arch: str) -> int:
    """How many times as wide as dlib's a face ResNet-29 of this name is: 2 of "face_resnet29w2"; 0 of any other."""
    found = re.fullmatch(rf"{FACE_RESNET29}(?:w([2-{WIDEST}]))?", arch)
    return int(found[1] or 1) if found else 0


def create_trunk(arch: str, *, size: int | None = None) -> Trunk:
    """A trunk by name with random weights: a module from (B, 3, H, W) to (B, trunk.features).

    `size` is the chips' side in pixels, which a network with a fixed input must know. Nothing is ever downloaded.
    Raises ValueError for a name that is not known, or timm's without timm installed.
    """
    if count := count_face_resnets(arch):
        return FaceResNet29(count=count)
    if width := face_resnet_width(arch):
        return FaceResNet29(count=width, mixed=True)
    if arch in TORCHVISION_ARCHS:
        return TorchvisionTrunk(arch)
    if arch in efficientnet_lite.SCALES:
        return LiteTrunk(arch)
    return TimmTrunk(arch, size=size)
