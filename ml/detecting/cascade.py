"""The three networks of MTCNN with facenet-pytorch's weights, arranged for speed; the same function to 1e-5."""

import math
import platform
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.detecting import mtcnn
from ml.model.precision import choose_precision

# P-Net looks at squares of CELL pixels, every STRIDE pixels.
CELL, STRIDE = 12, 2
# The networks want (x - 127.5) / 128 with x in 0..255: it is part of their first convolution here.
_MEAN, _SCALE = 127.5, 0.0078125
_LANES = (
    16  # channels that a CPU's vector instructions take at once; pooling over fewer of them is several times slower
)
# What stays in a core's cache on its way through a network.
_PIXELS_AT_ONCE, _SMALL_CROPS_AT_ONCE, _LARGE_CROPS_AT_ONCE = 40_000, 64, 24
_CROPS_TOGETHER = 8  # a multiple of so many: oneDNN prepares its kernels for each number it meets
# A GPU wants the opposite; the first layers make 260 to 280 MB of so many pixels and crops in half precision.
_GPU_PIXELS_AT_ONCE, _GPU_SMALL_CROPS_AT_ONCE, _GPU_LARGE_CROPS_AT_ONCE = 8_000_000, 10_240, 2_048


class Cascade:
    """P-Net, R-Net and O-Net on one device, safe to share between threads."""

    def __init__(self, *, device: torch.device, precision: str | None = None) -> None:
        """`precision` as `choose_precision` takes it.

        What is not float32 is float16 on a GPU, and on a CPU R-Net and O-Net alone in bfloat16.
        """
        on_gpu = device.type != "cpu"
        self._pixels = _GPU_PIXELS_AT_ONCE if on_gpu else _PIXELS_AT_ONCE
        self._small = _GPU_SMALL_CROPS_AT_ONCE if on_gpu else _SMALL_CROPS_AT_ONCE
        self._large = _GPU_LARGE_CROPS_AT_ONCE if on_gpu else _LARGE_CROPS_AT_ONCE
        # Half precision halves the time of R-Net and O-Net on a CPU; a GPU takes all three, in the more exact one.
        is_half = choose_precision(precision, device=device) == "bfloat16"
        half = torch.float if not is_half else torch.float16 if on_gpu else torch.bfloat16
        self._exact = on_gpu and not is_half
        self._propose = _Proposer().to(device, half if on_gpu else torch.float).to(memory_format=torch.channels_last)
        rnet, onet = mtcnn.read_net("rnet"), mtcnn.read_net("onet")
        self._refine = _CropNet(rnet, layers=3, heads=("dense5_2", "dense5_1"), device=device, dtype=half)
        self._decide = _CropNet(onet, layers=4, heads=("dense6_2", "dense6_3", "dense6_1"), device=device, dtype=half)

    def photos_at_once(self, *, height: int, width: int) -> int:
        """How many levels of this size `propose` should be given."""
        return max(1, self._pixels // (height * width))

    def propose(self, level: Tensor, *, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        """P-Net over levels (B, 3, h, w) in 0..255: the cells whose probability is over the threshold.

        Where they are, (N, 3) as photo, row and column of the cell; probabilities (N,); shifts (N, 4).
        """
        with self._precision():
            return self._propose_strips(level, threshold=threshold)

    def refine(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """R-Net on crops (N, 3, 24, 24) in 0..255: shifts (N, 4) and probabilities (N,)."""
        with self._precision():
            shifts, scores, _ = _join(self._refine(part) for part in crops.split(self._small))
        return shifts, _face(scores)

    def decide(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """O-Net on crops (N, 3, 48, 48) in 0..255: shifts (N, 4), five x then five y (N, 10), probabilities (N,).

        Also its last features (N, 256), of which the others are made.
        """
        with self._precision():
            shifts, points, scores, features = _join(self._decide(part) for part in crops.split(self._large))
        return shifts, points, _face(scores), features

    def _precision(self) -> AbstractContextManager[None]:
        """Where it shall be exact, a GPU's convolutions must not round to TF32, as they do unless told."""
        if not self._exact:
            return nullcontext()
        return cast(AbstractContextManager[None], torch.backends.cudnn.flags(enabled=True, allow_tf32=False))

    def _propose_strips(self, level: Tensor, *, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        """Strips of what stays in a cache, across the longer side: they overlap by ten pixels."""
        along = 2 if level.shape[2] >= level.shape[3] else 3
        side = level.shape[along]
        steps = max(1, self._pixels // (level.shape[0] * level.shape[5 - along]) // STRIDE)
        if side <= STRIDE * steps + CELL:
            return self._propose.hits(level, threshold=threshold)
        cells, parts = count_cells(side), []
        for first in range(0, cells, steps):
            count = min(steps, cells - first)
            end = min(STRIDE * (first + count) + CELL - STRIDE, side)
            places, scores, shifts = self._propose.hits(
                level.narrow(along, STRIDE * first, end - STRIDE * first), threshold=threshold
            )
            places[:, along - 1] += first
            parts.append((places, scores, shifts))
        places, scores, shifts = _join(parts)
        return places, scores, shifts


def count_cells(pixels: int) -> int:
    """How many cells P-Net has along a side of so many pixels."""
    return (pixels - CELL + 1) // STRIDE + 1


class _Proposer(nn.Module):
    """P-Net with a first layer as wide as a vector, and its two heads computed only where they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        net: Any = mtcnn.read_net("pnet")
        net.conv1, net.prelu1, net.conv2 = _widen(net.conv1, net.prelu1, net.conv2)
        _fold_input(net.conv1)
        self.body = nn.ModuleList([net.conv1, net.prelu1, net.conv2, net.prelu2, net.conv3, net.prelu3])
        # Of the softmax over two only the difference is needed.
        self.score, self.shift = nn.Linear(32, 1), nn.Linear(32, 4)
        self.score.weight.data = (net.conv4_1.weight[1:] - net.conv4_1.weight[:1]).flatten(1)
        self.score.bias.data = net.conv4_1.bias[1:] - net.conv4_1.bias[:1]
        self.shift.weight.data, self.shift.bias.data = net.conv4_2.weight.flatten(1), net.conv4_2.bias.data
        self.eval().requires_grad_(False)

    def hits(self, x: Tensor, *, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        conv1, prelu1, conv2, prelu2, conv3, prelu3 = self.body
        x = x.to(self.score.weight.dtype, memory_format=torch.channels_last)
        x = _halve(prelu1(conv1(x)))
        features = prelu3(conv3(prelu2(conv2(x)))).permute(0, 2, 3, 1)  # (B, h', w', 32)
        scores = self.score(features)[..., 0].float()
        passed = scores >= math.log(threshold / (1 - threshold))
        places = passed.nonzero()  # (N, 3)
        at = places.unbind(1)
        return places, torch.sigmoid(scores[at]), self.shift(features[at]).float()


class _CropNet:
    """R-Net or O-Net: convolutions in the blocked layout of oneDNN where that is at hand, then small dense layers."""

    def __init__(
        self, net: Any, *, layers: int, heads: Sequence[str], device: torch.device, dtype: torch.dtype
    ) -> None:
        net = net.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
        _fold_input(net.conv1)
        self._blocked = device.type == "cpu" and _has_onednn()
        # Without oneDNN a CPU emulates half precision, and oneDNN refuses it on some.
        can_half = device.type != "cpu" or (self._blocked and _has_blocked_bfloat16())
        self._dtype = dtype if can_half else torch.float
        self._body: list[Callable[[Tensor], Tensor]] = []
        for number in range(1, layers + 1):
            conv, prelu = getattr(net, f"conv{number}"), getattr(net, f"prelu{number}")
            if self._blocked:
                self._body += [_blocked_conv(conv, dtype=self._dtype), _blocked_prelu(prelu, dtype=self._dtype)]
            else:
                self._body += [conv.to(self._dtype), prelu.to(self._dtype)]
            if hasattr(net, f"pool{number}"):
                self._body.append(getattr(net, f"pool{number}"))
        self._dense = nn.Sequential(getattr(net, f"dense{layers + 1}"), getattr(net, f"prelu{layers + 1}"))
        self._heads = [getattr(net, name) for name in heads]

    def __call__(self, crops: Tensor) -> tuple[Tensor, ...]:
        count = len(crops)
        if self._blocked:
            x = functional.pad(crops.float(), (0, 0) * 3 + (0, -count % _CROPS_TOGETHER))
            x = x.contiguous().to_mkldnn(self._dtype)
        else:
            x = crops.to(self._dtype, memory_format=torch.channels_last)
        for layer in self._body:
            x = layer(x)
        x = x.to_dense().float() if self._blocked else x.float()
        x = self._dense(x.permute(0, 3, 2, 1).flatten(1))
        return (*(head(x)[:count] for head in self._heads), x[:count])


def _has_onednn() -> bool:
    """Whether torch can run in oneDNN's own layout, which on x86 makes small convolutions and pools much faster."""
    return torch.backends.mkldnn.is_available() and platform.machine().lower() in ("x86_64", "amd64")


def _has_blocked_bfloat16() -> bool:
    """Whether oneDNN computes in bfloat16 here, be it slowly: it refuses CPUs without AVX-512."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _blocked_conv(conv: nn.Conv2d, *, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    weight, bias = conv.weight.to_mkldnn(dtype), cast(Tensor, conv.bias).to_mkldnn()
    return lambda x: torch.mkldnn_convolution(x, weight, bias, (0, 0), (1, 1), (1, 1), 1)


def _blocked_prelu(prelu: nn.PReLU, *, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    weight = prelu.weight.to_mkldnn(dtype)
    return lambda x: torch.prelu(x, weight)


def _fold_input(conv: nn.Conv2d) -> None:
    """Make an unpadded convolution of normalised pixels one of pixels as they are."""
    conv.weight.data *= _SCALE
    cast(Tensor, conv.bias).data -= _MEAN * conv.weight.data.sum(dim=(1, 2, 3))


def _widen(conv: nn.Conv2d, prelu: nn.PReLU, following: nn.Conv2d) -> tuple[nn.Conv2d, nn.PReLU, nn.Conv2d]:
    """The same layers with channels of zeros up to a full vector between the two 3 x 3 convolutions."""
    wide = nn.Conv2d(conv.in_channels, _LANES, 3), nn.PReLU(_LANES), nn.Conv2d(_LANES, following.out_channels, 3)
    for new, old in zip(wide, (conv, prelu, following), strict=True):
        for name, values in old.named_parameters():
            room = new.get_parameter(name).data.zero_()
            room[tuple(slice(size) for size in values.shape)] = values.data
    return wide


def _halve(x: Tensor) -> Tensor:
    """Max-pooling over 2 x 2 that keeps an odd last row and column: four times faster than torch's in this layout."""
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    y = torch.maximum(x[:, :, 0:height:2], x[:, :, 1:height:2])
    if height < x.shape[2]:
        y = torch.cat([y, x[:, :, height:]], dim=2)
    z = torch.maximum(y[..., 0:width:2], y[..., 1:width:2])
    return torch.cat([z, y[..., width:]], dim=3) if width < x.shape[3] else z


def _face(scores: Tensor) -> Tensor:
    """The probability of a face from logits (N, 2) of not a face and a face."""
    return torch.sigmoid(scores[:, 1] - scores[:, 0])


def _join(parts: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(values) for values in zip(*parts, strict=True))
