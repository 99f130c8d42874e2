"""How much of the surroundings a set's images really show, from where a detector finds the eyes."""

import math
import warnings

import numpy as np
from PIL import Image

from ml.datasets.face_set import FaceSet
from ml.detecting.detector import FaceDetector
from ml.errors import BadRecipe, DataWarning
from ml.measuring.whole_way import lay_on_ground
from ml.preprocess import FAIRFACE_MARGIN

LOOKED_AT = 24  # images, spread over the set
LEAST_FOUND = 5  # faces whose median says something
MOST_OFF = 1.3  # times: 0.25 shows a face at 2.3 times the size that 1.25 does


def check_margin(faces: FaceSet, *, margin: float, detector: FaceDetector | None = None) -> None:
    """Raise BadRecipe where the faces are much larger or smaller in their images than with this margin.

    `margin` is a share of the face on each side, as of `ml.preprocess.Preset`. A DataWarning tells where too few faces
    are found to know.
    """
    shown = measure_margin(faces, detector=detector or FaceDetector(device="cpu"))
    if shown is None:
        warnings.warn(f"too few faces are found to know whether the images show {margin:g}", DataWarning, stacklevel=2)
        return
    off = (1 + 2 * shown) / (1 + 2 * margin)
    if not 1 / MOST_OFF <= off <= MOST_OFF:
        raise BadRecipe(
            f"the images show a margin of about {shown:.2f} around the face, not {margin:g}: "
            "say with --data.margin what they show, and with --margin what the network is to see"
        )


def measure_margin(faces: FaceSet, *, detector: FaceDetector) -> float | None:
    """The median margin around the faces that are found in the middle of a few images; None where these are too few."""
    picks = np.unique(np.linspace(0, len(faces) - 1, LOOKED_AT).astype(int))
    found = []
    for pixels in faces.images[picks]:
        ground = lay_on_ground(Image.fromarray(pixels), angle=0.0)  # or heads that fill the frame would be missed
        middle = np.array(ground.size) / 2
        for face in detector.detect([ground])[0]:
            if math.dist((face.chip.cx, face.chip.cy), middle) < pixels.shape[0] / 4:
                found.append(pixels.shape[0] / face.chip.side)  # a found face's chip has FairFace's margin
                break
    if len(found) < min(LEAST_FOUND, len(picks)):
        return None
    return float((np.median(found) * (1 + 2 * FAIRFACE_MARGIN) - 1) / 2)
