"""Convolutions as a CPU's oneDNN likes them: weights laid out once, and what follows done in the same pass."""

import copy
import itertools
import platform
from typing import TypeVar

import torch
from torch import Tensor, nn

from ml.model.efficientnet_lite import EfficientNetLite, SameConv, plan_padding
from ml.model.trunks import ConvNorm

Net = TypeVar("Net", bound=nn.Module)

# The maps of EfficientNet-Lite's first stages are large: those of more chips than these leave a CPU's cache, and their
# memory is asked of the system anew for each.
_CHIPS_AT_ONCE, _STAGES_WITH_LARGE_MAPS = 8, 2


def can_fuse(device: torch.device) -> bool:
    """Whether torch has such convolutions there: on a CPU, where it was built with oneDNN for x86."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return device.type == "cpu" and is_x86 and torch.backends.mkldnn.is_available()


def fuse_convolutions(net: Net, *, dtype: torch.dtype) -> Net:
    """A copy for answers alone, of a network whose norms are folded, that convolves in this type.

    It knows the face ResNet-29, of any width, and EfficientNet-Lite; other networks come back as they are. float32
    gives the same numbers up to their last digits.
    """
    net = copy.deepcopy(net)
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            # Of groups oneDNN adds nothing in bfloat16.
            if isinstance(child, ConvNorm) and child.conv.groups == 1:
                setattr(parent, name, FusedConv(child.conv, act=nn.ReLU() if child.has_relu else None, dtype=dtype))
        if isinstance(parent, EfficientNetLite):
            _fuse_followers(parent, dtype=dtype)
            first = nn.Sequential(parent.conv_stem, *parent.blocks[:_STAGES_WITH_LARGE_MAPS])
            parent.conv_stem, parent.blocks = _InParts(first), parent.blocks[_STAGES_WITH_LARGE_MAPS:]
    return net


class FusedConv(nn.Module):
    """A convolution with its bias, then the sum with `plus`, then ReLU or ReLU6; all in one type."""

    def __init__(self, conv: nn.Conv2d, *, act: nn.Module | None, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype, self._padding = dtype, list(conv.padding)
        self._same = {"kernel": conv.kernel_size[0], "stride": conv.stride[0]} if isinstance(conv, SameConv) else None
        self._how = (list(conv.stride), list(conv.dilation), conv.groups)
        self._act: tuple[str, list[float]] = ("none", [])
        if isinstance(act, nn.ReLU6):
            self._act = ("hardtanh", [0.0, 6.0])
        elif isinstance(act, nn.ReLU):
            self._act = ("relu", [])
        weight = conv.weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight, self._padding, *self._how)
        self._bias = None if conv.bias is None else conv.bias.detach().to(dtype)

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        x = x.to(self._dtype)
        padding, drop = plan_padding(x.shape[2:], **self._same) if self._same else (self._padding, [0, 0])
        given = (self._weight, self._bias, padding, *self._how)
        if plus is None:
            found: Tensor = torch.ops.mkldnn._convolution_pointwise(x, *given, *self._act, "")
        else:
            found = torch.ops.mkldnn._convolution_pointwise.binary(
                x, plus.to(x), *given, "add", 1.0, None if self._act[0] == "none" else self._act[0], self._act[1], None
            )
        return found[:, :, drop[0] :, drop[1] :] if any(drop) else found


class _InParts(nn.Module):
    """Layers that take a few chips after the other."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.layers(part) for part in x.split(_CHIPS_AT_ONCE)])


def _fuse_followers(net: nn.Module, *, dtype: torch.dtype) -> None:
    """Each convolution with the activation that is declared right after it, as in this network it also runs."""
    for parent in list(net.modules()):
        children = list(parent.named_children())
        for (name, conv), (following, act) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d):
                setattr(parent, name, FusedConv(conv, act=act, dtype=dtype))
                setattr(parent, following, nn.Identity())
