"""Photos that lie on their side or stand on their head, and say so nowhere: which way is up is told by their faces."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ml.detecting import mtcnn
from ml.detecting.boxes import square
from ml.detecting.canvas import Canvas
from ml.detecting.cascade import Cascade
from ml.detecting.cutting import cut_boxes
from ml.detecting.faces import DetectedFace, Upright
from ml.detecting.views.protocol import Views
from ml.devices import upload

# A face is clear from this probability on, unless it is rolled further than this: those of 22 upright photos are, but
# for 3 of 50. Of faces that stand on their heads some are as clear, with landmarks as if they did not: those that are
# not certain are looked at upside down.
_CLEAR, _CERTAIN, _MOST_ROLL = 0.985, 0.998, 45.0
# Where P-Net sees something, if faintly, it does so whichever way it is turned. So many places of a photo are looked at
# in each turn where nothing was found, and where something doubtful was; R-Net must say so much, and O-Net decides on
# the best of them.
FAINT = 0.3
_PLACES, _PLACES_BESIDE, _PLACES_DECIDED = 50, 40, 4
_REFINED, _REFINED_BESIDE = 0.3, 0.6
# With less than this no face is thought to be seen in another turn: where one was, O-Net said 0.99 nearly always.
_TOLD = 0.95

_QUARTERS = (1, 2, 3)  # clockwise
# By degrees clockwise.
_TRANSPOSED = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


def turn_image(image: Image.Image, *, degrees: int) -> Image.Image:
    """An image turned clockwise by 0, 90, 180 or 270 degrees."""
    return image.transpose(_TRANSPOSED[degrees]) if degrees else image


def turn_pixels(pixels: Tensor, *, degrees: int) -> Tensor:
    """Pixels (H, W, 3) turned likewise."""
    return torch.rot90(pixels, -degrees // 90, (0, 1)).contiguous() if degrees else pixels


def is_settled(faces: Sequence[DetectedFace]) -> bool:
    """Whether more than half of the faces are clear, so that the photo does not lie on its side."""
    return 2 * sum(map(_is_clear, faces)) > len(faces)


def choose(found: Upright, other: Upright, *, degrees: int) -> Upright:
    """What a photo shows as it stands, or once it was turned: where there are more faces, or surer ones."""
    if _weigh(other.faces) > _weigh(found.faces):
        return replace(other, turned=degrees)
    return replace(found, seemed_turned=True)


@dataclass(frozen=True)
class Guesser:
    """R-Net and O-Net on turned parts of photos that are searched together: where is a face in another turn?"""

    cascade: Cascade
    views: Views
    canvases: Sequence[Canvas]
    device: torch.device

    def guess(self, boxes: Tensor, owners: Tensor, *, closely: bool) -> dict[int, int]:
        """Of the photos in which P-Net saw squares (N, 5) those that show a face in another turn: degrees clockwise.

        `owners` (N,) are their numbers.
        """
        places, threshold = (_PLACES, _REFINED) if closely else (_PLACES_BESIDE, _REFINED_BESIDE)
        best = _choose_best(boxes[:, 4], owners, most=places)
        crops, boxes, owners = cut_boxes(self.views, self.canvases, boxes[best], owners[best], size=24)
        if not len(crops):
            return {}
        # All turns in one call: its cost hardly grows with a few crops more.
        _, scores = self.cascade.refine(torch.cat([_turn_crops(crops, quarters=quarters) for quarters in _QUARTERS]))
        kept, turns = [], []
        for quarters, of_turn in zip(_QUARTERS, scores.view(len(_QUARTERS), -1), strict=True):
            passed = (of_turn > threshold).nonzero()[:, 0]
            apart = passed[mtcnn.suppress(boxes[passed, :4], of_turn[passed], owners[passed], threshold=0.5)]
            kept.append(apart[_choose_best(of_turn[apart], owners[apart], most=_PLACES_DECIDED)])
            turns.append(torch.full_like(kept[-1], quarters))
        found = torch.cat(kept)
        told: dict[int, tuple[float, int]] = {}
        for photo, quarters, probability in self._decide(boxes[found], owners[found], turns=torch.cat(turns)):
            if probability >= _TOLD:
                told[photo] = max(told.get(photo, (0.0, 0)), (probability, 90 * quarters))
        return {photo: degrees for photo, (_, degrees) in told.items()}

    def find_upside_down(self, faces: Mapping[int, Sequence[DetectedFace]]) -> list[int]:
        """Of photos, by their numbers, those whose faces are none certain and all surer when they are turned round."""
        asked = {n: of for n, of in faces.items() if of and max(face.probability for face in of) < _CERTAIN}
        rows = [(n, face) for n, of in asked.items() for face in of]
        if not rows:
            return []
        boxes = upload(
            np.array([_on_canvas(face, self.canvases[n]) for n, face in rows], np.float32), device=self.device
        )
        owners = upload(np.array([n for n, _ in rows]), device=self.device)
        least: dict[int, float] = {}
        for photo, _, probability in self._decide(square(boxes), owners, turns=torch.full_like(owners, 2)):
            least[photo] = min(least.get(photo, 1.0), probability)
        return [n for n, of in asked.items() if least.get(n, 0.0) > max(face.probability for face in of)]

    def _decide(self, boxes: Tensor, owners: Tensor, *, turns: Tensor) -> Iterator[tuple[int, int, float]]:
        """Of boxes in their photos: whose it is, its quarter turns, and O-Net's probability once it is turned."""
        told = torch.cat([boxes[:, :4], turns[:, None].to(boxes)], dim=1)
        crops, told, owners = cut_boxes(self.views, self.canvases, told, owners, size=48)
        if not len(crops):
            return
        turns = told[:, 4].long()
        for quarters in _QUARTERS:
            mine = (turns == quarters).nonzero()[:, 0]
            crops[mine] = _turn_crops(crops[mine], quarters=quarters)
        _, _, sure, _ = self.cascade.decide(crops)
        yield from zip(owners.tolist(), turns.tolist(), sure.tolist(), strict=True)


def _turn_crops(crops: Tensor, *, quarters: int) -> Tensor:
    return torch.rot90(crops, -quarters, (2, 3)).contiguous()


def _on_canvas(face: DetectedFace, canvas: Canvas) -> list[float]:
    return [side / canvas.stretch[n % 2] + canvas.border for n, side in enumerate(face.box)]


def _choose_best(scores: Tensor, owners: Tensor, *, most: int) -> Tensor:
    """Positions of the `most` best of each photo."""
    whose, how_good = owners.cpu().numpy(), scores.float().cpu().numpy()
    order = np.lexsort((-how_good, whose))
    starts = np.flatnonzero(np.diff(whose[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    chosen = order[rank < most]
    return torch.from_numpy(chosen).to(scores.device)


def _is_clear(face: DetectedFace) -> bool:
    return face.probability >= _CLEAR and abs(face.chip.angle) <= _MOST_ROLL


def _weigh(faces: Sequence[DetectedFace]) -> float:
    """How much speaks for it that faces stand upright: two of 0.95 are less than one of 0.999."""
    upright = [face.probability for face in faces if abs(face.chip.angle) <= _MOST_ROLL]
    return sum(-math.log(1 - probability + 1e-5) for probability in upright)
