"""Why no face was found in a photo, as far as that shows: by its light, its detail and what came next to a face."""

import numpy as np
from PIL import Image
from torch import Tensor

from ml.detecting.faces import Upright
from ml.seeing import quality

_SIDE = 512  # pixels: light and detail are measured on so small a picture
# Shares of white under which the lightest twentieth of a dark photo lies, and over which the darkest quarter of a pale
# one does; detail is the variance of the Laplacian at `_SIDE`.
_DARK, _BRIGHT, _LEAST_DETAIL = 0.22, 0.85, 6.0
_PALE_DETAIL = 500.0  # a page of print is white too, but has more
_SURE, _TINY = 0.9, 1.15  # of O-Net's probability; of the narrowest face that is found


def explain_nobody(photo: Image.Image | Tensor, *, found: Upright, narrowest_px: float) -> str:
    """One of `ml.requests.NOBODY` for a photo, an image or (H, W, 3) uint8 on the CPU, in which no face was found."""
    luma, detail = _measure(photo)
    if np.percentile(luma, 95) < _DARK * 255:
        return "dark"
    if np.percentile(luma, 25) > _BRIGHT * 255 and detail < _PALE_DETAIL:
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


def _measure(photo: Image.Image | Tensor) -> tuple[np.ndarray, float]:
    image = photo if isinstance(photo, Image.Image) else Image.fromarray(photo.numpy())
    small = image.reduce(max(1, max(image.size) // _SIDE))
    detail = quality.measure_sharpness(np.asarray(small)) if min(small.size) > 2 else 0.0
    return np.asarray(small.convert("L")), detail
