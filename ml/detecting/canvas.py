"""The size at which a photo is searched for faces, and which photos are searched together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ml.requests import FAST, FINE, NORMAL

# Photos searched together each take as much room as the largest, which may be so many times their own pixels.
_MOST_PADDING = 2.0
# Of that 64 photos of 1024 x 1024 pixels fit; each pixel takes up to 24 bytes on the way.
_PIXELS_TOGETHER = 68_000_000

# Of the width of the smallest square that P-Net looks at, faces this wide are still found: 97 of 100 (docs/speed.md).
_SEEN_OF_MIN_FACE = 2 / 3


@dataclass(frozen=True)
class Search:
    """How closely photos are searched. `min_face` is the side in their pixels of the smallest square that is looked at.

    Photos are shrunk to so many `pixels` first (0: never), whatever their sides, but never so far that faces of
    `narrowest` pixels are missed (0: however far). On the canvas `canvas_min_face` bounds how small the square may
    become. Photos with a longer side under `border_below` get a grey border, since a head that fills the frame is
    missed.
    """

    min_face: float = 40.0
    pixels: int = 1_450_000
    narrowest: float = 40.0
    canvas_min_face: float = 24.0
    border_below: int = 300


# What people choose: how narrow a face is still found, against time.
SEARCHES: Mapping[str, Search] = MappingProxyType(
    {
        FINE: Search(min_face=30.0, narrowest=20.0),
        NORMAL: Search(),
        FAST: Search(min_face=60.0, pixels=800_000, narrowest=0.0),
    }
)


@dataclass(frozen=True)
class Canvas:
    """A photo of `photo` (width, height) at working size, and the way back: photo = canvas * stretch - offset.

    `size` is the photo's share of it; `border` grey pixels lie around that.
    """

    photo: tuple[int, int]
    size: tuple[int, int]
    border: int
    min_face: float

    @property
    def width(self) -> int:
        return self.size[0] + 2 * self.border

    @property
    def height(self) -> int:
        return self.size[1] + 2 * self.border

    @property
    def stretch(self) -> tuple[float, float]:
        return (self.photo[0] / self.size[0], self.photo[1] / self.size[1])

    @property
    def narrowest_face(self) -> float:
        """The width in the photo's pixels from which on faces are found: 97 of 100 of that width."""
        return self.min_face * _SEEN_OF_MIN_FACE * max(self.stretch)

    @property
    def whole(self) -> int:
        """By which whole number a large photo is reduced first, the cheapest step for most of its pixels."""
        shrink = max(self.size) / max(self.photo)
        return int(1 / shrink) if shrink <= 0.5 else 1


def plan_canvas(width: int, height: int, *, search: Search) -> Canvas:
    """The canvas of a photo that is searched like this."""
    shrink = min(1.0, math.sqrt(search.pixels / (width * height))) if search.pixels else 1.0
    if search.narrowest:
        shrink = min(1.0, max(shrink, search.canvas_min_face * _SEEN_OF_MIN_FACE / search.narrowest))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    longest = max(width, height)
    border = math.ceil(longest / 3) if longest < search.border_below else 0
    smallest = min(search.canvas_min_face, search.min_face)
    return Canvas((width, height), size, border, max(search.min_face * shrink, smallest))


def group_similar(canvases: Sequence[Canvas], *, exact: bool) -> list[list[int]]:
    """Positions of canvases that are searched together, each once; `exact`: only those of one size."""
    order = sorted(range(len(canvases)), key=lambda n: (canvases[n].min_face, canvases[n].height, canvases[n].width))
    groups: list[list[int]] = []
    for position in order:
        if groups and _fit_together([canvases[n] for n in (*groups[-1], position)], exact=exact):
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def _fit_together(canvases: list[Canvas], *, exact: bool) -> bool:
    width, height = max(canvas.width for canvas in canvases), max(canvas.height for canvas in canvases)
    if width * height * len(canvases) > _PIXELS_TOGETHER:
        return False
    if exact:
        return len({(canvas.width, canvas.height, canvas.min_face) for canvas in canvases}) == 1
    # P-Net's first level has the most pixels: those of the canvas, less with larger faces.
    first = [(canvas.width / canvas.min_face, canvas.height / canvas.min_face) for canvas in canvases]
    padded = max(w for w, _ in first) * max(h for _, h in first) * len(first)
    own = sum(canvas.width * canvas.height for canvas in canvases)
    return width * height * len(canvases) <= _MOST_PADDING * own and padded <= _MOST_PADDING * sum(
        w * h for w, h in first
    )
