"""The whole way from a photo to the answer: chips laid on grey and turned, found by the detector and cut again."""

import math
from dataclasses import replace

import numpy as np
from PIL import Image
from tqdm import tqdm

from ml.datasets import face_set
from ml.detecting.detector import DetectedFace, FaceDetector
from ml.measuring import breakdowns, measures
from ml.measuring.predictions import predict_faces
from ml.measuring.tables import WholeWay
from ml.model.runtime import Runtime
from ml.preprocess import Preset, cut_chip

GROUND_SIDES, TURN_DEGREES = 2.0, 15.0  # a chip on a grey ground of twice its side, turned by up to this
GREY = (127, 127, 127)


def measure_whole_way(
    large: face_set.FaceSet,
    chips: face_set.FaceSet,
    *,
    runtime: Runtime,
    detector: FaceDetector | None = None,
    seed: int = 1,
) -> WholeWay:
    """The measures after detection, and those of the same faces' chips beside them.

    `large` are the faces as they are laid on the ground, `chips` the same as the network takes them. Raises BadData
    where no face is found.
    """
    detector = detector or FaceDetector(device=runtime.device)
    cut, picks = find_again(large, preset=runtime.card.preset, detector=detector, seed=seed)
    again, same = replace(large.take(picks), images=cut), chips.take(picks)
    rules = runtime.card.calibration
    return WholeWay(
        images=len(large),
        found=breakdowns.rounded(len(picks) / len(large)),
        found_again=measures.measure(predict_faces(runtime, again), again, calibration=rules),
        same_chips=measures.measure(predict_faces(runtime, same), same, calibration=rules),
    )


def find_again(
    faces: face_set.FaceSet, *, preset: Preset, detector: FaceDetector, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The chips (M, S, S, 3) of the faces that are found on their grounds, and these faces' positions (M,)."""
    cut, picks, _ = find_faces(faces, preset=preset, detector=detector, seed=seed)
    return cut, picks


def find_faces(
    faces: face_set.FaceSet, *, preset: Preset, detector: FaceDetector, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, list[DetectedFace]]:
    """As `find_again`, with what the detector found of each of the M faces."""
    rng = np.random.default_rng(seed)
    cut, picks, found = [], [], []
    for row, pixels in enumerate(tqdm(faces.images, desc="whole way", unit="img", disable=None)):
        ground = lay_on_ground(Image.fromarray(pixels), angle=float(rng.uniform(-TURN_DEGREES, TURN_DEGREES)))
        detected = detector.detect([ground])[0]
        if detected:
            # A chip can hold a second face in its background: the one that it was cut for lies in the middle.
            middle = min(detected, key=lambda face: math.dist((face.chip.cx, face.chip.cy), np.array(ground.size) / 2))
            cut.append(np.asarray(cut_chip(ground, preset.widen(middle.chip), size=preset.size)))
            picks.append(row)
            found.append(middle)
    if not cut:
        raise face_set.BadData(f"The detector finds none of the {len(faces)} faces again")
    return np.stack(cut), np.array(picks), found


def lay_on_ground(chip: Image.Image, *, angle: float) -> Image.Image:
    """A square chip in the middle of a grey ground, turned clockwise by `angle` degrees."""
    side = round(max(chip.size) * GROUND_SIDES)
    ground = Image.new("RGB", (side, side), GREY)
    ground.paste(chip, ((side - chip.width) // 2, (side - chip.height) // 2))
    return ground.rotate(-angle, Image.Resampling.BICUBIC, fillcolor=GREY)
