"""Pictures in which a detector may see faces that are none: drawn ones, shapes, and clouds with two alike halves."""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 520  # pixels
_SMOOTH = 3  # drawings are made so many times as large, then shrunk
_SKINS = (
    (236, 188, 160), (255, 219, 172), (198, 134, 66), (141, 85, 36), (224, 172, 105), (241, 194, 125), (92, 60, 40),
)  # fmt: skip
_DARK = (25, 20, 20)

Colour = tuple[int, ...]


def draw_all(count: int, *, seed: int) -> Iterator[Image.Image]:
    """So many pictures, always the same of one seed: three drawn faces to one of shapes and one of clouds."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield (draw_face, draw_face, draw_face, draw_shapes, draw_clouds)[number % 5](rng)


def draw_face(rng: np.random.Generator) -> Image.Image:
    """A head as people draw one: an oval with eyes, brows, nose and mouth, in skin's colours or as lines on paper."""
    is_sketch = rng.random() < 0.25
    paper: Colour = (250, 250, 248) if is_sketch or rng.random() < 0.2 else _choose_colour(rng, 60, 255)
    pencil = _Pencil(paper, centre=SIDE / 2 + rng.normal(0, 40, 2), radius=rng.uniform(60, 170))
    tall = rng.uniform(1.0, 1.45)
    skin: Colour = paper if is_sketch else _SKINS[rng.integers(len(_SKINS))]
    hair = _DARK if is_sketch else _choose_colour(rng, 0, 120)
    if rng.random() < 0.6 and not is_sketch:
        pencil.oval(0, -0.25 * tall, 1.12, 1.05 * tall, hair)
    pencil.oval(0, 0, 1, tall, skin, rim=_DARK if is_sketch or rng.random() < 0.5 else None)
    _draw_eyes(pencil, rng, hair=hair, is_sketch=is_sketch)
    shade = _DARK if is_sketch else tuple(int(value * 0.75) for value in skin)
    nose = rng.integers(4)
    if nose == 0:
        pencil.line([(0, -0.05), (-0.13, 0.28), (0.13, 0.28)], shade, width=0.05)
    elif nose == 1:
        pencil.line([(0, -0.1), (-0.05, 0.25), (0.08, 0.27)], shade, width=0.05)
    elif nose == 2:
        pencil.oval(0, 0.2, 0.12, 0.1, shade)
    _draw_mouth(pencil, rng, down=rng.uniform(0.45, 0.65) * tall, is_sketch=is_sketch)
    return _finish(pencil.image, rng)


def draw_shapes(rng: np.random.Generator) -> Image.Image:
    """Discs and rectangles of any colour, many of them of skin's, before clouds."""
    picture = Image.fromarray(_make_clouds(rng, roughness=1.2)).filter(ImageFilter.GaussianBlur(2))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(5, 60)):
        (x, y), across = rng.uniform(0, SIDE, 2), rng.uniform(5, 90)
        down = across * rng.uniform(0.4, 1.6)
        colour = _SKINS[rng.integers(len(_SKINS))] if rng.random() < 0.4 else _choose_colour(rng, 0, 255)
        shape = pen.ellipse if rng.random() < 0.7 else pen.rectangle
        shape((x - across, y - down, x + across, y + down), fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2)))


def draw_clouds(rng: np.random.Generator) -> Image.Image:
    """Clouds whose left half is the right one mirrored, in which people see faces too."""
    clouds = _make_clouds(rng, roughness=rng.uniform(1.0, 1.8)).astype(float)
    alike = 127 + (clouds + clouds[:, ::-1] - 254) / 2 * rng.uniform(1.3, 2.5)
    tint = np.array([rng.uniform(0.9, 1.3), 1.0, rng.uniform(0.6, 1.0)])
    return Image.fromarray(np.clip(alike * tint, 0, 255).astype(np.uint8))


