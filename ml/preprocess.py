"""From photos to what a network eats: the same chips and the same numbers in training and inference."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

# How much of the surroundings FairFace's chips show, as a share of dlib's face box on each side.
FAIRFACE_MARGIN = 0.25


@dataclass(frozen=True)
class Preset:
    """How a network wants its chips: side in pixels, then (x - mean) * scale with x in 0..255, RGB.

    `scale` is one number, or three where the channels differ. `margin` is how much a chip shows around the face, as a
    share of the face on each side: 0.25 as FairFace's, 1.25 with hair, neck and clothes.
    """

    size: int = 150
    mean: tuple[float, float, float] = (122.782, 117.001, 104.298)
    scale: float | tuple[float, float, float] = 1 / 255
    margin: float = FAIRFACE_MARGIN

    def widen(self, chip: "Chip") -> "Chip":
        """The crop to cut for a face whose chip, with FairFace's margin, is known."""
        return replace(chip, side=chip.side * (1 + 2 * self.margin) / (1 + 2 * FAIRFACE_MARGIN))


# What torchvision's and most of timm's networks were trained on: ImageNet's mean and standard deviation, in 0..255.
IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_SCALE = (1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255))
IMAGENET_PRESET = Preset(size=224, mean=IMAGENET_MEAN, scale=IMAGENET_SCALE)
# Google's EfficientNet-Lite, whose integer variants want a power of two.
LITE_PRESET = Preset(size=224, mean=(127.0, 127.0, 127.0), scale=1 / 128)


@dataclass(frozen=True)
class Chip:
    """Where an aligned square crop lies: centre and side in pixels of the upright photo, angle in degrees.

    A pixel's centre lies at half coordinates, so a whole image of width w and height h has its centre at (w/2, h/2).
    The angle is how far the face is turned clockwise as seen on the photo; cutting turns it back.
    """

    cx: float
    cy: float
    side: float
    angle: float


def whole_image(width: int, height: int) -> Chip:
    """The chip that takes a square image as it is (a longer side is cut off evenly)."""
    return Chip(cx=width / 2, cy=height / 2, side=float(min(width, height)), angle=0.0)


def is_straight(chip: Chip, *, width: int, height: int) -> bool:
    """Whether a chip is a plain rectangle inside a photo of this size, which needs no turning."""
    half = chip.side / 2
    inside = chip.cx - half >= 0 and chip.cy - half >= 0 and chip.cx + half <= width and chip.cy + half <= height
    return chip.angle == 0.0 and inside


@dataclass(frozen=True)
class Turn:
    """How a chip is cut: a part (x0, y0, x1, y1) of the photo is shrunk to `small` (width, height), then turned.

    `matrix` maps the chip's pixel centres (u, v) to a u + b v + c and d u + e v + f there, as Pillow has it.
    """

    part: tuple[int, int, int, int]
    small: tuple[int, int]
    matrix: tuple[float, float, float, float, float, float]


def plan_turn(chip: Chip, *, size: int, width: int, height: int) -> Turn | None:
    """How to cut a chip of (size, size) out of a photo of (width, height); None where it lies outside."""
    half = chip.side / 2
    cos, sin = math.cos(math.radians(chip.angle)), math.sin(math.radians(chip.angle))
    # The part of the photo under the turned square, with a margin for the resampling filters.
    reach = half * (abs(cos) + abs(sin)) + 2 * max(1.0, chip.side / size)
    x0, y0 = max(0, math.floor(chip.cx - reach)), max(0, math.floor(chip.cy - reach))
    x1, y1 = min(width, math.ceil(chip.cx + reach)), min(height, math.ceil(chip.cy + reach))
    if x1 <= x0 or y1 <= y0:
        return None
    step = chip.side / size  # source pixels per chip pixel
    small = (x1 - x0, y1 - y0)
    if step > 1.0:
        small = (max(1, round(small[0] / step)), max(1, round(small[1] / step)))
    fx, fy = (x1 - x0) / small[0], (y1 - y0) / small[1]
    matrix = (
        cos * step / fx,
        -sin * step / fx,
        (chip.cx - x0 - (cos - sin) * half) / fx,
        sin * step / fy,
        cos * step / fy,
        (chip.cy - y0 - (sin + cos) * half) / fy,
    )
    return Turn((x0, y0, x1, y1), small, matrix)


def cut_chip(image: Image.Image, chip: Chip, *, size: int) -> Image.Image:
    """Cut a chip out of an upright RGB photo and bring it to (size, size); black outside the photo.

    Shrinking averages over the source pixels (Pillow's antialiased bilinear); turning is bicubic at the final scale.
    `ml.seeing.cropping` does the same on a GPU.
    """
    if is_straight(chip, width=image.width, height=image.height):
        half = chip.side / 2
        box = (chip.cx - half, chip.cy - half, chip.cx + half, chip.cy + half)
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    turn = plan_turn(chip, size=size, width=image.width, height=image.height)
    if turn is None:
        return Image.new("RGB", (size, size))
    part = image.crop(turn.part)
    if turn.small != part.size:
        part = part.resize(turn.small, Image.Resampling.BILINEAR)
    return part.transform((size, size), Image.Transform.AFFINE, turn.matrix, Image.Resampling.BICUBIC)


def to_input(chips: "Tensor", *, preset: Preset) -> "Tensor":
    """Normalise RGB chips (B, 3, H, W), uint8 or float in 0..255, to the network's float input."""
    chips = chips.float()
    scale = preset.scale if isinstance(preset.scale, float) else chips.new_tensor(preset.scale).view(1, 3, 1, 1)
    return (chips - chips.new_tensor(preset.mean).view(1, 3, 1, 1)) * scale
