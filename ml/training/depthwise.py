"""Depthwise convolutions of a training step on a CPU, whose gradients bfloat16 makes slower instead of faster."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class DepthwiseInFloat32(TorchFunctionMode):
    """Inside, autocast on a CPU leaves strided and large (over 3 x 3) depthwise convolutions in float32.

    oneDNN has no fast bfloat16 path for their gradients: on a Zen 4 core 3 to 15 times the time of float32, most of an
    EfficientNet's step. Their answers come back in the type of the input, so that what follows is as it was.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is functional.conv2d and torch.is_autocast_enabled("cpu"):
            return _convolve(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _convolve(
    input: Tensor,  # as torch calls it
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    rest = (stride, padding, dilation, groups)
    is_plain = stride in (1, (1, 1)) and max(weight.shape[2:]) <= 3
    if input.device.type != "cpu" or groups == 1 or weight.shape[1] > 1 or is_plain:
        return functional.conv2d(input, weight, bias, *rest)  # type: ignore[arg-type]
    with torch.autocast("cpu", enabled=False):
        found = functional.conv2d(input.float(), weight.float(), None if bias is None else bias.float(), *rest)  # type: ignore[arg-type]
    return found.to(input.dtype)
