"""EfficientNet-Lite (Google, 2020) with timm's names for its tensors, and what lukemelas's PyTorch port calls them.

The same networks as timm's `tf_efficientnet_lite0` to `4`, which take seconds to import with all that timm brings, and
pad in a copy before each convolution that halves the side.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional

# How many times as wide and as deep as the smallest one.
SCALES = {
    "tf_efficientnet_lite0": (1.0, 1.0),
    "tf_efficientnet_lite1": (1.0, 1.1),
    "tf_efficientnet_lite2": (1.1, 1.2),
    "tf_efficientnet_lite3": (1.2, 1.4),
    "tf_efficientnet_lite4": (1.4, 1.8),
}
FEATURES, _STEM = 1280, 32
# (blocks, channels, kernel, stride) of the seven stages; all but the first widen their input six times.
_STAGES = ((1, 16, 3, 1), (2, 24, 3, 2), (2, 40, 5, 2), (3, 80, 3, 2), (3, 112, 5, 1), (4, 192, 5, 2), (1, 320, 3, 1))
_WIDENING = 6

_FIRST = "_conv_stem."
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# A block that does not widen its input first has one layer fewer, and timm counts the others from one again.
_PLAIN_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


class EfficientNetLite(nn.Module):
    """Chips (B, 3, H, W) to features (B, FEATURES), the mean over the last map."""

    def __init__(self, arch: str) -> None:
        super().__init__()
        width, depth = SCALES[arch]
        self.conv_stem: nn.Module = SameConv(3, _STEM, 3, stride=2)
        self.bn1 = _norm(_STEM, inplace=False)
        stages, channels = [], _STEM
        for number, (blocks, outputs, kernel, stride) in enumerate(_STAGES):
            outputs = _round_channels(outputs * width)
            count = blocks if number in (0, len(_STAGES) - 1) else math.ceil(blocks * depth)
            kind = _WideningBlock if number else _PlainBlock
            stages.append(
                nn.Sequential(
                    *(
                        kind(outputs if later else channels, outputs, kernel=kernel, stride=1 if later else stride)
                        for later in range(count)
                    )
                )
            )
            channels = outputs
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(channels, FEATURES, 1, bias=False)
        self.bn2 = _norm(FEATURES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.bn1(self.conv_stem(x)))
        features: Tensor = self.bn2(self.conv_head(x)).mean(dim=(2, 3))
        return features


class SameConv(nn.Conv2d):
    """A convolution without bias whose zeros around lie as TensorFlow's "same" lays them."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # as torch calls it
        padding, drop = plan_padding(input.shape[2:], kernel=self.kernel_size[0], stride=self.stride[0])
        found = functional.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return found[:, :, drop[0] :, drop[1] :] if any(drop) else found


def plan_padding(sides: Sequence[int], *, kernel: int, stride: int) -> tuple[list[int], list[int]]:
    """Of a SameConv on a map with these sides: zeros around it, and how many rows and columns of the answer to drop.

    Of an even side TensorFlow begins one later than the middle of the kernel. To begin a whole stride too early and
    drop that row costs a quarter of a map; to lay zeros around would copy all of the input.
    """
    drop = [int(stride > 1 and side % 2 == 0) for side in sides]
    return [kernel // 2 + more for more in drop], drop


class _NormAct(nn.BatchNorm2d):
    """Normalisation, and what is done with it; folding it leaves the latter."""

    def __init__(self, channels: int, *, act: nn.Module) -> None:
        super().__init__(channels, eps=1e-3)
        self.act = act

    def forward(self, input: Tensor) -> Tensor:  # as torch calls it
        found: Tensor = self.act(super().forward(input))
        return found


def _norm(channels: int, *, inplace: bool = True) -> _NormAct:
    return _NormAct(channels, act=nn.ReLU6(inplace=inplace))


class _PlainBlock(nn.Module):
    """The first block: each channel by itself, then all of them together."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = SameConv(inputs, inputs, kernel, stride=stride, groups=inputs)
        self.bn1 = _norm(inputs)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = _NormAct(outputs, act=nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(x))))
        return found


class _WideningBlock(nn.Module):
    """An inverted residual: wider, each channel by itself, narrow again, and the input added where it fits."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * _WIDENING
        self._adds = stride == 1 and inputs == outputs
        self.conv_pw = nn.Conv2d(inputs, wide, 1, bias=False)
        self.bn1 = _norm(wide)
        self.conv_dw = SameConv(wide, wide, kernel, stride=stride, groups=wide)
        self.bn2 = _norm(wide, inplace=stride == 1)  # a map with a row dropped is made whole again by a copy
        self.conv_pwl = nn.Conv2d(wide, outputs, 1, bias=False)
        self.bn3 = _NormAct(outputs, act=nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.bn3(self.conv_pwl(self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))))
        return found + x if self._adds else found


def _round_channels(wanted: float) -> int:
    """To a multiple of 8, and not down by more than a tenth."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def is_ported(names: Iterable[str]) -> bool:
    """Whether a state dict with these names is the port's."""
    return any(name.startswith(_FIRST) for name in names)


def rename_tensors(tensors: Mapping[str, Tensor], *, like: Iterable[str]) -> dict[str, Tensor]:
    """The port's state dict in timm's names, of which `like` are those of the network to fill.

    The port counts its blocks through, timm within stages; `like` tells how many each stage has. What is not known
    keeps its name, so that whoever loads it refuses it.
    """
    places = list(dict.fromkeys(".".join(name.split(".")[:3]) for name in like if name.startswith("blocks.")))
    widening = {name.split(".")[1] for name in tensors if "._expand_conv." in name}
    renamed = {}
    for name, tensor in tensors.items():
        first, *rest = name.split(".")
        if first == "_blocks" and len(rest) > 2 and rest[0].isdecimal() and int(rest[0]) < len(places):
            layer = (_BLOCK if rest[0] in widening else _PLAIN_BLOCK).get(rest[1], rest[1])
            renamed[".".join((places[int(rest[0])], layer, *rest[2:]))] = tensor
        else:
            renamed[".".join((_OUTER.get(first, first), *rest))] = tensor
    return renamed
