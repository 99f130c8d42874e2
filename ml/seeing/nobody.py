"""Why no face was found in a photo, as far as that shows: by its light, its detail and what came next to a face."""

import numpy as np
from PIL import Image
from torch import Tensor

from ml.detecting.faces import Upright

_SIDE = 512  # pixels: light and detail are measured on so small a picture
# Shares of white under which the lightest twentieth of a dark photo lies, and over which the darkest quarter of a pale
# one does; detail is the variance of the Laplacian at `_SIDE`.
_DARK, _BRIGHT, _LEAST_DETAIL = 0.22, 0.85, 6.0
_PALE_DETAIL = 500.0  # a page of print is white too, but has more
_SURE, _TINY = 0.9, 1.15  # of O-Net's probability; of the narrowest face that is found


def explain_nobody(photo: Image.Image | Tensor, *, found: Upright, narrowest_px: float) -> str:
    """One of `ml.requests.NOBODY` for a photo, an image or (H, W, 3) uint8 on the CPU, in which no face was found."""
    lightest, darkest, detail = _measure(photo)
    if lightest < _DARK * 255:
        return "dark"
    if darkest > _BRIGHT * 255 and detail < _PALE_DETAIL:
        return "bright"
    if detail < _LEAST_DETAIL:
        return "blurred"
    if found.seemed_turned:
        return "turned"
    if found.missed is not None:
        if found.missed.probability > _SURE:
            return "drawn"
        return "tiny" if found.missed.box[2] - found.missed.box[0] < _TINY * narrowest_px else "unclear"
    return "nothing"


def _measure(photo: Image.Image | Tensor) -> tuple[int, int, float]:
    """The level (0..255) over which the lightest twentieth lies, that under which the darkest quarter does, detail."""
    image = photo if isinstance(photo, Image.Image) else Image.fromarray(photo.numpy())
    small = image.reduce(max(1, max(image.size) // _SIDE)).convert("L")
    counts = np.cumsum(small.histogram())  # far quicker than percentiles of the pixels
    lightest, darkest = (int(np.searchsorted(counts, share * counts[-1])) for share in (0.95, 0.25))
    return lightest, darkest, _measure_detail(np.asarray(small, np.float32))


def _measure_detail(luma: np.ndarray) -> float:
    """Variance of the 4-neighbour Laplacian of (h, w) in 0..255; 0 of what is too small to have any."""
    if min(luma.shape) < 3:
        return 0.0
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * luma[1:-1, 1:-1]).var())
