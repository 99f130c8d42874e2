"""What an explanation says, and its heat as a picture: numpy and Pillow only, so that stand-ins need no torch."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

GRADCAM, SHAP = "gradcam", "shap"
METHODS = (GRADCAM, SHAP)

# Okabe and Ito's colours, which people who see few colours tell apart too: for, a little for, against the label.
FOR, FOR_A_LITTLE, AGAINST = (213, 94, 0), (230, 159, 0), (0, 114, 178)
STRONGEST_ALPHA = 0.9  # the face stays to be seen under the strongest heat
# SHAP values jump from pixel to pixel; people see where they gather once each is spread over its neighbours.
SPREAD_SHARE = 0.04  # standard deviation, as a share of the chip's side
FULL_HEAT_PERCENTILE = 99.5  # of the absolute values: one extreme pixel does not leave the rest pale

# Where the parts of a face lie in a chip whose landmarks are in FairFace's places, as fractions of its side.
_FACE_CENTRE, _FACE_RADII = (0.49, 0.46), (0.41, 0.5)
_NOSE_HALF_WIDTH, _MOUTH_HALF_WIDTH = 0.13, 0.25
_EYES_FROM, _EYES_TO, _MOUTH_FROM, _MOUTH_TO = 0.14, 0.35, 0.59, 0.77
REGIONS = ("forehead", "eyes and brows", "nose", "cheeks", "mouth", "chin", "around the face")


@dataclass(frozen=True)
class Explanation:
    """What mattered for one label of one attribute in one chip.

    `values` is (S, S) float32 over the chip's pixels. Grad-CAM's lie in 0..1 and tell places apart that are one
    `places`-th of the side apart or more; SHAP values have a sign and add up, but for the error of their sampling, to
    `output - reference_output`: log-odds of the label for the chip, and on average for the references. `probability`
    is the calibrated one of the label. `shown` is the chip's side in sides of a chip with FairFace's margin.
    """

    method: str
    attribute: str
    label: str
    probability: float
    values: np.ndarray
    places: int
    output: float
    reference_output: float | None = None
    shown: float = 1.0

    @property
    def gap(self) -> float | None:
        """How far the values' sum is from what they should add up to, in log-odds; None for Grad-CAM."""
        if self.reference_output is None:
            return None
        return float(self.values.sum()) - (self.output - self.reference_output)

    @property
    def reference_probability(self) -> float | None:
        """The label's probability at the references' average log-odds; None for Grad-CAM."""
        return None if self.reference_output is None else float(1 / (1 + np.exp(-self.reference_output)))


def region_sums(explanation: Explanation) -> dict[str, float]:
    """The values summed over each of REGIONS: Grad-CAM's as shares of 1 (0 without any heat), SHAP's in log-odds."""
    values = explanation.values.astype(np.float64)
    if explanation.method == GRADCAM:
        values = values / (values.sum() or 1.0)
    parts = _regions(len(values), shown=explanation.shown)
    return {name: float(values[parts == number].sum()) for number, name in enumerate(REGIONS)}


def _regions(size: int, *, shown: float) -> np.ndarray:
    """The position in REGIONS of every pixel (S, S) of an aligned chip that shows `shown` sides of FairFace's."""
    y, x = 0.5 + ((np.mgrid[0:size, 0:size] + 0.5) / size - 0.5) * shown
    left = np.abs(x - _FACE_CENTRE[0])
    outside = (left / _FACE_RADII[0]) ** 2 + ((y - _FACE_CENTRE[1]) / _FACE_RADII[1]) ** 2 > 1
    between = (y >= _EYES_TO) & (y < _MOUTH_FROM)
    at_mouth = (y >= _MOUTH_FROM) & (y < _MOUTH_TO)
    found = np.select(
        [
            outside,
            y < _EYES_FROM,
            y < _EYES_TO,
            between & (left < _NOSE_HALF_WIDTH),
            at_mouth & (left < _MOUTH_HALF_WIDTH),
            y >= _MOUTH_TO,
        ],
        [REGIONS.index(name) for name in ("around the face", "forehead", "eyes and brows", "nose", "mouth", "chin")],
        default=REGIONS.index("cheeks"),
    )
    return np.asarray(found)


def draw_heat(explanation: Explanation) -> Image.Image:
    """The heat alone as an RGBA picture (S, S), to be laid over the face; clear where nothing mattered."""
    values = explanation.values.astype(np.float32)
    if explanation.method == SHAP:
        values = _spread(values, sigma=SPREAD_SHARE * len(values))
    full = float(np.percentile(np.abs(values), FULL_HEAT_PERCENTILE))
    strength = np.clip(values / full, -1, 1) if full else np.zeros_like(values)
    colours = np.where(
        strength[..., None] < 0,
        np.array(AGAINST, np.float32),
        _mix(FOR_A_LITTLE, FOR, np.clip(strength, 0, 1)) if explanation.method == GRADCAM else np.array(FOR),
    )
    alpha = 255 * STRONGEST_ALPHA * np.abs(strength)
    return Image.fromarray(np.dstack([colours, alpha]).round().astype(np.uint8))


def heat_png(explanation: Explanation) -> bytes:
    """The heat alone as a PNG file: it holds nothing of the face."""
    content = io.BytesIO()
    draw_heat(explanation).save(content, "PNG", optimize=True)
    return content.getvalue()


def lay_over(chip: np.ndarray, explanation: Explanation) -> Image.Image:
    """The heat over the face in grey: RGB (S, S) from the chip (S, S, 3) uint8."""
    grey = Image.fromarray(chip).convert("L").convert("RGBA")
    return Image.alpha_composite(grey, draw_heat(explanation)).convert("RGB")


def _spread(values: np.ndarray, *, sigma: float) -> np.ndarray:
    """Each value shared out over its neighbours by a normal curve of `sigma` pixels; the sum stays."""
    places = np.arange(len(values))
    curve = np.exp(-0.5 * ((places[:, None] - places) / sigma) ** 2)
    curve /= curve.sum(axis=0)
    smooth: np.ndarray = curve @ values @ curve.T
    return smooth


def _mix(one: tuple[int, ...], other: tuple[int, ...], share: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = np.array(one) + (np.array(other) - np.array(one)) * share[..., None]
    return mixed
