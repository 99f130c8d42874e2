"""AttributeNet, a trunk that turns a face chip into features with one linear head per attribute; folding of norms."""

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ml.model.members import BOTH
from ml.model.trunks import ConvNorm, LiteTrunk, TorchvisionTrunk, Trunk

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Part:
    """One trunk of a network: how much its word weighs, and what it sees of a chip.

    That is a `share` of its side, in the middle, in one of `members.VIEWS`.
    """

    name: str
    trunk: nn.Module
    arch: str = ""
    weight: float = 1.0
    share: float = 1.0
    views: str = BOTH


class FaceNet(nn.Module, ABC):
    """Logits per attribute from normalised chips (B, 3, H, W): one network, or several joined."""

    @abstractmethod
    def forward(self, x: Tensor, *, attributes: frozenset[str] | None = None) -> dict[str, Tensor]:
        """Logits (B, labels) of the asked attributes (None: all); the heads of the others do not run."""

    def look(self, x: Tensor, *, attributes: frozenset[str] | None = None, together: bool = False) -> dict[str, Tensor]:
        """The product's answer: logits as of `forward`, the mean over the chips and their mirror images.

        `together` asks for both in one batch: half as many steps, on which a GPU waits.
        """
        if together:
            pairs = {
                name: both.chunk(2) for name, both in self(torch.cat([x, x.flip(3)]), attributes=attributes).items()
            }
            return {name: (straight + mirrored) / 2 for name, (straight, mirrored) in pairs.items()}
        straight, mirrored = self(x, attributes=attributes), self(x.flip(3), attributes=attributes)
        return {name: (logits + mirrored[name]) / 2 for name, logits in straight.items()}

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """What the heads look at (B, F): the mean over the chips and their mirror images."""

    @abstractmethod
    def parts(self) -> list[Part]:
        """Its trunks, one or several."""

    @abstractmethod
    def shift_head(self, attribute: str, *, by: Tensor) -> None:
        """Add to the logits (labels,) of an attribute, for good."""


class AttributeNet(FaceNet):
    """One trunk and its heads."""

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
        """As of every FaceNet."""
        features = self.dropout(self.norm(self.trunk(x).float()))
        # Small and decisive: in bfloat16 two close logits would become one.
        with torch.autocast(x.device.type, enabled=False):
            asked = [name for name in self.heads if attributes is None or name in attributes]
            return {name: self.heads[name](features) for name in asked}

    def features(self, x: Tensor) -> Tensor:
        straight, mirrored = (self.norm(self.trunk(of).float()) for of in (x, x.flip(3)))
        mean: Tensor = (straight + mirrored) / 2
        return mean

    def parts(self) -> list[Part]:
        return [Part("", self.trunk)]

    @torch.no_grad()
    def shift_head(self, attribute: str, *, by: Tensor) -> None:
        self.heads[attribute].get_parameter("bias").add_(by)


def fold_norms(net: Net) -> Net:
    """A copy for inference in which normalisations are part of the convolutions before them; the same function.

    It knows ConvNorm, torchvision's ResNets and EfficientNet-Lite; other networks come back as they are.
    """
    net = copy.deepcopy(net).eval()
    for module in net.modules():
        if isinstance(module, ConvNorm):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment] # the convolution holds it now
        elif isinstance(module, TorchvisionTrunk | LiteTrunk):
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
    """Fold each normalisation that is declared right after a convolution, as in these networks it also runs.

    EfficientNet-Lite's normalisations hold the activation that follows, which stays.
    """
    for parent in net.modules():
        children = list(parent.named_children())
        for (first, conv), (second, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, getattr(norm, "act", nn.Identity()))
