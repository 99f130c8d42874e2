"""JointNet: networks of any kind side by side, each with its own view of the chip; its word is their weighted mean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ml.model.members import BOTH, MIRRORED, Member, seen_share
from ml.model.network import AttributeNet, FaceNet, Part
from ml.preprocess import Preset


class JointNet(FaceNet):
    """Logits per attribute from chips (B, 3, S, S) that are normalised as `preset` says, as of an AttributeNet.

    They are the members' logits, calibrated and weighed, and summed: up to a constant, which no probability keeps, the
    weighted mean of their log-probabilities.
    """

    def __init__(
        self,
        nets: Sequence[AttributeNet],
        *,
        members: Sequence[Member],
        preset: Preset,
        attributes: Mapping[str, tuple[str, ...]],
    ) -> None:
        super().__init__()
        self.nets: Any = nn.ModuleList(nets)  # of FaceNets, which its type cannot say
        self.views = nn.ModuleList(_MemberView(member.preset, of=preset) for member in members)
        # What `ml.adjust` moves: of all members' word together, since none of them is wrong alone.
        self.shifts = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(len(labels)), requires_grad=False) for name, labels in attributes.items()}
        )
        self._members = tuple(members)
        self._shares = tuple(seen_share(member.preset, of=preset) for member in members)

    def forward(self, x: Tensor, *, attributes: frozenset[str] | None = None) -> dict[str, Tensor]:
        return self._weigh(net(view(x), attributes=attributes) for net, view in zip(self.nets, self.views, strict=True))

    def look(self, x: Tensor, *, attributes: frozenset[str] | None = None, together: bool = False) -> dict[str, Tensor]:
        """As of every FaceNet, but that each member sees only its own views of the chips."""
        said = []
        for net, view, member in zip(self.nets, self.views, self._members, strict=True):
            seen = view(x)
            if member.views == BOTH:
                said.append(net.look(seen, attributes=attributes, together=together))
            else:
                said.append(net(seen.flip(3) if member.views == MIRRORED else seen, attributes=attributes))
        return self._weigh(said)

    def _weigh(self, said: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
        """What the members say as one answer."""
        total: dict[str, Tensor] = {}
        for member, found in zip(self._members, said, strict=True):
            for name, logits in found.items():
                share = logits * (member.weight / member.temperatures.get(name, 1.0))
                total[name] = total[name] + share if name in total else share
        return {name: logits + self.shifts[name] for name, logits in total.items()}

    def features(self, x: Tensor) -> Tensor:
        """Those of all members side by side, each from both flips."""
        return torch.cat([net.features(view(x)) for net, view in zip(self.nets, self.views, strict=True)], dim=1)

    def parts(self) -> list[Part]:
        return [
            Part(
                member.name,
                net.get_submodule("trunk"),
                arch=member.arch,
                weight=member.weight,
                share=share,
                views=member.views,
            )
            for member, net, share in zip(self._members, self.nets, self._shares, strict=True)
        ]

    def shift_head(self, attribute: str, *, by: Tensor) -> None:
        self.shifts[attribute].data.add_(by)


class _MemberView(nn.Module):
    """From the joint chips to a member's own: the middle that it sees, at its size, normalised as it was trained."""

    rows: Tensor | None
    scale: Tensor
    offset: Tensor

    def __init__(self, preset: Preset, *, of: Preset) -> None:
        super().__init__()
        share = seen_share(preset, of=of)
        same = preset.size == of.size and share == 1.0
        rows = None if same else resampling_rows(of.size, size=preset.size, share=share)
        ours, theirs = (torch.tensor(one.scale, dtype=torch.float64).expand(3) for one in (preset, of))
        means = [torch.tensor(one.mean, dtype=torch.float64) for one in (preset, of)]
        self._is_plain = bool(torch.equal(ours, theirs) and torch.equal(*means))
        # Known from the card, so no part of the weights.
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("scale", (ours / theirs).float().view(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", ((means[1] - means[0]) * ours).float().view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self._is_plain:
            x = x * self.scale + self.offset
        if self.rows is None:
            return x
        # In bfloat16 the pixels of a smooth cheek would become one.
        with torch.autocast(x.device.type, enabled=False):
            x = self.rows @ x @ self.rows.T
        return x.contiguous(memory_format=torch.channels_last)


def resampling_rows(side: int, *, size: int, share: float = 1.0) -> Tensor:
    """What brings the middle `share` of `side` pixels to `size`: a matrix (size, side), the same for rows and columns.

    A triangle filter as wide as a pixel of the coarser side, like Pillow's and torch's antialiased bilinear one; a
    product of matrices runs wherever networks do, ONNX Runtime and bfloat16's autocast among them.
    """
    step = side * share / size  # pixels of the side per new one
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * step + side * (1 - share) / 2
    away = (torch.arange(side, dtype=torch.float64) + 0.5 - centres[:, None]).abs() / max(step, 1.0)
    rows = (1 - away).clamp_min(0)
    return (rows / rows.sum(dim=1, keepdim=True)).float()
