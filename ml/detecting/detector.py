"""FaceDetector: the MTCNN cascade (Zhang et al. 2016) over facenet-pytorch's weights, for photos of any size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ml.detecting import mtcnn, turns
from ml.detecting.boxes import shift, square, suppress_nested
from ml.detecting.canvas import SEARCHES, Canvas, Search, group_similar, plan_canvas
from ml.detecting.cascade import Cascade
from ml.detecting.cutting import cut_boxes
from ml.detecting.faces import DetectedFace, Upright
from ml.detecting.likeness import Likeness
from ml.detecting.proposals import Hits, Proposer
from ml.detecting.views.exact_batch import ExactBatch
from ml.detecting.views.exact_photo import ExactPhoto
from ml.detecting.views.fast_batch import FastBatch
from ml.detecting.views.fast_photo import FastPhoto
from ml.detecting.views.fitting import fit_image, fit_tensor
from ml.detecting.views.protocol import Views
from ml.preprocess import Chip
from ml.requests import NORMAL

DETECTOR_VERSION = "mtcnn-4"

# So unlike a face are 85 of 100 drawings that O-Net takes for one, and 1 of 1,955 photographed faces (docs/speed.md).
LEAST_LIKENESS = -2.0
_MISSED = 0.5  # what O-Net takes rather for a face than not is told where no face is found

# Where MTCNN's five landmarks lie in FairFace's chips, as fractions of the side: the median over 387 training images.
CHIP_LANDMARKS = np.array([[0.308, 0.250], [0.677, 0.252], [0.493, 0.490], [0.324, 0.679], [0.655, 0.680]])


@dataclass(frozen=True)
class Settings:
    """What the cascade takes for a face, and how closely photos are searched where nobody asks for more or less.

    What is less like one than `least_likeness` is none, however sure O-Net is.
    `exact` averages over areas to the last digit, as facenet-pytorch does, instead of the fastest way to shrink.
    """

    search: Search = SEARCHES[NORMAL]
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.8, 0.6, 0.9)
    least_likeness: float = LEAST_LIKENESS
    exact: bool = False


# facenet-pytorch's own defaults, to compare with.
REFERENCE = Settings(
    Search(min_face=20.0, pixels=0, canvas_min_face=0.0, border_below=0),
    thresholds=(0.6, 0.7, 0.7),
    least_likeness=-math.inf,
    exact=True,
)


class FaceDetector:
    """Finds faces in photos; made once, used for many, safe to share between threads."""

    def __init__(
        self,
        settings: Settings = Settings(),
        *,
        device: str | torch.device = "cpu",
        precision: str | None = None,
        together: bool | None = None,
        likeness: Likeness | None = None,
    ) -> None:
        """`precision` as `Cascade` takes it; settings that are exact compute in float32 whatever is asked.

        `together`: photos go through each network in batches, as a GPU wants it; None: where the device is one.
        `likeness` None is that of the file. Raises ValueError where it shall take photos one by one: only a CPU can.
        """
        self.settings, self.device = settings, torch.device(device)
        if together is False and self.device.type != "cpu":
            raise ValueError(f"photos go through a detector on {self.device} together, never one by one")
        self.together = self.device.type != "cpu" if together is None else together
        self._cascade = Cascade(device=self.device, precision="float32" if settings.exact else precision)
        self._likeness = likeness or Likeness.read(device=self.device)
        self._proposer = Proposer(
            self._cascade, factor=settings.factor, threshold=min(settings.thresholds[0], turns.FAINT)
        )

    def detect(
        self, photos: Sequence[np.ndarray | Image.Image], *, details: Sequence[str] | None = None
    ) -> list[list[DetectedFace]]:
        """The faces of each photo, largest first; always one list a photo, empty where there is nobody.

        Photos are RGB, or uint8 arrays (H, W), (H, W, 3) or (H, W, 4), each of its own size. `details` says of each
        how closely it is searched, by a name of `ml.requests.DETAILS`; normal, as without it, is what the settings say.
        """
        images = [_as_rgb(photo) for photo in photos]
        if self.together:
            return self.detect_tensors([torch.from_numpy(np.array(image)) for image in images], details=details)
        wanted = details if details is not None else [NORMAL] * len(images)
        return [self._search_alone(image, detail, False).faces for image, detail in zip(images, wanted, strict=True)]

    def detect_tensors(
        self, photos: Sequence[Tensor], *, details: Sequence[str] | None = None
    ) -> list[list[DetectedFace]]:
        """The same of photos (H, W, 3) uint8, searched together; those on the detector's device stay where they are."""
        wanted = details if details is not None else [NORMAL] * len(photos)
        return [found.faces for found in self._search_together(photos, details=wanted, turning=[False] * len(photos))]

    def detect_upright(
        self, photos: Sequence[Image.Image], *, details: Sequence[str], turning: Sequence[bool]
    ) -> list[Upright]:
        """As `detect`; those of `turning` may lie on their side or stand on their head, and are then turned first.

        A photo is turned where a better face is seen in another turn and nothing, or only doubtful or strongly rolled
        faces, as it stands.
        """
        images = [_as_rgb(photo) for photo in photos]
        if self.together:
            tensors = [torch.from_numpy(np.array(image)) for image in images]
            return self._search_together(tensors, details=details, turning=turning)
        return [self._search_alone(*one) for one in zip(images, details, turning, strict=True)]

    def detect_upright_tensors(
        self, photos: Sequence[Tensor], *, details: Sequence[str], turning: Sequence[bool]
    ) -> list[Upright]:
        """The same of photos (H, W, 3) uint8, searched together."""
        return self._search_together(photos, details=details, turning=turning)

    def plan(self, sizes: Sequence[tuple[int, int]], *, details: Sequence[str] | None = None) -> list[Canvas]:
        """At which size photos of these (width, height) are searched, and so how narrow a face they may find."""
        wanted = details if details is not None else [NORMAL] * len(sizes)
        searches = [self.settings.search if detail == NORMAL else SEARCHES[detail] for detail in wanted]
        return [plan_canvas(*size, search=search) for size, search in zip(sizes, searches, strict=True)]

    @torch.inference_mode()
    def _search_together(
        self, photos: Sequence[Tensor], *, details: Sequence[str], turning: Sequence[bool]
    ) -> list[Upright]:
        canvases = self.plan([(photo.shape[1], photo.shape[0]) for photo in photos], details=details)
        found: dict[int, Upright] = {}
        degrees: dict[int, int] = {}
        for members in group_similar(canvases, exact=self.settings.exact):
            mine = [canvases[number] for number in members]
            there = [photos[number].to(self.device, non_blocking=True) for number in members]
            fitted = [fit_tensor(photo, canvas) for photo, canvas in zip(there, mine, strict=True)]
            views = ExactBatch(fitted, mine) if self.settings.exact else FastBatch(fitted, mine)
            hits = self._proposer.find(views, mine, device=self.device)
            seen = self._search(views, mine, hits)
            found |= dict(zip(members, seen, strict=True))
            told = self._guess(
                views, mine, hits, [one.faces for one in seen], turning=[turning[number] for number in members]
            )
            degrees |= {members[place]: turn for place, turn in told.items()}
        again = self._search_together(
            [turns.turn_pixels(photos[number], degrees=turn) for number, turn in degrees.items()],
            details=[details[number] for number in degrees],
            turning=[False] * len(degrees),
        ) if degrees else []  # fmt: skip
        for (number, turn), other in zip(degrees.items(), again, strict=True):
            found[number] = turns.choose(found[number], other, degrees=turn)
        return [found[number] for number in range(len(photos))]

    @torch.inference_mode()
    def _search_alone(self, image: Image.Image, detail: str, is_turning: bool) -> Upright:
        canvas = self.plan([image.size], details=[detail])[0]
        show = ExactPhoto if self.settings.exact else FastPhoto
        views = show(fit_image(image, canvas), border=canvas.border)
        hits = self._proposer.find(views, [canvas], device=self.device)
        (found,) = self._search(views, [canvas], hits)
        degrees = self._guess(views, [canvas], hits, [found.faces], turning=[is_turning]).get(0, 0)
        if not degrees:
            return found
        other = self._search_alone(turns.turn_image(image, degrees=degrees), detail, False)
        return turns.choose(found, other, degrees=degrees)

    def _guess(
        self,
        views: Views,
        canvases: Sequence[Canvas],
        hits: Hits,
        faces: Sequence[Sequence[DetectedFace]],
        *,
        turning: Sequence[bool],
    ) -> dict[int, int]:
        """Which photos of these may be turned, and by how many degrees they are to be turned clockwise."""
        guesser = turns.Guesser(self._cascade, views, canvases, self.device)
        asked = [n for n, may_turn in enumerate(turning) if may_turn]
        nobody = [n for n in asked if not faces[n]]
        unsettled = [n for n in asked if faces[n] and not turns.is_settled(faces[n])]
        upside_down = guesser.find_upside_down({n: faces[n] for n in asked if turns.is_settled(faces[n])})
        told = dict.fromkeys(upside_down, 180)
        if nobody:
            told |= guesser.guess(*hits.of(nobody).thin_out(threshold=turns.FAINT), closely=True)
        if unsettled:
            told |= guesser.guess(*hits.of(unsettled).thin_out(threshold=self.settings.thresholds[0]), closely=False)
        return told

    def _search(self, views: Views, canvases: Sequence[Canvas], hits: Hits) -> list[Upright]:
        """The faces of photos that are searched together, among P-Net's hits in them, and what they missed."""
        boxes, owners = hits.thin_out(threshold=self.settings.thresholds[0])
        boxes, owners = self._refine(views, canvases, boxes, owners)
        boxes, points, owners, likeness = self._decide(views, canvases, boxes, owners)
        # In one copy, for which a GPU must have finished.
        columns = [boxes, points.flatten(1), owners[:, None], likeness[:, None]]
        rows = torch.cat(columns, dim=1).double().cpu().numpy()
        rows = rows[suppress_nested(rows[:, :5], rows[:, 15], threshold=0.7)]
        found: list[list[DetectedFace]] = [[] for _ in canvases]
        missed: list[DetectedFace | None] = [None] * len(canvases)
        for owner, face in zip(rows[:, 15].astype(int).tolist(), _to_photos(rows, canvases), strict=True):
            if face.probability > self.settings.thresholds[2] and face.likeness >= self.settings.least_likeness:
                found[owner].append(face)
            else:
                missed[owner] = missed[owner] or face  # the surest is the first
        return [
            Upright(sorted(faces, key=_area, reverse=True), missed=other)
            for faces, other in zip(found, missed, strict=True)
        ]

    def _refine(self, views: Views, canvases: Sequence[Canvas], boxes: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
        """R-Net looks at each proposal in 24 pixels: fewer and better boxes."""
        crops, boxes, owners = cut_boxes(views, canvases, boxes, owners, size=24)
        if not len(boxes):
            return boxes, owners
        shifts, scores = self._cascade.refine(crops)
        passed = (scores > self.settings.thresholds[1]).nonzero()[:, 0]
        boxes = torch.cat([boxes[passed, :4], scores[passed, None]], dim=1)
        owners, shifts = owners[passed], shifts[passed]
        keep = mtcnn.suppress(boxes[:, :4], boxes[:, 4], owners, threshold=0.7)
        return square(shift(boxes[keep], shifts[keep])), owners[keep]

    def _decide(
        self, views: Views, canvases: Sequence[Canvas], boxes: Tensor, owners: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """O-Net looks at each in 48 pixels: boxes (N, 5), landmarks (N, 5, 2), owners and likeness (N,).

        Some boxes lie in others.
        """
        crops, boxes, owners = cut_boxes(views, canvases, boxes, owners, size=48)
        if not len(boxes):
            return boxes, boxes.new_zeros(0, 5, 2), owners, boxes.new_zeros(0)
        shifts, landmarks, scores, features = self._cascade.decide(crops)
        passed = (scores > min(_MISSED, self.settings.thresholds[2])).nonzero()[:, 0]
        boxes = torch.cat([boxes[passed, :4], scores[passed, None]], dim=1)
        owners, shifts, landmarks = owners[passed], shifts[passed], landmarks[passed]
        sides = boxes[:, 2:4] - boxes[:, :2] + 1
        # Five x, then five y, as fractions of the square that O-Net saw.
        points = landmarks.view(-1, 2, 5).transpose(1, 2) * sides[:, None] + boxes[:, None, :2] - 1
        return shift(boxes, shifts), points, owners, self._likeness.weigh(features[passed])


def fit_chips(points: np.ndarray) -> np.ndarray:
    """Centre x and y, side and angle (N, 4) of the chips in which landmarks (N, 5, 2) lie as in FairFace's.

    The least-squares similarity, in complex form.
    """
    there = CHIP_LANDMARKS[:, 0] + 1j * CHIP_LANDMARKS[:, 1]
    here = points[..., 0] + 1j * points[..., 1]
    middle = here.mean(axis=1)
    centred = there - there.mean()
    turn = np.sum(np.conj(centred) * (here - middle[:, None]), axis=1) / np.sum(np.abs(centred) ** 2)
    centre = turn * (0.5 + 0.5j - there.mean()) + middle
    return np.stack([centre.real, centre.imag, np.abs(turn), np.degrees(np.angle(turn))], axis=1)


def _as_rgb(photo: np.ndarray | Image.Image) -> Image.Image:
    if not isinstance(photo, Image.Image):
        photo = Image.fromarray(
            np.ascontiguousarray(photo[:, :, 0] if photo.ndim == 3 and photo.shape[2] == 1 else photo)
        )
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _to_photos(rows: np.ndarray, canvases: Sequence[Canvas]) -> list[DetectedFace]:
    """Faces in pixels of their photos from rows (N, 17): box, score, five points, number of the canvas, likeness."""
    owners = rows[:, 15].astype(int)
    stretch = np.array([canvas.stretch for canvas in canvases])[owners][:, None]  # (N, 1, 2)
    offset = np.array([float(canvas.border) for canvas in canvases])[owners][:, None, None]
    boxes = (rows[:, :4].reshape(-1, 2, 2) - offset) * stretch
    chips = fit_chips((rows[:, 5:15].reshape(-1, 5, 2) - offset) * stretch)
    return [
        DetectedFace((x1, y1, x2, y2), probability, Chip(*chip), likeness)
        for (x1, y1, x2, y2), probability, chip, likeness in zip(
            boxes.reshape(-1, 4).tolist(), rows[:, 4].tolist(), chips.tolist(), rows[:, 16].tolist(), strict=True
        )
    ]


def _area(face: DetectedFace) -> float:
    x1, y1, x2, y2 = face.box
    return (x2 - x1) * (y2 - y1)
