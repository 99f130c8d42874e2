"""What a joint checkpoint's card tells of each network in it, and how a card's JSON writes presets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ml.preprocess import FAIRFACE_MARGIN, Preset

BOTH, STRAIGHT, MIRRORED = VIEWS = ("both", "straight", "mirrored")  # of a chip, which a member may see


@dataclass(frozen=True)
class Member:
    """One of the networks in a joint checkpoint.

    Its logits, divided by its `temperatures`, count with its `weight`; the members' weights sum to 1. `views` is one of
    VIEWS: the mean over the chip and its mirror image, or one of them alone in half the time. `sha256` is the version
    that was joined, `parameters` how many numbers it has.
    """

    name: str
    arch: str
    weight: float
    views: str = BOTH
    preset: Preset = field(default_factory=Preset)
    temperatures: dict[str, float] = field(default_factory=dict)
    sha256: str = ""
    parameters: int = 0


def widest_preset(presets: Sequence[Preset]) -> Preset:
    """How a joint network wants its chips: normalised as the first member's, showing all that any member sees.

    They are as large as the member with the finest pixels needs.
    """
    margin = max(preset.margin for preset in presets)
    size = max(math.ceil(preset.size * (1 + 2 * margin) / (1 + 2 * preset.margin) - 1e-9) for preset in presets)
    return Preset(size=size, mean=presets[0].mean, scale=presets[0].scale, margin=margin)


def seen_share(preset: Preset, *, of: Preset) -> float:
    """How much of the side of a chip cut as `of` asks is seen by a network with this preset."""
    return (1 + 2 * preset.margin) / (1 + 2 * of.margin)


def parse_members(found: Any) -> tuple[Member, ...]:
    """Members from a card's JSON. Raises KeyError, TypeError, AttributeError or ValueError for what are none."""
    members = tuple(
        Member(
            name=str(one["name"]),
            arch=str(one["arch"]),
            weight=float(one["weight"]),
            views=str(one["views"]),
            preset=parse_preset(one["preset"]),
            temperatures={name: float(value) for name, value in one["temperatures"].items()},
            sha256=str(one["sha256"]),
            parameters=int(one["parameters"]),
        )
        for one in found
    )
    weights = [member.weight for member in members]
    if members and (len(members) < 2 or min(weights) <= 0 or abs(sum(weights) - 1) > 1e-6):
        raise ValueError(f"members with the weights {weights}")
    if not {member.views for member in members} <= set(VIEWS):
        raise ValueError(f"a member sees one of {', '.join(VIEWS)}")
    return members


def member_values(member: Member) -> dict[str, Any]:
    """A member as the values of a card's JSON."""
    return {
        "name": member.name,
        "arch": member.arch,
        "weight": member.weight,
        "views": member.views,
        "preset": preset_values(member.preset),
        "temperatures": member.temperatures,
        "sha256": member.sha256,
        "parameters": member.parameters,
    }


def parse_preset(found: Any) -> Preset:
    """A preset from a card's JSON. Raises KeyError, TypeError or ValueError for what is none."""
    red, green, blue = map(float, found["mean"])
    return Preset(
        size=int(found["size"]),
        mean=(red, green, blue),
        scale=_parse_scale(found["scale"]),
        margin=float(found.get("margin", FAIRFACE_MARGIN)),
    )


def _parse_scale(found: Any) -> float | tuple[float, float, float]:
    if isinstance(found, list):
        red, green, blue = map(float, found)
        return red, green, blue
    return float(found)


def preset_values(preset: Preset) -> dict[str, Any]:
    """A preset as the values of a card's JSON."""
    # Left out where it is FairFace's, so that the hash of a checkpoint from before there was a margin stays true.
    margin = {} if preset.margin == FAIRFACE_MARGIN else {"margin": preset.margin}
    scale = preset.scale
    return {
        "size": preset.size,
        "mean": list(preset.mean),
        "scale": scale if isinstance(scale, float) else list(scale),
        **margin,
    }
