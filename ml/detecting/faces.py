"""What the detector tells of a photo."""

from dataclasses import dataclass

from ml.preprocess import Chip


@dataclass(frozen=True)
class DetectedFace:
    """A face: box in pixels of the photo (it may reach over the edge), detection probability, aligned chip."""

    box: tuple[float, float, float, float]
    probability: float
    chip: Chip


@dataclass(frozen=True)
class Upright:
    """The faces of a photo once it is turned clockwise by so many degrees: 0, 90, 180 or 270. Places are those then."""

    faces: list[DetectedFace]
    turned: int = 0
