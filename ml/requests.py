"""What the pipeline is asked and what it answers; importable without torch."""

from dataclasses import dataclass

from ml import labels
from ml.photos import PhotoSource
from ml.preprocess import Chip

__all__ = [
    "ALL_ATTRIBUTES", "DETAILS", "FAST", "FINE", "NOBODY", "NORMAL",
    "AnalyzedFace", "Chip", "PhotoRequest", "PhotoResult",
]  # fmt: skip

ALL_ATTRIBUTES = frozenset(labels.ATTRIBUTES)

# How closely a photo is searched: for faces from 20 pixels on, from 40 on whatever the photo's size, or quickly.
FINE, NORMAL, FAST = DETAILS = ("fine", "normal", "fast")

# Why no face was found, as far as that shows: the light, the detail, or what came next to one and how it failed.
NOBODY = ("dark", "bright", "blurred", "turned", "tiny", "drawn", "unclear", "nothing")


@dataclass(frozen=True)
class PhotoRequest:
    """A photo (RGB uint8 (H, W, 3) if an array) and what to look for.

    With `chips` there is no detection: these crops are classified, in this order.
    Attributes that are not asked for are neither computed nor returned. `detail` is one of DETAILS.
    With `may_turn` a photo that seems to lie on its side or stand on its head is turned upright first.
    """

    image: PhotoSource
    chips: tuple[Chip, ...] | None = None
    attributes: frozenset[str] = ALL_ATTRIBUTES
    detail: str = NORMAL
    may_turn: bool = False


@dataclass(frozen=True)
class AnalyzedFace:
    """A face: boxes and chip in pixels of the upright photo; box and detection are None when chips were given.

    `size_px` is the box's width, estimated from the chip's side where there is no box; `sharpness` the variance of the
    Laplacian on the chip's luma (0..255) at network size; `brightness` the chip's mean luma (0..1).
    `probabilities` holds a calibrated vector per attribute, in the order of `ml.labels`. `cut_off`: so much of the face
    is missing, at the photo's edge or under a bar, that these are to be called unsure whatever they are.
    """

    box: tuple[float, float, float, float] | None
    detection: float | None
    chip: Chip
    size_px: float
    sharpness: float
    brightness: float
    probabilities: dict[str, tuple[float, ...]]
    cut_off: bool = False


@dataclass(frozen=True)
class PhotoResult:
    """What became of a photo: its faces, largest first, or `error`, "unreadable" or "internal".

    `reason` says why it is unreadable, by a key of `ml.photo_formats.REASONS`. `narrowest_face_px` is the width from
    which on faces could be found, in pixels of the photo; None where none were searched for.
    `turned` is by how many degrees clockwise the photo was turned, 90, 180 or 270; width, height and all places are
    those of the turned photo. `no_face_because` is one of NOBODY where faces were searched for and none was found.

    `timings_ms` has decode, detect, align and classify: this photo's share of its batch.
    """

    width: int
    height: int
    faces: tuple[AnalyzedFace, ...]
    timings_ms: dict[str, float]
    error: str = ""
    reason: str = ""
    narrowest_face_px: int | None = None
    turned: int = 0
    no_face_because: str = ""
