"""What the detector tells of a photo."""

from dataclasses import dataclass

from ml.preprocess import Chip


@dataclass(frozen=True)
class DetectedFace:
    """A face: box in pixels of the photo (it may reach over the edge), detection probability, aligned chip.

    `likeness` is how like a photographed face it is, as `Likeness` weighs it.
    """

    box: tuple[float, float, float, float]
    probability: float
    chip: Chip
    likeness: float = 0.0


@dataclass(frozen=True)
class Upright:
    """The faces of a photo once it is turned clockwise by so many degrees: 0, 90, 180 or 270. Places are those then.

    `missed` is what came next to a face: the surest of what O-Net, or its likeness, refused. `seemed_turned`: a face
    showed in another turn, but not when the whole photo was turned so.
    """

    faces: list[DetectedFace]
    turned: int = 0
    missed: DetectedFace | None = None
    seemed_turned: bool = False
