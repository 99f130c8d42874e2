"""AttributeNet: a trunk that turns a face chip into features, and one linear head per attribute."""

import copy
import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ml.model.trunks import ConvNorm, TorchvisionTrunk, Trunk


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


def narrow_weights(trunk: nn.Module, *, dtype: torch.dtype) -> None:
    """Keep a trunk's convolutions and dense layers in a narrower type, to which autocast rounds them anyway.

    Subclasses stay as they are: they may compute with their weights before autocast does, as timm's standardising one.
    """
    for module in trunk.modules():
        if type(module) in (nn.Conv2d, nn.Linear):
            module.to(dtype)


def _fold_followers(net: nn.Module) -> None:
    """Fold each normalisation that is declared right after a convolution, as in torchvision's ResNets it also runs."""
    for parent in net.modules():
        children = list(parent.named_children())
        for (first, conv), (second, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, nn.Identity())
