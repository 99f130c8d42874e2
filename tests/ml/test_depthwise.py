from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ml import labels
from ml.model import network, trunks
from ml.preprocess import Preset
from ml.training import module, recipe
from ml.training.depthwise import DepthwiseInFloat32


@pytest.fixture
def met() -> Iterator[list[torch.dtype]]:
    """In which type the filters of each convolution came to the library."""
    found: list[torch.dtype] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.convolution.default:
                found.append(args[1].dtype)
            return func(*args, **(kwargs or {}))

    with Watch():
        yield found


@pytest.mark.parametrize(
    ("conv", "dtype"),
    [
        (nn.Conv2d(8, 8, 3, stride=2, groups=8), torch.float32),
        (nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False), torch.float32),
        (nn.Conv2d(8, 8, 3, padding="same", groups=8), torch.bfloat16),
        (nn.Conv2d(8, 8, 5, stride=2), torch.bfloat16),
        (nn.Conv2d(8, 8, 5, stride=2, groups=4), torch.bfloat16),
    ],
    ids=["strided", "large", "small", "dense", "grouped"],
)
def test_only_depthwise_convolutions_that_bfloat16_slows_down_stay_in_float32(met, conv, dtype):
    x = torch.randn(2, 8, 9, 9, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16), DepthwiseInFloat32():
        found = conv(x.bfloat16())
    assert met == [dtype]
    assert found.dtype == torch.bfloat16
    found.float().sum().backward()
    narrow, conv.weight.grad = conv.weight.grad, None
    conv(x).sum().backward()
    assert torch.allclose(narrow, conv.weight.grad, rtol=0.05, atol=0.1)


def test_without_autocast_nothing_changes(met):
    conv = nn.Conv2d(4, 4, 5, groups=4).double()
    with DepthwiseInFloat32():
        conv(torch.zeros(1, 4, 9, 9, dtype=torch.double))
    assert met == [torch.double]


class DepthwiseTrunk(trunks.Trunk):
    def __init__(self) -> None:
        super().__init__()
        self.features = 3
        self.conv = nn.Conv2d(3, 3, 5, stride=2, groups=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.conv(x)).mean(dim=(2, 3))


def test_a_training_step_computes_so(met):
    heads = {"gender": labels.GENDER}
    covers = {"gender": torch.eye(len(labels.GENDER), dtype=torch.bool)}
    step = module.AttributeModule(
        network.AttributeNet(DepthwiseTrunk(), attributes=heads),
        recipe=recipe.Recipe(size=24),
        preset=Preset(size=24),
        steps=1,
        covers=covers,
        val_covers=covers,
        prior={},
    )
    step.tally.clear(torch.device("cpu"))
    chips = torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = step.training_step((chips, {"gender": torch.tensor([0, 1, 0, 1])}), 0)
    assert loss.isfinite()
    assert met == [torch.float32, torch.float32]