def _draw_eyes(pencil: "_Pencil", rng: np.random.Generator, *, hair: Colour, is_sketch: bool) -> None:
    apart, up, size = rng.uniform(0.3, 0.48), -rng.uniform(0.12, 0.38), rng.uniform(0.08, 0.22)
    kind, iris = rng.integers(3), _DARK if is_sketch else _choose_colour(rng, 10, 110)
    has_brows, slant = rng.random() < 0.6, rng.normal(0, 0.04)
    for side in (-1, 1):
        if kind == 0:
            pencil.oval(side * apart, up, size, size * rng.uniform(0.6, 1.3), _DARK)
        else:
            pencil.oval(side * apart, up, size, size * 0.7, (250, 250, 250), rim=_DARK if is_sketch else None)
            pencil.oval(side * apart, up, size * 0.5, size * 0.55, iris)
        if kind == 2:
            pencil.oval(side * apart, up, size * 0.22, size * 0.25, (0, 0, 0))
        if has_brows:
            ends = [(side * apart - 0.2, up - 0.28 - side * slant), (side * apart + 0.2, up - 0.28 + side * slant)]
            pencil.line(ends, hair, width=0.07)


def _draw_mouth(pencil: "_Pencil", rng: np.random.Generator, *, down: float, is_sketch: bool) -> None:
    wide, kind = rng.uniform(0.2, 0.5), rng.integers(3)
    lips = _DARK if is_sketch else tuple(int(rng.integers(*limits)) for limits in ((120, 210), (20, 90), (30, 90)))
    if kind == 0:
        pencil.oval(0, down, wide, wide * 0.3, lips)
    else:
        bend = rng.uniform(-0.1, 0.2) if kind == 1 else 0.0
        across = np.linspace(-1, 1, 15)
        pencil.line([(x * wide, down + bend * (0.5 - x * x)) for x in across], lips, width=0.07)


class _Pencil:
    """Draws in radii from the middle of a head."""

    def __init__(self, paper: Colour, *, centre: np.ndarray, radius: float) -> None:
        self.image = Image.new("RGB", (SIDE * _SMOOTH,) * 2, paper)
        self._pen = ImageDraw.Draw(self.image)
        self._x, self._y = (centre * _SMOOTH).tolist()
        self._radius = radius * _SMOOTH

    def oval(self, x: float, y: float, across: float, down: float, fill: Colour, rim: Colour | None = None) -> None:
        corners = (*self._place(x - across, y - down), *self._place(x + across, y + down))
        self._pen.ellipse(corners, fill=fill, outline=rim, width=2 * _SMOOTH)

    def line(self, points: list[tuple[float, float]], fill: Colour, *, width: float) -> None:
        placed = [self._place(x, y) for x, y in points]
        self._pen.line(placed, fill=fill, width=max(1, round(width * self._radius)), joint="curve")

    def _place(self, x: float, y: float) -> tuple[float, float]:
        return self._x + x * self._radius, self._y + y * self._radius


def _finish(drawing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """At its size; half of them blurred, some as noisy as a scan."""
    small = drawing.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
    if rng.random() < 0.4:
        noisy = np.asarray(small) + rng.normal(0, rng.uniform(3, 15), (SIDE, SIDE, 3))
        small = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    return small


def _make_clouds(rng: np.random.Generator, *, roughness: float) -> np.ndarray:
    """Noise (SIDE, SIDE, 3) uint8 whose spectrum falls with this power of the frequency."""
    steps = np.fft.fftfreq(SIDE)
    frequency = np.hypot(steps[:, None], steps[None]) + 1 / SIDE
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, SIDE, SIDE))) / frequency**roughness).real
    noise = (noise - noise.mean(axis=(1, 2), keepdims=True)) / noise.std(axis=(1, 2), keepdims=True)
    mixed = 0.8 * noise[:1] + 0.2 * noise
    levels: np.ndarray = np.clip(127 + 50 * mixed.transpose(1, 2, 0), 0, 255).astype(np.uint8)
    return levels


def _choose_colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    return tuple(rng.integers(low, high, 3).tolist())
