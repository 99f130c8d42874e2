"""MTCNN's three networks and what suppresses their overlapping boxes, taken from facenet-pytorch and torchvision.

Only their files are read: importing either package brings torch's compiler along.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ml.light_imports import find_package, load_operators

# Max-pooling after a numbered convolution: side and stride.
POOLS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "pnet": {"pool1": (2, 2)},
    "rnet": {"pool1": (3, 2), "pool2": (3, 2)},
    "onet": {"pool1": (3, 2), "pool2": (3, 2), "pool3": (2, 2)},
}
# From so many boxes on, looking at each group by itself takes less time than keeping groups apart by a shift. On a GPU
# it takes more, but what is kept of each pair of boxes would be 200 MB.
_MANY_BOXES, _MANY_BOXES_ON_GPU = 1_000, 40_000


def read_net(name: str) -> nn.Module:
    """The layers of pnet, rnet or onet under facenet-pytorch's names, with its weights; they are not connected."""
    weights = torch.load(find_package("facenet_pytorch") / "data" / f"{name}.pt", map_location="cpu", weights_only=True)
    net = nn.Module()
    for layer in dict.fromkeys(key.rpartition(".")[0] for key in weights):
        net.add_module(layer, _make_layer(weights[f"{layer}.weight"]))
    net.load_state_dict(weights)
    for layer, (side, stride) in POOLS[name].items():
        net.add_module(layer, nn.MaxPool2d(side, stride, ceil_mode=True))
    return net.eval().requires_grad_(False)


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, *, threshold: float) -> Tensor:
    """The positions of boxes (N, 4) to keep, best first: none overlaps a better one of its group (N,) by more.

    The overlap is intersection over union; what torchvision's `batched_nms` does.
    """
    if not len(boxes):
        return torch.zeros(0, dtype=torch.long, device=boxes.device)
    nms = torch.ops.torchvision.nms
    if len(boxes) <= (_MANY_BOXES if boxes.device.type == "cpu" else _MANY_BOXES_ON_GPU):
        apart = groups.to(boxes) * (boxes.max() + 1)
        together: Tensor = nms(boxes + apart[:, None], scores, threshold)
        return together
    kept = []
    for group in torch.unique(groups):
        members = (groups == group).nonzero()[:, 0]
        kept.append(members[nms(boxes[members], scores[members], threshold)])
    keep = torch.cat(kept).sort().values
    return keep[scores[keep].sort(descending=True).indices]


def _make_layer(weight: Tensor) -> nn.Module:
    if weight.dim() == 4:
        return nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    return nn.Linear(weight.shape[1], weight.shape[0]) if weight.dim() == 2 else nn.PReLU(len(weight))


if not (load_operators("_C_stable") and hasattr(torch.ops.torchvision, "nms")):  # its library has another name
    import torchvision  # noqa: F401
